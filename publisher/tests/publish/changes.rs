//! Who may sign what, changed: every kind of key, by one person and by several apart.

use sysext_formats::digest::Sha256Digest;

use crate::common::Vendor;

/// A new key file, without a passphrase; its source.
fn key(vendor: &Vendor, name: &str) -> String {
    let file = format!("keys/{name}.pem");
    vendor
        .run(&["key", "generate", "--unencrypted", &file])
        .ends(0);
    format!("file:{file}")
}

/// What the catalog is after a change: good for a new host, and renewed with what the configuration names.
fn is_good(vendor: &Vendor) {
    vendor.run(&["verify", "--all"]).ends(0);
    vendor.run(&["renew"]).ends(0);
    vendor.run(&["renew", "--release"]).ends(0);
    vendor.run(&["renew", "--root"]).ends(0);
    vendor.run(&["verify", "--all"]).ends(0);
}

#[test]
fn every_key_of_a_catalog_is_replaced_one_after_the_other() {
    let vendor = Vendor::with_catalog();
    vendor
        .run(&["extension", "add", "own", "--own-key", "--unencrypted"])
        .ends(0);
    let images = [vendor.image("hello", "1"), vendor.image("own", "1")];
    vendor.run(&["add", &images[0], &images[1]]).ends(0);
    for (office, old) in [
        ("online", "keys/ci/online.pem"),
        ("release", "keys/ci/release.pem"),
        ("own", "keys/ci/own.pem"),
    ] {
        let new = key(&vendor, &format!("new-{office}"));
        let run = vendor.run(&["key", "replace", "--for", office, "--key", &new]);
        assert!(run.ends(0).out.contains("published"));
        let again = vendor.run(&["key", "replace", "--for", office, "--key", &new]);
        assert!(again.ends(0).out.contains("nothing to do"));
        // The old key is of no use any more, and nobody needs it.
        std::fs::remove_file(vendor.path(old)).unwrap();
        is_good(&vendor);
    }
    let new = key(&vendor, "new-root");
    vendor
        .run(&["key", "replace", "--for", "root", "--key", &new])
        .ends(2)
        .says(&["root has 2 keys", "--old"]);
    let old = "keys/offline/root-1.pem";
    vendor
        .run(&[
            "key", "replace", "--for", "root", "--old", old, "--key", &new,
        ])
        .ends(0);
    std::fs::remove_file(vendor.path(old)).unwrap();
    is_good(&vendor);
    let other = "keys/offline/root-2.pem";
    vendor
        .run(&[
            "key", "replace", "--for", "root", "--old", other, "--key", &new,
        ])
        .ends(2)
        .says(&["signs root already", "key remove"]);
    let again = vendor
        .run(&["key", "threshold", "--for", "root", "2"])
        .ends(0);
    assert!(again.out.contains("2"), "{}", again.out);
    is_good(&vendor);
    vendor
        .run(&["key", "threshold", "--for", "root", "3"])
        .ends(2)
        .says(&["a threshold of 3 can never be reached with 2 key(s)"]);
}

#[test]
fn what_is_signed_apart_is_published_once_everybody_has() {
    let vendor = Vendor::new();
    vendor
        .init(&["--extension", "hello", "--profile", "team", "--unencrypted"])
        .ends(0);
    // Three holders of root keys, at three machines.
    let away = tempfile::tempdir().unwrap();
    for number in [1, 2, 3] {
        let name = format!("root-{number}.pem");
        std::fs::rename(
            vendor.path(&format!("keys/offline/{name}")),
            away.path().join(&name),
        )
        .unwrap();
    }
    let files = vendor.files("");
    vendor
        .run(&[
            "--dry-run",
            "propose",
            "-o",
            "p",
            "extension",
            "add",
            "tool",
        ])
        .ends(0);
    let after = vendor.files("");
    let kept = |name: &&String| !name.starts_with("state/");
    assert!(files.keys().filter(kept).eq(after.keys().filter(kept)));
    let run = vendor
        .run(&["propose", "-o", "p", "extension", "add", "tool"])
        .ends(0);
    assert!(
        run.out.contains("targets: 2 more must sign: "),
        "{}",
        run.out
    );
    vendor
        .run(&["publish", "p"])
        .ends(6)
        .says(&["not everybody has signed targets yet", "sign PROPOSAL"]);
    vendor
        .run(&["sign", "p"])
        .ends(6)
        .says(&["none of the keys that are here", "--key SOURCE"]);
    let signed_by = |number: usize| {
        let source = format!(
            "file:{}",
            away.path().join(format!("root-{number}.pem")).display()
        );
        let output = format!("signed-{number}.json");
        let words = ["sign", "p", "--key", &source, "-o", &output];
        vendor.run(&words).ends(2).says(&[
            "--yes",
            "new extension tool",
            "tool comes to be as version 1",
        ]);
        let run = vendor.run(&[words.as_slice(), &["--yes"]].concat()).ends(0);
        (output, run.out)
    };
    let (first, said) = signed_by(1);
    assert!(said.contains("targets: 1 more must sign: "), "{said}");
    let (third, _) = signed_by(3);
    let before = vendor.published();
    vendor.run(&["publish", "p", &first]).ends(6);
    assert!(vendor.published() == before);
    vendor.run(&["publish", "p", &first, &third]).ends(0);
    vendor.run(&["verify"]).ends(0);
    let list = vendor.run(&["extension", "list"]).ends(0);
    assert!(list.out.contains("tool"), "{}", list.out);
    let again = vendor.run(&["publish", "p", &first, &third]).ends(0);
    assert!(again.out.contains("nothing to do"), "{}", again.out);
}

