//! The root that boots next: transactional-update's plugin, and `prepare`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use test_repos::fault_server::{Behaviour, Times};
use test_repos::scratch::ScratchHost;

use crate::world::{World, code, spec, talk};

/// A host with an image for each of two releases of its OS in its catalog, the first running; its store is where its
/// snapshots see it, too.
struct Host {
    world: World,
    store: PathBuf,
}

impl Host {
    fn new() -> Self {
        let mut world = World::new(&["k3s"]);
        for (version, release) in [("1.13", "13"), ("1.14", "14")] {
            let image = spec("k3s", version).os("debian").version_id(release);
            world.vendor.add_image("k3s", &image);
        }
        world.vendor.publish();
        world.serve();
        let store = world.host.path("var/lib/sysext-fetch");
        let host = Self { world, store };
        let output = host.run(host.world.host.root(), &["install", "k3s"]);
        assert_eq!(code(&output), 0, "{}", talk(&output));
        host.world.server.clear_log();
        host
    }

    fn run(&self, root: &Path, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sysext-fetch"));
        command
            .arg("--root")
            .arg(root)
            .arg("--store")
            .arg(&self.store);
        command.args(arguments).output().unwrap()
    }

    /// A snapshot as tukit makes one, of another release: `/etc` is copied, `/var` is not the real one.
    fn snapshot(&self, release: &str) -> ScratchHost {
        let snapshot = ScratchHost::with_os_release(&[("ID", "debian"), ("VERSION_ID", release)]);
        let etc = snapshot.path("etc");
        std::fs::remove_dir_all(&etc).unwrap();
        let copied = Command::new("cp")
            .arg("-a")
            .args([self.world.host.path("etc"), etc])
            .status();
        assert!(copied.unwrap().success());
        snapshot
    }

    fn plugin(&self, stage: &[&str], snapshot: &ScratchHost) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sysext-fetch"));
        command.arg("--store").arg(&self.store).arg("tukit-plugin");
        command.args(stage).arg(snapshot.root()).arg("42");
        command.current_dir("/").output().unwrap()
    }
}

fn version(snapshot: &ScratchHost) -> Option<String> {
    let target = snapshot.links("etc/extensions").remove("k3s.raw")?;
    assert!(target.is_file(), "{} leads nowhere", target.display());
    let file = target.file_name()?.to_str()?.to_owned();
    Some(file.split('_').nth(1)?.to_owned())
}

#[test]
fn a_new_snapshot_gets_images_that_fit_it_and_the_running_system_keeps_its_own() {
    let host = Host::new();
    let running = host.world.host.links("etc/extensions");
    let snapshot = host.snapshot("14");
    let output = host.plugin(&["finalize-pre"], &snapshot);
    assert_eq!(code(&output), 0, "{}", talk(&output));
    assert_eq!(version(&snapshot).as_deref(), Some("1.14"));
    assert_eq!(host.world.host.links("etc/extensions"), running);
    // Nothing was left in the snapshot's own /var, which nobody sees after the boot.
    assert!(!snapshot.path("var/lib/sysext-fetch").exists());
}

#[test]
fn every_other_stage_ends_at_once() {
    let host = Host::new();
    let snapshot = host.snapshot("14");
    let before = snapshot.snapshot();
    for stage in [
        "init-pre",
        "init-post",
        "finalize-post",
        "abort-post",
        "never-heard-of",
    ] {
        let output = host.plugin(&[stage], &snapshot);
        assert_eq!(
            (code(&output), talk(&output)),
            (0, String::new()),
            "{stage}"
        );
    }
    before.assert_unchanged(&snapshot.snapshot());
    assert!(host.world.server.requests().is_empty());
}

#[test]
fn an_os_update_goes_on_without_a_network_and_soon() {
    let host = Host::new();
    host.world
        .server
        .behave("*", Times::Always, Behaviour::Stall);
    let snapshot = host.snapshot("13");
    let start = Instant::now();
    let output = host.plugin(&["finalize-pre"], &snapshot);
    assert_eq!(code(&output), 0, "{}", talk(&output));
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(version(&snapshot).as_deref(), Some("1.13"));
}

#[test]
fn what_nothing_fits_for_is_left_out_or_stops_the_update() {
    let host = Host::new();
    let snapshot = host.snapshot("15");
    let file = "etc/sysext-fetch/extensions.d/k3s.toml";
    let wish = "catalog = \"vendor\"\nversion = \"1.13\"\n";
    snapshot.write(file, wish);
    let output = host.plugin(&["finalize-pre"], &snapshot);
    assert_eq!(code(&output), 0);
    let said = talk(&output);
    assert!(said.contains("will run without it"), "{said}");
    assert_eq!(version(&snapshot), None);
    let wish = format!("{wish}on-incompatible = \"block\"\n");
    snapshot.write(file, wish);
    let output = host.plugin(&["finalize-pre"], &snapshot);
    assert_eq!(code(&output), 1, "{}", talk(&output));
    assert!(
        talk(&output).contains("must not go on without it"),
        "{}",
        talk(&output)
    );
}

#[test]
fn what_is_prepared_is_there_when_that_root_boots() {
    let host = Host::new();
    let next = host.snapshot("14");
    let links = next.links("etc/extensions");
    let output = host.run(next.root(), &["prepare"]);
    assert_eq!(code(&output), 0, "{}", talk(&output));
    assert_eq!(next.links("etc/extensions"), links, "nothing is linked yet");
    host.world.server.clear_log();
    let output = host.run(next.root(), &["boot"]);
    assert_eq!(code(&output), 0, "{}", talk(&output));
    assert_eq!(version(&next).as_deref(), Some("1.14"));
    assert!(host.world.server.requests().is_empty());
}
