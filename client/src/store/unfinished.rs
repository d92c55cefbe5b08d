//! Entries whose image came whole, and whose facts did not: a run was killed between the two, or lost them later.

use std::fs::File;

use sysext_formats::catalog::Image;
use sysext_formats::digest::{Sha256Digest, Sha256Hasher};

use super::{Store, StoreError, hash_rest};

impl Store {
    /// Whether there is anything of an image, whole or not.
    pub(crate) fn has_entry(&self, sha256: &Sha256Digest) -> Result<bool, StoreError> {
        Ok(self.images.kind(&sha256.to_string())?.is_some())
    }

    /// Whether the file of `image` is in its entry, with the signed bytes. Facts are not looked at.
    pub(crate) fn has_bytes(&self, image: &Image) -> bool {
        let name = image.sha256.to_string();
        let entry = self.images.existing_subdir(&name).ok().flatten();
        let file = entry.and_then(|entry| entry.open_file(image.file.as_str()).ok()?);
        file.is_some_and(|file| is_it(file, image))
    }
}

fn is_it(mut file: File, image: &Image) -> bool {
    let length = file.metadata().map(|metadata| metadata.len());
    let mut hasher = Sha256Hasher::default();
    matches!(length, Ok(length) if length == image.length)
        && hash_rest(&mut file, &mut hasher).is_ok()
        && hasher.finish() == image.sha256
}
