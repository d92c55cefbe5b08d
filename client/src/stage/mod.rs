//! From a chosen image to one that may be linked: fetched, hashed, opened, and held against what was signed.
//!
//! - A [`StagedImage`] is made here and nowhere else, and only such an image can be linked.
//! - One unreadable image keeps systemd-sysext from merging any, and a merged image can change what this host trusts. So
//!   each image is opened first ([`Refusal`] lists what it is held against).
//! - Bytes that are in the store already are used again, whichever catalog or version they came with, and also where a
//!   killed run had not yet recorded them; they are hashed and opened again all the same.
//! - What is refused or incomplete never becomes an image of the store.

mod inspect;

use std::fs::File;

use sysext_formats::catalog::Image;
use sysext_formats::name::{CatalogId, ExtensionName, FileName};
use sysext_formats::version::Version;
use url::Url;

pub use self::inspect::Refusal;
use self::inspect::{Inspected, inspect};
use crate::fetch::Fetcher;
use crate::store::{Store, StoreError, StoredImage};
use crate::transport::{self, Attempt, Fault, Job, Method, Progress};

/// An image that is to be staged.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The extension.
    pub extension: &'a ExtensionName,
    /// The catalog that offers it.
    pub catalog: &'a CatalogId,
    /// What that catalog signed.
    pub image: &'a Image,
    /// The directories where its files are: `images/` below each of the catalog's URLs, or its `images-url`.
    pub bases: &'a [Url],
    /// Files of this host that may have the same bytes.
    pub local: &'a [File],
}

/// An image that is in the store, has the signed bytes, and was opened and found in order by this process.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "it is not linked yet"]
pub struct StagedImage {
    stored: StoredImage,
    method: Method,
    fetched: u64,
    undeclared: Vec<String>,
    attempts: Vec<Attempt>,
}

impl StagedImage {
    /// The image.
    #[must_use]
    pub fn stored(&self) -> &StoredImage {
        &self.stored
    }

    /// How its bytes came.
    #[must_use]
    pub fn method(&self) -> Method {
        self.method
    }

    /// How many bytes came over the network for it.
    #[must_use]
    pub fn fetched(&self) -> u64 {
        self.fetched
    }

    /// Units and setuid files that it brings and that the catalog did not announce, so that no plan showed them.
    #[must_use]
    pub fn undeclared(&self) -> &[String] {
        &self.undeclared
    }

    /// What was tried in vain before.
    #[must_use]
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }
}

/// Why an image can not be linked.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// Nothing gave the signed bytes.
    #[error("{extension} {version}: no source gave {file}{}", list(attempts, *kept))]
    NotFetched {
        /// The extension.
        extension: ExtensionName,
        /// Its version.
        version: Version,
        /// The image.
        file: FileName,
        /// What was tried.
        attempts: Vec<Attempt>,
        /// Bytes that are kept for the next time.
        kept: u64,
    },
    /// It has the signed bytes, and must not be linked.
    #[error("{extension} {version} is refused and not linked")]
    Refused {
        /// The extension.
        extension: ExtensionName,
        /// Its version.
        version: Version,
        /// Why.
        #[source]
        refusal: Box<Refusal>,
    },
    /// This host's store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl StageError {
    /// Whose fault it is, for the exit code: wrong bytes weigh more than a broken network.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::NotFetched { attempts, .. } => {
                let faults = |fault| attempts.iter().any(|attempt| attempt.fault == fault);
                if faults(Fault::Bytes) {
                    Fault::Bytes
                } else if faults(Fault::Temporary) {
                    Fault::Temporary
                } else {
                    Fault::Other
                }
            }
            Self::Refused { .. } => Fault::Bytes,
            Self::Store(StoreError::Files(sysext_durable::Error::Locked { .. })) => {
                Fault::Temporary
            }
            Self::Store(_) => Fault::Other,
        }
    }
}

