//! The body of an answer while it is read.

use std::fmt;
use std::io::{self, Read};
use std::time::Instant;

use super::{FetchError, Pace};

/// A body, read as it comes. An error while reading holds a [`FetchError`] (see [`FetchError::from_io`]).
///
/// - It ends with an error, not with an end, when it is shorter than [`length`](Self::length).
/// - It gives up when the other side is slower than the slowest rate, or its time is over.
pub struct Body {
    pub(super) source: Box<dyn Read + Send>,
    pub(super) url: String,
    pub(super) start: u64,
    pub(super) length: Option<u64>,
    pub(super) validator: Option<String>,
    pub(super) received: u64,
    pub(super) pace: Pace,
}

impl Body {
    pub(super) fn new(source: Box<dyn Read + Send>, url: String, pace: &Pace) -> Self {
        Self {
            source,
            url,
            start: 0,
            length: None,
            validator: None,
            received: 0,
            pace: pace.again(),
        }
    }

    /// Which byte of the file comes first; 0 when the server did not go on from the resume point.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The announced length of the whole file.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// What makes a later [`ResumePoint`](super::ResumePoint) mean this very file; `None` when the server gives
    /// nothing to go by.
    #[must_use]
    pub fn validator(&self) -> Option<String> {
        self.validator.clone()
    }

    pub(super) fn too_long(&self, limit: u64) -> FetchError {
        FetchError::TooLong {
            url: self.url.clone(),
            limit,
        }
    }

    /// The error behind one of reading this body.
    pub(super) fn failed(&self, error: io::Error) -> FetchError {
        FetchError::from_io(error).unwrap_or_else(|source| self.broken(source))
    }

    fn broken(&self, source: io::Error) -> FetchError {
        let url = self.url.clone();
        let http = source
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<reqwest::Error>());
        if source.kind() == io::ErrorKind::TimedOut || http.is_some_and(reqwest::Error::is_timeout)
        {
            return FetchError::Timeout { url };
        }
        FetchError::Interrupted {
            url,
            received: self.received,
            source,
        }
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let before = Instant::now();
        let read = match self.source.read(buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => return Err(io::Error::other(self.broken(error))),
        };
        let count = u64::try_from(read).unwrap_or(u64::MAX);
        self.received = self.received.saturating_add(count);
        if read > 0 {
            self.pace
                .waited(before, Instant::now(), count)
                .map_err(|source| {
                    let url = self.url.clone();
                    io::Error::other(FetchError::GaveUp { url, source })
                })?;
            return Ok(read);
        }
        let found = self.start.saturating_add(self.received);
        match self.length {
            Some(expected) if found < expected && !buffer.is_empty() => {
                Err(io::Error::other(FetchError::Short {
                    url: self.url.clone(),
                    expected,
                    found,
                }))
            }
            _ => Ok(0),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("url", &self.url)
            .field("start", &self.start)
            .field("length", &self.length)
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}
