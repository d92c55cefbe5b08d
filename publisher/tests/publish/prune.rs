//! `prune`: which images leave, which files are deleted later, and which never, whatever the record says.

use std::process::Stdio;

use serde_json::{Value, json};
use test_repos::image::ImageSpec;

use crate::attacks::Delegated;
use crate::common::Vendor;
use crate::time::run_in;

const RECORD: &str = "public/pruned.json";

/// A catalog with these versions of hello, each published for itself.
fn versions(versions: &[&str]) -> Vendor {
    let vendor = Vendor::with_catalog();
    for version in versions {
        let image = vendor.image("hello", version);
        vendor.run(&["add", "--zstd-level", "1", &image]).ends(0);
    }
    vendor
}

fn record(vendor: &Vendor) -> Value {
    serde_json::from_slice(&vendor.read(RECORD)).unwrap()
}

/// Makes it look as if everything in the record had left that many days ago.
fn backdate(vendor: &Vendor, path: &str) {
    let mut record: Value = serde_json::from_slice(&vendor.read(path)).unwrap();
    for left in record["files"].as_object_mut().unwrap().values_mut() {
        left["since"] = "2020-01-01T00:00:00Z".into();
    }
    vendor.write(path, record.to_string().as_bytes());
}

fn names(vendor: &Vendor) -> Vec<String> {
    vendor.published().into_keys().collect()
}

#[test]
fn the_newest_of_each_channel_architecture_and_system_stay() {
    let vendor = Vendor::with_catalog();
    let add = |file: &str, spec: ImageSpec, more: &[&str]| {
        let image = vendor.image_of(&spec, file);
        let mut words = vec!["add", "--zstd-level", "1", &image];
        words.extend(more);
        vendor.run(&words).ends(0);
    };
    // Large enough for patches.
    let spec = |version: &str| ImageSpec::new("hello").version(version).padding(100_000, 1);
    for version in ["1", "2", "3", "4"] {
        add(&format!("hello_{version}_noarch.raw"), spec(version), &[]);
    }
    let arm = spec("1").architecture("arm64");
    add("hello_1_arm64.raw", arm, &[]);
    let debian = spec("1").os("debian").version_id("13");
    add("hello_1_debian-13_noarch.raw", debian, &[]);
    let early = ["--channel", "testing"];
    add("hello_0.9_noarch.raw", spec("0.9"), &early);
    // In two channels, and in one of them among the newest.
    let both = ["--channel", "testing", "--channel", "stable"];
    add("hello_0.8_noarch.raw", spec("0.8"), &both);
    add("hello_0.7_noarch.raw", spec("0.7"), &early);

    let before = (vendor.published(), vendor.files("state"));
    let words = ["--dry-run", "prune", "--keep", "2"];
    let run = vendor.run(&words).ends(0);
    assert!(before == (vendor.published(), vendor.files("state")));
    for line in [
        "hello loses 0.7 _any (images/hello_0.7_noarch.raw stays 30 days)",
        "hello loses 1 _any (images/hello_1_noarch.raw stays 30 days)",
        "hello loses 2 _any (images/hello_2_noarch.raw stays 30 days)",
        "nothing was published (--dry-run)",
    ] {
        assert!(run.out.contains(line), "{line:?} is not in\n{}", run.out);
    }
    assert_eq!(run.out.matches("loses").count(), 3, "{}", run.out);

    let run = vendor.run(&["--json", "prune", "--keep", "2"]).ends(0);
    let document = run.json();
    assert_eq!(document["changed"], true);
    assert_eq!(document["deleted"], json!([]));
    let changes = document["changes"].as_array().unwrap();
    let gone = changes.iter().filter(|it| it["change"] == "image-gone");
    assert_eq!(gone.count(), 3);
    // Patches from what goes go, too.
    let described = changes.iter().find(|it| it["file"] == "hello_3_noarch.raw");
    assert_eq!(described.unwrap()["members"], json!(["transports"]));
    assert_eq!(
        vendor.images("hello"),
        [
            "hello_0.8_noarch.raw",
            "hello_0.9_noarch.raw",
            "hello_1_arm64.raw",
            "hello_1_debian-13_noarch.raw",
            "hello_3_noarch.raw",
            "hello_4_noarch.raw",
        ]
    );
    assert!(vendor.path("public/images/hello_1_noarch.raw").exists());
    vendor.run(&["verify", "--all"]).ends(0);
    // The configuration keeps five.
    vendor
        .run(&["prune"])
        .ends(0)
        .prints("nothing to do")
        .prints("wait for their time");
}

