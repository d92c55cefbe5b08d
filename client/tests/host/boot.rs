//! What a host boots into: links that fit the root, whatever happened to it, and never an error.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::world::{World, code, spec, talk};

/// A host of the extension k3s, with an image for each of two releases of its OS in the store, and the first running.
fn two_releases() -> World {
    let mut world = World::new(&["k3s"]);
    for (version, release) in [("1.13", "13"), ("1.14", "14")] {
        let image = spec("k3s", version).os("debian").version_id(release);
        world.vendor.add_image("k3s", &image);
    }
    world.vendor.publish();
    world.serve();
    release(&world, "14");
    world.good(&["install", "k3s"]);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.14"));
    release(&world, "13");
    world.good(&["update"]);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.13"));
    world.server.clear_log();
    world
}

fn release(world: &World, version: &str) {
    world
        .host
        .set_os_release(&[("ID", "debian"), ("VERSION_ID", version)]);
}

/// Runs the guard, which never fails and never uses the network; what it said.
fn boot(world: &World) -> String {
    let output = world.run(&["boot"]);
    assert_eq!(code(&output), 0, "{}", talk(&output));
    assert!(world.server.requests().is_empty());
    String::from_utf8_lossy(&output.stdout).into_owned() + &talk(&output)
}

fn linked_file(world: &World) -> PathBuf {
    let target = world
        .host
        .links("etc/extensions")
        .remove("k3s.raw")
        .unwrap();
    world
        .host
        .path(target.to_str().unwrap().trim_start_matches('/'))
}

#[test]
fn the_root_that_booted_decides_there_and_back_again() {
    let world = two_releases();
    assert_eq!(boot(&world), "");
    release(&world, "14");
    assert_eq!(boot(&world), "k3s: 1.13 to 1.14\n");
    assert_eq!(world.linked("k3s").as_deref(), Some("1.14"));
    release(&world, "13");
    boot(&world);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.13"));
    assert!(world.good(&["history"]).contains("boot"));
    // Both roots are known by now, so that nothing of either is deleted.
    world.good(&["gc", "--keep", "0"]);
    release(&world, "14");
    boot(&world);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.14"));
}

#[test]
fn a_truncated_image_gives_way_to_one_that_is_whole() {
    let world = two_releases();
    let bound = linked_file(&world);
    let length = bound.metadata().unwrap().len();
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(&bound)
        .unwrap();
    file.set_len(length / 2).unwrap();
    let said = boot(&world);
    // 1.14 does not fit, and 1.0 was never fetched.
    assert_eq!(world.linked("k3s"), None, "{said}");
    assert!(
        said.contains("k3s is left out: 1.14 does not fit"),
        "{said}"
    );
    assert!(world.host.links("etc/extensions").is_empty());
    file.set_len(length).unwrap();
    boot(&world);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.13"));
}

#[test]
fn links_that_nobody_asks_for_go_and_those_of_others_stay() {
    let world = two_releases();
    let foreign = world.host.path("etc/extensions/debug.raw");
    std::os::unix::fs::symlink("/var/lib/sysext-store/debug.raw", &foreign).unwrap();
    std::fs::remove_file(world.host.path("etc/sysext-fetch/extensions.d/k3s.toml")).unwrap();
    boot(&world);
    let links = world.host.links("etc/extensions");
    assert_eq!(links.keys().collect::<Vec<_>>(), ["debug.raw"]);
}

#[test]
fn a_broken_configuration_takes_nothing_away() {
    let world = two_releases();
    world
        .host
        .write("etc/sysext-fetch/extensions.d/k3s.toml", "hold = perhaps\n");
    let said = boot(&world);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.13"));
    assert!(said.contains("k3s.toml"), "{said}");
    release(&world, "14");
    boot(&world);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.14"));
}

