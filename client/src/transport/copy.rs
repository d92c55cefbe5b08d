//! The image as a file that is on this host already, wherever it came from: its digest decides.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};

use sysext_durable::checkpoint;
use sysext_formats::digest::Sha256Hasher;

use super::Job;
use crate::store::{CHUNK, StoreError, io_error};

/// Copies it into the store; whether it is the image. A file that can not be read is none.
pub(super) fn fetch(job: &Job<'_>, mut file: &File) -> Result<bool, StoreError> {
    let image = job.image;
    let length = file.metadata().map(|metadata| metadata.len());
    if !matches!(length, Ok(length) if length == image.length) || file.rewind().is_err() {
        return Ok(false);
    }
    let mut out = job.store.writer(&image.sha256, &image.file)?;
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
        out.write_all(read).map_err(|error| {
            let path = job.store.path_of(&image.sha256, &image.file);
            io_error("writing", path, error)
        })?;
    }
    if hasher.finish() != image.sha256 {
        return Ok(false);
    }
    out.commit().map_err(StoreError::from)?;
    checkpoint("image-copied");
    Ok(true)
}