/// Stages an image: takes it from the store, or fetches it.
///
/// # Errors
/// When nothing gives the signed bytes, when they must not be linked, or when this host fails.
pub fn stage(
    store: &Store,
    fetcher: &Fetcher,
    wanted: &Wanted<'_>,
    progress: &dyn Progress,
) -> Result<StagedImage, StageError> {
    let refused = |refusal| StageError::Refused {
        extension: wanted.extension.clone(),
        version: wanted.image.version.clone(),
        refusal: Box::new(refusal),
    };
    if wanted.image.file.extension().as_ref() != Some(wanted.extension) {
        return Err(refused(Refusal::FileName(wanted.image.file.clone())));
    }
    let mut attempts = Vec::new();
    let had_entry = store.has_entry(&wanted.image.sha256)?;
    let known = reuse(store, wanted, &mut attempts)?;
    let (stored, method, fetched) = match &known {
        Some(stored) => (stored.clone(), Method::Store, 0),
        None => {
            let job = Job {
                store,
                fetcher,
                image: wanted.image,
                bases: wanted.bases,
                local: wanted.local,
                progress,
                pace: fetcher.begin(),
            };
            let Some(fetched) = transport::fetch(&job, &mut attempts)? else {
                return Err(StageError::NotFetched {
                    extension: wanted.extension.clone(),
                    version: wanted.image.version.clone(),
                    file: wanted.image.file.clone(),
                    attempts,
                    kept: transport::kept(store, wanted.image),
                });
            };
            let file = wanted.image.file.clone();
            (
                described(store, wanted, file),
                fetched.method,
                fetched.bytes,
            )
        }
    };
    let inspected = store
        .open_image(&stored)
        .and_then(|file| inspect(file, &stored));
    let Inspected { undeclared } = match inspected? {
        Ok(inspected) => inspected,
        Err(refusal) => {
            // An older entry may be what a link names, also where its facts are lost; a new one is nobody's.
            if !had_entry {
                store.remove(&stored.sha256)?;
            }
            return Err(refused(refusal));
        }
    };
    if store.find(&stored.sha256).ok().flatten().as_ref() != Some(&stored) {
        store.record(&stored)?;
    }
    Ok(StagedImage {
        stored,
        method,
        fetched,
        undeclared,
        attempts,
    })
}

/// Stages an image that was staged before, by another run: for a rollback, and for the boot guard.
///
/// # Errors
/// When its bytes are damaged, or it must not be linked.
pub fn restage(store: &Store, stored: &StoredImage) -> Result<StagedImage, StageError> {
    store.verify(stored)?;
    match inspect(store.open_image(stored)?, stored)? {
        Ok(Inspected { undeclared }) => Ok(StagedImage {
            stored: stored.clone(),
            method: Method::Store,
            fetched: 0,
            undeclared,
            attempts: Vec::new(),
        }),
        Err(refusal) => Err(StageError::Refused {
            extension: stored.extension.clone(),
            version: stored.version().clone(),
            refusal: Box::new(refusal),
        }),
    }
}

/// The image as the store has it, with what is signed about it now, if its bytes are in order.
fn reuse(
    store: &Store,
    wanted: &Wanted<'_>,
    attempts: &mut Vec<Attempt>,
) -> Result<Option<StoredImage>, StoreError> {
    let found = match store.find(&wanted.image.sha256) {
        Ok(Some(found)) => store.verify(&found).map(|()| found),
        Ok(None) => return Ok(None),
        Err(error) => Err(error),
    };
    match found {
        // Links name the file, so it keeps its name.
        Ok(found) => Ok(Some(described(store, wanted, found.file))),
        // It came, and a run was killed before it had looked into it.
        Err(StoreError::Broken { .. }) if store.has_bytes(wanted.image) => {
            Ok(Some(described(store, wanted, wanted.image.file.clone())))
        }
        Err(error @ (StoreError::Broken { .. } | StoreError::Damaged { .. })) => {
            attempts.push(Attempt {
                what: "the store".to_owned(),
                reason: error.to_string(),
                fault: Fault::Other,
            });
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn described(store: &Store, wanted: &Wanted<'_>, file: FileName) -> StoredImage {
    StoredImage {
        sha256: wanted.image.sha256,
        length: wanted.image.length,
        path: store.path_of(&wanted.image.sha256, &file),
        file,
        extension: wanted.extension.clone(),
        catalog: wanted.catalog.clone(),
        custom: wanted.image.custom.clone(),
    }
}

fn list(attempts: &[Attempt], kept: u64) -> String {
    let mut text = String::new();
    for attempt in attempts {
        text.push_str("\n  ");
        text.push_str(&attempt.to_string());
    }
    if kept > 0 {
        text.push_str(&format!(
            "\n  the {kept} bytes that came are kept, and the next attempt goes on from there"
        ));
    }
    text
}