#[test]
fn withdrawn_images_do_not_count_and_no_extension_is_emptied() {
    let vendor = versions(&["1", "2", "3", "4"]);
    for version in ["1", "3", "4"] {
        vendor
            .run(&["withdraw", "hello", version, "--reason", "bad"])
            .ends(0);
    }
    // 2 is the newest that may be chosen; what is newer and withdrawn is still said to be.
    vendor.run(&["prune", "--keep", "1"]).ends(0);
    let left = [
        "hello_2_noarch.raw",
        "hello_3_noarch.raw",
        "hello_4_noarch.raw",
    ];
    assert_eq!(vendor.images("hello"), left);
    vendor
        .run(&["withdraw", "hello", "2", "--reason", "bad"])
        .ends(0);
    vendor
        .run(&["prune", "--keep", "1"])
        .ends(0)
        .prints("nothing to do");
    assert_eq!(vendor.images("hello"), left);
}

#[test]
fn what_hosts_still_need_during_a_rollout_stays() {
    let vendor = versions(&["1", "2"]);
    let image = vendor.image("hello", "3");
    vendor.run(&["add", &image, "--rollout", "48"]).ends(0);
    vendor.run(&["prune", "--keep", "1"]).ends(0);
    let left = ["hello_2_noarch.raw", "hello_3_noarch.raw"];
    assert_eq!(vendor.images("hello"), left);
    run_in(&vendor, 3, &["prune", "--keep", "1"]).unwrap();
    assert_eq!(vendor.images("hello"), ["hello_3_noarch.raw"]);
}

#[test]
fn files_go_thirty_days_later_and_what_is_current_stays() {
    let vendor = versions(&["1", "2", "3"]);
    vendor.run(&["prune", "--keep", "1"]).ends(0);
    let before = names(&vendor);
    run_in(&vendor, 29, &["prune"]).unwrap();
    assert!(names(&vendor) == before, "one day too early");
    // Freshness is signed again meanwhile, as the daily job does.
    run_in(&vendor, 29, &["renew"]).unwrap();
    run_in(&vendor, 31, &["prune"]).unwrap();
    let after = names(&vendor);
    let is_gone = |path: &str| !after.iter().any(|it| it == path);
    for path in [
        "images/hello_1_noarch.raw",
        "images/hello_1_noarch.raw.zst",
        "images/hello_2_noarch.raw",
        "metadata/1.snapshot.json",
        "metadata/1.hello.json",
        "metadata/4.hello.json",
    ] {
        assert!(before.iter().any(|it| it == path), "{path} was never there");
        assert!(is_gone(path), "{path} is in {after:?}");
    }
    let second_names = after.iter().filter(|path| path.contains(".hello_"));
    assert_eq!(second_names.count(), 1, "{after:?}");
    for path in [
        "images/hello_3_noarch.raw",
        "metadata/1.root.json",
        "metadata/1.targets.json",
        "metadata/5.hello.json",
        "metadata/5.snapshot.json",
        "metadata/6.snapshot.json",
    ] {
        assert!(!is_gone(path), "{path} is not in {after:?}");
    }
    run_in(&vendor, 31, &["verify", "--all"]).unwrap();
    let image = vendor.image("hello", "4");
    run_in(&vendor, 31, &["add", &image]).unwrap();
    // Snapshot 5 was replaced on day 29.
    run_in(&vendor, 60, &["prune"]).unwrap();
    assert!(!vendor.path("public/metadata/5.snapshot.json").exists());
}

#[test]
fn it_says_what_it_deletes_and_how_much_that_is() {
    let vendor = versions(&["1", "2"]);
    vendor.run(&["prune", "--keep", "1"]).ends(0);
    backdate(&vendor, RECORD);
    let length = vendor.read("public/images/hello_1_noarch.raw").len()
        + vendor.read("public/images/hello_1_noarch.raw.zst").len();
    let before = (vendor.published(), vendor.files("state"));
    let run = vendor.run(&["prune", "--dry-run"]).ends(0);
    run.prints("would delete images/hello_1_noarch.raw\n")
        .prints("old document(s)")
        .prints(" kB of images and transports");
    assert!(before == (vendor.published(), vendor.files("state")));
    let document = vendor.run(&["prune", "--json"]).ends(0).json();
    assert_eq!(document["changed"], true);
    assert_eq!(document["changes"], json!([]));
    assert_eq!(document["bytes"], length);
    let deleted = document["deleted"].as_array().unwrap();
    assert!(deleted.contains(&"images/hello_1_noarch.raw.zst".into()));
    assert_eq!(record(&vendor)["files"], json!({}));
    vendor.run(&["verify", "--all"]).ends(0);
    let again = vendor.run(&["prune", "--json"]).ends(0).json();
    assert_eq!(again["changed"], false);
}

