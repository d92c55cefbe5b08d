//! Reading a request off the wire: request line and header fields, within bounds.

use std::io::{self, BufRead, Read as _};

/// Bytes of a request's header that are read at most.
const MAX_HEADER: u64 = 64 << 10;

/// A request as it came.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) keep_alive: bool,
}

impl Incoming {
    /// The next request; `None` where the connection ends before one begins.
    pub(super) fn read(from: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut from = from.take(MAX_HEADER);
        let Some(line) = read_line(&mut from)? else {
            return Ok(None);
        };
        let mut words = line.split(' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(invalid("a request line has three words"));
        };
        let mut headers = Vec::new();
        loop {
            let line = read_line(&mut from)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| invalid("a header field has a colon"))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut request = Self {
            method: method.to_owned(),
            target: target.to_owned(),
            path: path_of(target)
                .ok_or_else(|| invalid("the path is not percent-encoded UTF-8"))?,
            headers,
            keep_alive: version == "HTTP/1.1",
        };
        if let Some(connection) = request.header("connection") {
            let connection = connection.to_ascii_lowercase();
            request.keep_alive = match connection.as_str() {
                "close" => false,
                "keep-alive" => true,
                _ => request.keep_alive,
            };
        }
        Ok(Some(request))
    }

    /// The first value of a header field; `name` in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value.as_str())
    }
}

fn read_line(from: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    match line.strip_suffix('\n') {
        Some(whole) => Ok(Some(whole.trim_end_matches('\r').to_owned())),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// The decoded path of a request target, without leading `/` and query. A whole URL, as a proxy gets it, is cut to its
/// path.
fn path_of(target: &str) -> Option<String> {
    let path = match target.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => target.strip_prefix('/').unwrap_or(target),
    };
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    percent_decode(path)
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.extend(data_encoding::HEXLOWER_PERMISSIVE.decode(&digits).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// A path as it stands in a URL: everything but unreserved characters and `/` is percent-encoded.
pub(super) fn percent_encode(path: &str) -> String {
    let mut text = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                text.push(char::from(byte));
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_decoded_once() {
        for (target, path) in [
            ("/a/b.raw", "a/b.raw"),
            ("/a%2Bb%252e?x=1", "a+b%2e"),
            ("/a+b", "a+b"),
            ("http://host:80/a?b", "a"),
            ("http://host", ""),
        ] {
            assert_eq!(path_of(target).as_deref(), Some(path), "{target}");
        }
        assert_eq!(path_of("/%zz"), None);
        assert_eq!(path_of("/%f"), None);
        assert_eq!(
            path_of(&percent_encode("/ä +%/.x")).as_deref(),
            Some("ä +%/.x")
        );
    }

    #[test]
    fn a_request_is_bounded_and_whole_or_an_error() {
        let read = |bytes: &[u8]| Incoming::read(&mut io::BufReader::new(bytes));
        let request = read(b"GET /a HTTP/1.1\r\nRange:  bytes=0-1 \r\n\r\n")
            .unwrap()
            .unwrap();
        assert_eq!(request.header("range"), Some("bytes=0-1"));
        assert!(request.keep_alive);
        assert!(!read(b"GET / HTTP/1.0\n\n").unwrap().unwrap().keep_alive);
        assert!(read(b"").unwrap().is_none());
        assert!(read(b"GET / HTTP/1.1\r\nA: b").is_err());
        assert!(read(b"GET /\r\n\r\n").is_err());
        let endless = [b"GET / HTTP/1.1\r\nA: ".as_slice(), &vec![b'a'; 100_000]].concat();
        assert!(read(&endless).is_err());
    }
}
