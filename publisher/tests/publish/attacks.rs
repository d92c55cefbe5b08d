//! What must fail safely on the vendor's side, where a whole run is needed to show it: runs that are killed or fail half
//! way, programs that sign and say too much, proposals of a delegated vendor who is not to be trusted, hostile images.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use assert_cmd::cargo::cargo_bin;
use serde_json::{Value, json};
use sysext_formats::canonical;
use sysext_formats::digest::Sha256Digest;
use sysext_formats::sign::{SecretKey, Signer as _};
use test_repos::image::{ImageSpec, corrupt_superblock, truncated};

use crate::common::{Run, Vendor};
use crate::hosts::{Host, Memory};

/// A new host and one that has seen what is published now.
fn hosts(vendor: &Vendor) -> [Host; 2] {
    let (published, root) = (vendor.path("public"), vendor.read("root.json"));
    [Memory::Forgotten, Memory::Kept].map(|memory| {
        let mut host = Host::new(&published, &root, memory);
        host.look();
        host
    })
}

/// Files below a directory whose names are in place, and the digest of the timestamp: what an upload changes.
fn progress(public: &Path) -> (usize, Option<Vec<u8>>) {
    let count = |folder: &str| {
        std::fs::read_dir(public.join(folder)).map_or(0, |entries| {
            let placed = |name: &std::ffi::OsString| !name.to_string_lossy().starts_with('.');
            entries
                .filter_map(|entry| Some(entry.ok()?.file_name()))
                .filter(placed)
                .count()
        })
    };
    (
        count("images") + count("metadata"),
        std::fs::read(public.join("metadata/timestamp.json")).ok(),
    )
}

#[test]
fn killed_between_any_two_uploads_readers_see_old_or_new_and_the_next_run_completes() {
    let vendor = Vendor::with_catalog();
    let public = vendor.path("public");
    let mut cut_short = 0;
    for version in 1..=10 {
        let image = vendor.image("hello", &version.to_string());
        let name = format!("hello_{version}_noarch.raw");
        // An image, its transport, an index, a snapshot, a timestamp: killed after each of them, and before the first.
        let steps = version % 5;
        let mut seen = hosts(&vendor);
        let (files, timestamp) = progress(&public);
        let mut child = vendor
            .command(&["--quiet", "add", "--zstd-level", "1", &image])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let ended = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            let (now, new) = progress(&public);
            if now >= files + steps || new != timestamp {
                child.kill().unwrap();
                child.wait().unwrap();
                break None;
            }
        };
        for host in &mut seen {
            let old = host.images;
            host.look();
            assert!(host.images == old || host.images == old + 1);
        }
        let published = vendor.images("hello").contains(&name);
        cut_short += usize::from(ended.is_none() && !published);
        vendor.run(&["add", &image]).ends(0);
        assert!(vendor.images("hello").contains(&name), "{name}");
        for host in &mut seen {
            host.look();
            assert_eq!(host.images, vendor.images("hello").len());
        }
    }
    assert!(cut_short > 0, "every run ended before it was killed");
    vendor.run(&["verify", "--all"]).ends(0);
}

#[test]
fn an_upload_that_fails_half_way_shows_the_old_state_and_the_next_run_completes() {
    let vendor = Vendor::with_catalog();
    let image = vendor.image("hello", "1.0");
    for blocked in [
        "images/hello_1.0_noarch.raw",
        "metadata/2.hello.json",
        "metadata/2.snapshot.json",
    ] {
        let mut seen = hosts(&vendor);
        // A folder in its way, which no rename takes away.
        let path = vendor.path(&format!("public/{blocked}/in the way"));
        std::fs::create_dir_all(&path).unwrap();
        let run = vendor.run(&["add", &image]);
        assert!(![0, 3].contains(&run.code), "{}", run.err);
        run.says(&[blocked.rsplit('/').next().unwrap()]);
        for host in &mut seen {
            host.look();
            assert_eq!(host.images, 0, "{blocked}");
        }
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }
    vendor.run(&["add", &image]).ends(0);
    vendor.run(&["verify", "--all"]).ends(0);
    assert_eq!(vendor.images("hello"), ["hello_1.0_noarch.raw"]);
}

