//! The honest answer to a request: RFC 9110 for files, with conditions and ranges.
//!
//! - An [`Answer`] is a plan, nothing is sent here; [`lies`](super::lies) change it, [`wire`](super::wire) sends it.
//! - One range per request is served. Several at once, and units other than bytes, get the whole file, as the standard
//!   allows.

use super::request::Incoming;
use super::tree::{ServedFile, Tree};

/// What will be sent.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Without those that say where the body ends: these follow from `framing`.
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Body,
    pub(super) framing: Framing,
    /// What follows after the body.
    pub(super) tail: Tail,
    /// After how much of the body the connection ends.
    pub(super) cut: Option<Cut>,
    /// Bytes per second of the header.
    pub(super) header_pace: Option<u64>,
    /// Bytes per second of the body.
    pub(super) body_pace: Option<u64>,
}

#[derive(Debug)]
pub(super) enum Body {
    Empty,
    Text(String),
    Part(Part),
    /// Zeros of this decoded length, packed.
    GzipBomb(u64),
}

/// A part of a file, or all of it.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) file: ServedFile,
    pub(super) start: u64,
    pub(super) length: u64,
    /// The offset in the file of a byte to make wrong.
    pub(super) flip: Option<u64>,
}

/// How the end of the body is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// By nature: 304 has none.
    NoBody,
    Length(u64),
    UntilClose,
    Chunked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tail {
    Nothing,
    Zeros(u64),
    Endless,
    /// The rest never comes, and the connection stays.
    Silence,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) after: u64,
    pub(super) reset: bool,
}

impl Answer {
    fn new(status: u16, headers: Vec<(&'static str, String)>, body: Body) -> Self {
        let framing = match &body {
            Body::Empty => Framing::Length(0),
            Body::Text(text) => Framing::Length(text.len() as u64),
            Body::Part(part) => Framing::Length(part.length),
            Body::GzipBomb(_) => Framing::Chunked,
        };
        Self {
            status,
            headers,
            body,
            framing,
            tail: Tail::Nothing,
            cut: None,
            header_pace: None,
            body_pace: None,
        }
    }

    /// A status with a short text.
    pub(super) fn status(status: u16) -> Self {
        let headers = vec![("Content-Type", "text/plain".to_owned())];
        Self::new(status, headers, Body::Text(format!("{status}\n")))
    }

    /// 304.
    pub(super) fn not_modified() -> Self {
        let mut answer = Self::new(304, Vec::new(), Body::Empty);
        answer.framing = Framing::NoBody;
        answer
    }

    /// A gzip stream of zeros.
    pub(super) fn gzip_bomb(decoded_len: u64) -> Self {
        let headers = vec![("Content-Encoding", "gzip".to_owned())];
        Self::new(200, headers, Body::GzipBomb(decoded_len))
    }

    /// Sets a header field in place of any other of that name.
    pub(super) fn set_header(&mut self, name: &'static str, value: String) {
        self.remove_header(name);
        self.headers.push((name, value));
    }

    pub(super) fn remove_header(&mut self, name: &'static str) {
        self.headers.retain(|(field, _)| *field != name);
    }

    /// Whether the connection can be used again after the answer.
    pub(super) fn keeps_connection(&self) -> bool {
        let ends = match self.framing {
            Framing::Chunked => self.tail != Tail::Endless,
            Framing::NoBody | Framing::Length(_) => self.tail == Tail::Nothing,
            Framing::UntilClose => false,
        };
        ends && self.cut.is_none()
    }
}

/// The answer to `request`.
pub(super) fn honest(request: &Incoming, tree: &Tree) -> Answer {
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        let mut answer = Answer::status(405);
        answer.set_header("Allow", "GET, HEAD".to_owned());
        // Its body would have to be read first.
        answer.framing = Framing::UntilClose;
        return answer;
    }
    match tree.open(&request.path) {
        Some(file) => of_file(request, file),
        None => Answer::status(404),
    }
}

