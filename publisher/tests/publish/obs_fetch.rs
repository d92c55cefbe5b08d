//! A repository of OBS behind a server that misbehaves. The gpgv here believes a signature that names the list's digest; the
//! real one, with real keys, is in ci/checks/obs.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use serde_json::Value;
use sysext_formats::digest::Sha256Digest;
use test_repos::fault_server::{Behaviour, FaultServer, Times};
use test_repos::image::ImageSpec;

use crate::common::{Run, Vendor};

const GPGV: &str = r#"#!/bin/sh
case $* in
    "--homedir /"*" --status-fd 1 --keyring /"*"/keyring.gpg signature SHA256SUMS") ;;
    *) echo "wrong words: $*" >&2; exit 2 ;;
esac
if [ "$(cat signature)" = "$(sha256sum SHA256SUMS | cut -d ' ' -f 1)" ]; then
    echo "[GNUPG:] GOODSIG AB x"
    echo "[GNUPG:] VALIDSIG FFAB 2026-11-26"
else
    echo "[GNUPG:] BADSIG AB x"
    exit 1
fi
"#;

/// A vendor, and what is published.
pub(crate) struct Repository {
    pub(crate) vendor: Vendor,
    pub(crate) server: FaultServer,
    sums: String,
}

impl Repository {
    pub(crate) fn new() -> Self {
        let mut vendor = Vendor::with_catalog();
        std::fs::create_dir(vendor.path("bin")).unwrap();
        vendor.write("bin/gpgv", GPGV.as_bytes());
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(vendor.path("bin/gpgv"), executable).unwrap();
        let path = format!("{}:/usr/bin:/bin", vendor.path("bin").display());
        vendor.variable("PATH", &path);
        vendor.write("keyring.gpg", &[0x98, 1, 2]);
        Self {
            vendor,
            server: FaultServer::empty(),
            sums: String::new(),
        }
    }

    fn put(&mut self, file: &str, bytes: &[u8]) {
        self.server.put(&format!("repo/{file}"), bytes);
        self.list(Sha256Digest::of(bytes), file);
    }

    fn list(&mut self, digest: Sha256Digest, file: &str) {
        self.sums.push_str(&format!("{digest}  {file}\n"));
        self.server.put("repo/SHA256SUMS", self.sums.as_bytes());
        let signature = format!("{}\n", Sha256Digest::of(self.sums.as_bytes()));
        self.server.put("repo/SHA256SUMS.asc", signature.as_bytes());
    }

    /// An image with its fragment; its bytes.
    pub(crate) fn image(&mut self, version: &str, padding: u8) -> Vec<u8> {
        let file = format!("hello_{version}_noarch.raw");
        let spec = ImageSpec::new("hello").padding(20_000, padding.into());
        let path = self.vendor.image_of(&spec, &format!("build/{file}"));
        self.vendor.run(&["describe", &path]).ends(0);
        let bytes = std::fs::read(&path).unwrap();
        let fragment = self.vendor.read(&format!("build/{file}.json"));
        self.put(&file, &bytes);
        self.put(&format!("{file}.json"), &fragment);
        bytes
    }

    fn fetch_with(&self, options: &[&str]) -> Run {
        let url = self.server.url("repo");
        let mut words = vec!["--json", "obs-fetch", "--keyring", "keyring.gpg"];
        words.extend(options);
        words.extend([url.as_str(), "fetched"]);
        self.vendor.run(&words)
    }

    fn fetch(&self) -> Run {
        self.fetch_with(&["--require-fragments"])
    }

    fn folder(&self) -> Vec<String> {
        let mut files = self.vendor.files("fetched");
        files.remove(".obs-fetch.lock");
        files.into_keys().collect()
    }

    fn behave(&self, file: &str, behaviour: Behaviour) {
        let path = format!("repo/{file}");
        self.server.behave(&path, Times::Always, behaviour);
    }
}

#[test]
fn what_is_listed_is_fetched_once_and_can_be_published() {
    let mut obs = Repository::new();
    obs.image("1.0", 7);
    // Not described, not an image, not a name.
    obs.put("appliance.raw", &[1; 100]);
    obs.put("hello.rpm", &[2; 100]);
    obs.list(Sha256Digest::of(b"x"), "../../evil_1_noarch.raw");
    let run = obs.fetch().ends(0).json();
    assert_eq!(
        (&run["changed"], &run["signed_by"]),
        (&true.into(), &"FFAB".into())
    );
    let files = ["hello_1.0_noarch.raw", "hello_1.0_noarch.raw.json"];
    assert_eq!(obs.folder(), files);
    assert_eq!(obs.fetch().ends(0).json()["changed"], false);
    assert_eq!(obs.server.count("repo/hello_1.0_noarch.raw"), 1);
    obs.vendor.run(&["sync", "fetched"]).ends(0);
    assert_eq!(obs.vendor.images("hello"), ["hello_1.0_noarch.raw"]);
    // Whoever wants it has the rest, too.
    obs.fetch_with(&[]).ends(0);
    assert_eq!(obs.folder()[0], "appliance.raw");
}

