//! The image as a file that is on this host already, wherever it came from: its digest decides.
//!
//! - Where the file system can (btrfs, xfs), both files share their blocks (FICLONE), and nothing is written; elsewhere
//!   the bytes are copied. Either way they are another file: what is hashed is what this file has, and nobody who writes
//!   to the other one changes it.
//! - Shared blocks stay as the other program wrote them, so a store that asks for compression does not compress them.
//! - Hence never a hard link: the other program could still write to what bears our digest, its owner and permissions
//!   would be ours, and its `chattr +i` would keep us from removing it.
//!
//! Within the store there is nothing to link: an image is there once, for all catalogs, extensions and roots.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};

use rustix::fs::{ftruncate, ioctl_ficlone};
use sysext_durable::{Dir, checkpoint};
use sysext_formats::catalog::Image;
use sysext_formats::digest::Sha256Hasher;

use crate::store::{CHUNK, FILE_MODE, StoreError, io_error};

/// Makes a file that [has the length](has_length) of the image the image's file in `directory`; whether it is the image.
/// One that can not be read is not.
pub(super) fn fetch(image: &Image, mut file: &File, directory: &Dir) -> Result<bool, StoreError> {
    let name = image.file.as_str();
    if file.rewind().is_err() {
        return Ok(false);
    }
    let mut out = directory.writer(name, FILE_MODE)?;
    let failed = |error| io_error("writing", directory.path().join(name), error);
    let is_it = if ioctl_ficlone(out.file(), file).is_ok() {
        // It is as long as the other one was by then.
        has_length(out.file(), image) && hashes_to(image, out.file(), |_| Ok(()))?
    } else {
        // Some file systems fail half way.
        ftruncate(out.file(), 0).map_err(|error| failed(error.into()))?;
        hashes_to(image, file, |bytes| out.write_all(bytes).map_err(failed))?
    };
    if is_it {
        out.commit()?;
        checkpoint("image-copied");
    }
    Ok(is_it)
}

/// Whether a file is as long as the image.
pub(super) fn has_length(file: &File, image: &Image) -> bool {
    let length = file.metadata().map(|metadata| metadata.len());
    matches!(length, Ok(length) if length == image.length)
}

/// Reads the image from `file`, from its position on; whether it was it.
fn hashes_to(
    image: &Image,
    file: &File,
    mut take: impl FnMut(&[u8]) -> Result<(), StoreError>,
) -> Result<bool, StoreError> {
    let mut hasher = Sha256Hasher::default();
    let mut buffer = vec![0; CHUNK];
    // Others may write to it meanwhile.
    let mut rest = file.take(image.length);
    loop {
        let read = match rest.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => buffer.get(..count).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return Ok(false),
        };
        hasher.update(read);
        take(read)?;
    }
    Ok(hasher.finish() == image.sha256)
}
