//! Links planted where this program keeps its own files: nothing behind them is written, and nothing of theirs believed.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::world::{World, code, talk};

const OURS: &str = "var/lib/sysext-fetch";

/// A file of somebody else's, which must stay as it is.
fn victim(world: &World) -> PathBuf {
    world.host.write("etc/victim", "untouched");
    world.host.path("etc/victim")
}

/// Puts a link to `target` in the place of a file or directory.
fn plant(path: &Path, target: &Path) {
    let _ = std::fs::remove_file(path);
    let _ = std::fs::remove_dir_all(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    symlink(target, path).unwrap();
}

fn catalog(world: &World) -> PathBuf {
    let root = &world.vendor.fingerprint(1)[..16];
    world.host.path(&format!("{OURS}/catalogs/vendor@{root}"))
}

#[test]
fn files_behind_planted_links_are_neither_written_nor_believed() {
    let mut world = World::new(&["k3s"]);
    world.good(&["install", "k3s"]);
    world.publish("k3s", "1.1");
    let victim = victim(&world);
    let metadata = [
        "root.json",
        "timestamp.json",
        "snapshot.json",
        "k3s.json",
        "state.toml",
    ];
    for name in metadata {
        plant(&catalog(&world).join(name), &victim);
        let output = world.run(&["update", "--dry-run"]);
        assert!(!talk(&output).contains("panicked"), "{}", talk(&output));
        assert_eq!(world.host.read("etc/victim"), "untouched", "{name}");
    }
    // Each is replaced by what was fetched, or the catalog is said to be unusable: in either case nothing is lost.
    for name in metadata {
        let _ = std::fs::remove_file(catalog(&world).join(name));
    }
    let image = world.vendor.file("images/k3s_1.1_noarch.raw");
    let digest = sysext_formats::digest::Sha256Digest::of(image);
    plant(&world.host.path(&format!("{OURS}/parts/{digest}")), &victim);
    let output = world.run(&["update"]);
    assert_eq!(world.host.read("etc/victim"), "untouched");
    assert!([0, 1].contains(&code(&output)), "{}", talk(&output));
    let _ = std::fs::remove_file(world.host.path(&format!("{OURS}/parts/{digest}")));
    world.good(&["update"]);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.1"));
}

#[test]
fn directories_behind_planted_links_get_nothing() {
    for planted in ["store", "parts", "catalogs"] {
        let mut world = World::new(&["k3s"]);
        world.good(&["install", "k3s"]);
        world.publish("k3s", "1.1");
        let outside = world.host.path("srv/outside");
        std::fs::create_dir_all(&outside).unwrap();
        plant(&world.host.path(&format!("{OURS}/{planted}")), &outside);
        let output = world.run(&["update"]);
        assert!(code(&output) != 0, "{planted}: {}", talk(&output));
        let left = std::fs::read_dir(&outside).unwrap().count();
        assert_eq!(left, 0, "{planted}: something was written behind the link");
    }
}
