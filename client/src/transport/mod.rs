//! How the bytes of an image come into the store.
//!
//! - The cheapest transport that applies is tried first; any failure falls to the next one, and is kept for the report.
//!   The last one, the image's own file, always applies.
//! - What is fetched is hashed before a decoder sees a byte of it, and what comes out of a decoder is hashed again: an
//!   image is in the store with the signed digest, or not at all.
//! - Memory is bounded whatever the size of the image; nothing grows past the signed lengths.
//! - A download that was cut off stays in `STORE/parts` and goes on later, from whichever mirror. Bytes with a wrong
//!   digest are deleted.
//!
//! What it does not do: look into the image ([`crate::stage`] does), or decide which image it should be.

mod copy;
mod download;
mod part;
mod patch;
mod raw;
mod urls;
mod zstd;

use std::fmt;
use std::fs::File;

use serde::Serialize;
use sysext_durable::Dir;
use sysext_formats::catalog::{Image, Transport, TransportKind};
use sysext_formats::digest::Sha256Digest;
use url::Url;

use crate::fetch::{Fetcher, Pace};
use crate::store::{Store, StoreError, StoredImage};

pub use self::zstd::{DecodeError, decode as decode_zstd};

/// How the bytes of an image came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// They were in the store.
    Store,
    /// They were in another file of this host.
    Copy,
    /// As a patch to an image that was in the store.
    Patch,
    /// As one zstd frame.
    Zstd,
    /// As they are.
    Raw,
}

impl Method {
    /// In a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Copy => "copy",
            Self::Patch => "patch",
            Self::Zstd => "zstd",
            Self::Raw => "raw",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Who wants to know how far a download is. One for each image, called from the thread that fetches it.
pub trait Progress: Sync {
    /// A file is going to be fetched; also called when it begins anew.
    fn start(&self, name: &str, method: Method, total: u64);
    /// This many bytes more are there.
    fn advance(&self, bytes: u64);
    /// It came, or failed.
    fn finish(&self);
}

/// Nobody wants to know.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn start(&self, _: &str, _: Method, _: u64) {}
    fn advance(&self, _: u64) {}
    fn finish(&self) {}
}

/// Something that was tried in vain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// Where from, or which transport.
    pub what: String,
    /// Why not.
    pub reason: String,
    /// What kind of failure it is.
    pub fault: Fault,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Most reasons name the URL themselves.
        if self.reason.contains(&self.what) {
            f.write_str(&self.reason)
        } else {
            write!(f, "{}: {}", self.what, self.reason)
        }
    }
}

/// Whose fault a failed attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// The network's or the server's: it may work later.
    Temporary,
    /// Other bytes than were signed.
    Bytes,
    /// Anything else.
    Other,
}

/// What a fetch did besides giving the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fetched {
    pub(crate) method: Method,
    /// Bytes that came over the network for the transport that worked.
    pub(crate) bytes: u64,
}

impl Fetched {
    const COPIED: Self = Self {
        method: Method::Copy,
        bytes: 0,
    };
}

