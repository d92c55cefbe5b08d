//! Several roots that share a store, and what is deleted of it.

use std::path::{Path, PathBuf};

use crate::world::{World, json};

/// The versions of an extension whose images are in the store.
fn stored(world: &World, name: &str) -> Vec<String> {
    let store = world.host.path("var/lib/sysext-fetch/store");
    let mut versions: Vec<_> = files(&store)
        .iter()
        .filter_map(|path| path.file_name().unwrap().to_str())
        .filter_map(|file| file.strip_prefix(&format!("{name}_")))
        .map(|rest| rest.split('_').next().unwrap().to_owned())
        .collect();
    versions.sort();
    versions
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap();
    let entries = entries.flat_map(|entry| std::fs::read_dir(entry.unwrap().path()).unwrap());
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// A snapshot of the host as snapper lays it out, with the links that the host has now.
fn take_snapshot(world: &World, number: u32) {
    let links = format!(".snapshots/{number}/snapshot/etc/extensions");
    std::fs::create_dir_all(world.host.path(&links)).unwrap();
    for (name, target) in world.host.links("etc/extensions") {
        let link = world.host.path(&format!("{links}/{name}"));
        std::os::unix::fs::symlink(target, link).unwrap();
    }
}

#[test]
fn an_update_keeps_what_it_replaced_and_deletes_what_is_older() {
    let mut world = World::new(&["k3s"]);
    world.good(&["install", "k3s"]);
    for version in ["1.1", "1.2", "1.3"] {
        world.publish("k3s", version);
        world.good(&["update"]);
    }
    assert_eq!(stored(&world, "k3s"), ["1.2", "1.3"]);
    let dry = json(&world.good(&["--json", "gc", "--keep", "0", "--dry-run"]));
    assert_eq!(dry["images"][0]["version"], "1.2");
    assert_eq!(stored(&world, "k3s"), ["1.2", "1.3"]);
    world.good(&["gc", "--keep", "0"]);
    assert_eq!(stored(&world, "k3s"), ["1.3"]);
    assert_eq!(
        json(&world.good(&["--json", "gc", "--keep", "0"]))["changed"],
        false
    );
    world.good(&["remove", "k3s"]);
    world.good(&["gc"]);
    assert_eq!(stored(&world, "k3s"), Vec::<String>::new());
}

#[test]
fn what_any_snapshot_links_stays() {
    let mut world = World::new(&["k3s"]);
    world.good(&["install", "k3s"]);
    take_snapshot(&world, 7);
    for version in ["1.1", "1.2"] {
        world.publish("k3s", version);
        world.good(&["update"]);
    }
    world.good(&["gc", "--keep", "0"]);
    assert_eq!(stored(&world, "k3s"), ["1.0", "1.2"]);
    std::fs::remove_dir_all(world.host.path(".snapshots/7")).unwrap();
    world.good(&["gc", "--keep", "0"]);
    assert_eq!(stored(&world, "k3s"), ["1.2"]);
}

#[test]
fn nothing_is_deleted_while_a_root_can_not_be_read() {
    let mut world = World::new(&["k3s"]);
    world.good(&["install", "k3s"]);
    world.publish("k3s", "1.1");
    world.good(&["update"]);
    let before = world.host.snapshot().without("var/lib/sysext-fetch/lock");
    let unchanged = || {
        let now = world.host.snapshot().without("var/lib/sysext-fetch/lock");
        before.assert_unchanged(&now);
    };
    // A directory of links that is none.
    let links = world.host.path(".snapshots/8/snapshot/etc/extensions");
    std::fs::create_dir_all(links.parent().unwrap()).unwrap();
    std::fs::write(&links, "").unwrap();
    let talk = world.refuses(&["gc", "--keep", "0"], 1, ".snapshots/8/snapshot");
    assert!(talk.contains("hint: nothing was deleted"), "{talk}");
    std::fs::remove_dir_all(world.host.path(".snapshots")).unwrap();
    unchanged();
    let record = world.host.path("var/lib/sysext-fetch/roots/path-0.json");
    std::fs::write(&record, "{").unwrap();
    world.refuses(&["gc", "--keep", "0"], 1, "path-0.json can not be read");
    std::fs::remove_file(&record).unwrap();
    world.host.write(
        "etc/sysext-fetch/sysext-fetch.toml",
        "roots = [\"/nonexistent/b\"]\n",
    );
    world.refuses(
        &["gc", "--keep", "0"],
        1,
        "/nonexistent/b of the configuration",
    );
    std::fs::remove_file(world.host.path("etc/sysext-fetch/sysext-fetch.toml")).unwrap();
    unchanged();
}
