//! A catalog behind an air gap: copied, carried, and updated from the copy.

use std::fs;
use std::path::{Path, PathBuf};

use test_repos::fault_server::{Behaviour, Times};
use test_repos::scratch::{ScratchHost, Snapshot};

use crate::world::{World, code, json, spec, talk};

/// A host with a network, and a folder for the copy.
struct Gap {
    world: World,
    folder: tempfile::TempDir,
}

impl Gap {
    fn new() -> Self {
        let mut world = World::new(&["k3s", "tailscale"]);
        let file = world.vendor.add_image("k3s", &spec("k3s", "1.1"));
        world.vendor.add_zstd("k3s", &file);
        world.vendor.publish();
        world.serve();
        let folder = tempfile::tempdir().unwrap();
        Self { world, folder }
    }

    /// What the copy names besides itself can not be reached.
    fn close(&self) {
        let behaviour = Behaviour::CloseAtOnce;
        self.world.server.behave("*", Times::Always, behaviour);
    }

    fn copy(&self) -> PathBuf {
        self.folder.path().join("copy")
    }

    fn mirror(&self, more: &[&str]) -> serde_json::Value {
        let copy = self.copy();
        let mut arguments = vec!["--json", "mirror", "vendor", copy.to_str().unwrap()];
        arguments.extend(more);
        json(&self.world.good(&arguments))
    }

    /// A host that has only the copy.
    fn behind(&self, copy: &Path) -> Behind {
        let behind = Behind(ScratchHost::new());
        let fingerprint = self.world.vendor.fingerprint(1);
        let url = format!("file://{}#sha256={fingerprint}", copy.display());
        behind.good(&["catalog", "add", &url, "--id", "vendor"]);
        behind
    }
}

struct Behind(ScratchHost);

impl Behind {
    fn run(&self, arguments: &[&str]) -> std::process::Output {
        std::process::Command::new(env!("CARGO_BIN_EXE_sysext-fetch"))
            .arg("--root")
            .arg(self.0.root())
            .args(arguments)
            .output()
            .unwrap()
    }

