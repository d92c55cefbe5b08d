//! Proposals that are not what they should be.

use serde_json::Value;
use sysext_formats::digest::Sha256Digest;

use test_repos::fault_server::{Behaviour, FaultServer, Times};

use crate::common::Vendor;

/// An owner's catalog, and a vendor that may publish `tool` into it and proposes a first image.
fn delegated() -> (Vendor, Vendor) {
    let owner = Vendor::with_catalog();
    let fingerprint = Sha256Digest::of(&owner.read("root.json"));
    let catalog = format!("{}#sha256={fingerprint}", owner.path("public").display());
    let vendor = Vendor::new();
    vendor
        .run(&["join", &catalog, "tool", "--unencrypted"])
        .ends(0);
    let key = vendor.path("keys/ci/tool.pub");
    owner
        .run(&["delegate", "tool", "--key", key.to_str().unwrap()])
        .ends(0);
    let image = vendor.image("tool", "1");
    vendor.run(&["propose", "add", &image]).ends(0);
    (owner, vendor)
}

fn accept(owner: &Vendor, vendor: &Vendor) -> crate::common::Run {
    owner.run(&["accept", vendor.path("proposal").to_str().unwrap()])
}

/// Changes a proposal as somebody on its way might.
fn tamper(vendor: &Vendor, change: impl FnOnce(&mut Value)) {
    let mut proposal: Value =
        serde_json::from_slice(&vendor.read("proposal/proposal.json")).unwrap();
    change(&mut proposal);
    vendor.write("proposal/proposal.json", proposal.to_string().as_bytes());
}

#[test]
fn whoever_signs_is_shown_where_an_image_is_and_what_is_said_about_it() {
    let vendor = Vendor::with_catalog();
    let image = vendor.image("hello", "1");
    let words = [
        "propose",
        "--unsigned",
        "add",
        "--at",
        "https://x.example/r",
        "--rollout",
        "72",
        "--fixes",
        "CVE-2026-12345",
        "--notes",
        "https://x.example/notes",
        &image,
    ];
    let tried = vendor.run(&[&["--dry-run", "--json"], &words[..]].concat());
    let change = &tried.ends(0).json()["changes"][0];
    assert_eq!(change["urls"][0], "https://x.example/r/hello_1_noarch.raw");
    assert_eq!(change["rollout"]["hours"], 72);
    assert_eq!(change["fixes"][0], "CVE-2026-12345");
    vendor.run(&words).ends(0);
    vendor
        .run(&["sign", "proposal", "--dry-run"])
        .ends(0)
        .says(&[
            "hosts take it over 72 hour(s) from",
            "fixes CVE-2026-12345",
            "it is at https://x.example/r/hello_1_noarch.raw",
            "notes: https://x.example/notes",
        ]);
}

#[test]
fn an_index_that_its_key_has_not_signed_is_not_accepted() {
    let (owner, vendor) = delegated();
    let before = owner.published();
    tamper(&vendor, |proposal| {
        proposal["documents"]["tool"]["signed"]["expires"] = "2039-01-01T00:00:00Z".into();
    });
    accept(&owner, &vendor)
        .ends(6)
        .says(&["not everybody has signed the index of tool"]);
    assert!(owner.published() == before);
}

#[test]
fn an_index_for_an_extension_of_somebody_else_is_not_accepted() {
    let (owner, vendor) = delegated();
    tamper(&vendor, |proposal| {
        let mut document = proposal["documents"]["tool"].take();
        document["signed"]["x-sysext"]["role"] = "hello".into();
        document["signed"]["version"] = 2.into();
        proposal["documents"] = serde_json::json!({ "hello": document });
    });
    let before = owner.published();
    assert_ne!(accept(&owner, &vendor).code, 0);
    assert!(owner.published() == before);
}

#[test]
fn images_that_are_not_the_promised_ones_are_not_accepted() {
    let (owner, vendor) = delegated();
    let before = owner.published();
    let image = "proposal/images/tool_1_noarch.raw";
    let good = vendor.read(image);
    let mut other = good.clone();
    *other.last_mut().unwrap() ^= 1;
    vendor.write(image, &other);
    accept(&owner, &vendor)
        .ends(7)
        .says(&["tool_1_noarch.raw", "sha256"]);
    vendor.write(image, &good[..good.len() - 1]);
    accept(&owner, &vendor)
        .ends(7)
        .says(&["bytes", "were promised"]);
    std::fs::remove_file(vendor.path(image)).unwrap();
    accept(&owner, &vendor)
        .ends(2)
        .says(&["tool_1_noarch.raw", "images/"]);
    vendor.write(image, &good);
    let transport = "proposal/images/tool_1_noarch.raw.zst";
    let packed = vendor.read(transport);
    vendor.write(transport, &packed[..packed.len() / 2]);
    assert_ne!(accept(&owner, &vendor).code, 0);
    assert!(owner.published() == before, "nothing came of any of it");
    vendor.write(transport, &packed);
    accept(&owner, &vendor).ends(0);
    owner.run(&["verify", "--all"]).ends(0);
}

