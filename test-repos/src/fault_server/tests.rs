//! Each behaviour as a client sees it on the wire.

use std::io::{Read as _, Write as _};

use super::*;

const CONTENT: &[u8] = b"0123456789";

/// An answer as it came, nothing interpreted but the header.
#[derive(Debug)]
struct Seen {
    status: u16,
    header: String,
    body: Vec<u8>,
}

impl Seen {
    fn field(&self, name: &str) -> Option<&str> {
        self.header.lines().find_map(|line| {
            let (field, value) = line.split_once(": ")?;
            field.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

fn connect(server: &FaultServer) -> TcpStream {
    let stream = TcpStream::connect(server.address()).unwrap();
    // Only so that a failing test ends.
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream
}

/// Reads a header, byte by byte, so that none of the body is taken.
fn read_header(stream: &mut TcpStream) -> Seen {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        bytes.extend(byte);
    }
    let header = String::from_utf8(bytes).unwrap();
    Seen {
        status: header.split(' ').nth(1).unwrap().parse().unwrap(),
        header,
        body: Vec::new(),
    }
}

/// Sends a GET whose connection ends after the answer, with further header lines.
fn get(server: &FaultServer, path: &str, lines: &str) -> Seen {
    let mut stream = connect(server);
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n"
    )
    .unwrap();
    let mut seen = read_header(&mut stream);
    // A reset ends the body too.
    let _ = stream.read_to_end(&mut seen.body);
    seen
}

fn server(behaviour: impl Into<Option<Behaviour>>) -> FaultServer {
    let server = FaultServer::empty();
    server.put("/dir/a", CONTENT);
    if let Some(behaviour) = behaviour.into() {
        server.behave("dir/*", Times::Always, behaviour);
    }
    server
}

#[test]
fn pages_header_fields_and_304_are_as_they_are_set() {
    let server = FaultServer::empty();
    server.put("a", CONTENT);
    let page = Behaviour::Page {
        code: 403,
        bytes: 5000,
    };
    server.behave("a", Times::Next(1), page);
    let seen = get(&server, "/a", "");
    assert_eq!(seen.status, 403);
    assert!(seen.body.len() > 5000 && seen.field("Content-Length").is_none());
    let fields = vec![
        ("ETag", Some("W/\"x\"".to_owned())),
        ("Date", Some("now".to_owned())),
        ("Last-Modified", None),
    ];
    server.behave("a", Times::Next(1), Behaviour::Headers(fields));
    let seen = get(&server, "/a", "");
    assert_eq!((seen.status, seen.body.as_slice()), (200, CONTENT));
    assert_eq!(
        (seen.field("ETag"), seen.field("Date")),
        (Some("W/\"x\""), Some("now"))
    );
    assert_eq!(seen.field("Last-Modified"), None);
    server.behave("a", Times::Next(1), Behaviour::NotModified);
    let seen = get(&server, "/a", "");
    assert_eq!((seen.status, seen.body.len()), (304, 0));
}

#[test]
fn requests_that_wait_for_each_other_are_answered_together() {
    let server = FaultServer::empty();
    server.put("a", CONTENT);
    server.behave("a", Times::Next(4), Behaviour::Together { requests: 2 });
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(get(&server, "/a", "").body, CONTENT));
        }
    });
    // One that waits for nobody ends with the server.
    server.behave("a", Times::Always, Behaviour::Together { requests: 2 });
    let mut stream = connect(&server);
    write!(stream, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    while server.count("a") < 5 {
        thread::yield_now();
    }
    drop(server);
    assert_eq!(stream.read(&mut [0; 10]).unwrap(), 0);
}

#[test]
fn files_are_served_on_one_connection_and_logged() {
    let server = server(None);
    server.put("b c+d", b"bcd".to_vec());
    let mut stream = connect(&server);
    for (target, status, expected) in [
        ("/dir/a", 200, CONTENT),
        ("/b%20c+d?x", 200, b"bcd"),
        ("/none", 404, b"404\n"),
    ] {
        write!(stream, "GET {target} HTTP/1.1\r\n\r\n").unwrap();
        let mut seen = read_header(&mut stream);
        seen.body = vec![0; seen.field("Content-Length").unwrap().parse().unwrap()];
        stream.read_exact(&mut seen.body).unwrap();
        assert_eq!((seen.status, seen.body.as_slice()), (status, expected));
    }
    write!(stream, "HEAD /dir/a HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
    assert_eq!(read_header(&mut stream).field("Content-Length"), Some("10"));
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);

    let requests = server.requests();
    let logged: Vec<_> = requests
        .iter()
        .map(|request| (request.path.as_str(), request.status, request.bytes_sent))
        .collect();
    assert_eq!(
        logged,
        [
            ("dir/a", Some(200), 10),
            ("b c+d", Some(200), 3),
            ("none", Some(404), 4),
            ("dir/a", Some(200), 0)
        ]
    );
    assert_eq!(requests[1].target, "/b%20c+d?x");
    assert_eq!((server.connections(), server.count("dir/*")), (1, 2));
    assert_eq!(server.bytes_sent(), 17);
    server.clear_log();
    assert_eq!((server.connections(), server.requests().len()), (0, 0));
    assert!(server.url("b c+d").ends_with("/b%20c%2Bd"));
}

