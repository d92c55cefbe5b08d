//! Patches that were made before, and a place for large files while one is made.
//!
//! ```text
//! $XDG_CACHE_HOME/sysext-publish/patches/FROM-TO.relink-lzma
//! ```
//!
//! - Nothing is believed because of it: a patch from here is applied before it is used, like a new one.
//! - It holds [`MAX_FILES`] patches at most; what was written longest ago goes first. A machine without such a folder makes
//!   every patch anew.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sysext_durable::Dir;
use sysext_formats::digest::Sha256Digest;

use crate::context::Context;

/// Patches that are kept.
const MAX_FILES: usize = 256;
/// Bytes of a patch that is kept.
const MAX_BYTES: u64 = 1 << 30;

/// The folder, where there is one.
#[derive(Debug)]
pub(super) struct Cache {
    path: Option<PathBuf>,
}

impl Cache {
    pub(super) fn open(context: &Context) -> Self {
        let cache = match context.variable("XDG_CACHE_HOME") {
            Some(cache) => Some(PathBuf::from(cache)),
            None => context
                .variable("HOME")
                .map(|home| Path::new(&home).join(".cache")),
        };
        // The specification of these directories: relative paths are ignored.
        let path = cache
            .filter(|path| path.is_absolute())
            .map(|path| path.join("sysext-publish/patches"))
            .filter(|path| Dir::create_all(path, 0o700).is_ok());
        Self { path }
    }

    /// A file without a name, for an image.
    pub(super) fn scratch(&self) -> io::Result<File> {
        match &self.path {
            Some(path) => tempfile::tempfile_in(path),
            None => tempfile::tempfile(),
        }
    }

    pub(super) fn get(&self, from: &Sha256Digest, to: &Sha256Digest) -> Option<Vec<u8>> {
        let dir = Dir::open_existing(self.path.as_deref()?).ok()??;
        dir.read(&name(from, to), MAX_BYTES).ok()?
    }

    /// Keeps a patch. Where that fails it is made again next time.
    pub(super) fn put(&self, from: &Sha256Digest, to: &Sha256Digest, patch: &[u8]) {
        let Some(dir) = self.dir() else { return };
        let _ = dir.write(&name(from, to), patch, 0o600);
    }

    /// Removes what is too much.
    pub(super) fn sweep(&self) {
        let Some(dir) = self.dir() else { return };
        let Ok(entries) = dir.entries() else { return };
        let mut files: Vec<_> = entries
            .into_iter()
            .filter_map(|entry| {
                let file = dir.open_file(&entry.name).ok()??;
                let written = file.metadata().and_then(|about| about.modified());
                Some((written.unwrap_or(SystemTime::UNIX_EPOCH), entry.name))
            })
            .collect();
        files.sort();
        for (_, name) in files.iter().rev().skip(MAX_FILES) {
            let _ = dir.remove(name);
        }
    }

    fn dir(&self) -> Option<Dir> {
        Dir::open_existing(self.path.as_deref()?).ok()?
    }
}

fn name(from: &Sha256Digest, to: &Sha256Digest) -> String {
    format!("{from}-{to}.relink-lzma")
}
