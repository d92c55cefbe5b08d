//! Fetching from a server that lies. Nothing waits: clocks are given, and pauses are only counted.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of tests that panics is the failing test"
)]

use std::io::Read as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sysext_fetch::config::{Deadline, MinRate, Settings};
use sysext_fetch::fetch::{
    Answer, Body, FetchError, Fetcher, GaveUp, Network, Patience, ResumePoint, Validator,
};
use test_repos::fault_server::{Behaviour, FaultServer, RangeLie, Times};
use test_repos::image::pseudo_random;
use url::Url;

const LIMIT: u64 = 10_000;

fn fetcher() -> Fetcher {
    fetcher_with(&Settings::default())
}

fn fetcher_with(settings: &Settings) -> Fetcher {
    let patience = Patience {
        pause: |_| (),
        ..Patience::default()
    };
    Fetcher::with_patience(settings, Network::Online, patience).unwrap()
}

fn open(fetcher: &Fetcher, url: &Url, resume: Option<&ResumePoint>) -> Result<Body, FetchError> {
    fetcher.open(url, resume, &fetcher.begin())
}

fn server() -> FaultServer {
    let server = FaultServer::empty();
    server.put("doc", b"document".to_vec());
    server.put("image", pseudo_random(100_000, 1));
    server
}

fn url(server: &FaultServer, path: &str) -> Url {
    server.url(path).parse().unwrap()
}

fn document(server: &FaultServer) -> Result<Option<Vec<u8>>, FetchError> {
    fetcher().metadata(&url(server, "doc"), LIMIT)
}

fn status(code: u16, retry_after: Option<u64>) -> Behaviour {
    Behaviour::Status { code, retry_after }
}

#[test]
fn a_document_is_there_or_not() {
    let server = server();
    assert_eq!(document(&server).unwrap().unwrap(), b"document");
    server.remove("doc");
    assert_eq!(document(&server).unwrap(), None);
    let request = &server.requests()[0];
    let agent = request.header("user-agent").unwrap();
    assert!(agent.starts_with("sysext-fetch/"), "{agent}");
}

