//! What a vendor does on a good day.

use std::os::unix::fs::MetadataExt as _;

use serde_json::json;
use test_repos::fault_server::FaultServer;
use test_repos::image::ImageSpec;

use crate::common::Vendor;

#[test]
fn from_nothing_to_a_catalog_that_hosts_accept() {
    let vendor = Vendor::new();
    let made = vendor
        .init(&["--extension", "hello", "--unencrypted"])
        .ends(0);
    let image = vendor.image("hello", "1.0");
    let added = vendor.run(&["add", &image]).ends(0);
    assert!(
        added.out.contains("hello gains 1.0 _any in stable"),
        "{}",
        added.out
    );

    let published = vendor.published();
    let names: Vec<_> = published.keys().map(String::as_str).collect();
    let hash = "HASH.hello_1.0_noarch.raw";
    let plain = |name: &str| {
        if name.ends_with("raw") && name.len() > 60 {
            format!("images/{hash}")
        } else {
            name.to_owned()
        }
    };
    assert_eq!(
        names.iter().map(|name| plain(name)).collect::<Vec<_>>(),
        [
            "catalog.toml",
            &format!("images/{hash}"),
            "images/hello_1.0_noarch.raw",
            "images/hello_1.0_noarch.raw.zst",
            "metadata/1.hello.json",
            "metadata/1.root.json",
            "metadata/1.snapshot.json",
            "metadata/1.targets.json",
            "metadata/2.hello.json",
            "metadata/2.snapshot.json",
            "metadata/timestamp.json",
            "pruned.json",
        ]
    );
    assert_eq!(
        published["images/hello_1.0_noarch.raw"],
        vendor.read("hello_1.0_noarch.raw")
    );

    // A host elsewhere, which knows nothing but the line that init printed.
    let server = FaultServer::start(published);
    let line = made
        .out
        .lines()
        .find(|line| line.contains("#sha256="))
        .unwrap();
    let fingerprint = line
        .split_once("#sha256=")
        .unwrap()
        .1
        .trim_end_matches('\'');
    let elsewhere = Vendor::new();
    let url = format!("{}#sha256={fingerprint}", server.url(""));
    let verified = elsewhere
        .run(&["verify", &url, "--all", "--json"])
        .ends(0)
        .json();
    assert_eq!(
        (&verified["images_checked"], &verified["transports_checked"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(verified["problems"], json!([]));

    let wrong = format!("{}#sha256={}", server.url(""), "0".repeat(64));
    elsewhere
        .run(&["verify", &wrong])
        .ends(4)
        .says(&["none of the 1 root(s)", &"0".repeat(64)]);
    elsewhere
        .run(&["verify", &server.url("")])
        .ends(2)
        .says(&["--fingerprint"]);
}

#[test]
fn the_same_image_again_is_nothing_to_do() {
    let vendor = Vendor::with_catalog();
    let image = vendor.image("hello", "1.0");
    assert_eq!(
        vendor.run(&["--json", "add", &image]).ends(0).json()["changed"],
        true
    );
    let before = vendor.published();
    assert_eq!(
        vendor.run(&["--json", "add", &image]).ends(0).json()["changed"],
        false
    );
    assert_eq!(
        vendor
            .run(&["--json", "add", &image, &image])
            .ends(0)
            .json()["changed"],
        false
    );
    assert!(vendor.published() == before);
}

#[test]
fn the_same_content_as_another_version_is_fine() {
    let vendor = Vendor::with_catalog();
    let spec = ImageSpec::new("hello");
    let (one, two) = (
        vendor.image_of(&spec, "hello_1_noarch.raw"),
        vendor.image_of(&spec, "hello_2_noarch.raw"),
    );
    vendor.run(&["add", &one, &two]).ends(0);
    assert_eq!(
        vendor.images("hello"),
        ["hello_1_noarch.raw", "hello_2_noarch.raw"]
    );
    vendor.run(&["verify", "--all"]).ends(0);
}

#[test]
fn a_dry_run_says_what_a_real_one_does_and_does_nothing() {
    let vendor = Vendor::with_catalog();
    let image = vendor.image("hello", "1.0");
    let before = vendor.published();
    let said = vendor
        .run(&["add", &image, "--dry-run", "--json"])
        .ends(0)
        .json();
    assert_eq!(
        (&said["changed"], &said["changes"][0]["version"]),
        (&json!(true), &json!("1.0"))
    );
    vendor
        .run(&[
            "extension",
            "add",
            "world",
            "--own-key",
            "--unencrypted",
            "--dry-run",
        ])
        .ends(0);
    vendor.run(&["renew", "--dry-run"]).ends(0);
    assert!(vendor.published() == before);
    assert!(!vendor.path("keys/ci/world.pem").exists());
    let other = Vendor::new();
    other.init(&["--dry-run"]).ends(0);
    assert!(other.files("").is_empty());
}

#[test]
fn a_folder_is_synced_and_read_once() {
    let vendor = Vendor::with_catalog();
    vendor
        .run(&["extension", "add", "world", "--summary", "The world"])
        .ends(0);
    for (name, version) in [("hello", "1"), ("hello", "2"), ("world", "1")] {
        let spec = ImageSpec::new(name).version(version);
        vendor.image_of(&spec, &format!("images/{name}/{name}_{version}_noarch.raw"));
    }
    vendor.write("images/README", b"no image");
    let said = vendor.run(&["sync", "images", "--json"]).ends(0).json();
    assert_eq!(said["changes"].as_array().unwrap().len(), 3, "{said}");
    assert_eq!(vendor.images("hello").len(), 2);
    // Remembered once they have been left alone for a while, which the clock's grain decides.
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    for file in ["hello/hello_1", "hello/hello_2", "world/world_1"] {
        let file = std::fs::File::options()
            .write(true)
            .open(vendor.path(&format!("images/{file}_noarch.raw")))
            .unwrap();
        file.set_modified(old).unwrap();
    }
    assert_eq!(
        vendor.run(&["sync", "images", "--json"]).ends(0).json()["changed"],
        false
    );
    vendor
        .run(&["sync", "no-such-folder"])
        .ends(1)
        .says(&["no-such-folder"]);
}

#[test]
fn what_the_configuration_says_of_an_extension_is_published_and_comments_stay() {
    let vendor = Vendor::with_catalog();
    vendor.edit(
        "sysext-publish.toml",
        "title = \"\"",
        "title = \"Acme's\" # mine",
    );
    vendor
        .run(&[
            "extension",
            "add",
            "hello",
            "--summary",
            "Says hello",
            "--license",
            "MIT",
            "--homepage",
            "https://h.example",
        ])
        .ends(0);
    let config = String::from_utf8(vendor.read("sysext-publish.toml")).unwrap();
    assert!(
        config.contains("# mine") && config.contains("summary = \"Says hello\""),
        "{config}"
    );
    let index = String::from_utf8(vendor.read("public/metadata/2.hello.json")).unwrap();
    assert!(
        index.contains("\"license\":\"MIT\"") && index.contains("https://h.example"),
        "{index}"
    );
    let targets = String::from_utf8(vendor.read("public/metadata/2.targets.json")).unwrap();
    assert!(targets.contains("Says hello"), "{targets}");
    assert!(
        vendor
            .run(&["extension", "list"])
            .ends(0)
            .out
            .contains("Says hello")
    );
    let again = vendor
        .run(&[
            "--json",
            "extension",
            "add",
            "hello",
            "--summary",
            "Says hello",
        ])
        .ends(0);
    assert_eq!(again.json()["changed"], false);
}

#[test]
fn facts_channels_and_links_of_an_image_are_in_its_index() {
    let vendor = Vendor::with_catalog();
    let spec = ImageSpec::new("hello")
        .os("debian")
        .version_id("13")
        .architecture("x86-64")
        .setuid("usr/bin/su");
    let image = vendor.image_of(&spec, "hello_1.2_debian-13_x86-64.raw");
    vendor
        .run(&[
            "add",
            &image,
            "--channel",
            "testing",
            "--channel",
            "v1",
            "--fixes",
            "CVE-2026-12345",
            "--notes",
            "https://n.example/1",
        ])
        .ends(0);
    let index: serde_json::Value =
        serde_json::from_slice(&vendor.read("public/metadata/2.hello.json")).unwrap();
    let (file, target) = index["signed"]["targets"]
        .as_object()
        .unwrap()
        .iter()
        .next()
        .unwrap();
    assert_eq!(file, "hello_1.2_debian-13_x86-64.raw");
    let sysext = &target["custom"]["sysext"];
    assert_eq!(sysext["channels"], json!(["testing", "v1"]));
    assert_eq!(sysext["extension_release"]["VERSION_ID"], "13");
    assert_eq!(sysext["image"]["setuid"], json!(["/usr/bin/su"]));
    assert_eq!(sysext["fixes"], json!(["CVE-2026-12345"]));
    assert_eq!(sysext["links"]["notes"], "https://n.example/1");
}

#[test]
fn other_peoples_umask_and_a_closed_stdout_do_no_harm() {
    let vendor = Vendor::new();
    let program = assert_cmd::cargo::cargo_bin("sysext-publish");
    let script = format!(
        "umask 077; {program} init public --id a --url https://a.example --unencrypted >&-",
        program = program.display()
    );
    let status = std::process::Command::new("sh")
        .args(["-c", &script])
        .current_dir(vendor.path(""))
        .env_clear()
        .status()
        .unwrap();
    assert!(status.success());
    let mode = |path: &str| std::fs::metadata(vendor.path(path)).unwrap().mode() & 0o777;
    assert_eq!(mode("public/metadata/timestamp.json"), 0o644);
    assert_eq!(mode("public/metadata"), 0o755);
    assert_eq!(mode("keys/offline/root-1.pem"), 0o600);
}

#[test]
fn links_that_hosts_would_not_show_or_follow_are_refused() {
    let vendor = Vendor::with_catalog();
    let image = vendor.image("hello", "1");
    for words in [
        &["move", "http://elsewhere.example"][..],
        &["move", "https://name:word@elsewhere.example"],
        &["add", &image, "--notes", "http://elsewhere.example"],
        &[
            "extension",
            "add",
            "other",
            "--homepage",
            "javascript:alert(1)",
        ],
    ] {
        vendor.run(words).ends(2).says(&["https://"]);
    }
    vendor.run(&["move", "https://elsewhere.example/x"]).ends(0);
}
