//! The store of images, shared by all roots of a host and never rolled back with one.
//!
//! ```text
//! STORE/
//!   store/SHA256/k3s_1.31.5.k3s1_x86-64.raw    the image
//!               /facts.json                    what its catalog signed about it; written last
//!   parts/SHA256  SHA256.validator             downloads that are not complete
//!   journal/ history/ roots/                   other modules'
//!   lock                                       one writer at a time
//! ```
//!
//! - An image is named by the digest of its bytes: the same bytes are there once, whichever catalog or version they
//!   came with.
//! - Nothing is ever rewritten, only replaced by rename: a merged image keeps its bytes.
//! - An entry without a good `facts.json`, or whose file is not as long as that says, is no image. It is reported and can
//!   be staged anew; it never stops a command that needs other images.
//! - Readers need no lock.
//!
//! What it does not do: decide what is right to install, or fetch anything. That an image was in order when it came is
//! for [`crate::stage`]; that its bytes still are is asked with [`Store::verify`].

mod io;
mod links;
mod old_parts;
mod sidecar;
mod unfinished;
mod usage;

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::{AtFlags, FileType, statat};
use sysext_durable::{Dir, DurableFile, Kind, Lock, LockKind, checkpoint};
use sysext_formats::catalog::Custom;
use sysext_formats::digest::{Sha256Digest, Sha256Hasher};
use sysext_formats::name::{CatalogId, ExtensionName, FileName};
use sysext_formats::version::Version;

use self::io::ask_for_compression;
pub(crate) use self::io::{CHUNK, hash_rest, io_error};
pub use self::links::{LinkTarget, parse_link};
use self::sidecar::Sidecar;
use crate::root::{DIRECTORY_MODE, Root};

/// The name of the file that makes an entry complete; no image can have it.
const SIDECAR: &str = "facts.json";
/// Permissions of images and their facts: what is installed is no secret.
pub(crate) const FILE_MODE: u32 = 0o644;

/// The store of a root.
#[derive(Debug)]
pub struct Store {
    base: Dir,
    images: Dir,
    root: Root,
}

/// An image in the store, with what its catalog signed about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredImage {
    /// The digest of its bytes.
    pub sha256: Sha256Digest,
    /// Its length in bytes.
    pub length: u64,
    /// Its name in the store.
    pub file: FileName,
    /// The extension it belongs to.
    pub extension: ExtensionName,
    /// The catalog it came from.
    pub catalog: CatalogId,
    /// What that catalog signed about it.
    pub custom: Custom,
    /// Where it is.
    pub path: PathBuf,
}

impl StoredImage {
    /// The extension's version.
    #[must_use]
    pub fn version(&self) -> &Version {
        &self.custom.version
    }
}

/// All that is in the store.
#[derive(Debug, Default)]
pub struct Contents {
    /// The images, sorted by digest.
    pub images: Vec<StoredImage>,
    /// Entries that are none.
    pub broken: Vec<Broken>,
}

/// An entry that is not an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The digest it should have.
    pub sha256: Sha256Digest,
    /// What is wrong with it, with the file's path.
    pub reason: String,
    /// The file system failed: it may be an image after all, and only a repair may delete it.
    pub is_unread: bool,
}

