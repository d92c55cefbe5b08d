//! Reading, hashing and marking the store's files: what does not depend on its layout.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;

use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
use sysext_durable::Dir;
use sysext_formats::digest::Sha256Hasher;

use super::StoreError;

/// Bytes that are read and hashed at a time.
pub(crate) const CHUNK: usize = 256 << 10;

/// Hashes all that is left to read of `file`.
pub(crate) fn hash_rest(file: &mut File, hasher: &mut Sha256Hasher) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => hasher.update(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A failed operation on a file of the store.
pub(crate) fn io_error(operation: &'static str, path: PathBuf, source: io::Error) -> StoreError {
    StoreError::Files(sysext_durable::Error::Io {
        operation,
        path,
        source,
    })
}

/// What `chattr +c` does: files made in the directory inherit it. Other file systems refuse, and then there is none.
pub(super) fn ask_for_compression(directory: &Dir) {
    if let Ok(flags) = ioctl_getflags(directory) {
        let _ = ioctl_setflags(directory, (flags - IFlags::NOCOW) | IFlags::COMPRESSED);
    }
}
