//! Requests to `sysext-publish serve` (`sysext_publish::serve`). Input: the bytes of a connection.
//!
//! - The same requests are read whether the bytes come at once or one by one, and a head with a body ends the connection.
//! - Every component of a path is one visible name: not hidden, no `/`, no NUL. So none climbs.
//! - A part of a file is in the file, and not empty.

use std::io::{self, Read};

use sysext_publish::serve::range::{self, Asked};
use sysext_publish::serve::request::{self, NoRequest, Request};

/// Bytes that fit the bound of a head with either way of reading.
const MAX: usize = 16 << 10;

/// The invariant above, for any bytes.
pub fn check(data: &[u8]) -> bool {
    if data.len() >= MAX {
        return false;
    }
    let at_once = connection(data);
    assert_eq!(connection(OneByOne(data)), at_once);
    for request in &at_once.0 {
        assert!(!(request.has_body && request.keep_alive), "{request:?}");
        if let Some(components) = request::components(&request.target) {
            for name in components {
                assert!(
                    !name.starts_with('.') && !name.contains(['/', '\0']),
                    "{name:?}"
                );
            }
        }
        for length in [0, 1, 10, u64::MAX] {
            if let Some(range) = &request.range
                && let Asked::Part(first, last) = range::parse(range, length)
            {
                assert!(first <= last && last < length, "{range:?} of {length}");
            }
        }
    }
    !at_once.0.is_empty()
}

/// Every request of a connection, and how it ended.
fn connection(mut stream: impl Read) -> (Vec<Request>, NoRequest) {
    let (mut rest, mut requests) = (Vec::new(), Vec::new());
    loop {
        match request::read(&mut stream, &mut rest, || true) {
            Ok(request) => requests.push(request),
            Err(end) => return (requests, end),
        }
    }
}

struct OneByOne<'a>(&'a [u8]);

impl Read for OneByOne<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(1);
        self.0.read(&mut buffer[..length])
    }
}
