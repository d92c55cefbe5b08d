//! How the bytes come, and what a server or a mirror can do about it.

use std::io::Write as _;

use sysext_fetch::stage::StageError;
use sysext_fetch::transport::{Fault, Method};
use sysext_formats::digest::Sha256Digest;
use test_repos::fault_server::{Behaviour, FaultServer, RangeLie, Times};

use crate::host::{Host, large, zstd_frame};

#[test]
fn an_image_comes_as_it_is() {
    let host = Host::new();
    let image = host.publish(&large("1"));
    let staged = host.stage(&image).unwrap();
    assert_eq!(
        (staged.method(), staged.fetched()),
        (Method::Raw, image.length)
    );
    assert_eq!(
        std::fs::read(host.path(&image)).unwrap(),
        large("1").build()
    );
    assert_eq!(host.list("parts"), [""; 0]);
    assert_eq!(host.server.requests().len(), 1);
}

#[test]
fn the_frame_is_taken_when_it_is_smaller() {
    let host = Host::new();
    let frame = zstd_frame(&large("1").build());
    let image = host.publish_frame(&large("1"), &frame);
    let staged = host.stage(&image).unwrap();
    assert_eq!(staged.method(), Method::Zstd);
    assert_eq!(staged.fetched(), u64::try_from(frame.len()).unwrap());
    assert_eq!(
        std::fs::read(host.path(&image)).unwrap(),
        large("1").build()
    );
    assert_eq!(host.list("parts"), [""; 0]);
    assert_eq!(host.server.count("images/k3s_1_noarch.raw"), 0);
}

#[test]
fn a_frame_is_looked_for_at_its_own_urls_first() {
    let elsewhere = FaultServer::empty();
    let frame = zstd_frame(&large("1").build());
    let own = "download/k3s.zst";
    let publish = |host: &Host| {
        let mut image = host.publish_frame(&large("1"), &frame);
        let urls = &mut image.custom.transports[0].urls;
        urls.push("http://10.0.0.1/in-clear".to_owned());
        urls.push(elsewhere.url(own));
        image
    };
    elsewhere.put(own, frame.clone());
    let host = Host::new();
    let staged = host.stage(&publish(&host)).unwrap();
    assert_eq!(staged.method(), Method::Zstd);
    assert_eq!((elsewhere.count(own), host.server.requests().len()), (1, 0));
    // Other bytes there, or nothing: the catalog's own file.
    for wrong in [Some(vec![0; frame.len()]), None] {
        match wrong {
            Some(bytes) => elsewhere.put(own, bytes),
            None => elsewhere.remove(own),
        }
        let host = Host::new();
        let staged = host.stage(&publish(&host)).unwrap();
        assert_eq!(
            (staged.method(), staged.attempts().len()),
            (Method::Zstd, 1)
        );
        assert_eq!(host.server.count("images/k3s_1_noarch.raw.zst"), 1);
    }
}

/// Frames with the signed digest that do not give the image: each is said, and the image comes as it is.
#[test]
fn a_frame_that_gives_something_else_falls_to_the_next_transport() {
    let spec = large("1");
    let bytes = spec.build();
    let mut other = bytes.clone();
    other[600_000] ^= 1;
    let bomb = {
        let mut long = bytes.clone();
        long.resize(64 << 20, 0);
        long
    };
    let cut = zstd_frame(&bytes[..bytes.len() - 1]);
    let whole = zstd_frame(&bytes);
    let frames = [
        (zstd_frame(&bomb), "gives more than"),
        (cut, "bytes, the image has"),
        (zstd_frame(&other), "whose sha256 is"),
        (whole[..whole.len() / 2].to_vec(), "can not be decoded"),
        ([whole.as_slice(), b"more"].concat(), "behind its frame"),
        (b"no frame at all".to_vec(), "can not be decoded"),
        (huge_window(&bytes), "window of 2^27"),
    ];
    for (frame, reason) in frames {
        let host = Host::new();
        let image = host.publish_frame(&spec, &frame);
        let staged = host.stage(&image).unwrap();
        assert_eq!(staged.method(), Method::Raw, "{reason}");
        let attempts: Vec<_> = staged.attempts().iter().map(ToString::to_string).collect();
        assert!(
            matches!(attempts.as_slice(), [one] if one.contains(reason)),
            "{reason}: {attempts:?}"
        );
        assert_eq!(std::fs::read(host.path(&image)).unwrap(), bytes);
        assert_eq!(host.list("parts"), [""; 0], "{reason}");
        let entry = format!("store/{}", image.sha256);
        assert_eq!(
            host.list(&entry),
            ["facts.json", "k3s_1_noarch.raw"],
            "{reason}"
        );
    }
}