/// Whether a file of this host had the bytes of the image, which are in that directory then. It is made for a file that may
/// be the image only: a full disk has no room for it, and another way of bringing the image may say so better, or need less.
fn copied(
    job: &Job<'_>,
    directory: impl Fn() -> Result<Dir, StoreError>,
    attempts: &mut Vec<Attempt>,
) -> Result<bool, StoreError> {
    let may_be = |file: &&File| copy::has_length(file, job.image);
    for file in job.local.iter().filter(may_be) {
        match directory().and_then(|directory| copy::fetch(job.image, file, &directory)) {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(StoreError::Files(error)) if is_full(&error) => attempts.push(Attempt {
                what: "a file of this host".to_owned(),
                reason: error.to_string(),
                fault: Fault::Other,
            }),
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

fn is_full(error: &sysext_durable::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.io_kind(), Some(StorageFull | QuotaExceeded))
}

/// Fetches one file of the image, its own or a transport's, into `directory` instead of the store. `None` when nothing
/// gave it; why is in `attempts` then.
pub(crate) fn fetch_file(
    job: &Job<'_>,
    transport: Option<&Transport>,
    directory: &Dir,
    attempts: &mut Vec<Attempt>,
) -> Result<Option<Fetched>, StoreError> {
    let image = job.image;
    let entry = || Ok(directory.try_clone()?);
    if transport.is_none() && copied(job, entry, attempts)? {
        return Ok(Some(Fetched::COPIED));
    }
    let wanted = match transport {
        Some(transport) => download::Wanted {
            file: &transport.file,
            length: transport.length,
            sha256: &transport.sha256,
            urls: &transport.urls,
            method: match transport.from {
                Some(_) => Method::Patch,
                None => Method::Zstd,
            },
        },
        None => download::Wanted {
            file: &image.file,
            length: image.length,
            sha256: &image.sha256,
            urls: &image.urls,
            method: Method::Raw,
        },
    };
    let fetched = download::download(job, &wanted, attempts);
    job.progress.finish();
    match fetched {
        Ok((part, bytes)) => {
            part.into_store(directory, wanted.file)?;
            let method = wanted.method;
            Ok(Some(Fetched { method, bytes }))
        }
        Err(Failed::Here(error)) => Err(error),
        Err(Failed::TryNext | Failed::TooLate) => Ok(None),
    }
}

/// An image that is to be fetched.
pub(crate) struct Job<'a> {
    pub(crate) store: &'a Store,
    pub(crate) fetcher: &'a Fetcher,
    pub(crate) image: &'a Image,
    pub(crate) bases: &'a [Url],
    /// Files of this host that may have the same bytes.
    pub(crate) local: &'a [File],
    pub(crate) progress: &'a dyn Progress,
    /// One for the image, over all transports and places.
    pub(crate) pace: Pace,
}

/// Why one transport did not give the image.
#[derive(Debug)]
enum Failed {
    /// The next one may; the reason is among the attempts.
    TryNext,
    /// There is no time left; the reason is among the attempts.
    TooLate,
    /// This host fails, and would for every transport.
    Here(StoreError),
}

impl<E: Into<StoreError>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::Here(error.into())
    }
}

/// Fetches the image's file into the store, where it is not an image yet: its facts are missing. `None` when nothing
/// gave it; why is in `attempts` then.
pub(crate) fn fetch(
    job: &Job<'_>,
    attempts: &mut Vec<Attempt>,
) -> Result<Option<Fetched>, StoreError> {
    if copied(job, || job.store.entry(&job.image.sha256), attempts)? {
        return Ok(Some(Fetched::COPIED));
    }
    for choice in choices(job) {
        if let Some(attempt) = no_room(job, &choice) {
            attempts.push(attempt);
            continue;
        }
        let result = match choice {
            Choice::Patch(transport, base) => patch::fetch(job, transport, &base, attempts),
            Choice::Zstd(transport) => zstd::fetch(job, transport, attempts),
            Choice::Raw => raw::fetch(job, attempts),
        };
        job.progress.finish();
        match result {
            Ok(fetched) => return Ok(Some(fetched)),
            Err(Failed::TryNext) => {}
            Err(Failed::TooLate) => break,
            Err(Failed::Here(error)) => return Err(error),
        }
    }
    Ok(None)
}

/// Bytes of the image that earlier, interrupted downloads left in `STORE/parts`.
pub(crate) fn kept(store: &Store, image: &Image) -> u64 {
    let digests = image.transports.iter().map(|transport| &transport.sha256);
    let lengths = digests
        .chain([&image.sha256])
        .map(|digest| part::length(store, digest));
    lengths.max().unwrap_or(0)
}

