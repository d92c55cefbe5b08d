//! An admin who stays where he is, leaves versions out, and goes back.

use crate::world::{World, json, spec};

#[test]
fn what_is_held_stays_until_it_is_let_go() {
    let mut world = World::new(&["k3s"]);
    world.good(&["install", "k3s"]);
    world.publish("k3s", "1.1");
    world.server.clear_log();
    world.good(&["hold", "k3s"]);
    assert!(
        world.server.requests().is_empty(),
        "holding needs no network"
    );
    assert!(world.good(&["update"]).contains("Nothing to do"));
    assert_eq!(world.linked("k3s").as_deref(), Some("1.0"));
    assert!(
        world
            .good(&["why", "k3s"])
            .contains("the extension is held")
    );
    assert_eq!(
        json(&world.good(&["--json", "hold", "k3s"]))["changed"],
        false
    );
    world.good(&["unhold", "k3s"]);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.1"));
    world.refuses(&["hold", "tailscale"], 2, "tailscale is not installed");
}

#[test]
fn a_skipped_version_is_left_for_the_best_that_remains() {
    let mut world = World::new(&["k3s"]);
    world.publish("k3s", "1.1");
    world.good(&["install", "k3s"]);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.1"));
    world.good(&["skip", "k3s", "1.1"]);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.0"));
    let list = world
        .host
        .read("etc/sysext-fetch/extensions.d/k3s.toml.d/90-skip.toml");
    assert!(
        list.contains("# skipped by hand") && list.contains("\"1.1\""),
        "{list}"
    );
    world.refuses(&["skip", "k3s", "1.0"], 1, "no configuration was written");
    assert_eq!(world.linked("k3s").as_deref(), Some("1.0"));
    world.good(&["unskip", "k3s"]);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.1"));
}

#[test]
fn a_rollback_goes_back_each_time_and_the_next_update_does_not_undo_it() {
    let mut world = World::new(&["k3s", "strace"]);
    let settings = "etc/sysext-fetch/sysext-fetch.toml";
    world.host.write(settings, "keep = 3\n");
    world.good(&["install", "k3s", "strace"]);
    world.publish("k3s", "1.1");
    world.good(&["update"]);
    world.publish("k3s", "1.2");
    world.good(&["update"]);
    world.server.clear_log();
    let plan = json(&world.good(&["--json", "rollback", "--dry-run"]));
    assert_eq!(plan["steps"][0]["to"], "1.1");
    assert_eq!(world.linked("k3s").as_deref(), Some("1.2"));
    for expected in ["1.1", "1.0"] {
        world.good(&["rollback"]);
        assert_eq!(world.linked("k3s").as_deref(), Some(expected));
    }
    assert_eq!(world.linked("strace").as_deref(), Some("1.0"));
    assert!(world.server.requests().is_empty(), "the store has it all");
    assert!(world.good(&["update"]).contains("Nothing to do"));
    let why = world.good(&["why", "k3s"]);
    assert!(why.contains("skip list"), "{why}");
    let history = json(&world.good(&["--json", "history"]));
    let causes = history["transactions"].as_array().unwrap().iter();
    let causes: Vec<_> = causes
        .map(|entry| entry["cause"].as_str().unwrap())
        .collect();
    assert_eq!(
        causes,
        ["change", "change", "change", "rollback", "rollback"]
    );
    // What is newer than all that was left behind is taken again.
    world.publish("k3s", "1.3");
    world.good(&["update"]);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.3"));
    let first = history["transactions"][0]["number"].to_string();
    world.good(&["rollback", "--to", &first]);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.0"));
    world.refuses(&["rollback", "--to", "77"], 2, "no transaction 77");
}

#[test]
fn the_first_install_is_undone_by_disabling_and_a_removal_by_installing() {
    let world = World::new(&["k3s"]);
    world.refuses(&["rollback"], 2, "nothing was ever changed");
    world.good(&["install", "k3s"]);
    world.good(&["rollback"]);
    assert_eq!(world.linked("k3s"), None);
    let list = json(&world.good(&["--json", "list"]));
    assert_eq!(list["extensions"][0]["enabled"], false);
    assert!(world.good(&["update"]).contains("Nothing to do"));
    world.good(&["enable", "k3s"]);
    world.good(&["remove", "k3s"]);
    world.good(&["rollback"]);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.0"));
    let wish = world.host.read("etc/sysext-fetch/extensions.d/k3s.toml");
    assert!(wish.contains("catalog = \"vendor\""), "{wish}");
    assert!(world.good(&["update"]).contains("Nothing to do"));
}

#[test]
fn an_image_that_is_gone_is_not_gone_back_to() {
    let mut world = World::new(&["k3s"]);
    world.good(&["install", "k3s"]);
    let old = world
        .host
        .links("etc/extensions")
        .remove("k3s.raw")
        .unwrap();
    let old = world
        .host
        .path(old.to_str().unwrap().trim_start_matches('/'));
    world.publish("k3s", "1.1");
    world.good(&["update"]);
    std::fs::remove_dir_all(old.parent().unwrap()).unwrap();
    let before = world.host.snapshot();
    let talk = world.refuses(&["rollback"], 1, "k3s 1.0 is not in the store any more");
    assert!(
        talk.contains("hint: sysext-fetch install k3s@1.0"),
        "{talk}"
    );
    let lock = "var/lib/sysext-fetch/lock";
    before
        .without(lock)
        .assert_unchanged(&world.host.snapshot().without(lock));
}

#[test]
fn an_image_that_does_not_fit_this_system_is_not_gone_back_to() {
    let mut world = World::new(&["k3s"]);
    let bound = spec("k3s", "1.1").os("debian").version_id("13");
    world.vendor.add_image("k3s", &bound);
    world.vendor.publish();
    world.serve();
    world.good(&["install", "k3s"]);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.1"));
    world
        .host
        .set_os_release(&[("ID", "debian"), ("VERSION_ID", "14")]);
    world.good(&["update"]);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.0"));
    let talk = world.refuses(&["rollback"], 1, "k3s 1.1 does not fit");
    assert!(talk.contains("13") && talk.contains("14"), "{talk}");
}

#[test]
fn a_version_is_taken_when_this_host_has_known_it_long_enough() {
    let mut world = World::new(&["k3s"]);
    // What is there at the first look is as old as its vendor says.
    world.good(&["install", "k3s"]);
    world.good(&["set", "k3s", "min-age=3d"]);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.0"));
    world.publish("k3s", "1.1");
    assert!(world.good(&["update"]).contains("Nothing to do"));
    let why = world.good(&["why", "k3s"]);
    assert!(why.contains("min-age lets this host take it"), "{why}");
    // Three days later.
    let seen = world.host.path("var/lib/sysext-fetch/catalogs");
    let seen = std::fs::read_dir(seen).unwrap().next().unwrap().unwrap();
    let seen = seen.path().join("seen.toml");
    let text = std::fs::read_to_string(&seen).unwrap();
    let today = crate::world::now();
    let date = today.split_once('T').unwrap().0;
    assert!(text.contains(date), "{text}");
    std::fs::write(&seen, text.replace(date, "2026-01-01")).unwrap();
    world.good(&["update"]);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.1"));
    world.publish("k3s", "1.2");
    world.good(&["update", "--now"]);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.2"));
}
