//! The trusted metadata of one catalog on this host.
//!
//! ```text
//! STORE/catalogs/ID@ROOT16/
//!   root.json timestamp.json snapshot.json targets.json     the newest of each that passed every check, byte for byte
//!   EXTENSION.json                                          ditto, one for each delegated role, its name encoded
//!   roots/N.root.json                                       every root that was verified, from the first one on
//!   state.toml                                              when it was last refreshed, and what went wrong since
//! ```
//!
//! - `ROOT16` is the start of the digest of the root that this trust began with, so another root is another trust. A
//!   later root of the same chain continues it, with its memory of what has been seen.
//! - What is trusted is derived, each time, from the pinned root: `root.json` counts only as far as the chain in `roots/`
//!   reaches it. The others are verified by [`workflow`](sysext_formats::workflow) when they are read back.
//! - A file that is damaged, too long or no regular file is as good as none.
//! - Everything can be read without root rights.
//!
//! What it does not do: fetch, or decide what is trusted.

use std::path::Path;

use serde::{Deserialize, Serialize};
use sysext_durable::{Dir, Error};
use sysext_formats::digest::Sha256Digest;
use sysext_formats::limits::Limits;
use sysext_formats::name::CatalogId;
use sysext_formats::role::MetadataVersion;
use sysext_formats::time::UtcTime;
use sysext_formats::trust::{Clock, ExpiryPolicy, RootStage};
use sysext_formats::workflow::{Cache, CachedFile};

use crate::root::DIRECTORY_MODE;

const FILE_MODE: u32 = 0o644;
const ROOTS: &str = "roots";
/// No role's file is called so: theirs end with `.json`.
const STATE: &str = "state.toml";
const MAX_STATE: u64 = 64 << 10;
/// Digits of the first root's digest in the name of the directory.
const DIGITS: usize = 16;

/// The trusted metadata of one catalog.
#[derive(Debug)]
pub struct MetadataStore {
    dir: Dir,
    /// The newest root of the chain from the anchor; `root.json` alone decides where there is no anchor.
    anchored: Option<Vec<u8>>,
}

/// What this host remembers of a catalog besides its metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct State {
    /// The time of the last refresh that succeeded in full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refreshed: Option<UtcTime>,
    /// What went wrong since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<LastError>,
    /// Where the catalog has moved to, by its own signed word; tried first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
}

/// The last refresh that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    /// When.
    pub time: UtcTime,
    /// Why.
    pub message: String,
}

impl MetadataStore {
    /// Opens the metadata in a directory of the caller's choice, which is created when it is missing.
    ///
    /// # Errors
    /// When it can not be created or opened.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Ok(Self::new(Dir::create_all(path, DIRECTORY_MODE)?))
    }

    fn new(dir: Dir) -> Self {
        Self {
            dir,
            anchored: None,
        }
    }

    /// What is remembered; nothing where the file is missing or damaged.
    ///
    /// # Errors
    /// When it can not be read.
    pub fn state(&self) -> Result<State, Error> {
        let text = self
            .read(&self.dir, STATE, MAX_STATE)?
            .and_then(|bytes| String::from_utf8(bytes).ok());
        Ok(text
            .and_then(|text| toml::from_str(&text).ok())
            .unwrap_or_default())
    }

    /// Remembers; an unchanged state is not written.
    ///
    /// # Errors
    /// When it can not be written.
    pub fn set_state(&self, state: &State) -> Result<(), Error> {
        if self.state()? == *state {
            return Ok(());
        }
        let text = toml::to_string(state).map_err(|error| Error::Io {
            operation: "writing",
            path: self.dir.path().join(STATE),
            source: std::io::Error::other(error),
        })?;
        self.dir.write(STATE, text.as_bytes(), FILE_MODE)
    }

    /// Damaged files are absent ones: they are fetched again, and replaced.
    fn read(&self, dir: &Dir, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        match dir.read(name, limit) {
            Err(Error::TooLong { .. } | Error::NotAFile(_)) => Ok(None),
            result => result,
        }
    }
}

impl Cache for MetadataStore {
    type Error = Error;

    fn load(&mut self, file: &CachedFile) -> Result<Option<Vec<u8>>, Error> {
        if *file == CachedFile::Root && self.anchored.is_some() {
            return Ok(self.anchored.clone());
        }
        self.read(&self.dir, &file.storage_name(), limit(file))
    }

    fn save(
        &mut self,
        file: &CachedFile,
        version: MetadataVersion,
        bytes: &[u8],
    ) -> Result<(), Error> {
        if *file == CachedFile::Root {
            let roots = self.dir.create_subdir(ROOTS, DIRECTORY_MODE)?;
            roots.write(&root_name(version), bytes, FILE_MODE)?;
            if let Some(anchored) = &mut self.anchored {
                *anchored = bytes.to_vec();
            }
        }
        self.dir.write(&file.storage_name(), bytes, FILE_MODE)
    }

    fn remove(&mut self, file: &CachedFile) -> Result<(), Error> {
        self.dir.remove(&file.storage_name())
    }
}

fn root_name(version: MetadataVersion) -> String {
    format!("{version}.root.json")
}

/// What a file may have: the bounds it was fetched with.
fn limit(file: &CachedFile) -> u64 {
    let limits = Limits::default();
    match file {
        CachedFile::Root => limits.root,
        CachedFile::Timestamp => limits.timestamp,
        CachedFile::Snapshot => limits.snapshot,
        CachedFile::Targets(_) => limits.targets,
    }
}