#[test]
fn a_file_that_came_back_is_not_deleted_and_its_time_begins_anew_when_it_leaves_again() {
    let vendor = versions(&["1", "2"]);
    let image = vendor.image("hello", "1");
    vendor.run(&["prune", "--keep", "1"]).ends(0);
    run_in(&vendor, 10, &["add", &image]).unwrap();
    run_in(&vendor, 40, &["renew"]).unwrap();
    run_in(&vendor, 40, &["prune"]).unwrap();
    run_in(&vendor, 40, &["verify", "--all"]).unwrap();
    run_in(&vendor, 41, &["prune", "--keep", "1"]).unwrap();
    let path = vendor.path("public/images/hello_1_noarch.raw");
    run_in(&vendor, 70, &["renew", "--release"]).unwrap();
    run_in(&vendor, 70, &["prune"]).unwrap();
    assert!(path.exists(), "it left 29 days ago");
    run_in(&vendor, 71, &["prune"]).unwrap();
    assert!(!path.exists());
}

#[test]
fn a_record_that_was_tampered_with_deletes_nothing_that_is_current() {
    let vendor = versions(&["1", "2"]);
    vendor.write("public/images/SHA256SUMS", b"list");
    vendor.write("public/index.html", b"page");
    let before = vendor.published();
    let mut files = serde_json::Map::new();
    let long_ago = json!({"since": "2020-01-01T00:00:00Z", "length": u64::MAX});
    let lies = [
        "metadata/9.hello.json",
        "metadata/9.snapshot.json",
        "images/../catalog.toml",
        "images/../../sysext-publish.toml",
        "../root.json",
        "/etc/hostname",
    ];
    let live = before.keys().map(String::as_str);
    let live =
        live.filter(|name| !name.starts_with("metadata/1.h") && !name.starts_with("metadata/2.h"));
    let live = live
        .filter(|name| !["metadata/1.snapshot.json", "metadata/2.snapshot.json"].contains(name));
    for path in live.chain(lies) {
        files.insert(path.to_owned(), long_ago.clone());
    }
    let lying = json!({"schema": 1, "files": files}).to_string();
    vendor.write(RECORD, lying.as_bytes());
    let document = vendor.run(&["prune", "--json"]).ends(0).json();
    assert_eq!(document["deleted"], json!([]), "{document}");
    let mut after = vendor.published();
    after.insert("pruned.json".to_owned(), before["pruned.json"].clone());
    assert!(after == before);
    assert!(vendor.path("root.json").exists() && vendor.path("sysext-publish.toml").exists());
    vendor.run(&["verify", "--all"]).ends(0);
}

#[test]
fn without_a_record_that_can_be_read_nothing_is_deleted_and_the_next_publication_begins_one() {
    let vendor = versions(&["1", "2", "3"]);
    vendor.run(&["prune", "--keep", "2"]).ends(0);
    let deep = "[".repeat(100_000);
    let long = vec![b' '; (16 << 20) + 1];
    let wrong: [&[u8]; 6] = [
        b"",
        b"{\"schema\": 2, \"files\": {}}",
        b"{\"schema\": 1, \"files\": {\"images/hello_1_noarch.raw\": 1}}",
        b"\xff\xfe",
        deep.as_bytes(),
        &long,
    ];
    for bytes in wrong {
        vendor.write(RECORD, bytes);
        let before = vendor.published();
        vendor
            .run(&["prune"])
            .ends(0)
            .says(&["warning: pruned.json can not be read", "no file is deleted"]);
        assert!(vendor.published() == before);
    }
    std::fs::remove_file(vendor.path(RECORD)).unwrap();
    vendor
        .run(&["prune"])
        .ends(0)
        .says(&["there is no pruned.json"]);
    vendor.write(RECORD, b"garbage");
    vendor.run(&["prune", "--keep", "1"]).ends(0);
    let files = record(&vendor)["files"].clone();
    let length = vendor.read("public/images/hello_2_noarch.raw").len();
    assert_eq!(files["images/hello_2_noarch.raw"]["length"], length);
    assert_eq!(files["images/hello_1_noarch.raw"], Value::Null);
}

