//! What is said about images that are published: withdrawn, promoted, rolled out. Their bytes never change.

use serde_json::Value;
use test_repos::image::ImageSpec;

use crate::attacks::Delegated;
use crate::common::Vendor;

/// A catalog with two versions of hello.
fn two_versions() -> Vendor {
    let vendor = Vendor::with_catalog();
    let images = [vendor.image("hello", "1.0"), vendor.image("hello", "2.0")];
    vendor.run(&["add", &images[0], &images[1]]).ends(0);
    vendor
}

/// `custom.sysext` of an image in the newest index.
fn sysext(vendor: &Vendor, file: &str) -> Value {
    let published = vendor.published();
    let index = format!(".{}.json", file.split_once('_').unwrap().0);
    let version = |path: &str| {
        let name = path.strip_prefix("metadata/")?;
        name.strip_suffix(&index)?.parse::<u64>().ok()
    };
    let newest = published.keys().filter_map(|path| version(path)).max();
    let index = &published[&format!("metadata/{}{index}", newest.unwrap())];
    let index: Value = serde_json::from_slice(index).unwrap();
    index["signed"]["targets"][file]["custom"]["sysext"].clone()
}

#[test]
fn a_version_is_withdrawn_and_comes_back() {
    let vendor = two_versions();
    let file = "hello_2.0_noarch.raw";
    let before = sysext(&vendor, file);
    let run = vendor.run(&["withdraw", "hello", "2.0", "--reason", "eats disks"]);
    run.ends(0)
        .prints("hello: hello_2.0_noarch.raw is withdrawn: eats disks");
    assert_eq!(sysext(&vendor, file)["withdrawn"]["reason"], "eats disks");
    assert_eq!(
        sysext(&vendor, "hello_1.0_noarch.raw")["withdrawn"],
        Value::Null
    );
    vendor.run(&["verify", "--all"]).ends(0);

    let published = vendor.published();
    vendor
        .run(&["withdraw", "hello", "2.0", "--reason", "eats disks"])
        .ends(0)
        .prints("withdrawn already");
    assert_eq!(vendor.published(), published);
    // Another reason is said; since when it counts is not.
    let since = sysext(&vendor, file)["withdrawn"]["since"].clone();
    vendor
        .run(&["withdraw", "hello", "2.0", "--reason", "eats backups, too"])
        .ends(0);
    assert_eq!(sysext(&vendor, file)["withdrawn"]["since"], since);

    // A withdrawn version is not offered to more hosts.
    for words in [
        &["promote", "hello", "2.0", "--channel", "testing"][..],
        &["rollout", "hello", "2.0", "--hours", "24"],
    ] {
        vendor
            .run(words)
            .ends(2)
            .says(&["was withdrawn", "eats backups"]);
    }
    vendor.run(&["withdraw", "hello", "2.0", "--undo"]).ends(0);
    assert_eq!(sysext(&vendor, file), before);
    vendor
        .run(&["withdraw", "hello", "2.0", "--undo"])
        .ends(0)
        .prints("it is not withdrawn");
    vendor
        .run(&["withdraw", "hello", "3.0", "--reason", "x"])
        .ends(2)
        .says(&["hello has no image of version 3.0", "2.0, 1.0"]);
    vendor
        .run(&[
            "withdraw", "hello", "2.0", "--arch", "arm64", "--reason", "x",
        ])
        .ends(2)
        .says(&["for arm64"]);
}

#[test]
fn a_version_is_promoted_but_no_prerelease_to_everybody() {
    let vendor = Vendor::with_catalog();
    let spec = |version| ImageSpec::new("hello").version(version).os("_any");
    let image = vendor.image_of(&spec("1.0"), "hello_1.0_noarch.raw");
    let early = vendor.image_of(&spec("2.0-rc1"), "hello_2.0-rc1_noarch.raw");
    vendor
        .run(&["add", &image, &early, "--channel", "testing"])
        .ends(0);
    vendor
        .run(&["promote", "hello", "1.0"])
        .ends(0)
        .prints("hello_1.0_noarch.raw is in stable, testing");
    let channels = sysext(&vendor, "hello_1.0_noarch.raw")["channels"].clone();
    assert_eq!(channels, serde_json::json!(["stable", "testing"]));
    vendor
        .run(&["promote", "hello", "1.0"])
        .ends(0)
        .prints("in that channel already");
    vendor
        .run(&["promote", "hello", "2.0-rc1"])
        .ends(2)
        .says(&["looks like a pre-release"]);
    vendor.run(&["verify", "--all"]).ends(0);
}

