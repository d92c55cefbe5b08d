//! A repository that OBS has published, behind http.
//!
//! - `https://` is needed, except on this machine: the list is signed, but who reads along learns and who cuts off decides
//!   what is seen. Redirects to mirrors stay with https.
//! - Everything is bounded in bytes and in time. A file gets its name when it has the digest that was asked for.
//! - The list and its signature are two requests, and OBS may replace both in between: only a signature that is wrong while
//!   the list stays the same is wrong.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::Path;

use sysext_durable::Dir;
use sysext_formats::catalog::link;
use sysext_formats::digest::Sha256Digest;
use sysext_formats::limits::MAX_IMAGE;
use sysext_formats::name::url_component;
use url::Url;

use super::gpgv::{Keyring, SignatureError};
use super::signed_list::{self, Listed};
use crate::content::HashingReader;
use crate::fragment::{self, Fragment};
use crate::location::{LocationError, WebFolder};

/// Bytes of a signature.
const MAX_SIGNATURE: u64 = 65_536;
/// How often a list that changes while it is read is read again.
const ATTEMPTS: u32 = 3;
const MODE: u32 = 0o644;
/// What a file is called before it has its name.
const ARRIVING: &str = "arriving";

/// Why nothing is taken from a repository.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// The URL is none that is fetched from.
    #[error("{0} is not fetched from: https:// is needed, without a user name")]
    NotHttps(String),
    /// The list, or its signature, is not there.
    #[error("{url} has no {file}")]
    Missing {
        /// The repository.
        url: String,
        /// What is missing.
        file: &'static str,
    },
    /// The list is replaced again and again.
    #[error("{0} is being published: SHA256SUMS and its signature do not stay the same")]
    Changing(String),
    /// The list can not be used.
    #[error("SHA256SUMS of {url}: {reason}")]
    List {
        /// The repository.
        url: String,
        /// Why.
        reason: String,
    },
    /// The signature is not good.
    #[error("{url} is not believed")]
    Signature {
        /// The repository.
        url: String,
        /// Why.
        source: SignatureError,
    },
    /// The server failed.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// The folder failed.
    #[error(transparent)]
    Disk(#[from] sysext_durable::Error),
    /// A file can not be read or written.
    #[error("{name} can not be fetched: {source}")]
    Stream {
        /// The file.
        name: String,
        /// Why.
        source: std::io::Error,
    },
}

/// A list that the vendor's key has signed.
#[derive(Debug)]
pub struct SignedList {
    /// Name and digest of each file.
    pub files: BTreeMap<String, Listed>,
    /// The fingerprint of the key.
    pub signed_by: String,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetched {
    /// It is in the folder.
    Now,
    /// The repository has none of that name.
    Missing,
    /// The repository has other bytes.
    Other(Sha256Digest),
}

/// A published repository.
#[derive(Debug)]
pub struct Repository {
    url: String,
    folder: WebFolder,
}

impl Repository {
    /// The repository at a URL.
    ///
    /// # Errors
    /// When it is no URL to fetch from.
    pub fn new(url: Url) -> Result<Self, RepositoryError> {
        if link(url.as_str()).is_none() {
            let mut shown = url;
            // What is in a URL is in every message and every log.
            // It fails where there can be none.
            let _ = shown
                .set_username("")
                .and_then(|()| shown.set_password(None));
            return Err(RepositoryError::NotHttps(shown.into()));
        }
        let folder = WebFolder::new(url.clone())?;
        Ok(Self {
            url: url.into(),
            folder,
        })
    }

    /// The list, with a good signature of a key in `keyring`; files for gpgv are made beneath `scratch`.
    ///
    /// # Errors
    /// When it can not be had or is not believed.
    pub fn signed_list(
        &self,
        keyring: &Keyring,
        scratch: &Path,
    ) -> Result<SignedList, RepositoryError> {
        let mut list = self.list()?;
        for _ in 0..ATTEMPTS {
            let signature = self.signature()?;
            match verify(keyring, &list, &signature, scratch) {
                Ok(signed_by) => return self.read(&list, signed_by),
                Err(source) => {
                    let again = self.list()?;
                    if again == list && self.signature()? == signature {
                        return Err(RepositoryError::Signature {
                            url: self.url.clone(),
                            source,
                        });
                    }
                    list = again;
                }
            }
        }
        Err(RepositoryError::Changing(self.url.clone()))
    }