/// A program that prints what it should keep to itself: nothing of it is repeated. One that never ends its answer is cut
/// off; that one which never answers is ended is shown in `signer::command`, with a shorter patience than a minute.
#[test]
fn a_signer_program_that_prints_a_secret_or_never_ends_is_not_repeated() {
    let vendor = Vendor::with_catalog();
    let image = vendor.image("hello", "1.0");
    let before = vendor.published();
    let secret = String::from_utf8(vendor.read("keys/ci/release.pem")).unwrap();
    let mut last = "online = [\"env:SYSEXT_ONLINE_KEY\", \"file:keys/ci/online.pem\"]".to_owned();
    for program in ["cat keys/ci/release.pem", "cat /dev/zero", "yes"] {
        let line = format!("online = \"cmd:keys/ci/online.pub {program}\"");
        vendor.edit("sysext-publish.toml", &last, &line);
        last = line;
        let run = vendor.run(&["add", &image]).ends(6).says(&["snapshot"]);
        for line in secret.lines().filter(|line| !line.starts_with("--")) {
            assert!(
                !run.err.contains(line) && !run.out.contains(line),
                "{}",
                run.err
            );
        }
        assert!(run.err.len() < 4096, "{} bytes are said", run.err.len());
    }
    assert!(vendor.published() == before);
}

/// The owner of a catalog, and a vendor to whom `tool` is delegated, with one version published.
pub(crate) struct Delegated {
    pub(crate) owner: Vendor,
    pub(crate) vendor: Vendor,
}

impl Delegated {
    pub(crate) fn new() -> Self {
        let (owner, vendor) = (Vendor::with_catalog(), Vendor::new());
        let fingerprint = Sha256Digest::of(&owner.read("root.json"));
        let catalog = format!("{}#sha256={fingerprint}", owner.path("public").display());
        let join = ["join", &catalog, "tool", "--unencrypted"];
        vendor.run(&join).ends(0);
        let key = vendor.path("keys/ci/tool.pub");
        let delegate = ["delegate", "tool", "--key", key.to_str().unwrap()];
        owner.run(&delegate).ends(0);
        let both = Self { owner, vendor };
        both.propose("1");
        both.accept().ends(0);
        both
    }

    pub(crate) fn propose(&self, version: &str) {
        let image = self.vendor.image("tool", version);
        let _ = std::fs::remove_dir_all(self.vendor.path("proposal"));
        self.vendor.run(&["propose", "add", &image]).ends(0);
    }

    pub(crate) fn accept(&self) -> Run {
        let proposal = self.vendor.path("proposal");
        self.owner.run(&["accept", proposal.to_str().unwrap()])
    }

    /// Changes what was proposed as only the holder of the extension's key can.
    fn sign(&self, change: impl FnOnce(&mut Value)) {
        self.sign_with("keys/ci/tool.pem", change);
    }

    fn sign_with(&self, key: &str, change: impl FnOnce(&mut Value)) {
        let file = "proposal/proposal.json";
        let mut proposal: Value = serde_json::from_slice(&self.vendor.read(file)).unwrap();
        let document = &mut proposal["documents"]["tool"];
        change(&mut document["signed"]);
        let pem = String::from_utf8(self.vendor.read(key)).unwrap();
        let key = SecretKey::from_pem(&pem, None).unwrap();
        let message = canonical::encode(&document["signed"]).unwrap();
        let signature = data_encoding::HEXLOWER.encode(&key.sign(&message).unwrap());
        document["signatures"][0]["sig"] = signature.into();
        self.vendor.write(file, proposal.to_string().as_bytes());
    }

    /// The proposed image's entry in the index, for one with these bytes.
    fn replace_image(&self, file: &str, bytes: &[u8]) {
        self.vendor.write(&format!("proposal/images/{file}"), bytes);
        self.sign(|signed| {
            let target = &mut signed["targets"][file];
            target["length"] = bytes.len().into();
            target["hashes"] = json!({"sha256": Sha256Digest::of(bytes)});
            target["custom"]["sysext"]["transports"] = json!([]);
        });
    }

