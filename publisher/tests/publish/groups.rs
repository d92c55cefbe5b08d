//! Catalogs with more extensions than one table of contents shall hold.

use crate::common::Vendor;

const NAMES: [&str; 6] = ["lib-a", "lib-b", "lib-c", "tool", "x1", "x2"];

/// `hello` is published, then so many more extensions come that groups are made.
fn grouped() -> Vendor {
    let vendor = Vendor::with_catalog();
    vendor.edit(
        "sysext-publish.toml",
        "group-above = 200",
        "group-above = 2",
    );
    let image = vendor.image("hello", "1");
    vendor.run(&["add", &image]).ends(0);
    for name in NAMES {
        vendor
            .run(&[
                "extension",
                "add",
                name,
                "--summary",
                &format!("about {name}"),
            ])
            .ends(0);
    }
    vendor
}

fn versions(vendor: &Vendor, role: &str) -> usize {
    let end = format!(".{role}.json");
    let files = vendor.published().into_keys();
    files.filter(|name| name.ends_with(&end)).count()
}

#[test]
fn a_catalog_that_grows_is_grouped_and_what_was_published_stays_findable() {
    let vendor = grouped();
    vendor.run(&["verify", "--all"]).ends(0);
    let list = vendor.run(&["extension", "list"]).ends(0).out;
    for name in NAMES {
        assert!(list.contains(&format!("about {name}")), "{list}");
    }
    let status = vendor.run(&["status"]).ends(0).out;
    assert!(
        status.contains("_lib-a") || status.contains("_lib"),
        "{status}"
    );
    // One image more: the tables of contents stay as they are.
    let (top, group) = (versions(&vendor, "targets"), versions(&vendor, "_t"));
    let image = vendor.image("tool", "1");
    vendor.run(&["add", &image]).ends(0);
    assert_eq!(
        (versions(&vendor, "targets"), versions(&vendor, "_t")),
        (top, group)
    );
    vendor.run(&["verify", "--all"]).ends(0);
}

#[test]
fn keys_of_a_grouped_catalog_are_changed_and_renewed() {
    let vendor = grouped();
    for (office, file) in [("release", "keys/r.pem"), ("online", "keys/o.pem")] {
        vendor
            .run(&["key", "generate", "--unencrypted", file])
            .ends(0);
        let source = format!("file:{file}");
        vendor
            .run(&["key", "replace", "--for", office, "--key", &source])
            .ends(0);
        vendor.run(&["verify", "--all"]).ends(0);
    }
    std::fs::remove_file(vendor.path("keys/ci/release.pem")).unwrap();
    vendor.run(&["renew", "--release"]).ends(0);
    vendor.run(&["renew", "--root"]).ends(0);
    vendor
        .run(&["extension", "add", "lib-d", "--own-key", "--unencrypted"])
        .ends(0);
    vendor.run(&["verify", "--all"]).ends(0);
    vendor
        .run(&[
            "retire",
            "lib-a",
            "--reason",
            "nobody needs it",
            "--successor",
            "lib-d",
        ])
        .ends(0);
    let status = vendor.run(&["status"]).ends(0).out;
    assert!(status.contains("retired"), "{status}");
}

#[test]
fn a_grouped_catalog_is_delegated_and_proposed_to() {
    let owner = grouped();
    let fingerprint = sysext_formats::digest::Sha256Digest::of(&owner.read("root.json"));
    let catalog = format!("{}#sha256={fingerprint}", owner.path("public").display());
    let vendor = Vendor::new();
    vendor
        .run(&["join", &catalog, "lib-z", "--unencrypted"])
        .ends(0);
    let key = vendor.path("keys/ci/lib-z.pub");
    owner
        .run(&[
            "propose",
            "-o",
            "p",
            "delegate",
            "lib-z",
            "--key",
            key.to_str().unwrap(),
        ])
        .ends(0);
    owner.run(&["publish", "p"]).ends(0);
    let image = vendor.image("lib-z", "1");
    vendor.run(&["propose", "add", &image]).ends(0);
    owner
        .run(&["accept", vendor.path("proposal").to_str().unwrap()])
        .ends(0);
    owner.run(&["verify", "--all"]).ends(0);
    assert_eq!(owner.images("lib-z"), ["lib-z_1_noarch.raw"]);
}