#[test]
fn what_is_no_file_of_the_proposal_is_not_opened() {
    let (owner, vendor) = delegated();
    let before = owner.published();
    let image = vendor.path("proposal/images/tool_1_noarch.raw");
    let elsewhere = vendor.path("elsewhere.raw");
    std::fs::rename(&image, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &image).unwrap();
    accept(&owner, &vendor)
        .ends(1)
        .says(&["tool_1_noarch.raw is not a regular file"]);
    std::fs::remove_file(&image).unwrap();
    // A pipe that nobody writes to would be waited for without end.
    let made = std::process::Command::new("mkfifo").arg(&image).status();
    assert!(made.unwrap().success());
    accept(&owner, &vendor)
        .ends(1)
        .says(&["tool_1_noarch.raw is not a regular file"]);
    assert!(owner.published() == before);
}

#[test]
fn more_than_an_index_is_not_accepted() {
    let owner = Vendor::with_catalog();
    owner.run(&["propose", "extension", "add", "new"]).ends(0);
    owner
        .run(&["accept", "proposal"])
        .ends(2)
        .says(&["the proposal changes targets", "publish"]);
    owner.run(&["publish", "proposal"]).ends(0);
}

#[test]
fn what_was_overtaken_is_proposed_again() {
    let (owner, vendor) = delegated();
    accept(&owner, &vendor).ends(0);
    // Two proposals over the same state: the second one is late.
    let images = [vendor.image("tool", "2"), vendor.image("tool", "3")];
    vendor
        .run(&["propose", "-o", "two", "add", &images[0]])
        .ends(0);
    vendor
        .run(&["propose", "-o", "three", "add", &images[1]])
        .ends(0);
    let folder = |name: &str| vendor.path(name).to_str().unwrap().to_owned();
    owner.run(&["accept", &folder("two")]).ends(0);
    owner.run(&["accept", &folder("two")]).ends(0);
    owner.run(&["accept", &folder("three")]).ends(3).says(&[
        "version 2; the next one to be published is 3",
        "propose it again",
    ]);
    let status = vendor.run(&["status", "three"]).ends(0).out;
    assert!(status.contains("can not be published any more"), "{status}");
    vendor
        .run(&["propose", "-o", "three", "add", &images[1]])
        .ends(0);
    owner.run(&["accept", &folder("three")]).ends(0);
    assert_eq!(owner.images("tool").len(), 3);
}

#[test]
fn what_a_proposal_says_was_published_is_verified_from_the_first_root() {
    let owner = Vendor::with_catalog();
    owner
        .run(&["propose", "--unsigned", "extension", "add", "new"])
        .ends(0);
    let stranger = Vendor::with_catalog();
    let forged: Value = {
        stranger
            .run(&["propose", "--unsigned", "extension", "add", "new"])
            .ends(0);
        serde_json::from_slice(&stranger.read("proposal/proposal.json")).unwrap()
    };
    tamper(&owner, |proposal| {
        proposal["published"] = forged["published"].clone()
    });
    owner.run(&["sign", "proposal", "--yes"]).ends(4);
}

