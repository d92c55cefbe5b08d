//! Section C of the attack list: what must fail safely on the vendor's side.

use test_repos::image::ImageSpec;

use crate::common::Vendor;

#[test]
fn the_same_name_with_other_bytes_is_a_conflict_and_nothing_is_written() {
    let vendor = Vendor::with_catalog();
    vendor.run(&["add", &vendor.image("hello", "1.0")]).ends(0);
    let before = vendor.published();
    let other = vendor.image_of(
        &ImageSpec::new("hello").padding(20_000, 8),
        "hello_1.0_noarch.raw",
    );
    vendor
        .run(&["add", &other])
        .ends(3)
        .says(&["hello_1.0_noarch.raw is published already", "--revision"]);
    // One good image beside it changes nothing.
    let good = vendor.image("hello", "2.0");
    vendor.run(&["add", &good, &other]).ends(3);
    assert!(vendor.published() == before, "nothing was written");

    vendor.run(&["add", "--revision", &other]).ends(0);
    assert_eq!(
        vendor.images("hello"),
        ["hello_1.0-1_noarch.raw", "hello_1.0_noarch.raw"]
    );
    let again = vendor.run(&["--json", "add", "--revision", &other]).ends(0);
    assert_eq!(again.json()["changed"], false);
}

#[test]
fn two_versions_that_would_share_a_file_name_are_a_conflict() {
    let vendor = Vendor::with_catalog();
    let image = vendor.image("hello", "1");
    vendor.run(&["add", &image, "--version", "1.0+k1"]).ends(0);
    vendor
        .run(&["add", &image, "--version", "1.0.k1"])
        .ends(3)
        .says(&["1.0+k1", "1.0.k1"]);
    vendor
        .run(&["add", &image, "--version", "1.00+k1"])
        .ends(3)
        .says(&["orders the same"]);
}

#[test]
fn an_unknown_extension_is_not_made_in_passing() {
    let vendor = Vendor::with_catalog();
    let image = vendor.image("world", "1");
    vendor
        .run(&["add", &image])
        .ends(2)
        .says(&["has no extension world", "extension add world"]);
}

#[test]
fn a_published_state_that_is_not_there_is_never_replaced() {
    let vendor = Vendor::with_catalog();
    let image = vendor.image("hello", "1.0");
    std::fs::rename(vendor.path("public"), vendor.path("away")).unwrap();
    vendor
        .run(&["add", &image])
        .ends(4)
        .says(&["public is not there", "init"]);
    assert!(!vendor.path("public").exists());
    // An outage that leaves an empty directory, as an unmounted one.
    std::fs::create_dir(vendor.path("public")).unwrap();
    vendor
        .run(&["add", &image])
        .ends(4)
        .says(&["timestamp.json is not there"]);
    vendor.run(&["renew"]).ends(4);
    vendor
        .init(&["--extension", "hello", "--unencrypted"])
        .ends(2)
        .says(&["never overwrites"]);
    assert!(vendor.published().is_empty());
}

#[test]
fn init_overwrites_neither_a_catalog_nor_keys_and_keeps_keys_out_of_the_tree() {
    let vendor = Vendor::with_catalog();
    let before = vendor.files("");
    for file in ["sysext-publish.toml", "root.json"] {
        std::fs::remove_file(vendor.path(file)).unwrap();
        vendor
            .init(&["--unencrypted"])
            .ends(2)
            .says(&["is there already"]);
    }
    std::fs::rename(vendor.path("keys"), vendor.path("away")).unwrap();
    vendor
        .init(&["--unencrypted"])
        .ends(2)
        .says(&["metadata/timestamp.json at public"]);
    assert!(!vendor.path("keys").exists());
    std::fs::rename(vendor.path("away"), vendor.path("keys")).unwrap();
    for file in ["sysext-publish.toml", "root.json"] {
        vendor.write(file, &before[file]);
    }
    let mut after = vendor.files("");
    // Who holds a lock is written into it.
    after.retain(|name, _| !name.contains("/.sysext-publish"));
    assert!(
        after
            .iter()
            .all(|(name, bytes)| before.get(name) == Some(bytes))
    );

    let here = Vendor::new();
    here.run(&[
        "init",
        ".",
        "--id",
        "a",
        "--url",
        "https://a.example",
        "--unencrypted",
    ])
    .ends(2)
    .says(&["inside of the published tree"]);
    assert!(!here.path("keys").exists());
}

#[test]
fn tampered_metadata_is_never_gone_on_from() {
    let vendor = Vendor::with_catalog();
    vendor.run(&["add", &vendor.image("hello", "1.0")]).ends(0);
    let good = vendor.published();
    let next = vendor.image("hello", "2.0");
    let cases = [
        (
            "metadata/2.hello.json",
            "\"version\":\"1.0\"",
            "\"version\":\"9.9\"",
            "hello",
        ),
        (
            "metadata/2.snapshot.json",
            "\"version\":2",
            "\"version\":3",
            "snapshot",
        ),
        ("metadata/1.targets.json", "hello_*", "*", "targets"),
        (
            "metadata/timestamp.json",
            "\"version\":2",
            "\"version\":7",
            "timestamp",
        ),
    ];
    for (file, from, to, role) in cases {
        vendor.edit(&format!("public/{file}"), from, to);
        let before = vendor.published();
        // A machine that remembers the good snapshot does not even look at a bad one.
        std::fs::remove_dir_all(vendor.path("state")).unwrap();
        vendor.run(&["add", &next]).ends(4).says(&[role]);
        assert!(vendor.published() == before, "{file}");
        vendor.write(&format!("public/{file}"), &good[file]);
    }
    vendor.run(&["add", &next]).ends(0);
}

