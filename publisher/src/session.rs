//! One run against one catalog: read what is published, change it, publish, and start over when somebody else was faster.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use sysext_durable::Dir;
use sysext_formats::catalog::{Descriptor, SCHEMA};
use sysext_formats::digest::Sha256Digest;
use sysext_formats::limits::Limits;
use sysext_formats::role::{MetadataVersion, Role as _};
use sysext_formats::verify::verify_first_root;
use sysext_formats::workflow::{Cache as _, CachedFile, RemoteFile};

use crate::config::{Config, ConfigError, ROOT_FILE, directory_of};
use crate::context::Context;
use crate::draft::{Change, Editor};
use crate::failure::{Failure, Kind};
use crate::location::{self, Location, Store};
use crate::memory::{self, Memory};
use crate::published::Published;
use crate::selfcheck::{self, Before};
use crate::signer::{Configured, KeyRing, SignedDraft};
use crate::staged::{Arrivals, StagedTree};
use crate::upload::{self, UploadError, Uploaded};

/// How often a run starts over when somebody else was faster.
const ATTEMPTS: u32 = 5;

/// A configured catalog.
#[derive(Debug)]
pub struct Session {
    /// The configuration.
    pub config: Config,
    /// The keys that it names.
    pub ring: KeyRing,
    pinned_root: Vec<u8>,
    memory: Option<PathBuf>,
}

/// What a run did.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Whether something was published, or would have been.
    pub changed: bool,
    /// Whether nothing was published because nothing was to be.
    pub dry_run: bool,
    /// What is new.
    pub changes: Vec<Change>,
}

impl Report {
    /// For people; `nothing` says why nothing was to be done.
    #[must_use]
    pub fn text(&self, nothing: &str) -> String {
        let mut text: String = self
            .changes
            .iter()
            .map(|change| format!("{change}\n"))
            .collect();
        text.push_str(match (self.changed, self.dry_run) {
            (false, _) => return format!("nothing to do: {nothing}\n"),
            (true, true) => "nothing was published (--dry-run)\n",
            (true, false) => "published\n",
        });
        text
    }
}

impl Session {
    /// Reads the configuration and what lies beside it.
    ///
    /// # Errors
    /// When it is not there or can not be used.
    pub fn open(context: &Context) -> Result<Self, Failure> {
        let path = &context.globals.config;
        let config = Config::read(path)?;
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
            pinned_root,
            memory,
        })
    }

    /// The location, to write to.
    ///
    /// # Errors
    /// When it can not be written.
    pub fn store(&self, context: &Context) -> Result<Box<dyn Store>, Failure> {
        Ok(location::open_store(
            &self.config.location,
            &context.directory(),
        )?)
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

    /// Reads and verifies what is published at `base`.
    ///
    /// # Errors
    /// When it can not be verified, or is older than what this machine has seen.
    pub fn published<'a>(
        &self,
        context: &Context,
        base: &'a dyn Location,
    ) -> Result<Published<'a>, Failure> {
        let unchecked = |why: &dyn std::fmt::Display| {
            context.ui.warn(format_args!(
                "whether the host has gone back in time was not checked: {why}"
            ));
        };
        let directory = match self
            .memory
            .as_ref()
            .map(|path| Dir::create_all(path, 0o700))
        {
            Some(Ok(directory)) => Some(directory),
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
        let memory = Memory::open(self.pinned_root.clone(), directory)?;
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
            first.version(),
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

    /// Changes the catalog as `edit` says, and publishes the result. `edit` is called again, with what is published then,
    /// when somebody else was faster; it puts the images it adds into [`Arrivals`], where they stay.
    ///
    /// # Errors
    /// When what is published can not be verified, the change may not be made, or it can not be published.
    pub fn reconcile(
        &self,
        context: &Context,
        store: &dyn Store,
        mut edit: impl FnMut(&mut Published<'_>, &mut Editor, &mut Arrivals) -> Result<(), Failure>,
    ) -> Result<Report, Failure> {
        let base = match &context.globals.base {
            Some(_) => Some(self.base(context)?),
            None => None,
        };
        let base: &dyn Location = base.as_deref().unwrap_or(store);
        let dry_run = context.globals.dry_run;
        let mut arrivals = Arrivals::new();
        for attempt in 1..=ATTEMPTS {
            let expected = upload::timestamp(store)?;
            let mut published = self.published(context, base)?;
            let catalog = published
                .catalog()
                .ok_or_else(|| Failure::new(Kind::Unverified, "targets.json is not there"))?;
            let mut editor = Editor::new(catalog, context.now(), self.config.expires);
            edit(&mut published, &mut editor, &mut arrivals)?;
            let Some(draft) = editor.finish()? else {
                return Ok(Report {
                    changed: false,
                    dry_run,
                    changes: Vec::new(),
                });
            };
            if dry_run {
                return Ok(Report {
                    changed: true,
                    dry_run,
                    changes: draft.changes,
                });
            }
            let roster = Configured {
                config: &self.config,
                ring: &self.ring,
            };
            let signed = SignedDraft::new(draft, &roster)?;
            let tree = StagedTree::new(signed, &mut arrivals, &self.descriptor()?)?;
            let before = Before {
                first_root: &self.pinned_root,
                published: published.documents(),
                location: Some(base),
                now: context.now(),
            };
            let publishable = selfcheck::check(tree, &before)?;
            match upload::upload(store, publishable, expected, self.config.hashed_names) {
                Ok(uploaded) => {
                    remember(published.memory(), &uploaded, context);
                    return Ok(Report {
                        changed: true,
                        dry_run,
                        changes: uploaded.changes,
                    });
                }
                Err(UploadError::Lost) if attempt < ATTEMPTS => {
                    context
                        .ui
                        .say("somebody else has published meanwhile; starting over");
                    std::thread::sleep(jitter(attempt));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(UploadError::Lost.into())
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
        images_url: None,
        extensions: config.provides.clone(),
        root_version,
        root_sha256: Some(fingerprint),
    }
}

/// What was just published was seen. It is published whether that can be remembered or not.
fn remember(mut memory: Memory, uploaded: &Uploaded, context: &Context) {
    for (file, bytes) in &uploaded.documents {
        let (file, version) = match file {
            RemoteFile::Root(version) => (CachedFile::Root, *version),
            RemoteFile::Snapshot(Some(version)) => (CachedFile::Snapshot, *version),
            RemoteFile::Timestamp => (CachedFile::Timestamp, MetadataVersion::ONE),
            RemoteFile::Snapshot(None) | RemoteFile::Targets(..) => continue,
        };
        if let Err(error) = memory.save(&file, version, bytes) {
            context.ui.warn(format_args!(
                "what was published can not be remembered on this machine: {error}"
            ));
        }
    }
}

/// A while that differs from run to run, so that two that met do not meet again.
fn jitter(attempt: u32) -> Duration {
    let mut random = [0; 2];
    // Without random bytes the pauses are the same, and the lock still decides.
    let _ = getrandom::fill(&mut random);
    let share = u64::from(u16::from_le_bytes(random)) * 400 / u64::from(u16::MAX);
    Duration::from_millis(u64::from(attempt) * (50 + share))
}
