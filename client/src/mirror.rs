//! A verified copy of a catalog, for hosts that can not reach it: as a folder, a stick, or behind any web server.
//!
//! ```text
//! DIR/catalog.toml       how a host gets to know it: `catalog add file:///DIR#sha256=…`
//! DIR/metadata/          the signed documents, byte for byte
//! DIR/images/            images and transports, each of the length and digest that was signed
//! DIR/.partial/          downloads that go on with the next run; gone when all is there
//! ```
//!
//! - Nothing is signed anew: who reads the copy trusts the vendor's keys, and this program no more than any web server.
//! - Images come first and `timestamp.json` last, so that whoever reads meanwhile sees the old copy or the new one.
//! - What is there with the right bytes is not fetched again. Nothing is deleted but what [`surplus`] names.

use std::collections::{BTreeMap, BTreeSet};

use sysext_durable::{Dir, Error, Kind};
use sysext_formats::catalog::{Descriptor, ExtensionIndex, Image, Transport};
use sysext_formats::digest::{Sha256Digest, Sha256Hasher};
use sysext_formats::name::{ExtensionName, FileName};

use crate::metadata_store::Published;
use crate::store::{StoreError, hash_rest, io_error};

/// A file of the catalog.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The extension.
    pub name: &'a ExtensionName,
    /// The image that it is, or leads to.
    pub image: &'a Image,
    /// The transport that it is; `None` for the image itself.
    pub transport: Option<&'a Transport>,
}

impl Wanted<'_> {
    /// Its name in `images/`.
    #[must_use]
    pub fn file(&self) -> &FileName {
        self.transport
            .map_or(&self.image.file, |transport| &transport.file)
    }

    /// Its length in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.transport
            .map_or(self.image.length, |transport| transport.length)
    }

    fn sha256(&self) -> &Sha256Digest {
        self.transport
            .map_or(&self.image.sha256, |transport| &transport.sha256)
    }

    /// Whether it is in `images` with the bytes that were signed.
    ///
    /// # Errors
    /// When something of that name can not be read.
    pub fn is_in(&self, images: &Dir) -> Result<bool, StoreError> {
        let name = self.file().as_str();
        let mut file = match images.open_file(name) {
            Ok(Some(file)) => file,
            // Whatever it is, it is replaced.
            Ok(None) | Err(Error::NotAFile(_)) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let failed = |error| io_error("reading", images.path().join(name), error);
        if file.metadata().map_err(failed)?.len() != self.length() {
            return Ok(false);
        }
        let mut hasher = Sha256Hasher::default();
        hash_rest(&mut file, &mut hasher).map_err(failed)?;
        Ok(hasher.finish() == *self.sha256())
    }
}

/// The files of an extension: each image that is not withdrawn, with its transports; of each architecture only the
/// `newest` versions where that is asked for.
#[must_use]
pub fn files(index: &ExtensionIndex, newest: Option<usize>) -> Vec<Wanted<'_>> {
    let mut versions: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    let mut files = Vec::new();
    // Newest first.
    for image in index
        .images
        .iter()
        .filter(|image| image.withdrawn.is_none())
    {
        let seen = versions.entry(image.architecture.to_string()).or_default();
        let is_known = seen.contains(&image.version);
        if !is_known && newest.is_some_and(|newest| seen.len() >= newest) {
            continue;
        }
        seen.insert(image.version.clone());
        files.push(Wanted {
            name: &index.name,
            image,
            transport: None,
        });
        files.extend(image.transports.iter().map(|transport| Wanted {
            name: &index.name,
            image,
            transport: Some(transport),
        }));
    }
    files
}

/// Writes the documents, and tells hosts where to begin; whether anything changed.
///
/// # Errors
/// When the directory can not be written.
pub fn publish(
    directory: &Dir,
    documents: &[Published],
    descriptor: &Descriptor,
    mode: u32,
) -> Result<bool, StoreError> {
    let mut changed = false;
    let mut put = |dir: &Dir, name: &str, bytes: &[u8]| -> Result<(), StoreError> {
        let limit = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if !matches!(dir.read(name, limit), Ok(Some(old)) if old == bytes) {
            dir.write(name, bytes, mode)?;
            changed = true;
        }
        Ok(())
    };
    // Its images are here, wherever the vendor keeps them.
    let descriptor = Descriptor {
        images_url: None,
        root_sha256: None,
        ..descriptor.clone()
    };
    let text = toml::to_string(&descriptor).map_err(|error| StoreError::Broken {
        path: directory.path().join("catalog.toml"),
        reason: format!("it can not be written: {error}"),
    })?;
    put(directory, "catalog.toml", text.as_bytes())?;
    let metadata = directory.create_subdir("metadata", 0o755)?;
    for document in documents {
        put(&metadata, &document.name, &document.bytes)?;
    }
    Ok(changed)
}

/// Removes what a killed run left half written, where everybody may fetch it. The caller holds the lock of the copy.
///
/// # Errors
/// When something can not be removed.
pub fn sweep(directory: &Dir) -> Result<(), Error> {
    directory.sweep()?;
    for name in ["images", "metadata"] {
        if let Some(folder) = directory.existing_subdir(name)? {
            folder.sweep()?;
        }
    }
    Ok(())
}

/// What lies in the copy and belongs to it no more: the folder, and names in it.
///
/// # Errors
/// When a folder can not be read.
pub fn surplus(
    directory: &Dir,
    documents: &[Published],
    files: &[Wanted<'_>],
) -> Result<Vec<(Dir, Vec<String>)>, StoreError> {
    let documents: BTreeSet<_> = documents
        .iter()
        .map(|document| document.name.as_str())
        .collect();
    let files: BTreeSet<_> = files.iter().map(|file| file.file().as_str()).collect();
    let mut surplus = Vec::new();
    for (name, known) in [("metadata", documents), ("images", files)] {
        let Some(folder) = directory.existing_subdir(name)? else {
            continue;
        };
        let names = folder
            .entries()?
            .into_iter()
            .filter(|entry| entry.kind == Kind::File && !known.contains(entry.name.as_str()));
        let names = names.map(|entry| entry.name).collect();
        surplus.push((folder, names));
    }
    Ok(surplus)
}
