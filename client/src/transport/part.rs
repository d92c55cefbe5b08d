//! A file while it is fetched: `STORE/parts/SHA256`, named by the digest that it must have in the end.
//!
//! - It only ever grows at its end, and is hashed while it grows; what an earlier run left is hashed once.
//! - `SHA256.validator` says which version of the file at the server it is, so that a server that has another one by now
//!   sends it from the start (`If-Range`).
//! - One process at a time has it, by a lock on the file itself: two roots may share a store.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, fchmod, flock};
use sysext_durable::{Dir, Error, checkpoint};
use sysext_formats::digest::{Sha256Digest, Sha256Hasher};
use sysext_formats::name::FileName;

use crate::fetch::ResumePoint;
use crate::store::{FILE_MODE, Store, StoreError, hash_rest, io_error};

/// Nobody else may open a part, and so hold its lock; in the store it gets the permissions of an image.
const PART_MODE: u32 = 0o600;
/// Bytes of a validator: an ETag or a date.
const MAX_VALIDATOR: u64 = 1 << 10;
/// How long to wait for another process that fetches the same file.
const WAIT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Part {
    dir: Dir,
    name: String,
    file: File,
    have: u64,
    hasher: Sha256Hasher,
}

impl Part {
    /// Opens the part of the file with this digest, with what is there of it.
    pub(super) fn open(
        store: &Store,
        sha256: &Sha256Digest,
        expected: u64,
    ) -> Result<Self, StoreError> {
        let dir = store.parts()?;
        let name = sha256.to_string();
        let file = locked(&dir, &name)?;
        let mut part = Self {
            dir,
            name,
            file,
            have: 0,
            hasher: Sha256Hasher::default(),
        };
        let metadata = part.file.metadata();
        let length = metadata
            .map_err(|error| part.failed("reading", error))?
            .len();
        if length > expected {
            part.reset()?;
        } else {
            part.take_over(length)?;
        }
        Ok(part)
    }

    /// Bytes that are there.
    pub(super) fn have(&self) -> u64 {
        self.have
    }

    /// The digest of what is there.
    pub(super) fn digest(&self) -> Sha256Digest {
        self.hasher.clone().finish()
    }

    /// Where to go on from; `None` when it can only begin anew.
    pub(super) fn resume_point(&self) -> Option<ResumePoint> {
        let validator = self
            .dir
            .read(&self.validator_name(), MAX_VALIDATOR)
            .ok()??;
        let validator = String::from_utf8(validator).ok()?;
        (self.have > 0 && !validator.is_empty()).then_some(ResumePoint {
            offset: self.have,
            validator,
        })
    }

    /// Remembers of which version of the file at the server it is.
    pub(super) fn set_validator(&self, validator: Option<&str>) -> Result<(), StoreError> {
        let name = self.validator_name();
        match validator {
            Some(text) => self.dir.write(&name, text.as_bytes(), FILE_MODE)?,
            None => self.dir.remove(&name)?,
        }
        checkpoint("part-noted");
        Ok(())
    }

    /// Adds bytes at the end.
    pub(super) fn add(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.file
            .write_all(bytes)
            .map_err(|error| self.failed("writing", error))?;
        self.hasher.update(bytes);
        self.have += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// Begins anew.
    pub(super) fn reset(&mut self) -> Result<(), StoreError> {
        self.file
            .set_len(0)
            .map_err(|error| self.failed("emptying", error))?;
        self.have = 0;
        self.hasher = Sha256Hasher::default();
        self.set_validator(None)
    }

    /// The file, positioned at its start.
    pub(super) fn reader(&mut self) -> Result<&mut File, StoreError> {
        use std::io::Seek as _;
        self.file
            .rewind()
            .map_err(|error| self.failed("reading", error))?;
        Ok(&mut self.file)
    }

    /// Makes it the file of an image in the store.
    pub(super) fn into_store(self, entry: &Dir, file: &FileName) -> Result<(), StoreError> {
        fchmod(&self.file, Mode::from_raw_mode(FILE_MODE))
            .map_err(|error| self.failed("finishing", error.into()))?;
        self.file
            .sync_all()
            .map_err(|error| self.failed("syncing", error))?;
        self.dir.move_to(&self.name, entry, file.as_str())?;
        checkpoint("part-moved");
        self.set_validator(None)
    }

    /// Removes it.
    pub(super) fn discard(self) -> Result<(), StoreError> {
        self.set_validator(None)?;
        Ok(self.dir.remove(&self.name)?)
    }

    fn take_over(&mut self, length: u64) -> Result<(), StoreError> {
        if length > 0 {
            let mut hasher = Sha256Hasher::default();
            hash_rest(self.reader()?, &mut hasher)
                .map_err(|error| self.failed("reading", error))?;
            self.hasher = hasher;
            self.have = length;
        }
        Ok(())
    }

    fn validator_name(&self) -> String {
        format!("{}.validator", self.name)
    }

    fn failed(&self, operation: &'static str, source: io::Error) -> StoreError {
        io_error(operation, self.dir.path().join(&self.name), source)
    }
}

/// Bytes that are there of the file with this digest.
pub(super) fn length(store: &Store, sha256: &Sha256Digest) -> u64 {
    let file = store
        .parts()
        .ok()
        .and_then(|dir| dir.open_file(&sha256.to_string()).ok()?);
    file.and_then(|file| file.metadata().ok())
        .map_or(0, |metadata| metadata.len())
}

/// Opens and locks a part. Whoever had it before may have moved it away meanwhile: then the name is opened again.
fn locked(dir: &Dir, name: &str) -> Result<File, StoreError> {
    let path = dir.path().join(name);
    let failed = |error: io::Error| io_error("locking", path.clone(), error);
    let start = Instant::now();
    loop {
        let file = dir.append(name, PART_MODE)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                let mine = file.metadata().map_err(failed)?;
                let named = dir.open_file(name)?.map(|file| file.metadata());
                let named = named.transpose().map_err(failed)?;
                if named.is_some_and(|named| (named.dev(), named.ino()) == (mine.dev(), mine.ino()))
                {
                    return Ok(file);
                }
            }
            Err(rustix::io::Errno::WOULDBLOCK) if start.elapsed() < WAIT => sleep(PAUSE),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let holder = "another process, which fetches the same file".to_owned();
                return Err(Error::Locked { path, holder }.into());
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(failed(error.into())),
        }
    }
}
