//! The trusted metadata of one catalog on this host.
//!
//! ```text
//! STORE/catalogs/ID@ROOT16/
//!   root.json timestamp.json snapshot.json targets.json     the newest of each that passed every check, byte for byte
//!   EXTENSION.json                                          ditto, one for each delegated role, its name encoded
//!   roots/N.root.json                                       every root that was verified, from the first one on
//!   state.toml                                              when it was last refreshed, and what went wrong since
//!   seen.toml                                               since when each image of the extensions in use is known
//!   timestamps.toml                                         what each mirror calls the timestamp, for HTTP
//! ```
//!
//! - `ROOT16` is the start of the digest of the root that this trust began with, so another root is another trust. A
//!   later root of the same chain continues it, with its memory of what has been seen.
//! - What is trusted is derived, each time, from the pinned root: `root.json` counts only as far as the chain in `roots/`
//!   reaches it. The others are verified by [`workflow`](sysext_formats::workflow) when they are read back.
//! - A file that is damaged, too long or no regular file is as good as none. Below STORE no symbolic link is followed, and
//!   everything can be read without root rights.
//!
//! It neither fetches nor decides what is trusted.

mod published;
mod seen;
mod timestamps;
mod trust_store;

use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sysext_durable::{Dir, Error, Lock, LockKind, checkpoint};
use sysext_formats::digest::Sha256Digest;
use sysext_formats::limits::Limits;
use sysext_formats::role::MetadataVersion;
use sysext_formats::time::UtcTime;
use sysext_formats::trust::{Clock, ExpiryPolicy, RootStage};
use sysext_formats::workflow::{Cache, CachedFile};

pub use self::published::{Published, PublishedError};
pub use self::seen::Seen;
pub use self::timestamps::{CameWhole, WHOLE_EACH};
pub use self::trust_store::{Known, TrustStore};
use crate::root::DIRECTORY_MODE;

const FILE_MODE: u32 = 0o644;
const ROOTS: &str = "roots";
/// No role's file is called so: theirs end with `.json`.
const STATE: &str = "state.toml";
const SEEN: &str = "seen.toml";
/// Bytes of that: a hundred an image.
const MAX_SEEN: u64 = 16 << 20;
const LOCK: &str = "lock";
const MAX_STATE: u64 = 64 << 10;

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

    /// Keeps other writers out, and takes away what crashed ones left.
    ///
    /// # Errors
    /// When another process has it for longer than `wait`, or the store can not be written.
    pub fn lock(&self, wait: Duration) -> Result<Lock, Error> {
        let lock = self.dir.lock(LOCK, LockKind::Exclusive, wait)?;
        self.dir.sweep()?;
        if let Some(roots) = self.dir.existing_subdir(ROOTS)? {
            roots.sweep()?;
        }
        Ok(lock)
    }

    /// The newest trusted root, as far as there is an anchor.
    #[must_use]
    pub fn trusted_root(&self) -> Option<&[u8]> {
        self.anchored.as_deref()
    }

    /// Whether a root with this digest was verified in this chain.
    ///
    /// # Errors
    /// When the store can not be read.
    pub fn has_root(&self, wanted: Sha256Digest) -> Result<bool, Error> {
        Ok(self.find_root(|digest| digest == wanted)?.is_some())
    }

    /// Looks for the root that `is_anchor`, and follows the chain from there; whether there is one.
    fn anchor(&mut self, is_anchor: impl Fn(Sha256Digest) -> bool) -> Result<bool, Error> {
        let Some(bytes) = self.find_root(is_anchor)? else {
            return Ok(false);
        };
        // Expiry is for the refresh to look at.
        let clock = Clock {
            now: UtcTime::from_unix(0),
            expiry: ExpiryPolicy::Ignore,
        };
        let Ok(mut stage) = RootStage::trust(&bytes, clock) else {
            return Ok(false);
        };
        let mut newest = bytes;
        let roots = self.dir.existing_subdir(ROOTS)?;
        while let (Some(roots), Some(version)) = (&roots, stage.next_version()) {
            let Some(bytes) = readable(roots, &root_name(version), limit(&CachedFile::Root))?
            else {
                break;
            };
            if stage.update(&bytes).is_err() {
                break;
            }
            newest = bytes;
        }
        self.anchored = Some(newest);
        Ok(true)
    }

    fn find_root(&self, wanted: impl Fn(Sha256Digest) -> bool) -> Result<Option<Vec<u8>>, Error> {
        let Some(roots) = self.dir.existing_subdir(ROOTS)? else {
            return Ok(None);
        };
        for entry in roots.entries()? {
            let bytes = readable(&roots, &entry.name, limit(&CachedFile::Root))?;
            if let Some(bytes) = bytes.filter(|bytes| wanted(Sha256Digest::of(bytes))) {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    /// What is remembered; nothing where the file is missing or damaged.
    ///
    /// # Errors
    /// When it can not be read.
    pub fn state(&self) -> Result<State, Error> {
        self.remembered(STATE, MAX_STATE)
    }

    /// Remembers; an unchanged state is not written.
    ///
    /// # Errors
    /// When it can not be written.
    pub fn set_state(&self, state: &State) -> Result<(), Error> {
        self.remember(STATE, MAX_STATE, state)
    }

    /// Since when images are known.
    ///
    /// # Errors
    /// When it can not be read.
    pub fn seen(&self) -> Result<Seen, Error> {
        self.remembered(SEEN, MAX_SEEN)
    }

    /// Remembers; what has not changed is not written.
    ///
    /// # Errors
    /// When it can not be written.
    pub fn set_seen(&self, seen: &Seen) -> Result<(), Error> {
        self.remember(SEEN, MAX_SEEN, seen)
    }

    fn remembered<T: DeserializeOwned + Default>(
        &self,
        name: &str,
        limit: u64,
    ) -> Result<T, Error> {
        let bytes = readable(&self.dir, name, limit)?;
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        Ok(text
            .and_then(|text| toml::from_str(&text).ok())
            .unwrap_or_default())
    }

    fn remember<T: Serialize + DeserializeOwned + Default + PartialEq>(
        &self,
        name: &str,
        limit: u64,
        value: &T,
    ) -> Result<(), Error> {
        if self.remembered::<T>(name, limit)? == *value {
            return Ok(());
        }
        let text = toml::to_string(value).map_err(|error| Error::Io {
            operation: "writing",
            path: self.dir.path().join(name),
            source: std::io::Error::other(error),
        })?;
        self.dir.write(name, text.as_bytes(), FILE_MODE)
    }
}

/// Damaged files are absent ones: they are fetched again, and replaced.
fn readable(dir: &Dir, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
    match dir.read(name, limit) {
        Err(Error::TooLong { .. } | Error::NotAFile(_)) => Ok(None),
        result => result,
    }
}

impl Cache for &mut MetadataStore {
    type Error = Error;

    fn load(&mut self, file: &CachedFile) -> Result<Option<Vec<u8>>, Error> {
        if *file == CachedFile::Root && self.anchored.is_some() {
            return Ok(self.anchored.clone());
        }
        readable(&self.dir, &file.storage_name(), limit(file))
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
            checkpoint("root-stored");
            if let Some(anchored) = &mut self.anchored {
                *anchored = bytes.to_vec();
            }
        }
        self.dir.write(&file.storage_name(), bytes, FILE_MODE)?;
        checkpoint("metadata-stored");
        Ok(())
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