    fn good(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(code(&output), 0, "{arguments:?}: {}", talk(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    fn linked(&self, name: &str) -> String {
        let target = &self.0.links("etc/extensions")[&format!("{name}.raw")];
        let file = target.file_name().unwrap().to_str().unwrap();
        file.split('_').nth(1).unwrap().to_owned()
    }
}

#[test]
fn a_host_without_a_network_installs_and_updates_from_a_copy() {
    let mut gap = Gap::new();
    let mirrored = gap.mirror(&[]);
    assert_eq!(mirrored["changed"], true);
    assert_eq!(mirrored["extensions"], 2);
    assert!(!gap.copy().join(".partial").exists());
    // Carried away, to where it has another path.
    let stick = gap.folder.path().join("stick");
    fs::rename(gap.copy(), &stick).unwrap();
    let behind = gap.behind(&stick);
    gap.world.server.clear_log();
    behind.good(&["install", "k3s"]);
    assert_eq!(behind.linked("k3s"), "1.1");
    assert!(
        gap.world.server.requests().is_empty(),
        "it asked the network"
    );

    fs::rename(&stick, gap.copy()).unwrap();
    gap.world.publish("k3s", "1.2");
    gap.world.server.clear_log();
    let mirrored = gap.mirror(&[]);
    assert_eq!(mirrored["fetched_files"], 1, "only what is new");
    assert_eq!(gap.world.server.count("images/*"), 1);
    fs::rename(gap.copy(), &stick).unwrap();
    gap.world.server.clear_log();
    behind.good(&["update"]);
    assert_eq!(behind.linked("k3s"), "1.2");
    assert!(
        gap.world.server.requests().is_empty(),
        "it asked the network"
    );
}

#[test]
fn a_copy_that_is_up_to_date_is_not_touched() {
    let gap = Gap::new();
    gap.mirror(&[]);
    let before = Snapshot::of(&gap.copy());
    gap.world.server.clear_log();
    assert_eq!(gap.mirror(&[])["changed"], false);
    before.assert_unchanged(&Snapshot::of(&gap.copy()));
    assert_eq!(gap.world.server.count("images/*"), 0);
}

#[test]
fn what_this_host_has_installed_is_not_fetched_for_the_copy() {
    let gap = Gap::new();
    gap.world.good(&["install", "tailscale"]);
    gap.world.server.clear_log();
    let mirrored = gap.mirror(&["tailscale"]);
    assert_eq!(gap.world.server.count("images/*"), 0);
    let counts = ["files", "copied_files", "fetched_files", "fetched_bytes"];
    assert_eq!(
        counts.map(|count| mirrored[count].as_u64()),
        [1, 1, 0, 0].map(Some)
    );
    assert_eq!(mirrored["changed"], true);
    gap.close();
    let behind = gap.behind(&gap.copy());
    behind.good(&["install", "tailscale"]);
    assert_eq!(behind.linked("tailscale"), "1.0");
}

/// Damaged in the store, it is fetched.
#[test]
fn what_is_damaged_in_the_store_gets_into_no_copy() {
    let gap = Gap::new();
    gap.world.good(&["install", "tailscale"]);
    let link = &gap.world.host.links("etc/extensions")["tailscale.raw"];
    let image = gap.world.host.path(link.to_str().unwrap());
    let mut bytes = fs::read(&image).unwrap();
    bytes[100] ^= 1;
    fs::write(&image, bytes).unwrap();
    let mirrored = gap.mirror(&["tailscale"]);
    assert_eq!(mirrored["fetched_files"], 1);
    gap.close();
    gap.behind(&gap.copy()).good(&["install", "tailscale"]);
}

#[test]
fn damaged_files_of_a_copy_come_anew_and_never_onto_a_host() {
    let gap = Gap::new();
    gap.mirror(&[]);
    let images = gap.copy().join("images");
    for entry in fs::read_dir(&images).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        bytes[100] ^= 1;
        fs::write(path, bytes).unwrap();
    }
    let behind = gap.behind(&gap.copy());
    gap.close();
    let output = behind.run(&["install", "k3s"]);
    assert_eq!(code(&output), 3, "{}", talk(&output));
    assert!(behind.0.links("etc/extensions").is_empty());
    gap.world.server.behave_well();
    assert_eq!(gap.mirror(&[])["changed"], true);
    behind.good(&["install", "k3s"]);
}

#[test]
fn only_what_is_asked_for_is_copied_and_the_rest_can_be_deleted() {
    let gap = Gap::new();
    gap.mirror(&[]);
    let names = || {
        let entries = fs::read_dir(gap.copy().join("images")).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(
        names(),
        [
            "k3s_1.0_noarch.raw",
            "k3s_1.1_noarch.raw",
            "k3s_1.1_noarch.raw.zst",
            "tailscale_1.0_noarch.raw"
        ]
    );
    let mirrored = gap.mirror(&["k3s", "--newest", "1", "--prune"]);
    assert_eq!(names(), ["k3s_1.1_noarch.raw", "k3s_1.1_noarch.raw.zst"]);
    assert!(mirrored["deleted"].as_u64().unwrap() >= 2, "{mirrored}");
    let behind = gap.behind(&gap.copy());
    behind.good(&["install", "k3s"]);
    gap.close();
    let output = behind.run(&["install", "tailscale"]);
    assert_eq!(code(&output), 4, "{}", talk(&output));
}

#[test]
fn what_can_not_be_had_leaves_the_copy_as_it_was() {
    let mut gap = Gap::new();
    gap.mirror(&[]);
    let before = Snapshot::of(&gap.copy().join("metadata"));
    gap.world.publish("k3s", "1.2");
    gap.world.server.remove("images/k3s_1.2_noarch.raw");
    let copy = gap.copy();
    let output = gap.world.run(&["mirror", "vendor", copy.to_str().unwrap()]);
    assert_eq!(code(&output), 4, "{}", talk(&output));
    assert!(talk(&output).contains("k3s_1.2_noarch.raw"));
    before.assert_unchanged(&Snapshot::of(&gap.copy().join("metadata")));
    let output = gap.world.run(&["mirror", "other", copy.to_str().unwrap()]);
    assert_eq!(code(&output), 2);
}

/// They lie where everybody may fetch them.
#[test]
fn what_a_killed_run_left_half_written_goes() {
    let gap = Gap::new();
    gap.mirror(&[]);
    let left = [".tmp-0", "images/.tmp-1", "metadata/.tmp-2"].map(|name| gap.copy().join(name));
    for file in &left {
        fs::write(file, "half").unwrap();
    }
    gap.mirror(&[]);
    for file in &left {
        assert!(!file.exists(), "{}", file.display());
    }
}
