//! Keys that are not there, not good, or not asked for.

use std::os::unix::fs::PermissionsExt as _;

use crate::common::Vendor;

fn chmod(vendor: &Vendor, path: &str, mode: u32) {
    std::fs::set_permissions(vendor.path(path), std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_key_that_others_can_read_signs_nothing() {
    let vendor = Vendor::with_catalog();
    let image = vendor.image("hello", "1.0");
    let before = vendor.published();
    chmod(&vendor, "keys/ci/release.pem", 0o644);
    vendor
        .run(&["add", &image])
        .ends(6)
        .says(&["keys/ci/release.pem", "0644", "chmod 600"]);
    assert!(vendor.published() == before);
    chmod(&vendor, "keys/ci/release.pem", 0o600);
    vendor.run(&["add", &image]).ends(0);
}

#[test]
fn without_a_terminal_nobody_is_asked_and_the_variable_is_named() {
    let mut vendor = Vendor::new();
    vendor.init(&[]).ends(2).says(&[
        "a root key",
        "SYSEXT_PUBLISH_PASSPHRASE",
        "--passphrase-file",
        "--unencrypted",
    ]);
    assert!(
        vendor.files("").is_empty(),
        "nothing is left of an init that could not go on"
    );
    vendor.variable("SYSEXT_PUBLISH_PASSPHRASE", "correct horse");
    vendor.init(&["--extension", "hello"]).ends(0);
    let pem = String::from_utf8(vendor.read("keys/offline/root-1.pem")).unwrap();
    assert!(pem.contains("ENCRYPTED PRIVATE KEY"), "{pem}");
    // The daily jobs never touch the root key.
    vendor.variable("SYSEXT_PUBLISH_PASSPHRASE", "");
    vendor.run(&["add", &vendor.image("hello", "1.0")]).ends(0);
    vendor.run(&["renew"]).ends(0);
    vendor
        .run(&["renew", "--root"])
        .ends(2)
        .says(&["file:keys/offline/root-1.pem", "SYSEXT_PUBLISH_PASSPHRASE"]);
    vendor.variable("SYSEXT_PUBLISH_PASSPHRASE", "wrong");
    vendor
        .run(&["renew", "--root"])
        .ends(6)
        .says(&["the passphrase is wrong"]);
    vendor.write_secret("passphrase", b"correct horse\n");
    vendor
        .run(&["renew", "--root", "--passphrase-file", "passphrase"])
        .ends(0);
    assert!(vendor.path("public/metadata/2.root.json").exists());
    vendor.run(&["verify", "--all"]).ends(0);
}

#[test]
fn keys_from_variables_are_used_and_an_empty_one_is_named() {
    let mut vendor = Vendor::with_catalog();
    let image = vendor.image("hello", "1.0");
    let key = |name: &str| String::from_utf8(vendor.read(&format!("keys/ci/{name}.pem"))).unwrap();
    let (release, online) = (key("release"), key("online"));
    for name in ["release", "online"] {
        std::fs::remove_file(vendor.path(&format!("keys/ci/{name}.pem"))).unwrap();
    }
    vendor
        .run(&["add", &image])
        .ends(2)
        .says(&["the index of hello", "set SYSEXT_RELEASE_KEY"]);
    vendor.variable("SYSEXT_ONLINE_KEY", &online);
    vendor.run(&["renew"]).ends(0);
    vendor.variable("SYSEXT_RELEASE_KEY", &online);
    let run = vendor
        .run(&["add", &image])
        .ends(6)
        .says(&["the index of hello", "env:SYSEXT_RELEASE_KEY"]);
    let secret: String = online.lines().nth(1).unwrap().chars().take(20).collect();
    assert!(!run.err.contains(&secret), "a message holds a secret");
    vendor.variable("SYSEXT_RELEASE_KEY", "garbage");
    vendor
        .run(&["add", &image])
        .ends(6)
        .says(&["env:SYSEXT_RELEASE_KEY", "not a PEM file"]);
    vendor.variable("SYSEXT_RELEASE_KEY", &release);
    vendor.run(&["add", &image]).ends(0);
}

#[test]
fn a_signer_program_that_fails_or_lies_publishes_nothing() {
    let vendor = Vendor::with_catalog();
    let image = vendor.image("hello", "1.0");
    let before = vendor.published();
    let online = "online = [\"env:SYSEXT_ONLINE_KEY\", \"file:keys/ci/online.pem\"]";
    let mut last = online.to_owned();
    let signature = "x".repeat(64);
    for (program, words) in [
        ("false", "exit status: 1"),
        ("echo no", "3 bytes"),
        (&format!("printf {signature}"), "does not verify"),
        ("/nonexistent/kms", "can not be started"),
    ] {
        let line = format!("online = \"cmd:keys/ci/online.pub {program}\"");
        vendor.edit("sysext-publish.toml", &last, &line);
        last = line;
        vendor
            .run(&["add", &image])
            .ends(6)
            .says(&["snapshot", words]);
    }
    vendor.edit("sysext-publish.toml", &last, "online = \"cmd:kms sign\"");
    vendor
        .run(&["add", &image])
        .ends(6)
        .says(&["public key", "cmd:PUBLIC.pub"]);
    assert!(vendor.published() == before);
}

#[test]
fn an_extension_with_its_own_key_is_signed_by_nobody_else() {
    let vendor = Vendor::with_catalog();
    vendor
        .run(&["extension", "add", "world", "--own-key", "--unencrypted"])
        .ends(0);
    let image = vendor.image("world", "1.0");
    vendor.run(&["add", &image]).ends(0);
    vendor.edit(
        "sysext-publish.toml",
        "key = \"file:keys/ci/world.pem\"",
        "key = \"\"",
    );
    let next = vendor.image("world", "2.0");
    vendor
        .run(&["add", &next])
        .ends(6)
        .says(&["the index of world", "file:keys/ci/release.pem"]);
    vendor
        .run(&["extension", "add", "world"])
        .ends(3)
        .says(&["other keys sign it"]);
    let renewed = vendor
        .run(&["renew", "--release"])
        .ends(0)
        .says(&["the index of world", "whoever has its key"]);
    assert!(!renewed.out.contains("world is good"), "{}", renewed.out);
}

#[test]
fn a_team_needs_two_of_its_root_keys_for_a_new_extension() {
    let vendor = Vendor::new();
    vendor.init(&["--profile", "team", "--unencrypted"]).ends(0);
    vendor.run(&["extension", "add", "hello"]).ends(0);
    let image = vendor.image("hello", "1.0");
    for number in [2, 3] {
        std::fs::remove_file(vendor.path(&format!("keys/offline/root-{number}.pem"))).unwrap();
    }
    vendor.run(&["add", &image]).ends(0);
    vendor.run(&["extension", "add", "world"]).ends(6).says(&[
        "targets needs the signatures of 2",
        "root-2.pem: there is no such file",
    ]);
    vendor
        .run(&["renew", "--root"])
        .ends(6)
        .says(&["needs the signatures of 2"]);
    Vendor::new()
        .init(&["--root-keys", "2", "--root-threshold", "3", "--unencrypted"])
        .ends(2)
        .says(&["threshold of 3", "2 key(s)"]);
}

#[test]
fn keys_are_made_listed_and_shown_without_their_secrets() {
    let vendor = Vendor::with_catalog();
    vendor
        .run(&["key", "generate", "new/vendor.pem", "--unencrypted"])
        .ends(0);
    vendor
        .run(&["key", "generate", "new/vendor.pem", "--unencrypted"])
        .ends(2)
        .says(&["not overwritten"]);
    vendor
        .run(&["key", "generate", "other.pem"])
        .ends(2)
        .says(&["SYSEXT_PUBLISH_PASSPHRASE"]);
    let private = String::from_utf8(vendor.read("new/vendor.pem")).unwrap();
    for key in ["new/vendor.pem", "new/vendor.pub", "file:new/vendor.pem"] {
        let shown = vendor.run(&["key", "show", key]).ends(0).out;
        assert!(
            shown.contains("BEGIN PUBLIC KEY") && !shown.contains(private.lines().nth(1).unwrap()),
            "{shown}"
        );
    }
    let listed = vendor.run(&["key", "list"]).ends(0).out;
    for words in [
        "file:keys/offline/root-2.pem      root (there)",
        "targets, hello",
        "snapshot, timestamp",
    ] {
        assert!(listed.contains(words), "{words:?} is not in\n{listed}");
    }
}

#[test]
fn a_program_that_signs_learns_no_passphrase_and_a_passphrase_file_is_nobody_elses() {
    let mut vendor = Vendor::with_catalog();
    let public = "keys/ci/online.pub";
    let script = vendor.path("sign");
    let body = format!(
        "#!/bin/sh\nenv > {}\ncat >/dev/null\n",
        vendor.path("seen").display()
    );
    vendor.write("sign", body.as_bytes());
    let mode = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    mode(&script, 0o755);
    let source = format!("\"cmd:{public} {}\"", script.display());
    vendor.edit(
        "sysext-publish.toml",
        "[\"env:SYSEXT_ONLINE_KEY\", \"file:keys/ci/online.pem\"]",
        &source,
    );
    vendor.variable("SYSEXT_PUBLISH_PASSPHRASE", "correct horse");
    let key = String::from_utf8(vendor.read("keys/ci/release.pem")).unwrap();
    vendor.variable("SYSEXT_RELEASE_KEY", &key);
    vendor.variable("KMS_TOKEN", "needed");
    vendor.run(&["renew"]).ends(6);
    let seen = String::from_utf8(vendor.read("seen")).unwrap();
    assert!(seen.contains("KMS_TOKEN=needed"), "{seen}");
    assert!(
        !seen.contains("horse") && !seen.contains("PRIVATE"),
        "{seen}"
    );
    vendor.write("passphrase", b"correct horse\n");
    mode(&vendor.path("passphrase"), 0o644);
    vendor
        .run(&[
            "--passphrase-file",
            "passphrase",
            "key",
            "generate",
            "keys/a.pem",
        ])
        .ends(6)
        .says(&["passphrase can be read by others", "chmod 600"]);
    mode(&vendor.path("passphrase"), 0o600);
    vendor
        .run(&[
            "--passphrase-file",
            "passphrase",
            "key",
            "generate",
            "keys/a.pem",
        ])
        .ends(0);
}
