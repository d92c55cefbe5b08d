//! The head of a request: read with bounds, parsed by httparse, and nothing kept but what is understood here.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use percent_encoding::percent_decode_str;

/// Bytes of a head.
const MAX_HEAD: usize = 16 << 10;

/// Fields of a head.
const MAX_FIELDS: usize = 64;

/// How long a head may take to arrive, once it began.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long a connection may be silent between two requests.
const IDLE: Duration = Duration::from_secs(30);

/// A request.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `HEAD` …
    pub method: String,
    /// As it was sent.
    pub target: String,
    /// `Range`.
    pub range: Option<String>,
    /// `If-Range`.
    pub if_range: Option<String>,
    /// `If-None-Match`.
    pub if_none_match: Option<String>,
    /// Whether a body follows. Nothing here takes one, so it ends the connection.
    pub has_body: bool,
    /// Whether the client wants to ask more on this connection.
    pub keep_alive: bool,
}

/// What came instead of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum NoRequest {
    /// The connection ended, or the server does.
    End,
    /// An answer with this status, and the end.
    Refuse(u16),
}

/// Reads one head. `rest` holds what was read and not used; `go_on` says whether to wait any longer.
///
/// # Errors
/// When none comes, or what comes is none.
pub fn read(
    stream: &mut impl Read,
    rest: &mut Vec<u8>,
    go_on: impl Fn() -> bool,
) -> Result<Request, NoRequest> {
    let started = Instant::now();
    let mut buffer = [0; 4096];
    loop {
        if let Some((request, used)) = parse(rest)? {
            rest.drain(..used);
            return Ok(request);
        }
        if rest.len() >= MAX_HEAD {
            return Err(NoRequest::Refuse(431));
        }
        let patience = if rest.is_empty() { IDLE } else { PATIENCE };
        if started.elapsed() > patience || (rest.is_empty() && !go_on()) {
            return Err(if rest.is_empty() {
                NoRequest::End
            } else {
                NoRequest::Refuse(408)
            });
        }
        match stream.read(&mut buffer) {
            Ok(0) => return Err(NoRequest::End),
            Ok(count) => rest.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock
                        | io::ErrorKind::TimedOut
                        | io::ErrorKind::Interrupted
                ) => {}
            Err(_) => return Err(NoRequest::End),
        }
    }
}

/// The request at the beginning of `bytes`, once all of it is there, and its length.
fn parse(bytes: &[u8]) -> Result<Option<(Request, usize)>, NoRequest> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut head = httparse::Request::new(&mut fields);
    let used = match head.parse(bytes) {
        Ok(httparse::Status::Complete(used)) => used,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(NoRequest::Refuse(431)),
        Err(_) => return Err(NoRequest::Refuse(400)),
    };
    let mut request = Request {
        method: head.method.unwrap_or_default().to_owned(),
        target: head.path.unwrap_or_default().to_owned(),
        range: None,
        if_range: None,
        if_none_match: None,
        has_body: false,
        // HTTP/1.1; a client of 1.0 would have to ask for it.
        keep_alive: head.version == Some(1),
    };
    for field in head.headers.iter() {
        let text = || {
            std::str::from_utf8(field.value)
                .map(|value| value.trim().to_owned())
                .ok()
        };
        match field.name.to_ascii_lowercase().as_str() {
            "range" => request.range = text(),
            "if-range" => request.if_range = text(),
            "if-none-match" => request.if_none_match = text(),
            "connection" => {
                let words = text().unwrap_or_default().to_ascii_lowercase();
                if words.split(',').any(|word| word.trim() == "close") {
                    request.keep_alive = false;
                }
            }
            "transfer-encoding" => request.has_body = true,
            "content-length" => request.has_body |= field.value != b"0",
            _ => {}
        }
    }
    // What is not read as a body must not be read as the next request.
    request.keep_alive &= !request.has_body;
    Ok(Some((request, used)))
}

/// The components of the path that is asked for, decoded; `None` where no file can be called so.
#[must_use]
pub fn components(target: &str) -> Option<Vec<String>> {
    // A proxy sends the whole URL.
    let path = match target.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        None => target,
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let components = path.strip_prefix('/')?.split('/');
    components
        .map(|component| {
            let name = percent_decode_str(component).decode_utf8().ok()?;
            // Hidden names are temporary files, and what a vendor did not mean to show.
            let plain = !name.starts_with('.') && !name.contains(['/', '\0']);
            plain.then(|| name.into_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(mut bytes: &[u8]) -> Result<Request, NoRequest> {
        read(&mut bytes, &mut Vec::new(), || true)
    }

    fn status(bytes: &[u8]) -> u16 {
        match read_all(bytes) {
            Err(NoRequest::Refuse(status)) => status,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_head_is_read_and_what_follows_is_kept() {
        let mut bytes: &[u8] = b"GET /a HTTP/1.1\r\nRange: bytes=0-\r\nConnection: Close\r\n\r\nGET /b HTTP/1.1\r\n\r\n";
        let mut rest = Vec::new();
        let first = read(&mut bytes, &mut rest, || true).unwrap();
        assert_eq!(
            (
                first.target.as_str(),
                first.range.as_deref(),
                first.keep_alive
            ),
            ("/a", Some("bytes=0-"), false)
        );
        let second = read(&mut bytes, &mut rest, || true).unwrap();
        assert_eq!((second.target.as_str(), second.keep_alive), ("/b", true));
        assert!(matches!(
            read(&mut bytes, &mut rest, || true),
            Err(NoRequest::End)
        ));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        assert_eq!(status(b"\x16\x03\x01 not http\r\n\r\n"), 400);
        let mut many = b"GET / HTTP/1.1\r\n".to_vec();
        many.extend(b"A: b\r\n".repeat(MAX_FIELDS + 1));
        assert_eq!(status(&many), 431);
        let mut long = b"GET /".to_vec();
        long.resize(MAX_HEAD + 5000, b'a');
        assert_eq!(status(&long), 431);
        assert!(!read_all(b"GET / HTTP/1.0\r\n\r\n").unwrap().keep_alive);
    }

    #[test]
    fn a_body_ends_the_connection() {
        for field in [
            "Transfer-Encoding: chunked",
            "Content-Length: 5",
            "content-length: x",
        ] {
            let head = format!("POST / HTTP/1.1\r\n{field}\r\n\r\n");
            let request = read_all(head.as_bytes()).unwrap();
            assert!(request.has_body && !request.keep_alive, "{field}");
        }
        let request = read_all(b"GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n").unwrap();
        assert!(!request.has_body && request.keep_alive);
    }

    #[test]
    fn paths_can_not_climb() {
        let names = |target: &str| components(target).map(|names| names.join("|"));
        assert_eq!(
            names("/metadata/1.root.json?x=/..").unwrap(),
            "metadata|1.root.json"
        );
        assert_eq!(names("http://host/a%20b").unwrap(), "a b");
        assert_eq!(names("/").unwrap(), "");
        for target in [
            "/..",
            "/a/../b",
            "/%2e%2e/x",
            "/.git",
            "/a%2Fb",
            "/a%00",
            "/a/.",
            "a",
            "*",
            "/%ff",
            "",
        ] {
            assert_eq!(names(target), None, "{target}");
        }
    }
}
