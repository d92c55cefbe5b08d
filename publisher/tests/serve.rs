//! `serve`: what HTTP clients of catalogs need, and what nobody may get.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a helper of a test that panics is the failing test"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use sysext_publish::serve::Server;
use tempfile::TempDir;
use test_repos::image::pseudo_random;

/// A response as it came.
struct Response {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Response {
    fn field(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(field, _)| *field == name)
            .map(|(_, value)| value)
    }
}

/// One request on a connection of its own.
fn ask(address: SocketAddr, method: &str, target: &str, fields: &[(&str, &str)]) -> Response {
    let fields: String = fields
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    raw(
        address,
        &format!("{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}\r\n"),
    )
}

fn raw(address: SocketAddr, request: &str) -> Response {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .expect("a head");
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Response {
        status,
        head,
        body: bytes[end + 4..].to_vec(),
    }
}

/// Runs a test against a served folder.
fn with_server(test: impl FnOnce(SocketAddr, &TempDir)) -> Vec<String> {
    let directory = TempDir::with_prefix("serve-").unwrap();
    let root = directory.path().join("public");
    fs::create_dir_all(root.join("metadata")).unwrap();
    fs::write(root.join("metadata/timestamp.json"), "{\"signed\":1}").unwrap();
    fs::write(root.join("image.raw"), pseudo_random(1_000_000, 1)).unwrap();
    fs::write(root.join("empty"), "").unwrap();
    fs::write(root.join(".hidden"), "secret").unwrap();
    fs::write(directory.path().join("secret"), "secret").unwrap();
    symlink("../secret", root.join("link")).unwrap();
    symlink("..", root.join("up")).unwrap();
    let server = Server::bind(&root, "127.0.0.1:0".parse().unwrap()).unwrap();
    let address = server
        .url()
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .parse()
        .unwrap();
    let lines = Mutex::new(Vec::new());
    let (stop, stopper) = UnixStream::pair().unwrap();
    thread::scope(|scope| {
        let log = |line: &str| lines.lock().unwrap().push(line.to_owned());
        let running = scope.spawn(move || server.run(&stop, &log));
        // Stops the server when the test fails, too.
        let stopper = stopper;
        test(address, &directory);
        drop(stopper);
        running.join().unwrap().unwrap();
    });
    lines.into_inner().unwrap()
}

#[test]
fn files_are_served_whole_and_in_parts() {
    with_server(|address, _| {
        let image = pseudo_random(1_000_000, 1);
        let whole = ask(address, "GET", "/image.raw", &[]);
        assert_eq!(
            (
                whole.status,
                whole.field("Content-Length"),
                whole.field("Accept-Ranges")
            ),
            (200, Some("1000000"), Some("bytes"))
        );
        assert!(whole.body == image);
        let head = ask(address, "HEAD", "/image.raw", &[("Range", "bytes=0-1")]);
        assert_eq!(
            (head.status, head.field("Content-Length"), head.body.len()),
            (200, Some("1000000"), 0)
        );
        let tag = whole.field("ETag").unwrap();
        for (range, wanted) in [
            ("bytes=0-9", 0..10),
            ("bytes=999990-", 999_990..1_000_000),
            ("bytes=-5", 999_995..1_000_000),
        ] {
            let part = ask(
                address,
                "GET",
                "/image.raw",
                &[("Range", range), ("If-Range", tag)],
            );
            let content = format!("bytes {}-{}/1000000", wanted.start, wanted.end - 1);
            assert_eq!(
                (part.status, part.field("Content-Range")),
                (206, Some(content.as_str())),
                "{range}"
            );
            assert!(part.body == image[wanted], "{range}");
        }
        let changed = ask(
            address,
            "GET",
            "/image.raw",
            &[("Range", "bytes=0-9"), ("If-Range", "\"other\"")],
        );
        assert_eq!((changed.status, changed.body.len()), (200, 1_000_000));
        let behind = ask(address, "GET", "/image.raw", &[("Range", "bytes=1000000-")]);
        assert_eq!(
            (behind.status, behind.field("Content-Range")),
            (416, Some("bytes */1000000"))
        );
        let known = ask(address, "GET", "/image.raw", &[("If-None-Match", tag)]);
        assert_eq!((known.status, known.body.len()), (304, 0));
        let empty = ask(address, "GET", "/empty", &[]);
        assert_eq!(
            (empty.status, empty.field("Content-Length")),
            (200, Some("0"))
        );
        assert_eq!(
            ask(address, "GET", "/metadata/timestamp.json", &[]).field("Content-Type"),
            Some("application/json")
        );
    });
}

