//! Fetches one file of known length and digest, from wherever it is to be had.
//!
//! - Places are tried in order. A body that breaks off is gone on with at the same place, as long as each attempt brings
//!   something; then the next place goes on from there.
//! - A file of another length is refused before a byte of it is read, and one that turns out to have other bytes is
//!   deleted: nothing that was ever wrong is gone on with.

use std::io::Read as _;

use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::FileName;
use url::Url;

use super::part::Part;
use super::urls::{Place, places};
use super::{Attempt, Failed, Fault, Job, Method, wrong_bytes};
use crate::fetch::{FetchError, shown};
use crate::store::{CHUNK, StoreError};

/// How often a body that broke off is gone on with at one place.
const MAX_RESUMES: u32 = 8;

/// The file.
pub(super) struct Wanted<'a> {
    pub(super) file: &'a FileName,
    pub(super) length: u64,
    pub(super) sha256: &'a Sha256Digest,
    /// URLs of its own, besides the bases of the catalog.
    pub(super) urls: &'a [String],
    /// What it is for.
    pub(super) method: Method,
}

/// Fetches the file; what comes back has the digest. Answers with the bytes that had to come for it, too.
pub(super) fn download(
    job: &Job<'_>,
    wanted: &Wanted<'_>,
    attempts: &mut Vec<Attempt>,
) -> Result<(Part, u64), Failed> {
    let part = Part::open(job.store, wanted.sha256, wanted.length)?;
    let mut download = Download {
        job,
        wanted,
        part,
        received: 0,
        too_late: false,
    };
    download.announce();
    // Complete, and only killed before it was used.
    if download.is_complete() && download.check("the part in the store", attempts)? {
        return Ok((download.part, 0));
    }
    for place in places(wanted.urls, job.bases, wanted.file, wanted.sha256) {
        if download.ask(&place, attempts)? {
            return Ok((download.part, download.received));
        }
        if download.too_late {
            return Err(Failed::TooLate);
        }
    }
    if download.part.have() == 0 {
        download.part.discard()?;
    }
    Err(Failed::TryNext)
}

struct Download<'a> {
    job: &'a Job<'a>,
    wanted: &'a Wanted<'a>,
    part: Part,
    received: u64,
    /// The time of the image is over.
    too_late: bool,
}

/// Why a body was not read to its end.
enum Broken {
    Fetch(FetchError),
    /// The place has another file.
    Other(String),
    /// This host fails.
    Here(StoreError),
}

impl From<FetchError> for Broken {
    fn from(error: FetchError) -> Self {
        Self::Fetch(error)
    }
}

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        Self::Here(error)
    }
}

impl Download<'_> {
    fn announce(&self) {
        let (name, method) = (self.wanted.file.as_str(), self.wanted.method);
        self.job.progress.start(name, method, self.wanted.length);
        self.job.progress.advance(self.part.have());
    }

    fn is_complete(&self) -> bool {
        self.part.have() == self.wanted.length
    }

    /// Whether the file came, with the right digest.
    fn ask(&mut self, place: &Place, attempts: &mut Vec<Attempt>) -> Result<bool, StoreError> {
        let mut url = &place.url;
        let mut resumes = 0;
        loop {
            let had = self.part.have();
            let received = self.received;
            match self.read(url) {
                Ok(()) if self.check(&shown(url), attempts)? => return Ok(true),
                // What was wrong may have been the beginning, which came from elsewhere.
                Ok(()) if had > 0 => {}
                Ok(()) => return Ok(false),
                Err(Broken::Here(error)) => return Err(error),
                Err(Broken::Other(reason)) => {
                    attempts.push(attempt(url, reason, Fault::Bytes));
                    return Ok(false);
                }
                Err(Broken::Fetch(error)) => {
                    let fault = if error.is_temporary() {
                        Fault::Temporary
                    } else {
                        Fault::Other
                    };
                    let missing =
                        matches!(error, FetchError::NotFound { .. }) || error.is_forbidden();
                    self.too_late = error.is_too_late();
                    attempts.push(attempt(url, chain(&error), fault));
                    match &place.hashed {
                        _ if self.too_late => return Ok(false),
                        Some(hashed) if missing && url != hashed => url = hashed,
                        _ if self.received > received && resumes < MAX_RESUMES => resumes += 1,
                        _ => return Ok(false),
                    }
                }
            }
        }
    }

    /// Reads until the part is as long as the file must be.
    fn read(&mut self, url: &Url) -> Result<(), Broken> {
        let resume = self.part.resume_point();
        if resume.is_none() && self.part.have() > 0 {
            self.restart()?;
        }
        let mut body = self
            .job
            .fetcher
            .open(url, resume.as_ref(), &self.job.pace)?;
        let expected = self.wanted.length;
        if let Some(length) = body.length().filter(|length| *length != expected) {
            let reason = format!("the file there has {length} bytes, {expected} were signed");
            return Err(Broken::Other(reason));
        }
        if body.start() != 0 && body.start() != self.part.have() {
            let (start, have) = (body.start(), self.part.have());
            let reason = format!("the server goes on from byte {start}, and {have} are here");
            return Err(Broken::Other(reason));
        }
        if body.start() == 0 && self.part.have() > 0 {
            self.restart()?;
        }
        if body.start() == 0 {
            self.part.set_validator(body.validator().as_deref())?;
        }
        let mut buffer = vec![0; CHUNK];
        loop {
            let count = match body.read(&mut buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(broken_off(url, self.received, error)),
            };
            let bytes = buffer.get(..count).unwrap_or_default();
            let count = u64::try_from(count).unwrap_or(u64::MAX);
            if count > expected - self.part.have() {
                self.restart()?;
                let reason =
                    format!("the file there goes on after the {expected} bytes that were signed");
                return Err(Broken::Other(reason));
            }
            if count == 0 {
                break;
            }
            self.part.add(bytes)?;
            self.received += count;
            self.job.progress.advance(count);
        }
        if self.is_complete() {
            return Ok(());
        }
        // A body of unknown length ends where its connection does.
        let found = self.part.have();
        Err(Broken::Fetch(FetchError::Short {
            url: shown(url),
            expected,
            found,
        }))
    }

    /// Compares the digest of a complete part; a wrong one is deleted.
    fn check(&mut self, from: &str, attempts: &mut Vec<Attempt>) -> Result<bool, StoreError> {
        let found = self.part.digest();
        if found == *self.wanted.sha256 {
            return Ok(true);
        }
        attempts.push(wrong_bytes(from, self.wanted.sha256, &found));
        self.restart()?;
        Ok(false)
    }

    fn restart(&mut self) -> Result<(), StoreError> {
        self.part.reset()?;
        self.announce();
        Ok(())
    }
}

fn attempt(url: &Url, reason: String, fault: Fault) -> Attempt {
    Attempt {
        what: shown(url),
        reason,
        fault,
    }
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.contains(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        cause = error.source();
    }
    text
}

fn broken_off(url: &Url, received: u64, error: std::io::Error) -> Broken {
    Broken::Fetch(
        FetchError::from_io(error).unwrap_or_else(|source| FetchError::Interrupted {
            url: shown(url),
            received,
            source,
        }),
    )
}
