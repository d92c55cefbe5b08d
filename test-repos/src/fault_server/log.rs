//! What was asked for and what was sent.
//!
//! - A request stands in the log before the first byte of its answer leaves, and its `bytes_sent` grows before the bytes
//!   do: who has read a byte finds it counted.
//! - Bytes count when the kernel took them. A client that stops reading has up to some megabytes less.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::behaviour::PathPattern;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The decoded path, without its leading `/` and without the query.
    pub path: String,
    /// The request target as it was sent, escapes, query and all. A proxy is sent a whole URL.
    pub target: String,
    /// The header fields in their order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The status of the answer; `None` when there was none.
    pub status: Option<u16>,
    /// Bytes that followed after the header of the answer, chunk framing and all.
    pub bytes_sent: u64,
    /// Which connection it came over; the first one is 0.
    pub connection: u64,
}

impl Request {
    /// The first value of a header field; `name` in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The `Range` header field.
    #[must_use]
    pub fn range(&self) -> Option<&str> {
        self.header("range")
    }
}

#[derive(Debug, Default)]
struct Entries {
    next: u64,
    requests: BTreeMap<u64, Request>,
    connections: u64,
}

#[derive(Debug, Default)]
pub(super) struct Log(Mutex<Entries>);

impl Log {
    /// Counts a connection and returns its number.
    pub(super) fn connection(&self) -> u64 {
        let mut entries = self.lock();
        entries.connections += 1;
        entries.connections - 1
    }

    /// Adds a request and returns its number.
    pub(super) fn request(&self, request: Request) -> u64 {
        let mut entries = self.lock();
        let number = entries.next;
        entries.next += 1;
        entries.requests.insert(number, request);
        number
    }

    pub(super) fn status(&self, number: u64, status: u16) {
        if let Some(request) = self.lock().requests.get_mut(&number) {
            request.status = Some(status);
        }
    }

    pub(super) fn sent(&self, number: u64, bytes: u64) {
        if let Some(request) = self.lock().requests.get_mut(&number) {
            request.bytes_sent += bytes;
        }
    }

    /// Takes back bytes that did not leave after all.
    pub(super) fn not_sent(&self, number: u64, bytes: u64) {
        if let Some(request) = self.lock().requests.get_mut(&number) {
            request.bytes_sent -= bytes;
        }
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.lock().requests.values().cloned().collect()
    }

    pub(super) fn matching(&self, pattern: &str) -> Vec<Request> {
        let pattern = PathPattern::new(pattern);
        let matches = |request: &&Request| pattern.matches(&request.path);
        self.lock()
            .requests
            .values()
            .filter(matches)
            .cloned()
            .collect()
    }

    pub(super) fn connections(&self) -> u64 {
        self.lock().connections
    }

    /// Forgets requests and the count of connections. Connection numbers start again.
    pub(super) fn clear(&self) {
        let mut entries = self.lock();
        entries.requests.clear();
        entries.connections = 0;
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
