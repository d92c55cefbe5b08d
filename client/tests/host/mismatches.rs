//! Images that are not for this host: `why` says why, one line each.

use test_repos::scratch::ScratchHost;

use crate::world::{World, json, spec};

#[test]
fn why_names_the_field_and_both_values_of_every_mismatch() {
    let host = [
        ("ID", "opensuse-microos"),
        ("ID_LIKE", "suse opensuse"),
        ("VERSION_ID", "20261101"),
        ("SYSEXT_LEVEL", "2"),
    ];
    let fits = || spec("k3s", "0").os("opensuse-microos").sysext_level("2");
    let image = |number: usize| fits().version(&format!("1.{number}"));
    // Each with the words of its reason: the field, the image's value, the host's.
    let mismatches = [
        (
            image(1).scope("initrd"),
            ["SYSEXT_SCOPE", "\"initrd\"", "\"system\""],
        ),
        (image(2).scope(""), ["SYSEXT_SCOPE", "\"\"", "\"system\""]),
        (
            image(3).architecture("arm64"),
            ["architecture", "\"arm64\"", "\"x86-64\""],
        ),
        (
            image(4).os("fedora"),
            ["ID", "\"fedora\"", "\"opensuse-microos"],
        ),
        (
            image(5).sysext_level("1"),
            ["SYSEXT_LEVEL", "\"1\"", "\"2\""],
        ),
        (
            spec("k3s", "1.6").os("suse").version_id("15"),
            ["VERSION_ID", "\"15\"", "\"20261101\""],
        ),
        (
            spec("k3s", "1.7").os("opensuse"),
            ["VERSION_ID", "names no", "\"20261101\""],
        ),
        (image(8), ["channel", "edge", "stable"]),
        (image(9), ["version", "1.10", "asked for"]),
        (
            spec("k3s", "1.11").os(""),
            ["ID", "names no", "\"opensuse-microos\""],
        ),
    ];
    let mut world = World::with_host(ScratchHost::with_os_release(&host), &["k3s"]);
    for (image, _) in &mismatches {
        let file = world.vendor.add_image("k3s", image);
        if image.version_text() == "1.8" {
            world.vendor.image_mut("k3s", &file)["channels"] = serde_json::json!(["edge"]);
        }
    }
    world.vendor.add_image("k3s", &image(10));
    world.vendor.publish();
    world.serve();
    world.good(&["install", "k3s@1.10"]);
    let why = json(&world.good(&["--json", "why", "k3s"]));
    let rows = why["candidates"].as_array().unwrap();
    for (image, words) in &mismatches {
        let version = image.version_text();
        let row = rows.iter().find(|row| row["version"] == version).unwrap();
        let text = row["text"].as_str().unwrap();
        assert!(
            words.iter().all(|word| text.contains(word)),
            "{version}: {text}"
        );
        assert_eq!(text.lines().count(), 1, "{version}: {text}");
    }
}