#[test]
fn changes_of_the_tree_are_seen_at_once() {
    let server = server(None);
    let before = get(&server, "/dir/a", "");
    server.put("dir/a", b"other".to_vec());
    let after = get(&server, "/dir/a", "");
    assert_eq!(after.body, b"other");
    assert_ne!(before.field("ETag"), after.field("ETag"));
    server.remove("dir/a");
    assert_eq!(get(&server, "/dir/a", "").status, 404);
    server.put_all(BTreeMap::from([("dir/a".to_owned(), b"new".to_vec())]));
    assert_eq!(get(&server, "/dir/a", "").body, b"new");
}

#[test]
fn a_directory_is_served_with_ranges() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("a"), CONTENT).unwrap();
    let server = FaultServer::start(directory.path());
    let seen = get(&server, "/a", "Range: bytes=4-6\r\n");
    assert_eq!((seen.status, seen.body.as_slice()), (206, &b"456"[..]));
    assert_eq!(get(&server, "/%2e%2e/a", "").status, 404);
    assert_eq!(get(&server, "/", "").status, 404);
}

#[test]
fn conditions_and_ranges_are_honoured() {
    let server = server(None);
    let whole = get(&server, "/dir/a", "");
    let etag = whole.field("ETag").unwrap();
    let modified = whole.field("Last-Modified").unwrap();
    let unchanged = get(
        &server,
        "/dir/a",
        &format!("If-None-Match: \"x\", W/{etag}\r\n"),
    );
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    assert_eq!(
        get(&server, "/dir/a", "If-None-Match: \"x\"\r\n").status,
        200
    );

    let range = "Range: bytes=7-\r\n";
    let part = get(&server, "/dir/a", range);
    assert_eq!(part.field("Content-Range"), Some("bytes 7-9/10"));
    assert_eq!((part.status, part.body.as_slice()), (206, &b"789"[..]));
    for (condition, status) in [(etag, 206), (modified, 206), ("\"other\"", 200)] {
        let seen = get(
            &server,
            "/dir/a",
            &format!("{range}If-Range: {condition}\r\n"),
        );
        assert_eq!(seen.status, status, "{condition}");
    }
    let beyond = get(&server, "/dir/a", "Range: bytes=10-\r\n");
    assert_eq!(
        (beyond.status, beyond.field("Content-Range")),
        (416, Some("bytes */10"))
    );
    assert_eq!(server.requests().last().unwrap().range(), Some("bytes=10-"));
}

#[test]
fn other_methods_and_nonsense_are_turned_away() {
    let server = server(None);
    let mut stream = connect(&server);
    stream.write_all(b"PUT /dir/a HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(read_header(&mut stream).status, 405);
    let mut stream = connect(&server);
    stream.write_all(b"\x16\x03\x01 what\r\n\r\n").unwrap();
    assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap(), 0);
}

#[test]
fn an_endless_body_ends_with_the_server() {
    let server = server(Behaviour::Endless);
    let mut stream = connect(&server);
    stream.write_all(b"GET /dir/a HTTP/1.1\r\n\r\n").unwrap();
    let seen = read_header(&mut stream);
    assert_eq!(seen.field("Transfer-Encoding"), Some("chunked"));
    let mut body = vec![0; 1 << 20];
    stream.read_exact(&mut body).unwrap();
    assert!(body.starts_with(b"a\r\n0123456789\r\n3fd\r\n\0\0"));
    assert!(server.bytes_sent() >= 1 << 20);
    drop(server);
    let _ = stream.read_to_end(&mut body);
}