#[test]
fn a_replaced_file_has_another_tag_and_an_open_one_keeps_its_bytes() {
    with_server(|address, directory| {
        let path = directory.path().join("public/image.raw");
        let tag = ask(address, "GET", "/image.raw", &[])
            .field("ETag")
            .unwrap()
            .to_owned();
        fs::write(path.with_extension("new"), pseudo_random(1_000_000, 2)).unwrap();
        fs::rename(path.with_extension("new"), &path).unwrap();
        let part = ask(
            address,
            "GET",
            "/image.raw",
            &[("Range", "bytes=5-9"), ("If-Range", &tag)],
        );
        assert_eq!(part.status, 200);
        assert!(part.body == pseudo_random(1_000_000, 2));
    });
}

#[test]
fn nothing_leaves_the_directory() {
    let lines = with_server(|address, _| {
        for target in [
            "/link",
            "/up/secret",
            "/../secret",
            "/%2e%2e/secret",
            "/..%2fsecret",
            "/metadata/../../secret",
            "/.hidden",
            "/absent",
            "/metadata/",
            "/image.raw/x",
            "/",
            "/%00",
            "/%ff",
            "secret",
            "/metadata//timestamp.json",
        ] {
            let response = ask(address, "GET", target, &[]);
            assert_eq!(response.status, 404, "{target}");
            assert!(
                !response.body.windows(6).any(|window| window == b"secret"),
                "{target}"
            );
        }
        let directory = ask(address, "GET", "//metadata", &[]);
        assert_eq!(directory.status, 404);
        let directory = ask(address, "GET", "/metadata", &[]);
        assert_eq!(
            (directory.status, directory.field("Location")),
            (301, Some("/metadata/"))
        );
    });
    assert!(
        lines.iter().any(|line| line.ends_with("GET /link 404 10")),
        "{lines:?}"
    );
}

#[test]
fn what_is_no_request_for_a_file_is_refused() {
    with_server(|address, _| {
        let post = ask(address, "POST", "/image.raw", &[("Content-Length", "3")]);
        assert_eq!((post.status, post.field("Allow")), (405, Some("GET, HEAD")));
        // The second request is the first one's body: it must not be answered.
        let smuggled = "GET /absent HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nGET /image.raw HTTP/1.1\r\n\r\n";
        let response = raw(address, smuggled);
        assert_eq!(response.status, 400);
        assert!(response.body.len() < 100);
        assert_eq!(raw(address, "rubbish\r\n\r\n").status, 400);
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(20_000));
        assert_eq!(raw(address, &long).status, 431);
        assert_eq!(ask(address, "GET", "/image.raw", &[]).status, 200);
    });
}

#[test]
fn many_ask_at_once_and_one_connection_may_ask_often() {
    with_server(|address, _| {
        let image = pseudo_random(1_000_000, 1);
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| assert!(ask(address, "GET", "/image.raw", &[]).body == image));
            }
        });
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .write_all(
                b"GET /empty HTTP/1.1\r\n\r\nGET /absent HTTP/1.1\r\nConnection: close\r\n\r\n",
            )
            .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let statuses: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("HTTP/1.1"))
            .collect();
        assert_eq!(statuses, ["HTTP/1.1 200 OK", "HTTP/1.1 404 Not Found"]);
    });
}

/// Ends the program with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn ctrl_c_ends_the_program_once_downloads_are_through() {
    let directory = TempDir::new().unwrap();
    // More than the buffers of both sockets hold, so the server is still writing when the signal comes.
    let image = pseudo_random(32 << 20, 1);
    fs::write(directory.path().join("image.raw"), &image).unwrap();
    let program = assert_cmd::cargo::cargo_bin!("sysext-publish");
    let child = Command::new(program)
        .arg("serve")
        .arg(directory.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut running = Running(child.unwrap());
    let mut url = String::new();
    BufReader::new(running.0.stdout.take().unwrap())
        .read_line(&mut url)
        .unwrap();
    let address: SocketAddr = url
        .trim()
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .parse()
        .unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .write_all(b"GET /image.raw HTTP/1.1\r\n\r\n")
        .unwrap();
    let mut bytes = vec![0; 4096];
    stream.read_exact(&mut bytes).unwrap();
    let signalled = Command::new("kill")
        .args(["-INT", &running.0.id().to_string()])
        .status()
        .unwrap();
    assert!(signalled.success());
    stream.read_to_end(&mut bytes).unwrap();
    assert!(bytes.ends_with(&image), "the download was cut off");
    assert_eq!(running.0.wait().unwrap().code(), Some(0));
    assert!(TcpStream::connect(address).is_err());
}