#[test]
fn a_delegated_vendor_publishes_with_its_own_key_only() {
    let owner = Vendor::with_catalog();
    let fingerprint = Sha256Digest::of(&owner.read("root.json"));
    let public = owner.path("public");
    let vendor = Vendor::new();
    let catalog = format!("{}#sha256={fingerprint}", public.display());
    let wrong = format!("{}#sha256={}", public.display(), "0".repeat(64));
    vendor
        .run(&["join", &wrong, "tool", "--unencrypted"])
        .ends(4);
    vendor
        .run(&["join", &catalog, "tool", "--unencrypted"])
        .ends(0);
    let key = vendor.path("keys/ci/tool.pub");
    let image = vendor.image("tool", "1");
    vendor
        .run(&["propose", "add", &image])
        .ends(2)
        .says(&["the catalog has no extension tool"]);
    owner
        .run(&[
            "delegate",
            "tool",
            "--key",
            key.to_str().unwrap(),
            "--summary",
            "A tool",
        ])
        .ends(0);
    owner.run(&["verify"]).ends(0);
    let status = owner.run(&["status"]).ends(0);
    assert!(
        status.out.contains("nothing is published of it yet"),
        "{}",
        status.out
    );
    vendor.run(&["propose", "add", &image]).ends(0);
    let proposal = vendor.path("proposal");
    let proposal = proposal.to_str().unwrap();
    owner.run(&["accept", proposal]).ends(0);
    owner.run(&["verify", "--all"]).ends(0);
    assert_eq!(owner.images("tool"), ["tool_1_noarch.raw"]);
    // A second version, with nothing but the online key on the owner's machine.
    for gone in [
        "keys/ci/release.pem",
        "keys/offline/root-1.pem",
        "keys/offline/root-2.pem",
    ] {
        std::fs::remove_file(owner.path(gone)).unwrap();
    }
    let image = vendor.image("tool", "2");
    vendor.run(&["propose", "add", &image]).ends(0);
    owner.run(&["accept", proposal]).ends(0);
    owner.run(&["renew"]).ends(0);
    owner.run(&["verify", "--all"]).ends(0);
    assert_eq!(owner.images("tool").len(), 2);
    let image = owner.image("hello", "1");
    owner
        .run(&["add", &image])
        .ends(2)
        .says(&["no key for the index of hello"]);
}

#[test]
fn what_can_not_be_said_is_refused_before_anything_is_read() {
    let vendor = Vendor::new();
    let german = "f\u{fc}r immer";
    for dry in [&[][..], &["--dry-run"]] {
        for (words, says) in [
            (
                &["withdraw", "hello", "1", "--reason", german][..],
                "'\u{fc}' is in it",
            ),
            (
                &["withdraw", "hello", "1", "--reason", "a\nb"],
                "line break",
            ),
            (&["withdraw", "hello", "1", "--reason", ""], "empty"),
            (&["retire", "hello", "--reason", ""], "empty"),
            (&["retire", "hello", "--reason", german], "printable ASCII"),
            (
                &["extension", "add", "a", "--summary", german],
                "printable ASCII",
            ),
            (&["rollout", "hello", "1", "--hours", "0"], "1 to 8760"),
            (&["rollout", "hello", "1", "--hours", "100000"], "1 to 8760"),
            (&["add", "--rollout", "0", "image.raw"], "1 to 8760"),
        ] {
            vendor.run(&[dry, words].concat()).ends(2).says(&[says]);
        }
    }
    let vendor = Vendor::with_catalog();
    vendor.edit(
        "sysext-publish.toml",
        "summary = \"\"",
        "summary = \"\u{fc}\"",
    );
    vendor
        .run(&["--dry-run", "renew"])
        .ends(2)
        .says(&["summary of hello: '\u{fc}' is in it"]);
}

#[test]
fn what_is_asked_for_an_image_that_is_published_already_is_not_dropped_silently() {
    let vendor = Vendor::with_catalog();
    std::fs::create_dir(vendor.path("out")).unwrap();
    let image = vendor.image("hello", "1.0");
    std::fs::rename(image, vendor.path("out/hello_1.0_noarch.raw")).unwrap();
    let image = "out/hello_1.0_noarch.raw";
    vendor.run(&["add", image]).ends(0);
    let asked = [
        "--channel",
        "beta",
        "--rollout",
        "72",
        "--fixes",
        "CVE-2026-12345",
        "--notes",
        "https://x.example/n",
        "--at",
        "https://x.example/r",
    ];
    // By what is remembered of the file, and without.
    for forget in [false, true] {
        for words in [["add", image], ["sync", "out"]] {
            if forget {
                std::fs::remove_dir_all(vendor.path("state")).unwrap();
            }
            let run = vendor.run(&[&words[..], &asked].concat()).ends(0).says(&[
                "hello_1.0_noarch.raw is published already",
                "it is in stable; `promote hello 1.0 --channel beta` changes that",
                "all hosts take it; `rollout hello 1.0 --hours 72` changes that",
                "it is not said to fix CVE-2026-12345",
                "its links are others",
                "it is in the catalog and not https://x.example/r/hello_1.0_noarch.raw",
            ]);
            assert!(run.out.contains("nothing to do"), "{}", run.out);
            // What was not asked for, or is so, is no news.
            for more in [&[][..], &["--channel", "stable"]] {
                let run = vendor.run(&[&words[..], more].concat()).ends(0);
                assert!(!run.err.contains("warning: "), "{}", run.err);
            }
            vendor
                .run(&[&words[..], &["--at", "http://x.example/"]].concat())
                .ends(2)
                .says(&["https:// is needed"]);
        }
    }
}