#[test]
fn a_list_that_is_replaced_while_it_is_read_is_read_again_and_a_wrong_one_is_not() {
    let mut obs = Repository::new();
    obs.image("1.0", 7);
    let old = obs.sums.clone();
    obs.image("2.0", 8);
    let path = "repo/SHA256SUMS";
    obs.server.behave(
        path,
        Times::Next(1),
        Behaviour::Replace(old.clone().into_bytes()),
    );
    obs.fetch().ends(0);
    assert_eq!(obs.folder().len(), 4);
    obs.behave("SHA256SUMS", Behaviour::Replace(old.into_bytes()));
    obs.fetch()
        .ends(4)
        .says(&["is not believed", "nothing was taken"]);
}

#[test]
fn what_is_missing_or_unsigned_is_tried_again_and_nothing_is_taken() {
    let mut obs = Repository::new();
    obs.fetch().ends(5).says(&["has no SHA256SUMS", "Repotype"]);
    obs.image("1.0", 7);
    obs.server.remove("repo/SHA256SUMS.asc");
    obs.fetch().ends(5).says(&["SHA256SUMS.asc"]);
    assert!(obs.folder().is_empty());
    // The binary one is as good.
    let signature = Sha256Digest::of(obs.sums.as_bytes()).to_string();
    obs.server.put("repo/SHA256SUMS.gpg", signature.as_bytes());
    obs.fetch().ends(0);
}

#[test]
fn an_image_comes_after_its_fragment_and_never_without() {
    let mut obs = Repository::new();
    obs.image("1.0", 7);
    obs.image("2.0", 8);
    obs.server.remove("repo/hello_1.0_noarch.raw.json");
    obs.server.remove("repo/hello_2.0_noarch.raw");
    let run = obs.fetch().ends(5);
    let run = run.says(&[
        "hello_1.0_noarch.raw.json is listed",
        "hello_2.0_noarch.raw is listed",
    ]);
    assert!(
        !run.err.contains("hello_1.0_noarch.raw is listed"),
        "{}",
        run.err
    );
    assert_eq!(obs.folder(), ["hello_2.0_noarch.raw.json"]);
    obs.vendor.run(&["sync", "fetched"]).ends(0);
}

#[test]
fn servers_that_lie_cost_bounded_bytes_and_leave_nothing() {
    let mut obs = Repository::new();
    obs.image("1.0", 7);
    for (file, behaviour) in [
        ("SHA256SUMS", Behaviour::Endless),
        ("SHA256SUMS.asc", Behaviour::Endless),
        ("SHA256SUMS", Behaviour::RedirectLoop),
        ("hello_1.0_noarch.raw.json", Behaviour::Endless),
        ("hello_1.0_noarch.raw", Behaviour::Endless),
        ("hello_1.0_noarch.raw", Behaviour::Flip { offset: 4_000 }),
        ("hello_1.0_noarch.raw", Behaviour::CutAfter { bytes: 100 }),
        ("hello_1.0_noarch.raw", Behaviour::Long { bytes: 1 }),
        (
            "hello_1.0_noarch.raw",
            Behaviour::Status {
                code: 503,
                retry_after: None,
            },
        ),
    ] {
        obs.server.behave_well();
        obs.behave(file, behaviour.clone());
        let _ = std::fs::remove_dir_all(obs.vendor.path("fetched"));
        let run = obs.fetch();
        // A body that is too long is cut where the length says, which HTTP allows.
        let code = if matches!(behaviour, Behaviour::Long { .. }) {
            run.code
        } else {
            5
        };
        let run = run.ends(code);
        let left: Vec<_> = obs.folder();
        let left: Vec<_> = left
            .iter()
            .filter(|name| !name.ends_with(".json"))
            .collect();
        assert!(
            code == 0 || left.is_empty(),
            "{behaviour:?}: {left:?}\n{}",
            run.err
        );
    }
    obs.server.behave_well();
    obs.fetch().ends(0);
    assert!(obs.server.bytes_sent() < 200 << 20);
}