    fn read(&self, list: &[u8], signed_by: String) -> Result<SignedList, RepositoryError> {
        let refused = |reason: String| RepositoryError::List {
            url: self.url.clone(),
            reason,
        };
        let text = std::str::from_utf8(list).map_err(|_| refused("it is not text".to_owned()))?;
        let files = signed_list::read(text).map_err(|error| refused(error.to_string()))?;
        Ok(SignedList { files, signed_by })
    }

    fn list(&self) -> Result<Vec<u8>, RepositoryError> {
        let list = self.folder.read("SHA256SUMS", signed_list::MAX_BYTES)?;
        list.ok_or_else(|| self.missing("SHA256SUMS"))
    }

    /// OBS makes the armored one always, the binary one where `rawsig` is said.
    fn signature(&self) -> Result<Vec<u8>, RepositoryError> {
        for name in ["SHA256SUMS.asc", "SHA256SUMS.gpg"] {
            if let Some(signature) = self.folder.read(name, MAX_SIGNATURE)? {
                return Ok(signature);
            }
        }
        Err(self.missing("SHA256SUMS.asc, and no SHA256SUMS.gpg"))
    }

    fn missing(&self, file: &'static str) -> RepositoryError {
        RepositoryError::Missing {
            url: self.url.clone(),
            file,
        }
    }

    /// Whether a file in `directory` has these bytes.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn has(name: &str, sha256: Sha256Digest, directory: &Dir) -> Result<bool, RepositoryError> {
        let failed = |source| RepositoryError::Stream {
            name: name.to_owned(),
            source,
        };
        let Some(file) = directory.open_file(name)? else {
            return Ok(false);
        };
        Ok(Sha256Digest::of_reader(file).map_err(failed)? == sha256)
    }

    /// Brings a file of the repository into `directory`, by way of `scratch` on the same file system.
    ///
    /// # Errors
    /// When the server or the disk fails.
    pub fn fetch(
        &self,
        name: &str,
        sha256: Sha256Digest,
        (scratch, directory): (&Dir, &Dir),
    ) -> Result<Fetched, RepositoryError> {
        let failed = |source| RepositoryError::Stream {
            name: name.to_owned(),
            source,
        };
        let Some(body) = self.folder.open(&url_component(name))? else {
            return Ok(Fetched::Missing);
        };
        let mut file = scratch.writer(ARRIVING, MODE)?;
        let body = body.take(most(name, directory)?.saturating_add(1));
        let mut body = HashingReader::new(body);
        io::copy(&mut body, &mut file).map_err(failed)?;
        let found = body.finish();
        if found != sha256 {
            return Ok(Fetched::Other(found));
        }
        file.commit()?;
        scratch.move_to(ARRIVING, directory, name)?;
        Ok(Fetched::Now)
    }
}

/// Bytes that a file may have: what its fragment says, where that is there.
fn most(name: &str, directory: &Dir) -> Result<u64, RepositoryError> {
    let fragment = directory.read(&format!("{name}.json"), fragment::MAX_BYTES)?;
    // One that can not be used bounds nothing; who publishes the image hears of it.
    let said = fragment.and_then(|bytes| Fragment::parse(&bytes).ok()??.length());
    Ok(if name.ends_with(".json") {
        fragment::MAX_BYTES
    } else {
        said.unwrap_or(MAX_IMAGE).min(MAX_IMAGE)
    })
}

fn verify(
    keyring: &Keyring,
    list: &[u8],
    signature: &[u8],
    scratch: &Path,
) -> Result<String, SignatureError> {
    let scratch =
        tempfile::tempdir_in(scratch).map_err(|error| SignatureError::None(error.to_string()))?;
    keyring.verify(list, signature, &Dir::open(scratch.path())?)
}
