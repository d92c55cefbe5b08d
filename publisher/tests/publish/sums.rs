//! What systemd-sysupdate reads. That the real one accepts it is shown by ci/e2e/85-sysupdate.sh.

use sysext_formats::digest::Sha256Digest;

use crate::common::Vendor;

/// A catalog whose OpenPGP program gives these bytes.
fn signed_with(signature: &[u8]) -> Vendor {
    let vendor = Vendor::with_catalog();
    vendor.write("signature", signature);
    let command = format!(
        "openpgp = \"cmd:cat {}\"",
        vendor.path("signature").display()
    );
    vendor.edit("sysext-publish.toml", "openpgp = \"\"", &command);
    vendor
}

fn sums(vendor: &Vendor) -> String {
    let bytes = vendor.published()["images/SHA256SUMS"].clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn every_image_that_may_be_chosen_is_listed() {
    let signature = [&[0x88_u8][..], &[7; 70]].concat();
    let vendor = signed_with(&signature);
    vendor.run(&["extension", "add", "other"]).ends(0);
    let images = [vendor.image("hello", "1.0"), vendor.image("hello", "2.0")];
    vendor.run(&["add", &images[0], &images[1]]).ends(0);
    // An index that is not read for a change is listed all the same.
    let other = vendor.image("other", "7");
    vendor.run(&["add", &other]).ends(0);
    let text = sums(&vendor);
    let lines: Vec<_> = text.lines().collect();
    let names: Vec<_> = lines
        .iter()
        .map(|line| line.split_once("  ").unwrap().1)
        .collect();
    assert!(names[0].starts_with("BEST-BEFORE-20"), "{text}");
    assert_eq!(names[0].len(), "BEST-BEFORE-2026-01-01".len());
    assert!(lines[0].starts_with(&Sha256Digest::of(b"").to_string()));
    let files = [
        "hello_1.0_noarch.raw",
        "hello_2.0_noarch.raw",
        "other_7_noarch.raw",
    ];
    assert_eq!(names[1..], files);
    for (line, file) in lines[1..].iter().zip(files) {
        let bytes = &vendor.published()[&format!("images/{file}")];
        assert_eq!(*line, format!("{}  {file}", Sha256Digest::of(bytes)));
    }
    assert!(text.ends_with('\n') && !text.contains("\n\n"));
    let published = vendor.published();
    assert_eq!(published["images/SHA256SUMS.gpg"], signature);
    let armored = String::from_utf8(published["images/SHA256SUMS.sha256.asc"].clone()).unwrap();
    assert!(
        armored.starts_with("-----BEGIN PGP SIGNATURE-----\n\niAcHBw"),
        "{armored}"
    );
    assert!(armored.lines().all(|line| line.len() <= 64), "{armored}");

    vendor
        .run(&["withdraw", "hello", "2.0", "--reason", "x"])
        .ends(0);
    assert!(!sums(&vendor).contains("hello_2.0"));
    // Freshness says nothing about images: the daily job has no OpenPGP key.
    std::fs::remove_file(vendor.path("signature")).unwrap();
    vendor.run(&["renew"]).ends(0);
}

#[test]
fn what_is_not_signed_is_not_published() {
    let vendor = signed_with(b"-----BEGIN PGP SIGNATURE-----\n");
    let before = vendor.published();
    let image = vendor.image("hello", "1.0");
    vendor
        .run(&["add", &image])
        .ends(6)
        .says(&["without --armor"]);
    let documents = |files: &std::collections::BTreeMap<String, Vec<u8>>| {
        let documents = files.keys().filter(|name| name.starts_with("metadata/"));
        documents.cloned().collect::<Vec<_>>()
    };
    assert_eq!(documents(&vendor.published()), documents(&before));
    std::fs::remove_file(vendor.path("signature")).unwrap();
    vendor
        .run(&["add", &image])
        .ends(6)
        .says(&["cat ended with"]);
}

#[test]
fn transfer_files_name_the_catalog_and_every_kind_of_image() {
    let vendor = Vendor::with_catalog();
    let run = vendor.run(&["export", "sysupdate"]).ends(0);
    let run = run.says(&["openpgp is not set"]);
    for line in [
        "MatchPattern=hello_@v_%a.raw hello_@v_noarch.raw",
        "CurrentSymlink=/var/lib/extensions/hello.raw",
        "Verify=yes",
    ] {
        assert!(run.out.contains(line), "{}", run.out);
    }
    vendor
        .run(&["export", "sysupdate", "hello", "--output", "etc"])
        .ends(0)
        .prints("etc/sysupdate.hello.d/hello.transfer");
    let file = vendor.read("etc/sysupdate.hello.d/hello.transfer");
    assert!(run.out.contains(std::str::from_utf8(&file).unwrap()));
    vendor
        .run(&["export", "sysupdate", "nobody"])
        .ends(2)
        .says(&["nobody"]);
}

#[test]
fn what_was_withdrawn_leaves_the_list_also_when_nothing_remains_or_nobody_signs_any_more() {
    let signature = [&[0x88_u8][..], &[7; 70]].concat();
    let vendor = signed_with(&signature);
    let images = [vendor.image("hello", "1.0"), vendor.image("hello", "2.0")];
    vendor.run(&["add", &images[0], &images[1]]).ends(0);
    for version in ["1.0", "2.0"] {
        let words = ["withdraw", "hello", version, "--reason", "evil"];
        vendor.run(&words).ends(0);
    }
    let text = sums(&vendor);
    assert!(
        text.lines().count() == 1 && text.contains("  BEST-BEFORE-20"),
        "{text}"
    );
    vendor.run(&["withdraw", "hello", "1.0", "--undo"]).ends(0);
    assert!(sums(&vendor).contains("hello_1.0_noarch.raw"));
    let command = format!(
        "openpgp = \"cmd:cat {}\"",
        vendor.path("signature").display()
    );
    vendor.edit("sysext-publish.toml", &command, "openpgp = \"\"");
    let words = ["withdraw", "hello", "1.0", "--reason", "evil"];
    vendor.run(&words).ends(0);
    let left = |name: &String| name.contains("SHA256SUMS");
    assert!(!vendor.published().keys().any(left));
}

#[test]
fn a_list_whose_signatures_a_killed_run_did_not_bring_is_signed_by_the_next_one() {
    let signature = [&[0x88_u8][..], &[7; 70]].concat();
    let vendor = signed_with(&signature);
    vendor.run(&["add", &vendor.image("hello", "1.0")]).ends(0);
    let before = vendor.published();
    vendor.run(&["add", &vendor.image("hello", "2.0")]).ends(0);
    // Killed after the list: no signature of the former one is left beside it.
    vendor.write(
        "public/metadata/timestamp.json",
        &before["metadata/timestamp.json"],
    );
    for file in ["SHA256SUMS.gpg", "SHA256SUMS.sha256.asc"] {
        std::fs::remove_file(vendor.path(&format!("public/images/{file}"))).unwrap();
    }
    std::fs::remove_dir_all(vendor.path("state")).unwrap();
    vendor.run(&["add", &vendor.image("hello", "2.0")]).ends(0);
    assert_eq!(vendor.published()["images/SHA256SUMS.gpg"], signature);
}
