//! A server that lies, and a host that updates from it: for each lie, how the run ends, that nothing is lost by it, and
//! that the next honest answer is believed.
//!
//! Nothing here waits for a host's usual patience: the deadlines are set to a second. How they are counted is tried with
//! a clock that nobody waits for, in `fetch::pace`.

use test_repos::fault_server::{Behaviour, FaultServer, RangeLie, Times};
use test_repos::tls::{CERTIFICATE, TlsFront};

use self::End::{Later, Refused, Updated};
use crate::world::{World, code, talk};

const TIMESTAMP: &str = "metadata/timestamp.json";
const IMAGES: &str = "images/*";

/// What may come of a lie.
#[derive(Debug, Clone, Copy)]
enum End {
    /// The update works all the same.
    Updated,
    /// Temporary (4): nothing shows that it is more than a bad network.
    Later(&'static str),
    /// Not what was signed (3).
    Refused(&'static str),
}

/// A host with an update waiting, whose patience is a second.
fn waiting() -> World {
    let mut world = World::new(&["k3s"]);
    world.good(&["install", "k3s"]);
    world.publish("k3s", "1.1");
    world.host.write(
        "etc/sysext-fetch/sysext-fetch.toml",
        "metadata-deadline = \"1s\"\nimage-deadline = \"1s\"\n",
    );
    world.server.clear_log();
    world
}

/// Tells each lie about each of the paths, in worlds of their own, and then none.
fn tell(lies: &[(&str, Behaviour, End)]) {
    std::thread::scope(|scope| {
        for (path, lie, end) in lies {
            scope.spawn(move || {
                let world = waiting();
                world.server.behave(path, Times::Always, lie.clone());
                meets(&world, &format!("{lie:?} of {path}"), *end);
            });
        }
    });
}

/// The update ends so; what ran is linked still, and an honest server is believed again.
#[track_caller]
fn meets(world: &World, lie: &str, end: End) {
    let output = world.run(&["update"]);
    let said = talk(&output);
    let (expected, word, linked) = match end {
        Updated => (0, "", "1.1"),
        Later(word) => (4, word, "1.0"),
        Refused(word) => (3, word, "1.0"),
    };
    assert_eq!(code(&output), expected, "{lie}: {said}");
    assert!(said.contains(word), "{lie} does not say {word:?}: {said}");
    assert_eq!(world.linked("k3s").as_deref(), Some(linked), "{lie}");
    // What a host reads is bounded, whatever is sent: the sockets hold some megabytes besides.
    let sent = world.server.bytes_sent();
    assert!(sent < 32 << 20, "{lie}: {sent} bytes were sent");
    world.server.behave_well();
    world.good(&["update"]);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.1"), "{lie}");
}

fn status(code: u16, retry_after: Option<u64>) -> Behaviour {
    Behaviour::Status { code, retry_after }
}

#[test]
fn an_endless_body_is_left_at_its_bound() {
    tell(&[
        (
            TIMESTAMP,
            Behaviour::Endless,
            Refused("longer than the 16384 bytes"),
        ),
        (
            IMAGES,
            Behaviour::Endless,
            Refused("bytes that were signed"),
        ),
    ]);
}

#[test]
fn a_short_body_is_no_document_and_no_image() {
    let short = Behaviour::Short { bytes: 100 };
    tell(&[
        (TIMESTAMP, short.clone(), Later("timestamp.json")),
        (IMAGES, short, Refused("were signed")),
    ]);
}

#[test]
fn a_body_without_a_length_is_read_to_its_bound() {
    tell(&[
        (TIMESTAMP, Behaviour::NoLength, Updated),
        (IMAGES, Behaviour::NoLength, Updated),
        ("*", Behaviour::Chunked, Updated),
    ]);
}

#[test]
fn a_drip_ends_at_the_deadline() {
    let drip = |bytes_per_second| Behaviour::Drip { bytes_per_second };
    tell(&[
        (TIMESTAMP, drip(1), Later("metadata-deadline")),
        (IMAGES, drip(500), Later("image-deadline")),
        (TIMESTAMP, Behaviour::Stall, Later("metadata-deadline")),
        (
            TIMESTAMP,
            Behaviour::SlowHeaders {
                bytes_per_second: 1,
            },
            Later("metadata-deadline"),
        ),
    ]);
}

#[test]
fn a_cut_body_is_gone_on_with_or_tried_again_later() {
    tell(&[
        (
            TIMESTAMP,
            Behaviour::CutAfter { bytes: 50 },
            Later("timestamp.json"),
        ),
        (IMAGES, Behaviour::CutAfter { bytes: 0 }, Later("broke")),
        (IMAGES, Behaviour::CutAfter { bytes: 2000 }, Updated),
        (IMAGES, Behaviour::CloseAtOnce, Later("images")),
    ]);
}

#[test]
fn a_wrong_range_never_becomes_part_of_an_image() {
    let lies = [
        (RangeLie::WholeFile, Updated),
        (RangeLie::OtherBytes, Updated),
        (RangeLie::NotSatisfiable, Updated),
        (RangeLie::OtherOffset, Later("")),
        (RangeLie::OtherTotal, Later("")),
        (RangeLie::NoContentRange, Later("")),
    ];
    std::thread::scope(|scope| {
        for (lie, end) in lies {
            scope.spawn(move || {
                let world = waiting();
                world
                    .server
                    .behave(IMAGES, Times::Always, Behaviour::WrongRange(lie));
                let cut = Behaviour::CutAfter { bytes: 2000 };
                world.server.behave(IMAGES, Times::Next(1), cut);
                meets(&world, &format!("{lie:?}"), end);
                assert!(world.server.count(IMAGES) > 1, "{lie:?}");
            });
        }
    });
}

#[test]
fn a_gzip_bomb_is_never_unpacked_beyond_its_bound() {
    let bomb = Behaviour::GzipBomb {
        decoded_len: 1 << 30,
    };
    tell(&[
        (
            TIMESTAMP,
            bomb.clone(),
            Refused("longer than the 16384 bytes"),
        ),
        (IMAGES, bomb, Later("gzip")),
    ]);
}

#[test]
fn a_404_a_403_a_429_and_a_503_are_told_apart_and_tried_again_later() {
    tell(&[
        (TIMESTAMP, status(404, None), Later("is not there")),
        (IMAGES, status(404, None), Later("is not there")),
        (TIMESTAMP, status(403, None), Later("403")),
        (IMAGES, status(403, None), Later("403")),
        (TIMESTAMP, status(429, Some(3600)), Later("in 3600 s")),
        (IMAGES, status(429, Some(3600)), Later("in 3600 s")),
        (TIMESTAMP, status(503, Some(3600)), Later("in 3600 s")),
        (IMAGES, status(503, Some(3600)), Later("in 3600 s")),
    ]);
}

/// An hour is not waited for, and the server is not asked again before.
#[test]
fn a_retry_after_beyond_the_bound_ends_the_run_at_once() {
    let world = waiting();
    world
        .server
        .behave(TIMESTAMP, Times::Always, status(503, Some(3600)));
    world.refuses(&["update"], 4, "503");
    assert_eq!(world.server.count(TIMESTAMP), 1);
}

#[test]
fn a_redirect_loop_ends() {
    tell(&[
        (TIMESTAMP, Behaviour::RedirectLoop, Later("redirect")),
        (IMAGES, Behaviour::RedirectLoop, Later("redirect")),
    ]);
}

/// A server at https://, trusted by this host; without the redirect the update works, with it nobody is asked without
/// TLS.
#[test]
fn a_redirect_from_https_to_http_is_not_followed() {
    let world = waiting();
    let front = TlsFront::start(world.server.address());
    world.host.write("front.pem", CERTIFICATE);
    let certificate = world.host.path("front.pem");
    let trusting = [("SSL_CERT_FILE", certificate.as_os_str())];
    world.host.write(
        "etc/sysext-fetch/catalogs.d/vendor.toml",
        world.vendor.descriptor("vendor", &[&front.url("")], &["*"]),
    );
    let plain = FaultServer::start(world.vendor.files());
    for path in [TIMESTAMP, "images/k3s_1.1_noarch.raw"] {
        let there = Behaviour::RedirectTo(plain.url(path));
        world.server.behave(path, Times::Always, there);
        let output = world.run_with(&trusting, &["update"]);
        let said = talk(&output);
        assert_eq!(code(&output), 4, "{said}");
        assert!(said.contains("from https to http:"), "{said}");
        assert_eq!(world.linked("k3s").as_deref(), Some("1.0"));
        assert!(plain.requests().is_empty(), "{:?}", plain.requests());
        world.server.behave_well();
    }
    let output = world.run_with(&[], &["update"]);
    let said = talk(&output);
    assert!(said.contains("certificate is not accepted"), "{said}");
    assert_eq!(code(&output), 4, "{said}");
    let output = world.run_with(&trusting, &["update"]);
    assert_eq!(code(&output), 0, "{}", talk(&output));
    assert_eq!(world.linked("k3s").as_deref(), Some("1.1"));
}

#[test]
fn a_redirect_to_a_file_of_this_host_is_not_followed() {
    let local = Behaviour::RedirectTo("file:///etc/passwd".to_owned());
    tell(&[
        (TIMESTAMP, local.clone(), Later("timestamp.json")),
        (IMAGES, local, Later("images")),
    ]);
}

#[test]
fn a_stale_mirror_alone_is_a_rollback_and_beside_another_it_is_passed_by() {
    let mut world = World::new(&["k3s"]);
    let stale = FaultServer::start(world.vendor.files());
    world.publish("k3s", "1.1");
    world.good(&["install", "k3s"]);
    let mirrors = |urls: &[&str]| {
        world.host.write(
            "etc/sysext-fetch/catalogs.d/vendor.toml",
            world.vendor.descriptor("vendor", urls, &["*"]),
        );
    };
    mirrors(&[&stale.url("")]);
    let said = world.refuses(&["update"], 3, "rolled back");
    assert!(said.contains("vendor"), "{said}");
    mirrors(&[&stale.url(""), &world.server.url("")]);
    let output = world.run(&["update"]);
    assert_eq!(code(&output), 0, "{}", talk(&output));
    let warned = format!("warning: {}", stale.url(""));
    assert!(talk(&output).contains(&warned), "{}", talk(&output));
    assert_eq!(world.linked("k3s").as_deref(), Some("1.1"));
}