/// Why the store can not give what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system failed, or somebody else holds the lock.
    #[error(transparent)]
    Files(#[from] sysext_durable::Error),
    /// An entry is not an image.
    #[error("{} is not an image of the store: {reason}", path.display())]
    Broken {
        /// The entry.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// An image has other bytes than when it came.
    #[error("{} is damaged: its sha256 is {found}, {expected} was signed", path.display())]
    Damaged {
        /// The image.
        path: PathBuf,
        /// What was signed.
        expected: Sha256Digest,
        /// What it has.
        found: Sha256Digest,
    },
}

impl Store {
    /// Opens the store of `root` for reading; `None` where there is none yet.
    ///
    /// # Errors
    /// When it can not be opened.
    pub fn open(root: &Root) -> Result<Option<Self>, StoreError> {
        let Some(base) = Dir::open_existing(&root.store())? else {
            return Ok(None);
        };
        let images = base.existing_subdir("store")?;
        Ok(images.map(|images| Self {
            base,
            images,
            root: root.clone(),
        }))
    }

    /// Opens the store of `root`, made when it is missing. On btrfs a new store asks for compression: images are
    /// published uncompressed, so that patches stay small.
    ///
    /// # Errors
    /// When it can not be made or opened.
    pub fn create(root: &Root) -> Result<Self, StoreError> {
        let base = Dir::create_all(&root.store(), DIRECTORY_MODE)?;
        let images = match base.existing_subdir("store")? {
            Some(images) => images,
            None => {
                let images = base.create_subdir("store", DIRECTORY_MODE)?;
                ask_for_compression(&images);
                images
            }
        };
        Ok(Self {
            base,
            images,
            root: root.clone(),
        })
    }

    /// The directory `STORE`, for what else is kept there.
    #[must_use]
    pub fn base(&self) -> &Dir {
        &self.base
    }

    /// Takes the lock that keeps other writers out; waits for it at most `wait`.
    ///
    /// # Errors
    /// When somebody else, who is named, still has it then.
    pub fn lock(&self, wait: Duration) -> Result<Lock, StoreError> {
        Ok(self.base.lock("lock", LockKind::Exclusive, wait)?)
    }

    /// The image with this digest. Its bytes are not hashed again.
    ///
    /// # Errors
    /// [`StoreError::Broken`] when its entry is not complete or contradicts itself.
    pub fn find(&self, sha256: &Sha256Digest) -> Result<Option<StoredImage>, StoreError> {
        let kind = self.images.kind(&sha256.to_string())?;
        kind.map_or(Ok(None), |kind| self.find_as(sha256, kind))
    }

    /// Every image, and every entry that is none.
    ///
    /// # Errors
    /// When the store itself can not be read.
    pub fn images(&self) -> Result<Contents, StoreError> {
        let mut contents = Contents::default();
        for entry in self.images.entries()? {
            let Ok(sha256) = entry.name.parse::<Sha256Digest>() else {
                continue;
            };
            match self.find_as(&sha256, entry.kind) {
                Ok(Some(image)) => contents.images.push(image),
                // Removed meanwhile: readers take no lock.
                Ok(None) => {}
                Err(error) => contents.broken.push(Broken {
                    sha256,
                    is_unread: !matches!(error, StoreError::Broken { .. }),
                    reason: error.to_string(),
                }),
            }
        }
        Ok(contents)
    }

    /// Opens an image's file for reading.
    ///
    /// # Errors
    /// When it is not there any more.
    pub fn open_image(&self, image: &StoredImage) -> Result<File, StoreError> {
        let entry = self.images.subdir(&image.sha256.to_string())?;
        let missing = || broken(image.path.clone(), "its file is not there");
        entry.open_file(image.file.as_str())?.ok_or_else(missing)
    }

    /// Hashes an image's bytes again.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when they are other bytes.
    pub fn verify(&self, image: &StoredImage) -> Result<(), StoreError> {
        let mut file = self.open_image(image)?;
        let mut hasher = Sha256Hasher::default();
        hash_rest(&mut file, &mut hasher)
            .map_err(|error| io_error("reading", image.path.clone(), error))?;
        let found = hasher.finish();
        if found == image.sha256 {
            Ok(())
        } else {
            Err(StoreError::Damaged {
                path: image.path.clone(),
                expected: image.sha256,
                found,
            })
        }
    }

    /// Removes an image, or what is left of one. The caller holds the lock and knows that no root needs it.
    ///
    /// # Errors
    /// When it can not be removed.
    pub fn remove(&self, sha256: &Sha256Digest) -> Result<(), StoreError> {
        let name = sha256.to_string();
        // The facts first: what is left after a crash is an incomplete entry, never an image.
        if let Some(entry) = self.images.existing_subdir(&name)? {
            entry.remove(SIDECAR)?;
            checkpoint("image-forgotten");
        }
        self.images.remove_tree(&name)?;
        checkpoint("image-removed");
        Ok(())
    }

    /// The target that a link to an image has.
    #[must_use]
    pub fn link_target(&self, image: &StoredImage) -> PathBuf {
        links::target(&self.root, &image.sha256, &image.file)
    }

    /// Where downloads are that are not complete.
    pub(crate) fn parts(&self) -> Result<Dir, StoreError> {
        Ok(self.base.create_subdir("parts", DIRECTORY_MODE)?)
    }

    /// The directory of an image that is about to come.
    pub(crate) fn entry(&self, sha256: &Sha256Digest) -> Result<Dir, StoreError> {
        let name = sha256.to_string();
        // Nothing else has such a name; whoever made it, it is in the way.
        if !matches!(self.images.kind(&name)?, None | Some(Kind::Directory)) {
            self.images.remove(&name)?;
        }
        Ok(self.images.create_subdir(&name, DIRECTORY_MODE)?)
    }

    /// Starts to write the file of an image that is about to come.
    pub(crate) fn writer(
        &self,
        sha256: &Sha256Digest,
        file: &FileName,
    ) -> Result<DurableFile, StoreError> {
        Ok(self.entry(sha256)?.writer(file.as_str(), FILE_MODE)?)
    }

    /// Records what was signed about an image whose file is complete; with this it is one.
    pub(crate) fn record(&self, image: &StoredImage) -> Result<(), StoreError> {
        let bytes = Sidecar::of(image).to_bytes();
        let entry = self.entry(&image.sha256)?;
        // The entry may be of a run that was killed before its name was durable.
        self.images.sync()?;
        entry.write(SIDECAR, &bytes, FILE_MODE)?;
        checkpoint("image-recorded");
        Ok(())
    }

    /// Where the file of an image is or will be.
    pub(crate) fn path_of(&self, sha256: &Sha256Digest, file: &FileName) -> PathBuf {
        let entry = self.images.path().join(sha256.to_string());
        entry.join(file.as_str())
    }

    /// The image behind an entry of this kind.
    fn find_as(
        &self,
        sha256: &Sha256Digest,
        kind: Kind,
    ) -> Result<Option<StoredImage>, StoreError> {
        let name = sha256.to_string();
        let path = || self.images.path().join(&name);
        if kind != Kind::Directory {
            return Err(broken(path(), "it is not a directory"));
        }
        match self.images.existing_subdir(&name)? {
            Some(entry) => self
                .read(sha256, &entry)
                .map(Some)
                .map_err(|error| as_broken(error, path)),
            None => Ok(None),
        }
    }

    fn read(&self, sha256: &Sha256Digest, entry: &Dir) -> Result<StoredImage, StoreError> {
        let bytes = entry.read(SIDECAR, sidecar::MAX_LENGTH)?;
        let bytes = bytes.ok_or_else(|| {
            broken(
                entry.path().to_owned(),
                "its facts.json is not there, so it never was complete",
            )
        })?;
        let facts = || entry.path().join(SIDECAR);
        let sidecar = Sidecar::parse(&bytes, sha256).map_err(|reason| broken(facts(), reason))?;
        let path = entry.path_of(sidecar.file.as_str())?;
        // One call, not the four of opening it: this is done for every image by commands that only look.
        let stat = match statat(entry, sidecar.file.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(rustix::io::Errno::NOENT) => return Err(broken(path, "its file is not there")),
            Err(error) => return Err(io_error("looking at", path, error.into())),
        };
        if !FileType::from_raw_mode(stat.st_mode).is_file() {
            return Err(broken(path, "it is not a regular file"));
        }
        let (found, signed) = (stat.st_size.cast_unsigned(), sidecar.length);
        if found == signed {
            Ok(sidecar.into_image(path))
        } else {
            let reason = format!("it has {found} bytes, {signed} were signed");
            Err(broken(path, reason))
        }
    }

    /// Removes what crashed writers left in it, in every directory but those of catalogs, which have locks of their own.
    /// The caller holds the lock.
    ///
    /// # Errors
    /// When something can not be removed.
    pub fn sweep(&self) -> Result<(), StoreError> {
        self.base.sweep()?;
        for name in ["history", "journal", "parts", "roots"] {
            if let Some(directory) = self.base.existing_subdir(name)? {
                directory.sweep()?;
            }
        }
        for entry in self.images.entries()? {
            if entry.kind == Kind::Directory {
                self.images.subdir(&entry.name)?.sweep()?;
            }
        }
        Ok(())
    }
}

fn broken(path: PathBuf, reason: impl Into<String>) -> StoreError {
    StoreError::Broken {
        path,
        reason: reason.into(),
    }
}

/// A file that is not what it should be says something about the entry, not about the file system.
fn as_broken(error: StoreError, path: impl FnOnce() -> PathBuf) -> StoreError {
    use sysext_durable::Error::{NotAFile, TooLong};
    match error {
        StoreError::Files(error @ (NotAFile(_) | TooLong { .. })) => {
            broken(path(), error.to_string())
        }
        error => error,
    }
}
