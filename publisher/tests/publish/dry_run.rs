//! `--dry-run` of every command that changes something: it says what would change, in words and as JSON, and leaves every
//! file as it is: the catalog, the configuration, keys, proposals, what this machine remembers, even locks.

use serde_json::Value;

use crate::attacks::Delegated;
use crate::common::Vendor;

/// A command, and words that tell what it would do.
struct Case {
    words: Vec<String>,
    says: &'static str,
}

fn case(words: &[&str], says: &'static str) -> Case {
    Case {
        words: words.iter().map(|&word| word.to_owned()).collect(),
        says,
    }
}

impl Case {
    /// Looks with `--dry-run`, in words and as JSON, and then does it.
    fn is_told_before_it_is_done(&self, vendor: &Vendor) {
        let words: Vec<_> = self.words.iter().map(String::as_str).collect();
        let with = |more: &[&'static str]| {
            let mut all: Vec<&str> = more.to_vec();
            all.extend(&words);
            all
        };
        // A machine that never saw the catalog must not remember anything of it either.
        for forget in [false, true] {
            let kept = vendor.path("state-kept");
            if forget && vendor.path("state").exists() {
                std::fs::rename(vendor.path("state"), &kept).unwrap();
            }
            let before = vendor.files(".");
            let text = vendor.run(&with(&["--dry-run"])).ends(0);
            let said = format!("{}{}", text.out, text.err);
            assert!(
                said.contains(self.says),
                "{words:?}: {:?} is not in\n{said}",
                self.says
            );
            assert!(
                said.contains("--dry-run") || said.contains("would"),
                "{words:?}: it is not said that nothing was done:\n{said}"
            );
            let json = vendor.run(&with(&["--dry-run", "--json"])).ends(0).json();
            assert_eq!(json["changed"], true, "{words:?}: {json}");
            assert_eq!(json["dry_run"], true, "{words:?}: {json}");
            let after = vendor.files(".");
            let differs = |(name, bytes): (&String, &Vec<u8>)| {
                (before.get(name) != Some(bytes)).then(|| name.clone())
            };
            let touched: Vec<_> = after.iter().filter_map(differs).collect();
            assert!(
                touched.is_empty() && after.len() == before.len(),
                "{words:?} touched {touched:?}"
            );
            if kept.exists() {
                std::fs::rename(&kept, vendor.path("state")).unwrap();
            }
            if !forget {
                continue;
            }
            let done = vendor.run(&with(&["--json"])).ends(0).json();
            assert_eq!(done["changed"], true, "{words:?}: {done}");
            assert_ne!(done["dry_run"], true, "{words:?}: {done}");
            assert_eq!(
                without_what_is_known_later(&done["changes"]),
                without_what_is_known_later(&json["changes"]),
                "{words:?}: what was done is not what was told"
            );
        }
        let files = vendor.files(".");
        assert!(!files.is_empty());
    }
}

/// Transports are made of bytes that are brought, and times are those of the run.
fn without_what_is_known_later(changes: &Value) -> Value {
    let mut changes = changes.clone();
    for change in changes.as_array_mut().into_iter().flatten() {
        if let Some(members) = change.as_object_mut() {
            for member in ["download", "expires", "rollout", "keys"] {
                members.remove(member);
            }
        }
    }
    changes
}

#[test]
fn every_change_of_a_catalog_is_told_before_it_is_done() {
    let vendor = Vendor::with_catalog();
    vendor
        .run(&["key", "generate", "--unencrypted", "keys/new.pem"])
        .ends(0);
    vendor
        .run(&["key", "generate", "--unencrypted", "keys/guest.pem"])
        .ends(0);
    let images = ["1", "2", "3"].map(|version| vendor.image("hello", version));
    std::fs::create_dir(vendor.path("out")).unwrap();
    std::fs::copy(&images[2], vendor.path("out/hello_3_noarch.raw")).unwrap();
    let cases = [
        case(
            &["add", &images[0], &images[1]],
            "hello gains 1 _any in stable",
        ),
        case(&["sync", "out"], "hello gains 3 _any in stable"),
        case(
            &["withdraw", "hello", "3", "--reason", "eats disks"],
            "hello_3_noarch.raw is withdrawn: eats disks",
        ),
        case(
            &["withdraw", "hello", "3", "--undo"],
            "is not withdrawn any more",
        ),
        case(
            &["promote", "hello", "3", "--channel", "testing"],
            "hello_3_noarch.raw is in stable, testing",
        ),
        case(
            &["promote", "hello", "3", "--channel", "testing", "--only"],
            "hello_3_noarch.raw is in testing",
        ),
        case(&["promote", "hello", "3"], "is in stable, testing"),
        case(
            &["promote", "hello", "3", "--channel", "testing", "--undo"],
            "hello_3_noarch.raw is in stable",
        ),
        case(&["rollout", "hello", "3", "--hours", "5"], "over 5 hour(s)"),
        case(&["rollout", "hello", "3", "--done"], "all hosts take"),
        case(
            &["prune", "--keep", "2"],
            "hello loses 1 _any (images/hello_1_noarch.raw stays 30 days)",
        ),
        case(
            &[
                "extension",
                "add",
                "tool",
                "--own-key",
                "--unencrypted",
                "--summary",
                "A tool",
            ],
            "new extension tool, signed by key",
        ),
        case(
            &["delegate", "guest", "--key", "keys/guest.pub"],
            "new extension guest, signed by key",
        ),
        case(
            &["retire", "tool", "--reason", "done"],
            "tool is retired: done",
        ),
        case(
            &["move", "https://new.example"],
            "hosts are told to look at https://new.example",
        ),
        case(&["renew"], "timestamp is good until"),
        case(&["renew", "--release"], "targets is good until"),
        case(&["renew", "--root"], "root is good until"),
        case(
            &["key", "add", "--for", "root", "--key", "file:keys/new.pem"],
            "root: new key(s)",
        ),
        case(&["key", "threshold", "--for", "root", "2"], "2 must sign"),
        case(
            &["key", "remove", "--for", "root", "keys/offline/root-2.pem"],
            "without the key(s)",
        ),
        case(
            &[
                "key",
                "replace",
                "--for",
                "hello",
                "--key",
                "file:keys/new.pem",
            ],
            "hello: new key(s)",
        ),
        case(
            &["key", "generate", "--unencrypted", "keys/more.pem"],
            "keys/more.pem",
        ),
        case(
            &["propose", "-o", "proposal", "move", "https://newer.example"],
            "hosts are told to look at https://newer.example",
        ),
        case(
            &["publish", "proposal"],
            "hosts are told to look at https://newer.example",
        ),
    ];
    for case in cases {
        case.is_told_before_it_is_done(&vendor);
        vendor.run(&["verify", "--all"]).ends(0);
    }
}

