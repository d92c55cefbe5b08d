//! A configured catalog: its configuration, its keys, its first root, and what is published of it.

use std::path::PathBuf;

use sysext_durable::Dir;
use sysext_formats::catalog::{Descriptor, SCHEMA};
use sysext_formats::digest::Sha256Digest;
use sysext_formats::limits::Limits;
use sysext_formats::role::MetadataVersion;
use sysext_formats::verify::verify_first_root;
use sysext_formats::workflow::CachedFile;

use crate::config::edit::{self, Edit};
use crate::config::{Config, ConfigError, ROOT_FILE, directory_of};
use crate::context::Context;
use crate::failure::{Failure, Kind};
use crate::location::{self, Location, Store};
use crate::memory::{self, Keeping, Memory};
use crate::published::Published;
use crate::signer::KeyRing;

/// A configured catalog.
#[derive(Debug)]
pub struct Session {
    /// The configuration, with the changes it was opened with.
    pub config: Config,
    /// The keys that it names.
    pub ring: KeyRing,
    edits: Vec<Edit>,
    pinned_root: Vec<u8>,
    memory: Option<PathBuf>,
}

impl Session {
    /// Reads the configuration and what lies beside it.
    ///
    /// # Errors
    /// When it is not there or can not be used.
    pub fn open(context: &Context) -> Result<Self, Failure> {
        Self::open_edited(context, Vec::new())
    }

    /// As [`open`](Self::open), as if the configuration were changed, which it is not before [`save`](Self::save).
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_edited(context: &Context, edits: Vec<Edit>) -> Result<Self, Failure> {
        let path = &context.globals.config;
        let config = Config::read_with(path, |text| edit::apply(text, &edits))?;
        let root = path.with_file_name(ROOT_FILE);
        let pinned_root = match directory_of(&root)? {
            Some((dir, name)) => dir.read(&name, Limits::default().root)?,
            None => None,
        };
        let pinned_root = pinned_root.ok_or_else(|| {
            Failure::from(ConfigError::Missing(root))
                .hint("it is the first root, as `init` wrote it: restore it from version control")
        })?;
        let memory = memory::directory(context, &config.id, &pinned_root);
        Ok(Self {
            config,
            ring: KeyRing::new(context),
            edits,
            pinned_root,
            memory,
        })
    }

    /// The configuration as it is now, with the changes of this session: another run may have changed it.
    ///
    /// # Errors
    /// When it can not be used any more.
    pub fn reread(&self, context: &Context) -> Result<Config, ConfigError> {
        let edited = |text: &str| edit::apply(text, &self.edits);
        Config::read_with(&context.globals.config, edited)
    }

    /// Writes the changes of this session into the configuration; the answer is whether it changed.
    ///
    /// # Errors
    /// When it can not be written.
    pub fn save(&self, context: &Context) -> Result<bool, Failure> {
        Ok(edit::save(&context.globals.config, &self.edits)?)
    }

    /// What is changed: the location, or with [`propose`](crate::cmd::propose) the folder of the proposal.
    ///
    /// # Errors
    /// When it can not be written.
    pub fn store(&self, context: &Context) -> Result<Box<dyn Store>, Failure> {
        Ok(match &context.outbox {
            Some(outbox) => location::create_store(&outbox.directory, std::path::Path::new("."))?,
            None if context.globals.dry_run => {
                location::look_into_store(&self.config.location, &context.directory())?
            }
            None => location::open_store(&self.config.location, &context.directory())?,
        })
    }

    /// Where the published catalog is read: `--base`, or the location.
    ///
    /// # Errors
    /// When it can not be read.
    pub fn base(&self, context: &Context) -> Result<Box<dyn Location>, Failure> {
        Ok(match &context.globals.base {
            Some(base) => location::open(base, std::path::Path::new("."))?,
            None => location::open(&self.config.location, &context.directory())?,
        })
    }

    /// What this machine remembers of the catalog.
    ///
    /// # Errors
    /// When it can not be read.
    pub fn memory(&self, context: &Context) -> Result<Memory, Failure> {
        let unchecked = |why: &dyn std::fmt::Display| {
            context.ui.warn(format_args!(
                "whether the host has gone back in time was not checked: {why}"
            ));
        };
        let dry_run = context.globals.dry_run;
        let open = |path: &PathBuf| {
            if dry_run {
                Dir::open_existing(path)
            } else {
                Dir::create_all(path, 0o700).map(Some)
            }
        };
        let directory = match self.memory.as_ref().map(open) {
            Some(Ok(directory)) => directory,
            // A build machine may have a home that nobody can write to.
            Some(Err(error)) => {
                unchecked(&error);
                None
            }
            None => {
                unchecked(&"neither XDG_STATE_HOME nor HOME says where to remember it");
                None
            }
        };
        let keeping = if dry_run {
            Keeping::Forgotten
        } else {
            Keeping::Kept
        };
        let root = self.pinned_root.clone();
        Ok(Memory::open(root, directory, keeping)?)
    }

    /// Reads and verifies what is published at `base`.
    ///
    /// # Errors
    /// When it can not be verified, or is older than what this machine has seen.
    pub fn published<'a>(
        &self,
        context: &Context,
        base: &'a dyn Location,
    ) -> Result<Published<'a>, Failure> {
        let memory = self.memory(context)?;
        Published::read(base, memory, context.now()).map_err(|error| {
            let went_back = error.is_rollback();
            let failure = Failure::from(error);
            match &self.memory {
                Some(path) if went_back => failure.hint(format!(
                    "where the older state is wanted, remove what was seen: {}",
                    path.display()
                )),
                _ => failure,
            }
        })
    }

    /// Reads and verifies what was published when a proposal was drafted. Freshness may have been renewed since, so nothing
    /// but the newest root that this machine has seen counts.
    ///
    /// # Errors
    /// When it can not be verified.
    pub fn published_then<'a>(
        &self,
        context: &Context,
        then: &'a dyn Location,
    ) -> Result<Published<'a>, Failure> {
        let newest = self.memory(context)?.document(&CachedFile::Root);
        let root = newest.unwrap_or_else(|| self.pinned_root.clone());
        let memory = Memory::of_documents([(CachedFile::Root, root)].into());
        Ok(Published::read(then, memory, context.now())?)
    }

    /// What hosts are told about the catalog. The root is the first one: what was printed years ago stays true.
    ///
    /// # Errors
    /// When `root.json` is none.
    pub fn descriptor(&self) -> Result<Descriptor, Failure> {
        let first = verify_first_root(&self.pinned_root);
        let first = first.map_err(|error| {
            Failure::of(Kind::Unverified, &error).during(format!("{ROOT_FILE} is not a root"))
        })?;
        Ok(descriptor(
            &self.config,
            first.version,
            Sha256Digest::of(&self.pinned_root),
        ))
    }

    /// The vendor's own copy of the first root.
    #[must_use]
    pub fn pinned_root(&self) -> &[u8] {
        &self.pinned_root
    }

    /// Where digests of local files are remembered, if anywhere.
    #[must_use]
    pub fn memory_directory(&self) -> Option<&PathBuf> {
        self.memory.as_ref()
    }
}

/// The descriptor of a catalog.
#[must_use]
pub fn descriptor(
    config: &Config,
    root_version: MetadataVersion,
    fingerprint: Sha256Digest,
) -> Descriptor {
    Descriptor {
        schema: SCHEMA,
        id: config.id.clone(),
        title: config.title.clone(),
        url: config.url.clone(),
        images_url: config.images_url.clone(),
        extensions: config.provides.clone(),
        root_version,
        root_sha256: Some(fingerprint),
    }
}