#[test]
fn a_catalog_of_other_keys_is_not_ours() {
    let (vendor, other) = (Vendor::with_catalog(), Vendor::with_catalog());
    for (name, bytes) in other.published() {
        vendor.write(&format!("public/{name}"), &bytes);
    }
    vendor
        .run(&["add", &vendor.image("hello", "1.0")])
        .ends(4)
        .says(&["timestamp", "keys that may not sign"]);
}

#[test]
fn a_host_that_went_back_in_time_is_noticed_and_nothing_is_built_on_it() {
    let mut vendor = Vendor::with_catalog();
    let old = vendor.published();
    vendor.run(&["add", &vendor.image("hello", "1.0")]).ends(0);
    std::fs::remove_dir_all(vendor.path("public")).unwrap();
    for (name, bytes) in &old {
        let path = vendor.path(&format!("public/{name}"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let next = vendor.image("hello", "2.0");
    vendor
        .run(&["add", &next])
        .ends(4)
        .says(&["timestamp was rolled back: version 1", "seen 2"]);
    assert!(vendor.published() == old);
    // A machine without a memory can not know, and says so.
    vendor.variable("XDG_STATE_HOME", "");
    vendor
        .run(&["status"])
        .ends(0)
        .says(&["was not checked", "XDG_STATE_HOME"]);
}

#[test]
fn what_a_run_that_died_left_is_completed_by_the_next_one() {
    let vendor = Vendor::with_catalog();
    let image = vendor.image("hello", "1.0");
    let before = vendor.published();
    vendor.run(&["add", &image]).ends(0);
    let after = vendor.published();
    // Everything but the timestamp was uploaded; to some of it the power failed.
    vendor.write(
        "public/metadata/timestamp.json",
        &before["metadata/timestamp.json"],
    );
    vendor.write("public/metadata/2.hello.json", b"{");
    vendor.write("public/images/hello_1.0_noarch.raw", b"half");
    vendor.write("public/images/.tmp-left-by-a-killed-run", b"half");
    std::fs::remove_dir_all(vendor.path("state")).unwrap();
    vendor.run(&["verify"]).ends(0);
    vendor.run(&["add", &image]).ends(0);
    vendor.run(&["verify", "--all"]).ends(0);
    let names =
        |files: std::collections::BTreeMap<String, Vec<u8>>| files.into_keys().collect::<Vec<_>>();
    assert_eq!(names(vendor.published()), names(after));
}

#[test]
fn verify_sees_a_damaged_image_and_a_transport_that_lies() {
    let vendor = Vendor::with_catalog();
    vendor.run(&["add", &vendor.image("hello", "1.0")]).ends(0);
    let good = vendor.published();
    let image = "public/images/hello_1.0_noarch.raw";
    let mut bytes = vendor.read(image);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    vendor.write(image, &bytes);
    let damaged = vendor.run(&["verify"]).ends(4);
    assert!(
        damaged.out.contains("hello_1.0_noarch.raw has the sha256"),
        "{}",
        damaged.out
    );
    vendor.write(image, &bytes[..100]);
    assert!(
        vendor
            .run(&["verify"])
            .ends(4)
            .out
            .contains("has 100 bytes")
    );
    vendor.write(image, &good["images/hello_1.0_noarch.raw"]);
    for lie in [
        &b"no zstd"[..],
        &zstd(&vec![0; 10_000_000]),
        &zstd(b"short"),
    ] {
        vendor.write(&format!("{image}.zst"), lie);
        assert!(
            vendor
                .run(&["verify"])
                .ends(4)
                .out
                .contains("hello_1.0_noarch.raw.zst")
        );
    }
    std::fs::remove_file(vendor.path(&format!("{image}.zst"))).unwrap();
    assert!(vendor.run(&["verify"]).ends(4).out.contains("is not there"));
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

#[test]
fn images_that_would_hurt_are_not_published() {
    let vendor = Vendor::with_catalog();
    let before = vendor.published();
    let spec = ImageSpec::new("hello").release_name("other");
    let image = vendor.image_of(&spec, "hello_1_noarch.raw");
    vendor
        .run(&["add", &image])
        .ends(1)
        .says(&["would hurt", "extension-release"]);
    let early = vendor.image("hello", "2.0-rc1");
    vendor.run(&["add", &early]).ends(1).says(&["pre-release"]);
    vendor.write("hello_3_noarch.raw", b"no image");
    vendor
        .run(&["add", "hello_3_noarch.raw"])
        .ends(1)
        .says(&["not a system extension image"]);
    vendor
        .run(&["add", "hello_4_noarch.raw"])
        .ends(1)
        .says(&["hello_4_noarch.raw"]);
    assert!(vendor.published() == before);
    vendor.run(&["add", &early, "--channel", "testing"]).ends(0);
}

#[test]
fn a_configuration_with_a_mistake_is_named_with_its_place() {
    let vendor = Vendor::with_catalog();
    vendor.edit("sysext-publish.toml", "zstd-level", "zstd-levl");
    vendor
        .run(&["status"])
        .ends(2)
        .says(&["sysext-publish.toml", "zstd-levl", "line 11"]);
    Vendor::new()
        .run(&["status"])
        .ends(2)
        .says(&["sysext-publish.toml is not there", "--config"]);
    let far = vendor.run(&["status", "--json"]).ends(2).json();
    assert_eq!(
        (&far["error"]["kind"], &far["error"]["exit_code"]),
        (&"usage".into(), &2.into())
    );
}