#[test]
fn what_is_no_proposal_or_for_another_catalog_is_said() {
    let owner = Vendor::with_catalog();
    owner
        .run(&["sign", "nowhere"])
        .ends(2)
        .says(&["there is no proposal at nowhere"]);
    owner.write("broken.json", b"{\"schema\": 1");
    owner
        .run(&["sign", "broken.json"])
        .ends(2)
        .says(&["broken.json is not a proposal"]);
    owner.write("later.json", br#"{"schema": 2, "catalog": "acme", "created": "2026-01-01T00:00:00Z", "documents": {}, "published": {}}"#);
    owner
        .run(&["sign", "later.json"])
        .ends(2)
        .says(&["schema is 2"]);
    owner.run(&["propose", "extension", "add", "new"]).ends(0);
    owner.edit("sysext-publish.toml", "id = \"acme\"", "id = \"other\"");
    owner
        .run(&["publish", "proposal"])
        .ends(2)
        .says(&["for the catalog acme", "configuration of other"]);
}

#[test]
fn copies_of_two_proposals_are_not_put_together() {
    let owner = Vendor::with_catalog();
    for name in ["one", "two"] {
        owner
            .run(&["propose", "-o", name, "extension", "add", name])
            .ends(0);
    }
    owner
        .run(&["publish", "one", "two/proposal.json"])
        .ends(3)
        .says(&["two proposals"]);
}

#[test]
fn a_vendor_whose_key_was_revoked_begins_again_with_what_it_vouches_for() {
    let (owner, vendor) = delegated();
    accept(&owner, &vendor).ends(0);
    vendor
        .run(&["key", "generate", "--unencrypted", "keys/new.pem"])
        .ends(0);
    let public = vendor.path("keys/new.pub");
    owner
        .run(&[
            "key",
            "replace",
            "--for",
            "tool",
            "--key",
            public.to_str().unwrap(),
            "--revoke",
        ])
        .ends(0);
    let status = owner.run(&["status"]).ends(0).out;
    assert!(
        status.contains("tool") && status.contains("may not sign it"),
        "{status}"
    );
    owner.run(&["verify"]).ends(4);
    owner.run(&["renew"]).ends(0);
    let image = vendor.image("tool", "2");
    vendor.edit("sysext-publish.toml", "keys/ci/tool.pem", "keys/new.pem");
    vendor
        .run(&["propose", "add", &image])
        .ends(4)
        .says(&["--anew"]);
    vendor.run(&["propose", "add", "--anew", &image]).ends(0);
    accept(&owner, &vendor).ends(0);
    owner.run(&["verify", "--all"]).ends(0);
    assert_eq!(owner.images("tool"), ["tool_2_noarch.raw"]);
}

#[test]
fn an_index_that_lets_others_speak_is_not_accepted() {
    let (owner, vendor) = delegated();
    tamper(&vendor, |proposal| {
        proposal["documents"]["tool"]["signed"]["delegations"] =
            serde_json::json!({"keys": {}, "roles": []});
    });
    accept(&owner, &vendor).says(&["tool delegates further"]);
}

#[test]
fn foreign_text_does_nothing_to_a_terminal() {
    let (owner, vendor) = delegated();
    tamper(&vendor, |proposal| {
        proposal["documents"]["\u{1b}[2J\nerror: x"] = serde_json::json!({});
    });
    let run = accept(&owner, &vendor);
    assert_eq!(run.code, 2);
    assert!(
        !run.err.contains('\u{1b}') && !run.err.contains("\nerror: x"),
        "{}",
        run.err
    );
}

#[test]
fn a_proposal_on_a_server_is_fetched_with_its_images_and_a_server_that_lies_gets_nothing_in() {
    let (owner, vendor) = delegated();
    let server = FaultServer::empty();
    server.put_all(vendor.files("proposal"));
    let before = owner.published();
    let url = server.url("");
    // Cut, and longer than promised.
    let image = "images/tool_1_noarch.raw";
    server.behave(image, Times::Always, Behaviour::CutAfter { bytes: 100 });
    assert_ne!(owner.run(&["accept", &url]).code, 0);
    server.behave_well();
    server.put(
        image,
        [vendor.read(&format!("proposal/{image}")), vec![0; 5]].concat(),
    );
    owner
        .run(&["accept", &url])
        .ends(7)
        .says(&["more than", "were promised"]);
    server.remove(image);
    owner
        .run(&["accept", &url])
        .ends(5)
        .says(&["has no images/tool_1_noarch.raw"]);
    assert!(owner.published() == before);
    // What nobody signed costs nothing but the proposal itself.
    let mut unsigned: Value =
        serde_json::from_slice(&vendor.read("proposal/proposal.json")).unwrap();
    unsigned["documents"]["tool"]["signatures"] = serde_json::json!([]);
    server.put_all(vendor.files("proposal"));
    server.put("proposal.json", unsigned.to_string());
    server.clear_log();
    owner.run(&["accept", &url]).ends(6);
    assert_eq!(server.count("images/*"), 0);
    server.put_all(vendor.files("proposal"));
    owner.run(&["accept", &server.url("proposal.json")]).ends(0);
    owner.run(&["verify", "--all"]).ends(0);
    let again = owner.run(&["accept", &url]).ends(0);
    assert!(again.out.contains("nothing to do"), "{}", again.out);
}
