//! Files on their way to and from an object store.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write};

use object_store::path::Path;
use sysext_formats::digest::{Sha256Digest, Sha256Hasher};

use super::lease::Turn;
use super::object::{About, Labels, When, Written};
use super::requests::{PART, Requests};
use crate::location::{Incoming, LocationError};

/// A file that waits on this machine until it is published: a store has no names that nobody sees.
#[derive(Debug)]
pub(super) struct Arriving {
    requests: Requests,
    turn: Turn,
    key: Path,
    labels: Labels,
    spool: File,
    length: u64,
    published: bool,
}

impl Arriving {
    /// Begins one.
    pub(super) fn new(
        requests: Requests,
        turn: Turn,
        key: Path,
        labels: Labels,
    ) -> Result<Self, LocationError> {
        let spool = tempfile::tempfile().map_err(|source| LocationError::Stream {
            file: "the folder for temporary files".to_owned(),
            source,
        })?;
        Ok(Self {
            requests,
            turn,
            key,
            labels,
            spool,
            length: 0,
            published: false,
        })
    }

    fn rewound(&mut self) -> Result<&mut File, LocationError> {
        let file = self.requests.url(&self.key);
        let rewound = self.spool.seek(SeekFrom::Start(0));
        rewound.map_err(|source| LocationError::Stream { file, source })?;
        Ok(&mut self.spool)
    }

    /// Whether the object that is there has these bytes. What it says of itself is enough: whoever may write there may as
    /// well write other bytes later.
    fn is_there(&self, there: &About, sha256: Sha256Digest) -> Result<bool, LocationError> {
        if there.length != self.length {
            return Ok(false);
        }
        if let Some(said) = there.sha256 {
            return Ok(said == sha256);
        }
        let mut parts = Parts::new(self.requests.clone(), self.key.clone(), there.clone());
        let mut hasher = Sha256Hasher::default();
        let mut buffer = vec![0; 1 << 20];
        loop {
            let read = parts.read(&mut buffer);
            let count = read.map_err(|source| LocationError::Stream {
                file: self.requests.url(&self.key),
                source,
            })?;
            if count == 0 {
                return Ok(hasher.finish() == sha256);
            }
            hasher.update(buffer.get(..count).unwrap_or_default());
        }
    }

    fn put(&mut self, when: &When) -> Result<Written, LocationError> {
        let (requests, key) = (self.requests.clone(), self.key.clone());
        let (length, labels) = (self.length, self.labels);
        let file = requests.url(&key);
        let spool = self.rewound()?;
        let mut bytes = Vec::new();
        let read = spool.take(length).read_to_end(&mut bytes);
        read.map_err(|source| LocationError::Stream { file, source })?;
        requests.put(&key, bytes, when, &labels)
    }
}

impl Write for Arriving {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.spool.write(bytes)?;
        self.length += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.spool.flush()
    }
}

impl Incoming for Arriving {
    fn publish(&mut self, sha256: Sha256Digest) -> Result<(), LocationError> {
        if self.published {
            return Ok(());
        }
        self.labels.sha256 = Some(sha256);
        let is_small = self.length <= PART;
        if is_small && let Written::Done(_) = self.put(&When::Absent)? {
            self.published = true;
            return Ok(());
        }
        // What a run that failed has left there, or brought there already.
        let there = self.requests.look(&self.key)?;
        let done = match &there {
            Some(there) => self.is_there(there, sha256)?,
            None => false,
        };
        // Where another publisher's turn has begun, it is not for us to say what is there.
        if !done && there.is_some() && !self.turn.is_ours() {
            return Err(LocationError::Meanwhile(self.requests.url(&self.key)));
        }
        if !done && is_small {
            let when = there.map_or(When::Absent, |there| When::Same(there.tag));
            if self.put(&when)? == Written::Refused {
                return Err(LocationError::Meanwhile(self.requests.url(&self.key)));
            }
        } else if !done {
            let (requests, key) = (self.requests.clone(), self.key.clone());
            let (length, labels) = (self.length, self.labels);
            requests.put_parts(&key, self.rewound()?, length, &labels)?;
        }
        self.published = true;
        Ok(())
    }
}

/// An object, read part by part; one that changes meanwhile is an error.
#[derive(Debug)]
pub(super) struct Parts {
    requests: Requests,
    key: Path,
    about: About,
    /// Where the next part begins.
    next: u64,
    part: io::Cursor<Vec<u8>>,
}

impl Parts {
    pub(super) fn new(requests: Requests, key: Path, about: About) -> Self {
        Self {
            requests,
            key,
            about,
            next: 0,
            part: io::Cursor::default(),
        }
    }
}

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.part.read(buffer)?;
        if count > 0 || self.next == self.about.length || buffer.is_empty() {
            return Ok(count);
        }
        let end = self.about.length.min(self.next + PART);
        let part = self
            .requests
            .part(&self.key, &self.about.tag, self.next..end);
        let part = part.map_err(io::Error::other)?;
        if part.len() as u64 != end - self.next {
            return Err(io::Error::other(
                "the store sends another part than was asked for",
            ));
        }
        self.part = io::Cursor::new(part);
        self.next = end;
        self.part.read(buffer)
    }
}