    /// The proposal is refused with these words, and nothing of it is published.
    #[track_caller]
    fn refuses(&self, words: &[&str]) {
        let before = self.owner.published();
        let run = self.accept();
        assert!(run.code != 0, "{words:?} is accepted: {}", run.out);
        run.says(words);
        assert!(self.owner.published() == before, "{words:?}");
    }
}

#[test]
fn accept_refuses_files_outside_of_the_extensions_prefix() {
    let both = Delegated::new();
    both.propose("2");
    let image = both.vendor.read("proposal/images/tool_2_noarch.raw");
    for stolen in ["hello_9_noarch.raw", "tools_9_noarch.raw", "tool.raw"] {
        both.propose("2");
        both.vendor
            .write(&format!("proposal/images/{stolen}"), &image);
        both.sign(|signed| {
            let target = signed["targets"]["tool_2_noarch.raw"].clone();
            signed["targets"][stolen] = target;
        });
        both.refuses(&[stolen]);
    }
    // A transport of somebody else's name.
    both.propose("2");
    both.sign(|signed| {
        let image = &mut signed["targets"]["tool_2_noarch.raw"]["custom"]["sysext"];
        image["transports"] = json!([{
            "kind": "zstd", "file": "hello_9.zst", "length": 1, "sha256": "00".repeat(32),
        }]);
    });
    both.refuses(&["hello_9.zst"]);
}

#[test]
fn accept_refuses_any_version_but_the_next_and_any_change_of_what_is_published() {
    let both = Delegated::new();
    for version in [1_u64, 2, 4, 1 << 40] {
        both.propose("2");
        let proposed =
            |signed: &mut Value| std::mem::replace(&mut signed["version"], version.into());
        let mut honest = Value::Null;
        both.sign(|signed| honest = proposed(signed));
        if honest == version {
            continue;
        }
        both.refuses(&["tool", &version.to_string()]);
    }
    both.propose("2");
    both.sign(|signed| {
        signed["targets"]["tool_1_noarch.raw"]["hashes"] = json!({"sha256": "00".repeat(32)});
    });
    both.refuses(&["tool_1_noarch.raw"]);
    both.propose("2");
    both.accept().ends(0);
    both.owner.run(&["verify", "--all"]).ends(0);
}

#[test]
fn accept_refuses_images_that_fail_lint_or_are_not_what_their_index_says() {
    let both = Delegated::new();
    let file = "tool_2_noarch.raw";
    both.propose("2");
    let good = both.vendor.read(&format!("proposal/images/{file}"));
    let spec = ImageSpec::new("tool").version("2");
    // What would hurt hosts.
    both.replace_image(file, &spec.clone().release_name("other").build());
    both.refuses(&["extension-release"]);
    both.propose("2");
    let trust = "usr/lib/sysext-fetch/catalogs.d/mine.toml";
    both.replace_image(
        file,
        &spec.clone().file(trust, 0o644, "schema = 1\n").build(),
    );
    both.refuses(&["sysext-fetch"]);
    both.propose("2");
    both.replace_image(file, b"no image");
    both.refuses(&[file]);
    // What says something else about itself than its index.
    both.propose("2");
    both.replace_image(file, &spec.setuid("usr/bin/root").build());
    both.refuses(&[file]);
    // Other bytes than were signed, too few, and none.
    both.propose("2");
    let path = format!("proposal/images/{file}");
    both.vendor.write(&path, &good[..good.len() - 1]);
    both.refuses(&[file]);
    let mut other = good.clone();
    other[good.len() / 2] ^= 1;
    both.vendor.write(&path, &other);
    both.refuses(&[file]);
    std::fs::remove_file(both.vendor.path(&path)).unwrap();
    both.refuses(&[file]);
    both.vendor.write(&path, &good);
    both.accept().ends(0);
}