#[test]
fn lengths_are_wrong_in_both_directions() {
    let seen = get(&server(Behaviour::Short { bytes: 5 }), "/dir/a", "");
    assert_eq!(
        (seen.field("Content-Length"), seen.body.as_slice()),
        (Some("15"), CONTENT)
    );
    let seen = get(&server(Behaviour::Long { bytes: 5 }), "/dir/a", "");
    assert_eq!(
        (seen.field("Content-Length"), seen.body.len()),
        (Some("10"), 15)
    );
}

#[test]
fn bodies_are_delimited_in_other_ways() {
    let seen = get(&server(Behaviour::NoLength), "/dir/a", "");
    assert_eq!(
        (seen.field("Content-Length"), seen.body.as_slice()),
        (None, CONTENT)
    );
    let seen = get(&server(Behaviour::Chunked), "/dir/a", "");
    assert_eq!(seen.field("Content-Length"), None);
    assert_eq!(seen.body, b"a\r\n0123456789\r\n0\r\n\r\n");
    let unchanged = get(
        &server(Behaviour::Chunked),
        "/dir/a",
        "If-None-Match: *\r\n",
    );
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
}

#[test]
fn bodies_are_cut_where_asked_and_for_the_next_requests_only() {
    let server = server(None);
    server.behave("/dir/a", Times::Next(2), Behaviour::CutAfter { bytes: 4 });
    let seen = get(&server, "/dir/a", "");
    assert_eq!(
        (seen.field("Content-Length"), seen.body.as_slice()),
        (Some("10"), &b"0123"[..])
    );
    assert_eq!(get(&server, "/dir/a", "Range: bytes=4-\r\n").body, b"4567");
    assert_eq!(get(&server, "/dir/a", "Range: bytes=8-\r\n").body, b"89");
    assert_eq!(server.bytes_sent(), 10);
}

#[test]
fn a_reset_is_an_error_of_the_connection() {
    let server = server(Behaviour::ResetAfter { bytes: 4 });
    let mut stream = connect(&server);
    stream.write_all(b"GET /dir/a HTTP/1.1\r\n\r\n").unwrap();
    let error = stream.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn ranges_are_lied_about() {
    let lie = |lie| {
        let server = server(Behaviour::WrongRange(lie));
        assert_eq!(get(&server, "/dir/a", "").body, CONTENT);
        let seen = get(&server, "/dir/a", "Range: bytes=4-5\r\n");
        let content_range = seen.field("Content-Range").map(str::to_owned);
        (
            seen.status,
            content_range,
            String::from_utf8(seen.body).unwrap(),
        )
    };
    let range = |text: &str| Some(text.to_owned());
    assert_eq!(
        lie(RangeLie::WholeFile),
        (200, None, "0123456789".to_owned())
    );
    assert_eq!(
        lie(RangeLie::OtherBytes),
        (206, range("bytes 4-5/10"), "01".to_owned())
    );
    assert_eq!(
        lie(RangeLie::OtherOffset),
        (206, range("bytes 5-6/11"), "45".to_owned())
    );
    assert_eq!(
        lie(RangeLie::OtherTotal),
        (206, range("bytes 4-5/21"), "45".to_owned())
    );
    assert_eq!(lie(RangeLie::NoContentRange), (206, None, "45".to_owned()));
    assert_eq!(
        lie(RangeLie::NotSatisfiable),
        (416, range("bytes */10"), "416\n".to_owned())
    );
}

#[test]
fn a_small_body_unpacks_to_a_large_one() {
    let server = server(Behaviour::GzipBomb {
        decoded_len: 50 << 20,
    });
    let seen = get(&server, "/dir/a", "");
    assert_eq!(seen.field("Content-Encoding"), Some("gzip"));
    assert!(seen.body.len() < 200_000, "{} bytes", seen.body.len());
    let packed = dechunked(&seen.body);
    let mut zeros = flate2::read::GzDecoder::new(packed.as_slice());
    assert_eq!(io::copy(&mut zeros, &mut io::sink()).unwrap(), 50 << 20);
}

fn dechunked(mut body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let end = body.windows(2).position(|two| two == b"\r\n").unwrap();
        let length = std::str::from_utf8(&body[..end]).unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        if length == 0 {
            return bytes;
        }
        bytes.extend_from_slice(&body[end + 2..end + 2 + length]);
        body = &body[end + 4 + length..];
    }
}