/// The answer to `request` whose path names `file`.
pub(super) fn of_file(request: &Incoming, file: ServedFile) -> Answer {
    let headers = vec![
        ("ETag", file.etag.clone()),
        ("Last-Modified", file.last_modified.clone()),
        ("Accept-Ranges", "bytes".to_owned()),
        ("Content-Type", "application/octet-stream".to_owned()),
    ];
    if is_unchanged(request, &file) {
        let mut answer = Answer::new(304, headers, Body::Empty);
        answer.framing = Framing::NoBody;
        return answer;
    }
    let total = file.length;
    match wanted_range(request, &file) {
        Range::Whole => Answer::new(200, headers, Body::Part(Part::new(file, 0, total))),
        Range::Part { first, last } => {
            let body = Body::Part(Part::new(file, first, last - first + 1));
            let mut answer = Answer::new(206, headers, body);
            answer.set_header("Content-Range", format!("bytes {first}-{last}/{total}"));
            answer
        }
        Range::NotSatisfiable => not_satisfiable(total),
    }
}

pub(super) fn not_satisfiable(total: u64) -> Answer {
    let mut answer = Answer::status(416);
    answer.set_header("Content-Range", format!("bytes */{total}"));
    answer
}

impl Part {
    fn new(file: ServedFile, start: u64, length: u64) -> Self {
        Self {
            file,
            start,
            length,
            flip: None,
        }
    }
}

fn is_unchanged(request: &Incoming, file: &ServedFile) -> bool {
    let Some(tags) = request.header("if-none-match") else {
        return false;
    };
    // Weak comparison, as the standard asks for here.
    let known = |tag: &str| {
        let tag = tag.trim();
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == file.etag
    };
    tags.split(',').any(known)
}

#[derive(Debug, PartialEq, Eq)]
enum Range {
    Whole,
    Part { first: u64, last: u64 },
    NotSatisfiable,
}

fn wanted_range(request: &Incoming, file: &ServedFile) -> Range {
    let Some(range) = request.header("range") else {
        return Range::Whole;
    };
    if request.method != "GET" {
        return Range::Whole;
    }
    if let Some(condition) = request.header("if-range")
        && condition != file.etag
        && condition != file.last_modified
    {
        return Range::Whole;
    }
    parse_range(range, file.length).unwrap_or(Range::Whole)
}

/// `None` for what is not one range of bytes.
fn parse_range(range: &str, length: u64) -> Option<Range> {
    let (first, last) = range.strip_prefix("bytes=")?.trim().split_once('-')?;
    if first.is_empty() {
        let count = last.parse::<u64>().ok()?.min(length);
        return Some(match count {
            0 => Range::NotSatisfiable,
            _ => Range::Part {
                first: length - count,
                last: length - 1,
            },
        });
    }
    let first: u64 = first.parse().ok()?;
    let last = match last {
        "" => u64::MAX,
        last => last.parse().ok()?,
    };
    if last < first {
        return None;
    }
    if first >= length {
        return Some(Range::NotSatisfiable);
    }
    let last = last.min(length - 1);
    Some(Range::Part { first, last })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        let part = |first, last| Some(Range::Part { first, last });
        for (range, expected) in [
            ("bytes=0-0", part(0, 0)),
            ("bytes=2-", part(2, 9)),
            ("bytes=2-100", part(2, 9)),
            ("bytes=-3", part(7, 9)),
            ("bytes=-30", part(0, 9)),
            ("bytes=10-", Some(Range::NotSatisfiable)),
            ("bytes=-0", Some(Range::NotSatisfiable)),
            ("bytes=5-4", None),
            ("bytes=0-1,3-4", None),
            ("lines=0-1", None),
            ("bytes=", None),
        ] {
            assert_eq!(parse_range(range, 10), expected, "{range}");
        }
        assert_eq!(parse_range("bytes=-5", 0), Some(Range::NotSatisfiable));
    }
}