#[test]
fn a_rebuild_under_the_same_name_replaces_what_was_fetched_before() {
    let mut obs = Repository::new();
    obs.image("1.0", 7);
    obs.fetch().ends(0);
    obs.sums.clear();
    let new = obs.image("1.0", 8);
    // Its fragment comes first: what is there meanwhile is not one image with the other's fragment.
    obs.server.remove("repo/hello_1.0_noarch.raw");
    obs.fetch().ends(5);
    assert_eq!(obs.folder(), ["hello_1.0_noarch.raw.json"]);
    obs.server.put("repo/hello_1.0_noarch.raw", new.as_slice());
    obs.fetch().ends(0);
    assert_eq!(obs.vendor.read("fetched/hello_1.0_noarch.raw"), new);
    obs.vendor.run(&["sync", "fetched"]).ends(0);
}

#[test]
fn two_packages_with_one_name_give_neither() {
    let mut obs = Repository::new();
    obs.image("1.0", 7);
    obs.list(Sha256Digest::of(b"other"), "hello_1.0_noarch.raw");
    obs.fetch().ends(5).says(&["two digests"]);
    assert_eq!(obs.folder(), ["hello_1.0_noarch.raw.json"]);
}

#[test]
fn a_wrong_call_says_what_is_needed() {
    let obs = Repository::new();
    let fetch = |url: &str, keyring: &str| {
        obs.vendor
            .run(&["obs-fetch", "--keyring", keyring, url, "fetched"])
    };
    fetch("http://example.org/repo", "keyring.gpg")
        .ends(2)
        .says(&["https://"]);
    let secret = fetch("https://me:secret@example.org/repo", "keyring.gpg").ends(2);
    assert!(!secret.err.contains("secret"), "{}", secret.err);
    let url = obs.server.url("repo");
    fetch(&url, "nowhere.gpg")
        .ends(2)
        .says(&["nowhere.gpg", "osc signkey"]);
    fetch(&url, "root.json")
        .ends(2)
        .says(&["neither binary nor armored"]);
}

#[test]
fn a_dry_run_fetches_no_image() {
    let mut obs = Repository::new();
    obs.image("1.0", 7);
    let run = obs.fetch_with(&["--dry-run"]).ends(0).json();
    assert_eq!(run["changed"], Value::Bool(true));
    assert!(!obs.vendor.path("fetched").exists());
}

#[test]
fn without_gpgv_nothing_is_believed() {
    let mut obs = Repository::new();
    obs.image("1.0", 7);
    let empty = obs.vendor.path("empty").display().to_string();
    obs.vendor.variable("PATH", &empty);
    obs.fetch().ends(1).says(&["gpgv can not be started"]);
    assert!(obs.folder().is_empty());
}

#[test]
fn what_a_killed_run_was_about_to_fetch_is_removed_by_the_next_one_and_of_one_that_lives_nothing() {
    let mut obs = Repository::new();
    obs.image("1.0", 7);
    obs.behave(
        "hello_1.0_noarch.raw",
        Behaviour::Drip {
            bytes_per_second: 100,
        },
    );
    let url = obs.server.url("repo");
    let words = ["obs-fetch", "--keyring", "keyring.gpg", &url, "fetched"];
    let start = || {
        let mut command = obs.vendor.command(&words);
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let left = || -> std::collections::BTreeSet<_> {
        let files = std::fs::read_dir(obs.vendor.path("fetched"))
            .into_iter()
            .flatten();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| name.starts_with(".obs-fetch-"))
            .collect()
    };
    // Each run has one folder; the server is so slow that none of them ends by itself.
    let wait_for = |good: &dyn Fn(&std::collections::BTreeSet<String>) -> bool| {
        for _ in 0..1_000 {
            if good(&left()) {
                return left();
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        panic!("{:?} are there", left());
    };
    let end = |mut run: std::process::Child| {
        run.kill().unwrap();
        run.wait().unwrap();
    };
    let first = start();
    let one = wait_for(&|names| names.len() == 1);
    obs.fetch_with(&["--dry-run"]).ends(0);
    assert_eq!(left(), one, "a dry run touches nothing");
    let second = start();
    let both = wait_for(&|names| names.len() == 2);
    assert!(both.is_superset(&one), "that of a run that lives is gone");
    end(first);
    end(second);
    let third = start();
    wait_for(&|names| names.len() == 1 && names.is_disjoint(&both));
    end(third);
}