enum Choice<'a> {
    /// With the image that it starts from.
    Patch(&'a Transport, Box<StoredImage>),
    Zstd(&'a Transport),
    Raw,
}

/// Whether the file system can not hold what this transport writes: better said before the download than after most of
/// it. A file system that does not say how much room it has is tried.
fn no_room(job: &Job<'_>, choice: &Choice<'_>) -> Option<Attempt> {
    let image = job.image;
    let (method, file, needed) = match choice {
        Choice::Patch(transport, _) | Choice::Zstd(transport) => {
            let rest = transport
                .length
                .saturating_sub(part::length(job.store, &transport.sha256));
            (
                match choice {
                    Choice::Patch(..) => Method::Patch,
                    _ => Method::Zstd,
                },
                &transport.file,
                rest.saturating_add(image.length),
            )
        }
        Choice::Raw => {
            let rest = image
                .length
                .saturating_sub(part::length(job.store, &image.sha256));
            (Method::Raw, &image.file, rest)
        }
    };
    let room = rustix::fs::fstatvfs(job.store.base()).ok()?;
    let free = room.f_bavail.saturating_mul(room.f_frsize);
    (free < needed && room.f_blocks > 0).then(|| Attempt {
        what: file.to_string(),
        reason: format!(
            "{needed} bytes are needed below {} to get it {}, {free} are free",
            job.store.base().path().display(),
            match method {
                Method::Raw => "as it is",
                Method::Patch => "as a patch",
                _ => "compressed",
            },
        ),
        fault: Fault::Other,
    })
}

/// Patches that are tried for one image: where these are of no use, others of the same publisher are not better.
const MAX_PATCHES: usize = 2;

/// What applies, the cheapest first. A patch applies when the image that it starts from is in the store, and neither image is
/// longer than patches reach.
fn choices<'a>(job: &Job<'a>) -> Vec<Choice<'a>> {
    let image = job.image;
    let mut smaller: Vec<_> = image
        .transports
        .iter()
        .filter(|transport| transport.length < image.length)
        .collect();
    smaller.sort_by_key(|transport| transport.length);
    let reaches = |length| length <= sysext_patch::MAX_LENGTH;
    let mut patches = 0;
    let usable = smaller.into_iter().filter_map(|transport| {
        match (&transport.kind, &transport.from) {
            (TransportKind::Zstd, _) => Some(Choice::Zstd(transport)),
            (TransportKind::RelinkLzma, Some(from)) => {
                // An entry that is broken is none to start from; what is wrong with it is said where it is used.
                let base = job.store.find(from).ok()??;
                if patches == MAX_PATCHES || !reaches(image.length) || !reaches(base.length) {
                    return None;
                }
                patches += 1;
                Some(Choice::Patch(transport, Box::new(base)))
            }
            (TransportKind::RelinkLzma, None) | (TransportKind::Unknown(_), _) => None,
        }
    });
    usable.chain([Choice::Raw]).collect()
}

/// Other bytes than were signed.
fn wrong_bytes(what: &str, expected: &Sha256Digest, found: &Sha256Digest) -> Attempt {
    Attempt {
        what: what.to_owned(),
        reason: format!("its sha256 is {found}, {expected} was signed"),
        fault: Fault::Bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;
    use crate::fetch::Network;
    use crate::root::Root;
    use std::io::ErrorKind;

    /// What is said where the directory of an image can not be made.
    fn copied_where(kind: ErrorKind) -> (Result<bool, StoreError>, Vec<Attempt>) {
        let scratch = tempfile::tempdir().unwrap();
        let store = Store::create(&Root::new(scratch.path().to_owned(), None)).unwrap();
        let fetcher = Fetcher::new(&Settings::default(), Network::Offline).unwrap();
        let target = serde_json::json!({
            "length": 0, "hashes": {"sha256": Sha256Digest::of(b"")},
            "custom": {"sysext": {
                "schema": 1, "class": "sysext", "version": "1", "architecture": "_any",
                "extension_release": {"ID": "_any"}, "channels": ["stable"], "released": "2026-01-01T00:00:00Z",
                "image": {
                    "container": "none", "filesystem": "squashfs", "compressed": false, "units": [], "setuid": [],
                },
            }},
        });
        let target = serde_json::from_value(target).unwrap();
        let image = Image::read("k3s_1_noarch.raw".parse().unwrap(), &target).unwrap();
        let job = Job {
            store: &store,
            fetcher: &fetcher,
            image: &image,
            bases: &[],
            local: &[tempfile::tempfile().unwrap()],
            progress: &Silent,
            pace: fetcher.begin(),
        };
        let fails = || {
            let path = scratch.path().to_owned();
            Err(crate::store::io_error("creating", path, kind.into()))
        };
        let mut attempts = Vec::new();
        (copied(&job, fails, &mut attempts), attempts)
    }

    #[test]
    fn a_full_disk_passes_a_local_file_by_and_a_broken_one_does_not() {
        for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded] {
            let (copied, attempts) = copied_where(kind);
            assert!(!copied.unwrap());
            assert_eq!(attempts.len(), 1);
        }
        assert!(copied_where(ErrorKind::ReadOnlyFilesystem).0.is_err());
    }
}