#[test]
fn statuses_and_redirects_stand_in_for_the_file() {
    let busy = Behaviour::Status {
        code: 503,
        retry_after: Some(7),
    };
    let seen = get(&server(busy), "/dir/a", "");
    assert_eq!((seen.status, seen.field("Retry-After")), (503, Some("7")));
    let seen = get(
        &server(Behaviour::RedirectTo("http://x/y".to_owned())),
        "/dir/a",
        "",
    );
    assert_eq!(
        (seen.status, seen.field("Location")),
        (302, Some("http://x/y"))
    );

    let server = server(Behaviour::RedirectLoop);
    let first = get(&server, "/dir/a", "")
        .field("Location")
        .unwrap()
        .to_owned();
    let second = get(&server, &first, "")
        .field("Location")
        .unwrap()
        .to_owned();
    assert!(first.starts_with("/dir/a?hop=") && second.starts_with("/dir/a?hop="));
    assert_ne!(first, second);
}

#[test]
fn bytes_are_replaced_or_flipped() {
    let seen = get(&server(Behaviour::Replace(b"else".to_vec())), "/dir/a", "");
    assert_eq!(
        (seen.field("Content-Length"), seen.body.as_slice()),
        (Some("4"), &b"else"[..])
    );
    let server = server(Behaviour::Flip { offset: 14 });
    assert_eq!(get(&server, "/dir/a", "").body, b"0123556789");
    assert_eq!(
        get(&server, "/dir/a", "Range: bytes=3-\r\n").body,
        b"3556789"
    );
    assert_eq!(get(&server, "/dir/a", "Range: bytes=5-\r\n").body, b"56789");
}

#[test]
fn a_stalled_request_is_never_answered_and_ends_with_the_server() {
    let server = server(Behaviour::Stall);
    let mut stream = connect(&server);
    stream.write_all(b"GET /dir/a HTTP/1.1\r\n\r\n").unwrap();
    while server.count("dir/a") == 0 {
        thread::yield_now();
    }
    stream.set_nonblocking(true).unwrap();
    let nothing = stream.read(&mut [0]).unwrap_err();
    assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
    stream.set_nonblocking(false).unwrap();
    assert_eq!(server.requests()[0].status, None);
    drop(server);
    assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
}

#[test]
fn a_connection_is_closed_in_place_of_an_answer() {
    let server = server(Behaviour::CloseAtOnce);
    let mut stream = connect(&server);
    stream.write_all(b"GET /dir/a HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap(), 0);
}

#[test]
fn bodies_and_headers_come_slowly() {
    // Ten bytes at 100 a second: a tenth of a second at least.
    let drip = Behaviour::Drip {
        bytes_per_second: 100,
    };
    let start = Instant::now();
    assert_eq!(get(&server(drip), "/dir/a", "").body, CONTENT);
    assert!(start.elapsed() >= Duration::from_millis(99));
    let slow = Behaviour::SlowHeaders {
        bytes_per_second: 2000,
    };
    let start = Instant::now();
    let seen = get(&server(slow), "/dir/a", "");
    assert!(start.elapsed() >= Duration::from_secs_f64(seen.header.len() as f64 / 2001.0));
    assert_eq!(seen.body, CONTENT);
}

#[test]
fn a_pause_ends_with_the_server() {
    let server = server(Behaviour::Drip {
        bytes_per_second: 1,
    });
    let mut stream = connect(&server);
    stream.write_all(b"GET /dir/a HTTP/1.1\r\n\r\n").unwrap();
    read_header(&mut stream);
    let start = Instant::now();
    drop(server);
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn headers_are_huge() {
    let seen = get(
        &server(Behaviour::HugeHeaders { bytes: 300_000 }),
        "/dir/a",
        "",
    );
    assert!(seen.header.len() > 300_000);
    assert_eq!(seen.body, CONTENT);
}

#[test]
fn an_etag_changes_each_time() {
    let server = server(Behaviour::ChangeEtagEachTime);
    let tag = || get(&server, "/dir/a", "").field("ETag").unwrap().to_owned();
    assert_ne!(tag(), tag());
}

#[test]
fn more_connections_than_workers_wait_for_their_turn() {
    let server = server(None);
    let idle: Vec<_> = (0..MAX_WORKERS).map(|_| connect(&server)).collect();
    while server.connections() < MAX_WORKERS as u64 {
        thread::yield_now();
    }
    let mut late = connect(&server);
    late.write_all(b"GET /dir/a HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!(server.count("dir/a"), 0);
    drop(idle);
    assert_eq!(read_header(&mut late).status, 200);
    assert_eq!(server.connections(), MAX_WORKERS as u64 + 1);
}
