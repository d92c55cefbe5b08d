//! Digests of local files that were hashed before: a folder that is synced every day is read once.
//!
//! - A file is known by device, inode, length and both times. One that was written to in the last seconds before it was
//!   hashed is not remembered: a second write within the clock's grain would not show.
//! - Nothing is trusted because of it: a digest that is wrong here makes a conflict or a second upload, and what is
//!   published is always hashed from its bytes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use sysext_durable::Dir;
use sysext_formats::digest::Sha256Digest;
use sysext_formats::time::UtcTime;

use crate::arrival::Identity;

const FILE: &str = "files.json";
/// Files that are remembered at most; beyond, all are forgotten.
const MAX_FILES: usize = 100_000;
const MAX_BYTES: u64 = 32 << 20;
/// Seconds that a file must have been left alone.
const GRAIN: i64 = 2;

/// Digests by identity.
#[derive(Debug, Default)]
pub struct KnownFiles {
    directory: Option<PathBuf>,
    digests: BTreeMap<String, Sha256Digest>,
    changed: bool,
}

impl KnownFiles {
    /// Those remembered in `directory`. What can not be read is forgotten.
    #[must_use]
    pub fn load(directory: Option<&PathBuf>) -> Self {
        let read = |directory: &PathBuf| {
            let bytes = Dir::open_existing(directory)
                .ok()??
                .read(FILE, MAX_BYTES)
                .ok()??;
            serde_json::from_slice(&bytes).ok()
        };
        Self {
            digests: directory.and_then(read).unwrap_or_default(),
            directory: directory.cloned(),
            changed: false,
        }
    }

    /// The digest of a file, when it is known.
    #[must_use]
    pub fn get(&self, identity: &Identity) -> Option<Sha256Digest> {
        self.digests.get(&key(identity)).copied()
    }

    /// Remembers a digest.
    pub fn insert(&mut self, identity: &Identity, digest: Sha256Digest, now: UtcTime) {
        let last = identity.modified.0.max(identity.changed.0);
        if last.saturating_add(GRAIN) > now.unix() {
            return;
        }
        if self.digests.len() >= MAX_FILES {
            self.digests.clear();
        }
        self.changed |= self.digests.insert(key(identity), digest) != Some(digest);
    }

    /// Keeps them for the next run, where there is a place for it.
    ///
    /// # Errors
    /// When they can not be written; nothing but time is lost then.
    pub fn save(&self) -> sysext_durable::Result<()> {
        let (Some(directory), true) = (&self.directory, self.changed) else {
            return Ok(());
        };
        let bytes = serde_json::to_vec(&self.digests).unwrap_or_default();
        Dir::create_all(directory, 0o700)?.write(FILE, &bytes, 0o600)
    }
}

fn key(identity: &Identity) -> String {
    let Identity {
        inode,
        length,
        modified,
        changed,
    } = identity;
    format!(
        "{:x}:{:x} {length} {}.{:09} {}.{:09}",
        inode.0, inode.1, modified.0, modified.1, changed.0, changed.1
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(modified: i64) -> Identity {
        Identity {
            inode: (1, 2),
            length: 3,
            modified: (modified, 0),
            changed: (modified, 0),
        }
    }

    #[test]
    fn a_file_is_known_until_anything_about_it_changes() {
        let temp = tempfile::tempdir().unwrap();
        let directory = temp.path().join("state");
        let mut known = KnownFiles::load(Some(&directory));
        let digest = Sha256Digest::of(b"x");
        known.insert(&identity(100), digest, UtcTime::from_unix(200));
        known.insert(&identity(199), digest, UtcTime::from_unix(200));
        known.save().unwrap();
        let known = KnownFiles::load(Some(&directory));
        assert_eq!(known.get(&identity(100)), Some(digest));
        assert_eq!(known.get(&identity(101)), None);
        assert_eq!(
            known.get(&identity(199)),
            None,
            "too fresh to be told from a later write"
        );
    }
}