#[test]
fn accept_refuses_other_peoples_signatures_and_other_documents_than_indexes() {
    let both = Delegated::new();
    both.propose("2");
    both.vendor
        .run(&["key", "generate", "--unencrypted", "keys/other.pem"])
        .ends(0);
    both.sign_with("keys/other.pem", |_| ());
    both.refuses(&["tool"]);
    both.propose("2");
    let file = "proposal/proposal.json";
    let honest: Value = serde_json::from_slice(&both.vendor.read(file)).unwrap();
    let mut unsigned = honest.clone();
    unsigned["documents"]["tool"]["signatures"] = json!([]);
    both.vendor.write(file, unsigned.to_string().as_bytes());
    both.refuses(&["tool"]);
    // The table of contents, with the vendor as the owner of everything.
    let mut grab = honest.clone();
    let targets = both.owner.read("public/metadata/2.targets.json");
    let mut targets: Value = serde_json::from_slice(&targets).unwrap();
    targets["signed"]["version"] = 3.into();
    grab["documents"]["targets"] = targets;
    both.vendor.write(file, grab.to_string().as_bytes());
    both.refuses(&["targets"]);
    both.vendor.write(file, honest.to_string().as_bytes());
    both.accept().ends(0);
}

/// Whole runs of `lint` and `add` over images that are made to break their reader, within bounds of memory and time. What
/// the reader makes of each is in `formats/image/tests/it/hostile.rs`.
#[test]
fn hostile_images_cost_bounded_memory_and_time_and_are_not_published() {
    let vendor = Vendor::with_catalog();
    let before = vendor.published();
    let good = ImageSpec::new("hello")
        .version("1")
        .padding(200_000, 3)
        .build();
    let release = "usr/lib/extension-release.d/extension-release.hello";
    let linked = ImageSpec::new("hello").version("1").without_release();
    let mut images = vec![
        corrupt_superblock(&good),
        truncated(&good, good.len() / 2),
        truncated(&good, 96),
        Vec::new(),
        linked
            .clone()
            .link(release, "../../../../../../etc/os-release")
            .build(),
        linked.clone().link(release, "/etc/os-release").build(),
        linked.link(release, "extension-release.hello").build(),
    ];
    let broken = images.len();
    // Each member of the superblock says that there is no end: counts, sizes, and where the tables are.
    for (offset, length) in [
        (4, 4),
        (12, 4),
        (16, 4),
        (26, 2),
        (32, 8),
        (40, 8),
        (48, 8),
        (64, 8),
        (72, 8),
        (80, 8),
    ] {
        for byte in [0xff, 0x7f] {
            let mut image = good.clone();
            image[offset..offset + length].fill(byte);
            images.push(image);
        }
    }
    for (number, image) in images.iter().enumerate() {
        vendor.write("hello_1_noarch.raw", image);
        let start = Instant::now();
        // Some of the members say nothing that is needed: such an image may well be read.
        let must_fail = number < broken;
        let add: &[&str] = if must_fail {
            &["add"]
        } else {
            &["add", "--dry-run"]
        };
        for command in [&["lint"], add] {
            let run = bounded(&vendor, command);
            let fine = (1..=5).contains(&run.code) || (run.code == 0 && !must_fail);
            assert!(
                fine,
                "{command:?} {number} ends with {}: {}",
                run.code, run.err
            );
            assert!(
                !run.err.contains("panicked"),
                "{command:?} {number}: {}",
                run.err
            );
        }
        assert!(start.elapsed() < Duration::from_secs(20), "image {number}");
    }
    assert!(vendor.published() == before);
}

/// A run over `hello_1_noarch.raw` that may have a gigabyte of addresses, threads and libraries included.
fn bounded(vendor: &Vendor, command: &[&str]) -> Run {
    let output = Command::new("sh")
        .args(["-c", "ulimit -v 1000000; exec \"$0\" \"$@\""])
        .arg(cargo_bin("sysext-publish"))
        .arg("--quiet")
        .args(command)
        .arg("hello_1_noarch.raw")
        .current_dir(vendor.path(""))
        .env("XDG_STATE_HOME", vendor.path("state"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