#[test]
fn one_connection_serves_many_requests() {
    let server = server();
    let fetcher = fetcher();
    for _ in 0..5 {
        fetcher
            .clone()
            .metadata(&url(&server, "doc"), LIMIT)
            .unwrap();
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_connection_is_used_again_whatever_the_answer_was() {
    let server = server();
    let page = |code| Behaviour::Page {
        code,
        bytes: 20_000,
    };
    for (path, behaviour) in [
        ("404", page(404)),
        ("410", page(410)),
        ("403", page(403)),
        ("500", page(500)),
        ("429", page(429)),
        ("short", status(404, None)),
    ] {
        server.behave(path, Times::Always, behaviour);
    }
    let fetcher = fetcher();
    for _ in 0..3 {
        for path in [
            "404",
            "410",
            "403",
            "500",
            "429",
            "short",
            "not there",
            "doc",
        ] {
            let _ = fetcher.metadata(&url(&server, path), LIMIT);
        }
        let mut body = open(&fetcher, &url(&server, "image"), None).unwrap();
        body.read_to_end(&mut Vec::new()).unwrap();
        assert!(open(&fetcher, &url(&server, "404"), None).is_err());
        let known = Validator::parse("\"other\"").unwrap();
        let Answer::Document { validator, .. } = fetcher
            .document(&url(&server, "doc"), LIMIT, Some(&known))
            .unwrap()
        else {
            panic!("it is another one");
        };
        let again = fetcher.document(&url(&server, "doc"), LIMIT, validator.as_ref());
        assert_eq!(again.unwrap(), Answer::Unchanged);
    }
    let requests = server.requests();
    assert_eq!(server.connections(), 1);
    let unchanged = requests.iter().filter(|asked| asked.status == Some(304));
    assert_eq!(unchanged.map(|asked| asked.bytes_sent).sum::<u64>(), 0);
}

/// What is said beside an error is read as far as that is cheaper than a new connection.
#[test]
fn a_page_without_an_end_is_left() {
    let server = server();
    let endless = Behaviour::Page {
        code: 404,
        bytes: u64::MAX,
    };
    server.behave("404", Times::Always, endless);
    let fetcher = fetcher();
    for _ in 0..3 {
        assert_eq!(fetcher.metadata(&url(&server, "404"), LIMIT).unwrap(), None);
    }
    assert!(server.bytes_sent() < 32 << 20, "{}", server.bytes_sent());
    assert_eq!(
        fetcher.metadata(&url(&server, "doc"), LIMIT).unwrap(),
        Some(b"document".to_vec())
    );
}

/// Were it waited for, that would take the time of the request.
#[test]
fn a_page_that_never_comes_is_left() {
    let server = server();
    server.behave("404", Times::Always, Behaviour::SilentPage { code: 404 });
    let fetcher = fetcher();
    let begun = std::time::Instant::now();
    assert_eq!(fetcher.metadata(&url(&server, "404"), LIMIT).unwrap(), None);
    let spent = begun.elapsed();
    assert!(spent < Duration::from_secs(8), "{spent:?}");
    // What hangs there is in nobody's way.
    assert_eq!(
        fetcher.metadata(&url(&server, "doc"), LIMIT).unwrap(),
        Some(b"document".to_vec())
    );
}

#[test]
fn a_304_that_nobody_asked_for_is_an_error() {
    let server = server();
    server.behave("doc", Times::Always, Behaviour::NotModified);
    let error = document(&server).unwrap_err();
    assert!(
        matches!(error, FetchError::Status { status: 304, .. }),
        "{error:?}"
    );
    let error = open(&fetcher(), &url(&server, "doc"), None).unwrap_err();
    assert!(
        matches!(error, FetchError::Status { status: 304, .. }),
        "{error:?}"
    );
}

/// As many bytes as are allowed may come, packed and unpacked.
#[test]
fn what_comes_packed_is_bounded_on_both_sides() {
    let server = server();
    let pack = |bytes: &[u8]| {
        let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
        packed.extend(miniz_oxide::deflate::compress_to_vec(bytes, 6));
        packed.extend([0; 8]);
        packed
    };
    let gzip = Behaviour::Headers(vec![("Content-Encoding", Some("gzip".to_owned()))]);
    server.behave("packed*", Times::Always, gzip);
    let limit = usize::try_from(LIMIT).unwrap();
    server.put("packed", pack(&vec![b'a'; limit]));
    let got = fetcher().metadata(&url(&server, "packed"), LIMIT).unwrap();
    assert_eq!(got.unwrap().len(), limit);
    let too_long = |bytes: Vec<u8>| {
        server.put("packed", bytes);
        let error = fetcher()
            .metadata(&url(&server, "packed"), LIMIT)
            .unwrap_err();
        assert!(matches!(error, FetchError::TooLong { .. }), "{error:?}");
    };
    too_long(pack(&vec![b'a'; limit + 1]));
    // Short once it is unpacked, and yet more than is read.
    too_long(vec![0; limit + 1]);
}

#[test]
fn a_document_of_exactly_the_limit_is_read_and_one_byte_more_is_not() {
    for behaviour in [None, Some(Behaviour::NoLength), Some(Behaviour::Chunked)] {
        let server = server();
        if let Some(behaviour) = behaviour {
            server.behave("doc", Times::Always, behaviour);
        }
        let get = |limit| fetcher().metadata(&url(&server, "doc"), limit);
        assert_eq!(get(8).unwrap().unwrap(), b"document");
        assert!(matches!(get(7), Err(FetchError::TooLong { limit: 7, .. })));
    }
}

#[test]
fn endless_bodies_and_bombs_are_bounded() {
    for behaviour in [
        Behaviour::Endless,
        Behaviour::GzipBomb {
            decoded_len: 1 << 24,
        },
    ] {
        let server = server();
        server.behave("doc", Times::Always, behaviour.clone());
        let result = document(&server);
        assert!(
            matches!(result, Err(FetchError::TooLong { .. })),
            "{behaviour:?}: {result:?}"
        );
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn a_body_longer_than_said_ends_where_it_said() {
    let server = server();
    server.behave("doc", Times::Always, Behaviour::Long { bytes: 1000 });
    assert_eq!(document(&server).unwrap().unwrap(), b"document");
}

#[test]
fn broken_connections_are_tried_again_but_not_for_ever() {
    for behaviour in [
        Behaviour::CloseAtOnce,
        Behaviour::Short { bytes: 3 },
        Behaviour::CutAfter { bytes: 4 },
        Behaviour::ResetAfter { bytes: 0 },
    ] {
        let server = server();
        server.behave("doc", Times::Next(2), behaviour.clone());
        assert_eq!(
            document(&server).unwrap().unwrap(),
            b"document",
            "{behaviour:?}"
        );
        server.behave("doc", Times::Always, behaviour.clone());
        let error = document(&server).unwrap_err();
        assert!(error.is_temporary(), "{behaviour:?}: {error:?}");
        assert!(server.requests().len() <= 3 + 6, "{behaviour:?}");
    }
}

#[test]
fn a_busy_server_is_asked_again_as_it_wishes_within_reason() {
    static PAUSED: AtomicUsize = AtomicUsize::new(0);
    let patience = Patience {
        pause: |pause| {
            PAUSED.fetch_add(usize::try_from(pause.as_secs()).unwrap(), Ordering::Relaxed);
        },
        ..Patience::default()
    };
    let fetcher = Fetcher::with_patience(&Settings::default(), Network::Online, patience).unwrap();
    for code in [429, 503] {
        let server = server();
        server.behave("doc", Times::Next(2), status(code, Some(7)));
        let got = fetcher.metadata(&url(&server, "doc"), LIMIT).unwrap();
        assert_eq!(got.unwrap(), b"document");
        assert_eq!(server.requests().len(), 3);
        assert_eq!(PAUSED.swap(0, Ordering::Relaxed), 14);
        server.behave("doc", Times::Always, status(code, Some(3600)));
        server.clear_log();
        let error = fetcher.metadata(&url(&server, "doc"), LIMIT).unwrap_err();
        assert!(
            matches!(error, FetchError::Busy { .. }) && error.is_temporary(),
            "{error:?}"
        );
        assert_eq!(server.requests().len(), 1);
        assert_eq!(PAUSED.swap(0, Ordering::Relaxed), 0);
    }
}

#[test]
fn other_answers_are_told_apart_and_not_repeated() {
    for code in [400, 401, 403, 418, 500, 502, 204, 206, 304] {
        let server = server();
        server.behave("doc", Times::Always, status(code, None));
        let error = document(&server).unwrap_err();
        assert!(
            matches!(error, FetchError::Status { status, .. } if status == code),
            "{error:?}"
        );
        assert_eq!(error.is_forbidden(), code == 403);
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn redirects_are_followed_but_not_for_ever() {
    let server = server();
    let target = url(&server, "doc").to_string();
    server.behave("moved", Times::Always, Behaviour::RedirectTo(target));
    let got = fetcher().metadata(&url(&server, "moved"), LIMIT).unwrap();
    assert_eq!(got.unwrap(), b"document");
    server.clear_log();
    server.behave("doc", Times::Always, Behaviour::RedirectLoop);
    let error = document(&server).unwrap_err();
    assert!(matches!(error, FetchError::Redirect { .. }), "{error:?}");
    assert_eq!(server.requests().len(), 6);
    server.behave(
        "doc",
        Times::Always,
        Behaviour::RedirectTo("file:///etc/passwd".to_owned()),
    );
    assert!(document(&server).is_err());
}

#[test]
fn a_server_that_never_answers_is_left_in_time() {
    for behaviour in [
        Behaviour::Stall,
        Behaviour::SlowHeaders {
            bytes_per_second: 1,
        },
        Behaviour::Drip {
            bytes_per_second: 1,
        },
    ] {
        let server = server();
        server.behave("doc", Times::Always, behaviour.clone());
        let settings = Settings {
            metadata_deadline: Deadline(Duration::from_millis(200)),
            ..Settings::default()
        };
        let error = fetcher_with(&settings)
            .metadata(&url(&server, "doc"), LIMIT)
            .unwrap_err();
        assert!(is_too_late(&error), "{behaviour:?}: {error:?}");
        assert!(error.is_temporary());
        assert!(error.to_string().contains("metadata-deadline"), "{error}");
    }
}

#[test]
fn a_header_without_an_end_is_bounded() {
    let server = server();
    server.behave(
        "doc",
        Times::Always,
        Behaviour::HugeHeaders { bytes: 64 << 20 },
    );
    assert!(document(&server).is_err());
    assert!(server.bytes_sent() < 64 << 20);
}

#[test]
fn nobody_listening_is_temporary_and_no_network_is_no_network() {
    let gone = url(&server(), "doc");
    let error = fetcher().metadata(&gone, LIMIT).unwrap_err();
    assert!(
        matches!(error, FetchError::Connect { .. }) && error.is_temporary(),
        "{error:?}"
    );
    let server = server();
    let offline = Fetcher::new(&Settings::default(), Network::Offline).unwrap();
    let error = offline.metadata(&url(&server, "doc"), LIMIT).unwrap_err();
    assert!(matches!(error, FetchError::Offline { .. }), "{error:?}");
    assert!(open(&offline, &url(&server, "image"), None).is_err());
    assert!(server.requests().is_empty());
    let error = fetcher()
        .metadata(&"ftp://127.0.0.1/x".parse().unwrap(), LIMIT)
        .unwrap_err();
    assert!(matches!(error, FetchError::Scheme { .. }), "{error:?}");
}

#[test]
fn the_proxy_of_the_settings_is_asked_and_a_wrong_one_is_named() {
    let proxy = server();
    let settings = |proxy: String| Settings {
        proxy,
        ..Settings::default()
    };
    let fetcher = Fetcher::new(&settings(proxy.url("")), Network::Online).unwrap();
    let _ = fetcher.metadata(&"http://catalog.invalid/doc".parse().unwrap(), LIMIT);
    assert_eq!(proxy.requests()[0].target, "http://catalog.invalid/doc");
    let error = Fetcher::new(&settings("::".to_owned()), Network::Online).unwrap_err();
    assert!(matches!(error, FetchError::Proxy { .. }), "{error:?}");
    let wrong = "http://user:hunter2@proxy.invalid:99999".to_owned();
    let error = Fetcher::new(&settings(wrong), Network::Online).unwrap_err();
    assert!(error.to_string().contains("proxy.invalid:99999"), "{error}");
    assert!(
        !format!("{error} {error:?}").contains("hunter2"),
        "{error:?}"
    );
}

/// Reads all of a body that begins at `resume`.
fn image(server: &FaultServer, resume: Option<&ResumePoint>) -> Result<(u64, Vec<u8>), FetchError> {
    let mut body = open(&fetcher(), &url(server, "image"), resume)?;
    let mut bytes = Vec::new();
    let read = body.read_to_end(&mut bytes);
    read.map_err(|error| FetchError::from_io(error).unwrap())?;
    assert_eq!(body.length(), Some(100_000));
    Ok((body.start(), bytes))
}

fn resume(server: &FaultServer, offset: u64) -> ResumePoint {
    let body = open(&fetcher(), &url(server, "image"), None).unwrap();
    ResumePoint {
        offset,
        validator: body.validator().unwrap(),
    }
}

#[test]
fn a_download_goes_on_where_it_was_cut_off() {
    let (server, whole) = (server(), pseudo_random(100_000, 1));
    server.behave(
        "image",
        Times::Next(1),
        Behaviour::CutAfter { bytes: 40_000 },
    );
    let mut body = open(&fetcher(), &url(&server, "image"), None).unwrap();
    let mut bytes = Vec::new();
    let error = FetchError::from_io(body.read_to_end(&mut bytes).unwrap_err()).unwrap();
    assert!(
        matches!(error, FetchError::Interrupted { .. }) && error.is_temporary(),
        "{error:?}"
    );
    assert!(!bytes.is_empty());
    let point = ResumePoint {
        offset: bytes.len() as u64,
        validator: body.validator().unwrap(),
    };
    let (start, rest) = image(&server, Some(&point)).unwrap();
    assert_eq!(start, point.offset);
    bytes.extend(rest);
    assert_eq!(bytes, whole);
}

#[test]
fn a_server_that_does_not_go_on_begins_anew() {
    let whole = pseudo_random(100_000, 1);
    for lie in [RangeLie::WholeFile, RangeLie::NotSatisfiable] {
        let server = server();
        let point = resume(&server, 500);
        server.behave("image", Times::Next(1), Behaviour::WrongRange(lie));
        assert_eq!(
            image(&server, Some(&point)).unwrap(),
            (0, whole.clone()),
            "{lie:?}"
        );
    }
    // The file has changed meanwhile: If-Range says so.
    let server = server();
    let point = ResumePoint {
        offset: 500,
        validator: "\"another\"".to_owned(),
    };
    assert_eq!(image(&server, Some(&point)).unwrap().0, 0);
}

#[test]
fn a_part_that_was_not_asked_for_is_refused() {
    for lie in [
        RangeLie::OtherOffset,
        RangeLie::OtherTotal,
        RangeLie::NoContentRange,
    ] {
        let server = server();
        let point = resume(&server, 500);
        server.behave("image", Times::Always, Behaviour::WrongRange(lie));
        let error = image(&server, Some(&point)).unwrap_err();
        assert!(
            matches!(error, FetchError::WrongRange { asked: 500, .. }),
            "{lie:?}: {error:?}"
        );
    }
}

#[test]
fn images_are_read_as_they_are() {
    let server = server();
    server.behave(
        "image",
        Times::Next(1),
        Behaviour::GzipBomb {
            decoded_len: 1 << 24,
        },
    );
    let error = open(&fetcher(), &url(&server, "image"), None).unwrap_err();
    assert!(matches!(error, FetchError::Encoded { .. }), "{error:?}");
    image(&server, None).unwrap();
    let asked = server.requests()[1]
        .header("accept-encoding")
        .map(str::to_owned);
    assert_eq!(asked.as_deref(), Some("identity"));
    server.remove("image");
    let error = open(&fetcher(), &url(&server, "image"), None).unwrap_err();
    assert!(matches!(error, FetchError::NotFound { .. }), "{error:?}");
}

fn is_too_late(error: &FetchError) -> bool {
    matches!(
        error,
        FetchError::GaveUp {
            source: GaveUp::TooLate { .. },
            ..
        }
    )
}

#[test]
fn an_image_that_takes_too_long_is_given_up_however_often_it_is_asked_for() {
    let server = server();
    let settings = Settings {
        image_deadline: Deadline(Duration::from_millis(100)),
        ..Settings::default()
    };
    let fetcher = fetcher_with(&settings);
    let pace = fetcher.begin();
    let drip = Behaviour::Drip {
        bytes_per_second: 100_000,
    };
    server.behave("image", Times::Always, drip);
    let url = url(&server, "image");
    let mut body = fetcher.open(&url, None, &pace).unwrap();
    let error = body.read_to_end(&mut Vec::new()).unwrap_err();
    let error = FetchError::from_io(error).unwrap();
    assert!(is_too_late(&error), "{error:?}");
    // Its time is over, wherever it is asked for next.
    server.behave_well();
    server.clear_log();
    assert!(is_too_late(&fetcher.open(&url, None, &pace).unwrap_err()));
    assert!(server.requests().is_empty());
}

#[test]
fn a_slow_image_is_given_up() {
    let server = server();
    server.behave(
        "image",
        Times::Always,
        Behaviour::Drip {
            bytes_per_second: 2000,
        },
    );
    let settings = Settings {
        min_rate: MinRate {
            bytes_per_second: 1_000_000,
            window: Duration::from_millis(100),
        },
        ..Settings::default()
    };
    let fetcher = Fetcher::new(&settings, Network::Online).unwrap();
    let mut body = open(&fetcher, &url(&server, "image"), None).unwrap();
    let error = body.read_to_end(&mut Vec::new()).unwrap_err();
    let error = FetchError::from_io(error).unwrap();
    assert!(
        matches!(
            error,
            FetchError::GaveUp {
                source: GaveUp::TooSlow { .. },
                ..
            }
        ) && error.is_temporary(),
        "{error:?}"
    );
}

#[test]
fn files_are_fetched_like_any_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a b");
    std::fs::write(&path, b"document").unwrap();
    let url = Url::from_file_path(&path).unwrap();
    let fetcher = Fetcher::new(&Settings::default(), Network::Offline).unwrap();
    assert_eq!(fetcher.metadata(&url, 8).unwrap().unwrap(), b"document");
    assert!(matches!(
        fetcher.metadata(&url, 7),
        Err(FetchError::TooLong { .. })
    ));
    let body = open(&fetcher, &url, None).unwrap();
    let point = ResumePoint {
        offset: 4,
        validator: body.validator().unwrap(),
    };
    let mut body = open(&fetcher, &url, Some(&point)).unwrap();
    let mut text = String::new();
    body.read_to_string(&mut text).unwrap();
    assert_eq!(
        (body.start(), body.length(), text.as_str()),
        (4, Some(8), "ment")
    );
    std::fs::write(&path, b"another document").unwrap();
    assert_eq!(open(&fetcher, &url, Some(&point)).unwrap().start(), 0);
    for absent in [
        "nothing",
        "a%20b/x",
        "..%2F..%2F..%2F..%2F..%2Fetc%2Fpasswd",
        "a%00b",
    ] {
        let url = Url::parse(&format!("file://{}/{absent}", directory.path().display())).unwrap();
        assert_eq!(fetcher.metadata(&url, LIMIT).unwrap(), None, "{absent}");
    }
    let error = fetcher
        .metadata(&Url::from_file_path(directory.path()).unwrap(), LIMIT)
        .unwrap_err();
    assert!(matches!(error, FetchError::File { .. }), "{error:?}");
    let fifo = directory.path().join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR).unwrap();
    assert!(open(&fetcher, &Url::from_file_path(fifo).unwrap(), None).is_err());
}