#[test]
fn whatever_leaves_an_index_is_noted_retired_and_accepted_ones_too() {
    let both = Delegated::new();
    let (owner, vendor) = (&both.owner, &both.vendor);
    both.propose("2");
    both.accept().ends(0);
    // The owner can not sign the vendor's index, and leaves it alone.
    owner
        .run(&["prune", "--keep", "1"])
        .ends(0)
        .prints("nothing to do");
    owner
        .run(&["prune", "tool", "--keep", "1"])
        .ends(6)
        .says(&["tool"]);
    std::fs::remove_dir_all(vendor.path("proposal")).unwrap();
    vendor
        .run(&["propose", "prune", "--keep", "1"])
        .ends(0)
        .prints("tool loses 1 _any");
    assert!(
        owner
            .images("tool")
            .contains(&"tool_1_noarch.raw".to_owned())
    );
    both.accept().ends(0).prints("tool loses 1 _any");
    assert_eq!(owner.images("tool"), ["tool_2_noarch.raw"]);
    assert!(record(owner)["files"]["images/tool_1_noarch.raw"].is_object());
    backdate(owner, RECORD);
    owner
        .run(&["prune"])
        .ends(0)
        .prints("deleted images/tool_1_noarch.raw\n");
    owner.run(&["verify", "--all"]).ends(0);

    let image = owner.image("hello", "1");
    owner.run(&["add", &image]).ends(0);
    owner
        .run(&["retire", "hello", "--reason", "done"])
        .ends(0)
        .prints("hello loses 1 _any (images/hello_1_noarch.raw stays 30 days)");
    backdate(owner, RECORD);
    owner
        .run(&["prune"])
        .ends(0)
        .prints("deleted images/hello_1_noarch.raw\n");
    owner.run(&["verify", "--all"]).ends(0);
}

#[test]
fn extensions_in_groups_are_pruned_and_their_groups_stay() {
    let vendor = versions(&["1", "2"]);
    vendor.edit(
        "sysext-publish.toml",
        "group-above = 200",
        "group-above = 1",
    );
    for name in ["tool", "x1"] {
        vendor.run(&["extension", "add", name]).ends(0);
    }
    let images = [vendor.image("tool", "1"), vendor.image("tool", "2")];
    vendor.run(&["add", &images[0], &images[1]]).ends(0);
    vendor
        .run(&["prune", "--keep", "1"])
        .ends(0)
        .prints("hello loses 1")
        .prints("tool loses 1");
    backdate(&vendor, RECORD);
    vendor.run(&["prune"]).ends(0).prints("deleted");
    vendor.run(&["verify", "--all"]).ends(0);
    let image = vendor.image("x1", "1");
    vendor.run(&["add", &image]).ends(0);
    vendor.run(&["verify", "--all"]).ends(0);
}

/// The image that is deleted is added again at that moment: either it is deleted and comes back, or it stays.
#[test]
fn a_prune_and_an_add_of_the_same_file_at_once_leave_no_index_without_its_image() {
    let vendor = versions(&["1", "2"]);
    let image = vendor.image("hello", "1");
    vendor.run(&["prune", "--keep", "1"]).ends(0);
    for _ in 0..15 {
        backdate(&vendor, RECORD);
        let start = |words: &[&str]| {
            let mut command = vendor.command(words);
            let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        };
        let children = [
            start(&["--quiet", "add", "--zstd-level", "1", &image]),
            start(&["--quiet", "prune"]),
        ];
        for child in children {
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{said}");
        }
        assert!(
            vendor
                .images("hello")
                .contains(&"hello_1_noarch.raw".to_owned())
        );
        vendor.run(&["verify", "--all"]).ends(0);
        vendor.run(&["prune", "--keep", "1"]).ends(0);
    }
}

#[test]
fn a_prune_that_is_killed_anywhere_leaves_a_catalog_that_verifies_and_the_next_one_completes() {
    let mut cut_short = 0;
    for steps in 0..8 {
        let vendor = versions(&["1", "2", "3"]);
        vendor.run(&["prune", "--keep", "2"]).ends(0);
        backdate(&vendor, RECORD);
        // Another image leaves, and what left before is deleted.
        let files = names(&vendor).len();
        let mut command = vendor.command(&["--quiet", "prune", "--keep", "1"]);
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        while child.try_wait().unwrap().is_none() {
            let now = std::fs::read_dir(vendor.path("public/images"))
                .unwrap()
                .count()
                + std::fs::read_dir(vendor.path("public/metadata"))
                    .unwrap()
                    .count();
            // catalog.toml and pruned.json are elsewhere.
            if now + 2 != files && (now + 2).abs_diff(files) >= steps {
                child.kill().unwrap();
                cut_short += 1;
                break;
            }
        }
        child.wait().unwrap();
        vendor.run(&["verify", "--all"]).ends(0);
        vendor.run(&["prune", "--keep", "1"]).ends(0);
        backdate(&vendor, RECORD);
        vendor.run(&["prune"]).ends(0);
        vendor.run(&["verify", "--all"]).ends(0);
        assert_eq!(vendor.images("hello"), ["hello_3_noarch.raw"]);
        let images = names(&vendor);
        assert!(
            !images
                .iter()
                .any(|it| it.contains("hello_1_") || it.contains("hello_2_")),
            "{images:?}"
        );
    }
    assert!(cut_short > 0, "every run ended before it was killed");
}