#[test]
fn deleting_files_is_told_before_it_is_done() {
    let vendor = Vendor::with_catalog();
    let images = ["1", "2"].map(|version| vendor.image("hello", version));
    vendor.run(&["add", &images[0], &images[1]]).ends(0);
    vendor.run(&["prune", "--keep", "1"]).ends(0);
    let path = "public/pruned.json";
    let record = String::from_utf8(vendor.read(path)).unwrap();
    let backdated = record.replace("\"since\": \"20", "\"since\": \"19");
    vendor.write(path, backdated.as_bytes());
    case(&["prune"], "would delete images/hello_1_noarch.raw").is_told_before_it_is_done(&vendor);
}

#[test]
fn accepting_and_signing_and_beginnings_are_told_before_they_are_done() {
    let both = Delegated::new();
    both.propose("2");
    let proposal = both.vendor.path("proposal");
    let accept = case(&["accept", proposal.to_str().unwrap()], "tool gains 2 _any");
    accept.is_told_before_it_is_done(&both.owner);

    let vendor = Vendor::with_catalog();
    vendor
        .run(&["propose", "--unsigned", "-o", "p", "renew", "--release"])
        .ends(0);
    let before = vendor.files(".");
    vendor
        .run(&["--dry-run", "sign", "p"])
        .ends(0)
        .says(&["would sign"]);
    assert!(vendor.files(".") == before);

    let here = Vendor::new();
    let words = [
        "init",
        "public",
        "--id",
        "a",
        "--url",
        "https://a.example",
        "--unencrypted",
    ];
    case(&words, "a new, empty catalog").is_told_before_it_is_done(&here);
    here.run(&[
        "--dry-run",
        "init",
        "public",
        "--id",
        "a",
        "--url",
        "https://a.example",
    ])
    .ends(2)
    .says(&["is there already"]);
    let pinned = sysext_formats::digest::Sha256Digest::of(&here.read("root.json"));
    let catalog = format!("{}#sha256={pinned}", here.path("public").display());
    let guest = Vendor::new();
    case(&["join", &catalog, "tool", "--unencrypted"], "would make")
        .is_told_before_it_is_done(&guest);

    here.write("hello", b"#!/bin/sh\n");
    let pack = [
        "pack",
        "hello",
        "--name",
        "hello",
        "--version",
        "1",
        "--arch",
        "_any",
    ];
    case(&pack, "would").is_told_before_it_is_done(&here);
    let before = here.files(".");
    here.run(&["--dry-run", "export", "sysupdate", "--output", "etc"])
        .ends(0);
    assert!(here.files(".") == before);
}

#[test]
fn a_dry_run_needs_no_right_to_write() {
    let vendor = Vendor::with_catalog();
    let image = vendor.image("hello", "1");
    // As root everything can be written, so the locks are what shows it.
    for lock in [".sysext-publish.lock", ".sysext-publish.users"] {
        let _ = std::fs::remove_file(vendor.path(&format!("public/{lock}")));
    }
    vendor.run(&["--dry-run", "add", &image]).ends(0);
    vendor.run(&["--dry-run", "prune"]).ends(0);
    let left = vendor.files("public");
    assert!(
        !left.keys().any(|name| name.starts_with(".sysext-publish")),
        "{:?}",
        left.keys()
    );
}