fn huge_window(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(28).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_download_that_breaks_off_goes_on_where_it_was() {
    let host = Host::new();
    let image = host.publish(&large("1"));
    let path = "images/k3s_1_noarch.raw";
    host.server
        .behave(path, Times::Next(1), Behaviour::CutAfter { bytes: 500_000 });
    let staged = host.stage(&image).unwrap();
    assert_eq!(staged.fetched(), image.length);
    assert_eq!(staged.attempts().len(), 1);
    let requests = host.server.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(host.server.bytes_sent(), image.length);
}

#[test]
fn a_server_that_stays_away_costs_nothing_that_was_there() {
    let host = Host::new();
    let image = host.publish(&large("1"));
    let path = "images/k3s_1_noarch.raw";
    // Rules are used up in turn, the last one first.
    host.server.behave(
        path,
        Times::Always,
        Behaviour::Status {
            code: 503,
            retry_after: Some(100),
        },
    );
    host.server
        .behave(path, Times::Next(1), Behaviour::CutAfter { bytes: 500_000 });
    let error = host.stage(&image).unwrap_err();
    assert_eq!(error.fault(), Fault::Temporary);
    let text = error.to_string();
    assert!(
        text.contains("503") && text.contains("500000 bytes that came are kept"),
        "{text}"
    );
    host.server.behave_well();
    host.server.clear_log();
    let staged = host.stage(&image).unwrap();
    assert_eq!(staged.fetched(), image.length - 500_000);
    assert_eq!(host.server.bytes_sent(), image.length - 500_000);
}

#[test]
fn what_changed_at_the_server_meanwhile_is_fetched_from_the_start() {
    let host = Host::new();
    let spec = large("1");
    let image = host.publish(&spec);
    let path = "images/k3s_1_noarch.raw";
    host.server.behave(
        path,
        Times::Always,
        Behaviour::Status {
            code: 500,
            retry_after: None,
        },
    );
    host.server
        .behave(path, Times::Next(1), Behaviour::CutAfter { bytes: 500_000 });
    // What comes first are other bytes, of the same length.
    let mut other = spec.build();
    other[10] ^= 1;
    host.server.put(path, other);
    host.stage(&image).unwrap_err();
    host.server.behave_well();
    host.server.put(path, spec.build());
    drop(host.stage(&image).unwrap());
    assert_eq!(std::fs::read(host.path(&image)).unwrap(), spec.build());
}

#[test]
fn a_server_that_lies_about_ranges_can_not_glue_two_files_together() {
    for lie in [
        RangeLie::WholeFile,
        RangeLie::OtherBytes,
        RangeLie::OtherOffset,
        RangeLie::OtherTotal,
        RangeLie::NoContentRange,
        RangeLie::NotSatisfiable,
    ] {
        let host = Host::new();
        let spec = large("1");
        let image = host.publish(&spec);
        let path = "images/k3s_1_noarch.raw";
        host.server
            .behave(path, Times::Next(1), Behaviour::WrongRange(lie));
        host.server
            .behave(path, Times::Next(1), Behaviour::CutAfter { bytes: 500_000 });
        // One attempt or the next: in the end it is the file or nothing.
        for _ in 0..2 {
            match host.stage(&image) {
                Ok(_) => break,
                Err(error) => assert!(matches!(error, StageError::NotFetched { .. }), "{error}"),
            }
        }
        assert_eq!(
            std::fs::read(host.path(&image)).unwrap(),
            spec.build(),
            "{lie:?}"
        );
    }
}

#[test]
fn other_bytes_than_signed_are_deleted_and_the_next_mirror_is_asked() {
    let mut host = Host::new();
    let spec = large("1");
    let image = host.publish(&spec);
    let path = "images/k3s_1_noarch.raw";
    let mirror = FaultServer::empty();
    host.bases.insert(0, mirror.url("").parse().unwrap());
    let lies = [
        (spec.build()[..900_000].to_vec(), "900000 bytes"),
        ([spec.build(), vec![0]].concat(), "were signed"),
        (vec![7; spec.build().len()], "sha256 is"),
    ];
    for (bytes, reason) in lies {
        mirror.put("k3s_1_noarch.raw", bytes);
        host.store.remove(&image.sha256).unwrap();
        host.server.clear_log();
        let staged = host.stage(&image).unwrap();
        let attempts: Vec<_> = staged.attempts().iter().map(ToString::to_string).collect();
        assert!(
            matches!(attempts.as_slice(), [one] if one.contains(reason) && one.contains(&mirror.url(""))),
            "{attempts:?}"
        );
        assert_eq!(host.server.count(path), 1);
    }
    host.server.remove(path);
    mirror.put("k3s_1_noarch.raw", vec![7; spec.build().len()]);
    host.store.remove(&image.sha256).unwrap();
    let error = host.stage(&image).unwrap_err();
    assert_eq!(error.fault(), Fault::Bytes);
    assert_eq!(host.list("parts"), [""; 0]);
    assert_eq!(host.list(&format!("store/{}", image.sha256)), [""; 0]);
}

#[test]
fn bodies_without_end_or_length_are_bounded() {
    for behaviour in [
        Behaviour::Endless,
        Behaviour::Long { bytes: 5 },
        Behaviour::Short { bytes: 5 },
    ] {
        let host = Host::new();
        let image = host.publish(&large("1"));
        host.server
            .behave("images/*", Times::Always, behaviour.clone());
        let outcome = host.stage(&image);
        match (&behaviour, outcome) {
            // HTTP ends where Content-Length says.
            (Behaviour::Long { .. }, outcome) => drop(outcome.unwrap()),
            (_, outcome) => {
                let error = outcome.unwrap_err();
                assert!(
                    matches!(error, StageError::NotFetched { .. }),
                    "{behaviour:?}: {error}"
                );
                assert!(!host.path(&image).exists());
            }
        }
    }
    let host = Host::new();
    let image = host.publish(&large("1"));
    host.server
        .behave("images/*", Times::Next(1), Behaviour::NoLength);
    drop(host.stage(&image).unwrap());
}

#[test]
fn the_hashed_name_is_asked_for_when_the_plain_one_is_missing() {
    let host = Host::new();
    let spec = large("1");
    let image = host.publish(&spec);
    host.server.remove("images/k3s_1_noarch.raw");
    let hashed = format!(
        "images/{}.k3s_1_noarch.raw",
        Sha256Digest::of(&spec.build())
    );
    host.server.put(&hashed, spec.build());
    drop(host.stage(&image).unwrap());
    assert_eq!(host.server.requests().len(), 2);
}

#[test]
fn a_complete_part_of_a_killed_run_needs_no_network() {
    let host = Host::new();
    let spec = large("1");
    let image = host.publish(&spec);
    host.server.remove("images/k3s_1_noarch.raw");
    let parts = host.root.store().join("parts");
    std::fs::create_dir(&parts).unwrap();
    std::fs::write(parts.join(image.sha256.to_string()), spec.build()).unwrap();
    let staged = host.stage(&image).unwrap();
    assert_eq!(staged.fetched(), 0);
    assert_eq!(host.server.requests().len(), 0);
    // One that is as long and has other bytes is worth nothing, and nothing gives the file.
    host.store.remove(&image.sha256).unwrap();
    std::fs::write(
        parts.join(image.sha256.to_string()),
        vec![0; spec.build().len()],
    )
    .unwrap();
    let error = host.stage(&image).unwrap_err();
    assert!(error.to_string().contains("sha256 is"), "{error}");
    assert_eq!(host.list("parts"), [""; 0]);
}
