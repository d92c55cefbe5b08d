//! One connection: requests in, responses out, until either side has enough.

use std::io::{self, Read, Seek as _, SeekFrom, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use super::files::{self, Found};
use super::range::{self, Asked};
use super::request::{self, NoRequest, Request};
use super::{Log, Shared};

/// How long one read waits before it looks whether the server is to end.
pub(super) const SLICE: Duration = Duration::from_millis(250);

/// How long a client may take nothing of a response.
const STALLED: Duration = Duration::from_secs(30);

/// A response: its status, its fields, and what follows the head.
struct Response {
    status: u16,
    fields: Vec<(&'static str, String)>,
    body: Body,
}

enum Body {
    /// A sentence for people.
    Text(&'static str),
    /// Nothing, by the rules of the status.
    Empty,
    /// That many bytes of a file, from its position.
    File(std::fs::File, u64),
}

/// Answers the requests of one connection.
pub(super) fn serve(shared: &Shared<'_>, mut stream: TcpStream, peer: SocketAddr, log: Log<'_>) {
    let _count = Count(shared);
    let ready = stream
        .set_nonblocking(false)
        .and_then(|()| stream.set_read_timeout(Some(SLICE)))
        .and_then(|()| stream.set_write_timeout(Some(STALLED)));
    // A connection that can not be bounded is not served.
    if ready.is_err() {
        return;
    }
    // Heads and the ends of files shall not wait for each other.
    let _ = stream.set_nodelay(true);
    let mut rest = Vec::new();
    let going = || !shared.stopped.load(Ordering::Relaxed);
    loop {
        let (request, response) = match request::read(&mut stream, &mut rest, going) {
            Ok(request) => {
                let response = answer(shared, &request);
                (Some(request), response)
            }
            Err(NoRequest::End) => return,
            Err(NoRequest::Refuse(status)) => (None, text(status)),
        };
        let keep_alive = going() && request.as_ref().is_some_and(|request| request.keep_alive);
        let head_only = request
            .as_ref()
            .is_some_and(|request| request.method == "HEAD");
        let status = response.status;
        let sent = send(&mut stream, response, keep_alive, head_only);
        let line = request.map_or_else(
            || "-".to_owned(),
            |request| format!("{} {}", request.method, request.target),
        );
        let shown: String = line
            .chars()
            .take(300)
            .flat_map(char::escape_default)
            .collect();
        match sent {
            Ok(bytes) => log(&format!("{peer} {shown} {status} {bytes}")),
            Err(error) => log(&format!("{peer} {shown} {status} cut off: {error}")),
        }
        // Too many at once are told to come back by closing, and so is everybody once the server ends.
        if !keep_alive {
            let _ = stream.shutdown(Shutdown::Write);
            return;
        }
    }
}

/// Counts a connection out when its thread ends, in whichever way.
struct Count<'a>(&'a Shared<'a>);

impl Drop for Count<'_> {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

fn answer(shared: &Shared<'_>, request: &Request) -> Response {
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        let mut response = text(405);
        response.fields.push(("Allow", "GET, HEAD".to_owned()));
        return response;
    }
    if request.has_body {
        return text(400);
    }
    let Some(components) = request::components(&request.target) else {
        return text(404);
    };
    match files::find(shared.root, &components) {
        Ok(Found::File {
            file,
            length,
            tag,
            media_type,
        }) => of_file(request, file, length, tag, media_type).unwrap_or_else(|_| text(500)),
        Ok(Found::Directory) => {
            let mut response = text(301);
            let path = request.target.split(['?', '#']).next().unwrap_or_default();
            // Never two slashes in front: that would be another host's URL.
            response
                .fields
                .push(("Location", format!("/{}/", path.trim_matches('/'))));
            response
        }
        Ok(Found::Nothing) => text(404),
        Err(_) => text(500),
    }
}

fn of_file(
    request: &Request,
    mut file: std::fs::File,
    length: u64,
    tag: String,
    media_type: &'static str,
) -> io::Result<Response> {
    let mut fields = vec![
        ("ETag", tag.clone()),
        ("Accept-Ranges", "bytes".to_owned()),
        ("Cache-Control", "no-cache".to_owned()),
    ];
    let matches = |header: &str| {
        header
            .split(',')
            .any(|one| one.trim() == "*" || one.trim().trim_start_matches("W/") == tag)
    };
    if request.if_none_match.as_deref().is_some_and(matches) {
        return Ok(Response {
            status: 304,
            fields,
            body: Body::Empty,
        });
    }
    // A date never matches: there is no Last-Modified here that it could be.
    let current = request.if_range.as_ref().is_none_or(|seen| *seen == tag);
    let asked = match &request.range {
        Some(range) if current && request.method == "GET" => range::parse(range, length),
        _ => Asked::Whole,
    };
    let (status, first, count) = match asked {
        Asked::Whole => (200, 0, length),
        Asked::Part(first, last) => {
            fields.push(("Content-Range", format!("bytes {first}-{last}/{length}")));
            (206, first, last - first + 1)
        }
        Asked::Unsatisfiable => {
            let mut response = text(416);
            response
                .fields
                .push(("Content-Range", format!("bytes */{length}")));
            return Ok(response);
        }
    };
    file.seek(SeekFrom::Start(first))?;
    fields.push(("Content-Type", media_type.to_owned()));
    Ok(Response {
        status,
        fields,
        body: Body::File(file, count),
    })
}

fn text(status: u16) -> Response {
    let fields = vec![("Content-Type", "text/plain; charset=utf-8".to_owned())];
    Response {
        status,
        fields,
        body: Body::Text(reason(status)),
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        301 => "Moved Permanently",
        304 => "Not Modified",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        416 => "Range Not Satisfiable",
        431 => "Request Header Fields Too Large",
        _ => "Internal Server Error",
    }
}

/// Writes a response; answers how many bytes of a body went out.
fn send(
    stream: &mut TcpStream,
    response: Response,
    keep_alive: bool,
    head_only: bool,
) -> io::Result<u64> {
    let mut head = format!(
        "HTTP/1.1 {} {}\r\n",
        response.status,
        reason(response.status)
    );
    let now = jiff::Timestamp::try_from(SystemTime::now()).ok();
    let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
    if let Some(date) = now.and_then(|now| printer.timestamp_to_rfc9110_string(&now).ok()) {
        head.push_str(&format!("Date: {date}\r\n"));
    }
    for (name, value) in &response.fields {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let length = match &response.body {
        Body::Text(text) => Some(text.len() as u64 + 1),
        Body::Empty => None,
        Body::File(_, length) => Some(*length),
    };
    if let Some(length) = length {
        head.push_str(&format!("Content-Length: {length}\r\n"));
    }
    if !keep_alive {
        head.push_str("Connection: close\r\n");
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    match response.body {
        _ if head_only => Ok(0),
        Body::Empty => Ok(0),
        Body::Text(text) => stream
            .write_all(format!("{text}\n").as_bytes())
            .map(|()| text.len() as u64 + 1),
        Body::File(file, length) => {
            let sent = io::copy(&mut file.take(length), stream)?;
            if sent == length {
                Ok(sent)
            } else {
                // The promise of the head can not be kept: only the end of the connection tells that.
                stream.shutdown(Shutdown::Both)?;
                Err(io::Error::other(format!(
                    "the file ended after {sent} of {length} bytes"
                )))
            }
        }
    }
}