#[test]
fn a_store_that_is_not_there_changes_nothing() {
    let world = two_releases();
    let links = world.host.links("etc/extensions");
    let store = world.host.path("var/lib/sysext-fetch");
    let away = world.host.path("var/lib/elsewhere");
    std::fs::rename(&store, &away).unwrap();
    assert_eq!(boot(&world), "");
    assert_eq!(world.host.links("etc/extensions"), links);
    std::fs::rename(&away, &store).unwrap();
    std::fs::remove_file(world.host.path("usr/lib/os-release")).unwrap();
    assert!(boot(&world).contains("the links are as they were"));
    assert_eq!(world.host.links("etc/extensions"), links);
}

#[test]
fn a_store_that_others_can_change_is_not_trusted() {
    let world = two_releases();
    let image = linked_file(&world);
    std::fs::set_permissions(&image, std::fs::Permissions::from_mode(0o666)).unwrap();
    let said = boot(&world);
    assert!(
        said.contains("can be changed by others (mode 666)"),
        "{said}"
    );
    assert_eq!(world.linked("k3s"), None);
}

#[test]
fn where_links_are_made_at_boot_each_boot_makes_what_was_chosen_last() {
    let world = two_releases();
    let settings = "etc/sysext-fetch/sysext-fetch.toml";
    world.host.write(settings, "activation = \"boot\"\n");
    boot(&world);
    assert!(world.host.links("etc/extensions").is_empty());
    let run = || world.host.links("run/extensions");
    let first = run();
    assert_eq!(first.len(), 1);
    let entries = || world.good(&["history"]).lines().count();
    let before = entries();
    std::fs::remove_dir_all(world.host.path("run/extensions")).unwrap();
    boot(&world);
    assert_eq!(run(), first);
    assert_eq!(
        entries(),
        before,
        "the same as at the last boot is no change"
    );
}

#[test]
fn a_changed_activation_moves_the_links_with_the_next_command() {
    let world = World::new(&["hello", "ahoy"]);
    world.good(&["install", "hello", "ahoy"]);
    world.good(&["hold", "hello"]);
    let before = world.host.links("etc/extensions");
    let settings = "etc/sysext-fetch/sysext-fetch.toml";
    for (activation, directory) in [("boot", "run/extensions"), ("etc", "etc/extensions")] {
        let text = format!("activation = \"{activation}\"\n");
        world.host.write(settings, text);
        // Who only looks moves nothing, and still sees what is installed.
        assert!(
            world
                .good(&["update", "--dry-run"])
                .contains("Nothing to do")
        );
        world.good(&["update"]);
        let links = |directory| world.host.links(directory);
        let all: Vec<_> = ["etc/extensions", "run/extensions"].map(links).into();
        assert_eq!(links(directory), before);
        assert_eq!(
            all.iter().filter(|links| links.is_empty()).count(),
            1,
            "{all:?}"
        );
    }
}

#[test]
fn what_a_killed_run_left_is_put_right_before_anything_is_merged() {
    let mut world = two_releases();
    world.publish("k3s", "2.0");
    let before = world.host.links("etc/extensions");
    world.good(&["update"]);
    let after = world.host.links("etc/extensions");
    let journal = serde_json::json!({
        "schema": 1, "root": root_id(&world), "activation": "etc", "time": "2026-01-01T00:00:00Z", "transaction": 99,
        "merge": true, "phase": "switching",
        "changes": [{"name": "k3s", "from": before["k3s.raw"], "to": after["k3s.raw"]}],
    });
    let name = format!("var/lib/sysext-fetch/journal/{}.json", root_id(&world));
    world.host.write(&name, journal.to_string());
    world.server.clear_log();
    let said = boot(&world);
    assert!(said.contains("was interrupted"), "{said}");
    assert_eq!(world.host.links("etc/extensions"), before);
    assert!(!world.host.snapshot().contains(&name));
}

fn root_id(world: &World) -> String {
    let root = sysext_fetch::root::Root::new(world.host.root().to_owned(), None);
    sysext_fetch::journal::root_id(&root).to_string()
}