#[test]
fn a_version_leaves_a_channel_again_but_never_its_last_one() {
    let vendor = two_versions();
    let file = "hello_2.0_noarch.raw";
    let channels = || sysext(&vendor, file)["channels"].clone();
    let promote = |more: &[&str]| {
        let mut words = vec!["promote", "hello", "2.0"];
        words.extend(more);
        vendor.run(&words)
    };
    // A channel that nobody describes may be a misspelt one.
    promote(&["--channel", "tseting"]).ends(0).says(&[
        "warning: the channel tseting of hello is described nowhere",
        "describes: stable",
    ]);
    promote(&["--channel", "tseting", "--undo"]).ends(0);
    assert_eq!(channels(), serde_json::json!(["stable"]));
    promote(&["--undo"]).ends(2).says(&[
        "hello_2.0_noarch.raw is in the channel stable alone",
        "withdraw",
    ]);
    promote(&["--channel", "testing", "--undo"])
        .ends(0)
        .prints("it is not in that channel");
    promote(&["--channel", "testing", "--only"]).ends(0);
    assert_eq!(channels(), serde_json::json!(["testing"]));
    vendor.edit(
        "sysext-publish.toml",
        "channels = { stable = \"recommended\" }",
        "channels = { stable = \"recommended\", beta = \"early\" }",
    );
    let run = promote(&["--channel", "beta"]).ends(0);
    assert!(!run.err.contains("described nowhere"), "{}", run.err);
    let image = vendor.image("hello", "3.0");
    vendor
        .run(&[
            "add",
            &image,
            "--channel",
            "nightly",
            "--fixes",
            "CVE-2026-1",
        ])
        .ends(2)
        .says(&["CVE-YEAR-NUMBER"]);
    let fixes = ["GHSA-2f9x-5v75-3qv4", "CVE-2026-12345", "CVE-2026-12345"];
    let mut words = vec!["add", &image, "--channel", "nightly", "--fixes"];
    words.extend(fixes);
    vendor
        .run(&words)
        .ends(0)
        .says(&["the channel nightly of hello is described nowhere"]);
    assert_eq!(
        sysext(&vendor, "hello_3.0_noarch.raw")["fixes"],
        serde_json::json!(["CVE-2026-12345", "GHSA-2f9x-5v75-3qv4"])
    );
    vendor.run(&["verify", "--all"]).ends(0);
}

#[test]
fn a_rollout_begins_once_and_ends() {
    let vendor = two_versions();
    let file = "hello_2.0_noarch.raw";
    let rollout = || sysext(&vendor, file)["rollout"].clone();
    let day = ["rollout", "hello", "2.0", "--hours", "24"];
    vendor
        .run(&day)
        .ends(0)
        .prints("hosts take hello_2.0_noarch.raw over 24 hour(s)");
    let first = rollout();
    assert_eq!(first["hours"], 24);
    vendor.run(&day).ends(0).prints("rolled out so already");
    let mut later = day.to_vec();
    later.extend(["--start", "2030-01-01T00:00:00Z"]);
    vendor.run(&later).ends(0);
    assert_eq!(rollout()["start"], "2030-01-01T00:00:00Z");
    vendor.run(&["rollout", "hello", "2.0", "--done"]).ends(0);
    assert_eq!(rollout(), Value::Null);
    // It can begin with the version itself, so that nobody has it before.
    let image = vendor.image("hello", "3.0");
    vendor.run(&["add", &image, "--rollout", "72"]).ends(0);
    assert_eq!(
        sysext(&vendor, "hello_3.0_noarch.raw")["rollout"]["hours"],
        72
    );
    vendor.run(&["verify", "--all"]).ends(0);
}

#[test]
fn what_would_change_is_shown_and_proposed() {
    let vendor = two_versions();
    let published = vendor.published();
    let words = ["withdraw", "hello", "2.0", "--reason", "eats disks"];
    let mut dry = vec!["--dry-run"];
    dry.extend(words);
    vendor.run(&dry).ends(0).prints("is withdrawn: eats disks");
    assert_eq!(vendor.published(), published);
    let mut propose = vec!["propose", "-o", "p"];
    propose.extend(words);
    vendor
        .run(&propose)
        .ends(0)
        .prints("is withdrawn: eats disks");
    vendor.run(&["publish", "p"]).ends(0);
    assert_eq!(
        sysext(&vendor, "hello_2.0_noarch.raw")["withdrawn"]["reason"],
        "eats disks"
    );
}

#[test]
fn a_delegated_vendor_withdraws_with_its_own_key() {
    let both = Delegated::new();
    std::fs::remove_dir_all(both.vendor.path("proposal")).unwrap();
    both.vendor
        .run(&["propose", "withdraw", "tool", "1", "--reason", "eats disks"])
        .ends(0);
    both.accept()
        .ends(0)
        .prints("tool_1_noarch.raw is withdrawn: eats disks");
    let withdrawn = sysext(&both.owner, "tool_1_noarch.raw")["withdrawn"].clone();
    assert_eq!(withdrawn["reason"], "eats disks");
    both.owner.run(&["verify", "--all"]).ends(0);
}