#[test]
fn less_than_one_image_can_not_be_kept() {
    let vendor = Vendor::with_catalog();
    vendor
        .run(&["prune", "--keep", "0"])
        .ends(2)
        .says(&["--keep"]);
    vendor
        .run(&["prune", "nobody"])
        .ends(2)
        .says(&["has no extension nobody"]);
    vendor.edit("sysext-publish.toml", "keep = 5", "keep = 0");
    vendor
        .run(&["prune"])
        .ends(2)
        .says(&["keep: 1 is the least"]);
}

#[test]
fn a_name_that_was_pruned_gets_no_other_bytes_while_hosts_may_ask_for_it() {
    let vendor = versions(&["3", "4"]);
    vendor.run(&["prune", "--keep", "1"]).ends(0);
    let before = vendor.published();
    let same = vendor.image("hello", "3");
    let spec = ImageSpec::new("hello").version("3").padding(20_000, 9);
    let other = vendor.image_of(&spec, "other/hello_3_noarch.raw");
    for words in [&["add", &other][..], &["--dry-run", "add", &other]] {
        vendor
            .run(words)
            .ends(3)
            .says(&["hello_3_noarch.raw was published with other", "--revision"]);
        assert!(before == vendor.published());
    }
    vendor
        .run(&["propose", "-o", "out", "add", &other])
        .ends(3)
        .says(&["was published with other bytes"]);
    vendor.run(&["add", "--revision", &other]).ends(0);
    assert!(
        vendor
            .images("hello")
            .contains(&"hello_3-1_noarch.raw".to_owned())
    );
    assert!(before["images/hello_3_noarch.raw"] == vendor.published()["images/hello_3_noarch.raw"]);
    vendor.run(&["add", &same]).ends(0);
    assert!(
        vendor
            .images("hello")
            .contains(&"hello_3_noarch.raw".to_owned())
    );
    vendor.run(&["verify", "--all"]).ends(0);
}

#[test]
fn a_proposal_from_before_a_prune_gives_no_name_other_bytes() {
    let vendor = versions(&["4"]);
    let spec = ImageSpec::new("hello").version("3").padding(20_000, 9);
    let other = vendor.image_of(&spec, "other/hello_3_noarch.raw");
    vendor.run(&["propose", "-o", "out", "add", &other]).ends(0);
    // As if another one of that name had been published, and pruned, without a new index.
    let image = vendor.read("other/hello_3_noarch.raw");
    vendor.write("public/images/hello_3_noarch.raw", &image[1..]);
    let record = json!({"schema": 1, "files": {"images/hello_3_noarch.raw": {"since": "2026-01-01T00:00:00Z"}}});
    vendor.write(RECORD, record.to_string().as_bytes());
    vendor
        .run(&["publish", "out"])
        .ends(3)
        .says(&["hello_3_noarch.raw was published with other"]);
}

#[test]
fn sync_does_not_put_back_what_was_pruned() {
    let vendor = Vendor::with_catalog();
    std::fs::create_dir(vendor.path("built")).unwrap();
    let image = |version: &str| {
        let spec = ImageSpec::new("hello").version(version).padding(20_000, 7);
        vendor.image_of(&spec, &format!("built/hello_{version}_noarch.raw"))
    };
    let first = image("1");
    image("2");
    vendor.run(&["sync", "built"]).ends(0);
    vendor.run(&["prune", "--keep", "1"]).ends(0);
    for state in ["state", "elsewhere"] {
        // Once with what was learnt about the files, once without.
        let state = vendor.path(state);
        let mut command = vendor.command(&["sync", "built"]);
        let output = command.env("XDG_STATE_HOME", state).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        assert_eq!(
            said.matches("1 image(s) that were pruned").count(),
            1,
            "{said}"
        );
        assert_eq!(vendor.images("hello"), ["hello_2_noarch.raw"]);
    }
    image("3");
    vendor.run(&["sync", "built"]).ends(0);
    assert_eq!(vendor.images("hello").len(), 2);
    vendor.run(&["add", &first]).ends(0);
    assert_eq!(vendor.images("hello").len(), 3);
    // It is named again, whatever the record says.
    let run = vendor
        .run(&["sync", "built"])
        .ends(0)
        .prints("nothing to do");
    assert!(!run.err.contains("pruned"), "{}", run.err);
}
