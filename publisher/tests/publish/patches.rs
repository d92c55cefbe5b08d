//! Patches: from which versions they are made, that they are made once, and that they go with what they start from.

use serde_json::Value;
use test_repos::image::ImageSpec;

use crate::common::{Run, Vendor};

fn spec(version: &str) -> ImageSpec {
    ImageSpec::new("hello").version(version).padding(300_000, 1)
}

fn add(vendor: &Vendor, spec: &ImageSpec, file: &str) -> Run {
    let image = vendor.image_of(spec, file);
    vendor.run(&["add", "--zstd-level", "1", &image]).ends(0)
}

fn add_version(vendor: &Vendor, version: &str) -> Run {
    add(
        vendor,
        &spec(version),
        &format!("hello_{version}_noarch.raw"),
    )
}

/// The files of the patches to an image, and their digests.
fn patches(vendor: &Vendor, image: &str) -> Vec<(String, String)> {
    let transports = |index: &Value| {
        let file = &index["signed"]["targets"][image]["custom"]["sysext"]["transports"];
        file.as_array().unwrap().clone()
    };
    let newest = (1..100).rev().find_map(|number| {
        let path = format!("public/metadata/{number}.hello.json");
        vendor.path(&path).exists().then(|| vendor.read(&path))
    });
    let index: Value = serde_json::from_slice(&newest.unwrap()).unwrap();
    let of_kind = transports(&index);
    let of_kind = of_kind.iter().filter(|it| it["kind"] == "relink-lzma");
    of_kind
        .map(|it| (it["file"].to_string(), it["sha256"].to_string()))
        .collect()
}

#[test]
fn the_newest_versions_before_get_patches_that_verify() {
    let vendor = Vendor::with_catalog();
    for version in ["1", "2", "3", "4", "5", "6"] {
        add_version(&vendor, version);
    }
    // Not from another architecture, another system or what is withdrawn.
    add(
        &vendor,
        &spec("5.5").architecture("arm64"),
        "hello_5.5_arm64.raw",
    );
    let debian = spec("5.6").os("debian").version_id("13");
    add(&vendor, &debian, "hello_5.6_debian-13_noarch.raw");
    let reason = ["withdraw", "hello", "5", "--reason", "broken"];
    vendor.run(&reason).ends(0);
    add_version(&vendor, "7").says(&["hello 6 → 7: a patch of", "hello 2 → 7"]);
    assert_eq!(patches(&vendor, "hello_7_noarch.raw").len(), 4);
    assert_eq!(patches(&vendor, "hello_6_noarch.raw").len(), 4);
    assert_eq!(patches(&vendor, "hello_5.6_debian-13_noarch.raw").len(), 0);
    vendor.run(&["verify", "--all"]).ends(0);
    // The one from 6 goes when 6 does.
    vendor.run(&["prune", "--keep", "1"]).ends(0);
    assert_eq!(patches(&vendor, "hello_7_noarch.raw").len(), 0);
    vendor.run(&["verify", "--all"]).ends(0);
}

#[test]
fn verify_sees_a_patch_that_gives_something_else() {
    let vendor = Vendor::with_catalog();
    add_version(&vendor, "1");
    add_version(&vendor, "2");
    let names = std::fs::read_dir(vendor.path("public/images")).unwrap();
    let mut names = names.map(|entry| entry.unwrap().path());
    let patch = names.find(|path| path.to_str().unwrap().ends_with("relink-lzma"));
    let patch = patch.unwrap();
    let mut bytes = std::fs::read(&patch).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&patch, bytes).unwrap();
    let run = vendor.run(&["verify"]).ends(4);
    run.prints("relink-lzma has the sha256");
}

#[test]
fn none_are_made_where_none_are_wanted_or_worth_it() {
    let vendor = Vendor::with_catalog();
    add_version(&vendor, "1");
    // Nothing in common.
    add(
        &vendor,
        &ImageSpec::new("hello").version("2").padding(300_000, 9),
        "hello_2_noarch.raw",
    )
    .says(&["is not worth it"]);
    vendor.edit(
        "sysext-publish.toml",
        "patches-from = 4",
        "patches-from = 0",
    );
    add_version(&vendor, "3");
    vendor.edit(
        "sysext-publish.toml",
        "patches-from = 0",
        "patches-from = 1",
    );
    vendor.edit(
        "sysext-publish.toml",
        "patch-memory = 2000",
        "patch-memory = 10",
    );
    add_version(&vendor, "4").says(&["no patch from hello 3", "patch-memory allows 10"]);
    vendor.edit("sysext-publish.toml", ", \"patch\"]", "]");
    add_version(&vendor, "5");
    for version in 2..6 {
        let image = format!("hello_{version}_noarch.raw");
        assert_eq!(patches(&vendor, &image), [], "{version}");
    }
}

#[test]
fn of_images_that_come_together_the_oldest_is_taken_first() {
    let vendor = Vendor::with_catalog();
    for version in ["9", "10", "11"] {
        let file = format!("images/hello_{version}_noarch.raw");
        vendor.image_of(&spec(version), &file);
    }
    // By their names, 10 and 11 come before 9.
    vendor
        .run(&["sync", "--zstd-level", "1", "images"])
        .ends(0)
        .says(&["hello 9 → 10: a patch of", "hello 9 → 11", "hello 10 → 11"]);
    for (version, count) in [("9", 0), ("10", 1), ("11", 2)] {
        let image = format!("hello_{version}_noarch.raw");
        assert_eq!(patches(&vendor, &image).len(), count, "{version}");
    }
    vendor.run(&["verify", "--all"]).ends(0);
}

#[test]
fn a_patch_is_made_once_and_what_is_remembered_is_not_believed() {
    let mut vendor = Vendor::with_catalog();
    let cache = vendor.path("cache");
    vendor.variable("XDG_CACHE_HOME", cache.to_str().unwrap());
    add_version(&vendor, "1");
    add_version(&vendor, "2");
    let first = patches(&vendor, "hello_2_noarch.raw");
    let folder = cache.join("sysext-publish/patches");
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().collect();
    assert_eq!(files.len(), 1);
    let kept = files.pop().unwrap().unwrap().path();
    // Another catalog with the same images: the patch is there, whatever may be done with it, and is tried.
    let again = |damage: bool| {
        if damage {
            let mut bytes = std::fs::read(&kept).unwrap();
            let last = bytes.len() - 1;
            bytes.truncate(last);
            std::fs::write(&kept, bytes).unwrap();
        }
        let before = std::fs::metadata(&kept).unwrap().modified().unwrap();
        let mut other = Vendor::with_catalog();
        other.variable("XDG_CACHE_HOME", cache.to_str().unwrap());
        add_version(&other, "1");
        add_version(&other, "2");
        assert_eq!(patches(&other, "hello_2_noarch.raw"), first);
        std::fs::metadata(&kept).unwrap().modified().unwrap() != before
    };
    assert!(!again(false), "it was made again");
    assert!(again(true), "a damaged one was taken");
}

#[test]
fn a_revision_gets_a_patch_from_the_published_image_of_the_same_name() {
    let vendor = Vendor::with_catalog();
    add_version(&vendor, "1");
    let other = spec("1").padding(300_100, 1);
    let image = vendor.image_of(&other, "other/hello_1_noarch.raw");
    let words = ["add", "--revision", "--zstd-level", "1", &image];
    vendor
        .run(&words)
        .ends(0)
        .says(&["hello 1 → 1-1: a patch of"]);
    assert_eq!(patches(&vendor, "hello_1-1_noarch.raw").len(), 1);
    vendor.run(&["verify", "--all"]).ends(0);
}
