//! `facts.json`: what a catalog signed about an image, beside the image.
//!
//! It is written by this program only and owned by root, as the image is. Still nothing in it is believed that can be
//! checked: it must say the digest of its directory, and names go through their types.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sysext_formats::catalog::Custom;
use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::{CatalogId, ExtensionName, FileName};

use super::{SIDECAR, StoredImage};

/// Bytes that are read of one: an index has 5 MB at most, and is for many images.
pub(super) const MAX_LENGTH: u64 = 1 << 20;
const SCHEMA: u64 = 1;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Sidecar {
    schema: u64,
    extension: ExtensionName,
    catalog: CatalogId,
    pub(super) file: FileName,
    pub(super) length: u64,
    sha256: Sha256Digest,
    custom: Custom,
}

impl Sidecar {
    pub(super) fn of(image: &StoredImage) -> Self {
        Self {
            schema: SCHEMA,
            extension: image.extension.clone(),
            catalog: image.catalog.clone(),
            file: image.file.clone(),
            length: image.length,
            sha256: image.sha256,
            custom: image.custom.clone(),
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        // Text keys and integers only, as it came from JSON: this can not fail, and an empty file is no sidecar.
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Parses the sidecar of the image `sha256`; the error is the reason in words.
    pub(super) fn parse(bytes: &[u8], sha256: &Sha256Digest) -> Result<Self, String> {
        let sidecar: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if sidecar.schema != SCHEMA {
            return Err(format!(
                "its schema is {}, {SCHEMA} is known",
                sidecar.schema
            ));
        }
        if sidecar.sha256 != *sha256 {
            return Err(format!("it is about another image, {}", sidecar.sha256));
        }
        if sidecar.file.as_str() == SIDECAR {
            return Err(format!("{SIDECAR} can not be an image"));
        }
        Ok(sidecar)
    }

    pub(super) fn into_image(self, path: PathBuf) -> StoredImage {
        StoredImage {
            sha256: self.sha256,
            length: self.length,
            file: self.file,
            extension: self.extension,
            catalog: self.catalog,
            custom: self.custom,
            path,
        }
    }
}
