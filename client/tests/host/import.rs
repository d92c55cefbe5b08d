//! What sysextmgr and systemd-sysupdate have linked is taken over.

use std::fs;
use std::os::unix::fs::symlink;

use test_repos::image::ImageSpec;

use crate::world::{World, code, json, spec, talk};

/// As sysextmgr links an image of that name, with these bytes.
fn by_sysextmgr(world: &World, stem: &str, bytes: &[u8]) {
    let file = format!("/var/lib/sysext-store/{stem}.raw");
    world.host.write(&file, bytes);
    let links = world.host.path("etc/extensions");
    fs::create_dir_all(&links).unwrap();
    symlink(&file, links.join(format!("{stem}.raw"))).unwrap();
}

/// As systemd-sysupdate installs that version, with these bytes.
fn by_sysupdate(world: &World, name: &str, version: &str, bytes: &[u8]) {
    let file = format!("{name}_{version}_x86-64.raw");
    world
        .host
        .write(&format!("/var/lib/extensions.d/{file}"), bytes);
    let links = world.host.path("var/lib/extensions");
    fs::create_dir_all(&links).unwrap();
    symlink(
        format!("../extensions.d/{file}"),
        links.join(format!("{name}.raw")),
    )
    .unwrap();
    let transfer = format!(
        "[Source]\nType=url-file\nPath=https://example.org/\nMatchPattern={name}_@v_%a.raw\n\
         [Target]\nType=regular-file\nPath=/var/lib/extensions.d\nMatchPattern={name}_@v_%a.raw\n\
         CurrentSymlink=/var/lib/extensions/{name}.raw\n"
    );
    world.host.write(
        &format!("/etc/sysupdate.{name}.d/10-{name}.transfer"),
        transfer,
    );
}

fn links(world: &World, directory: &str) -> Vec<String> {
    let links = world.host.links(directory);
    links.into_keys().collect()
}

#[test]
fn links_of_others_make_way_and_their_files_stay() {
    let world = World::new(&["strace", "k3s"]);
    by_sysextmgr(&world, "strace-29.1.x86-64", b"sysextmgr's");
    by_sysextmgr(&world, "nobody-1.x86-64", b"not offered");
    by_sysupdate(&world, "k3s", "0.9", b"sysupdate's");

    let plan = json(&world.good(&["import", "--dry-run", "--json"]));
    assert_eq!(plan["taken_over"].as_array().unwrap().len(), 2, "{plan}");
    assert_eq!(plan["steps"].as_array().unwrap().len(), 2, "{plan}");
    assert_eq!(links(&world, "etc/extensions").len(), 2);

    let output = world.run(&["import", "--json"]);
    assert_eq!(code(&output), 0, "{}", talk(&output));
    let done = json(&String::from_utf8(output.stdout.clone()).unwrap());
    let taken = done["taken_over"].as_array().unwrap();
    assert_eq!(taken[0]["name"], "k3s");
    assert_eq!(taken[0]["manager"], "sysupdate");
    assert_eq!(
        taken[0]["definition"],
        "/etc/sysupdate.k3s.d/10-k3s.transfer"
    );
    assert_eq!(taken[1]["manager"], "sysextmgr");
    assert_eq!(taken[1]["link"], "/etc/extensions/strace-29.1.x86-64.raw");
    assert_eq!(done["left"].as_array().unwrap().len(), 1);
    let hints = talk(&output);
    assert!(
        hints.contains("remove /etc/sysupdate.k3s.d/10-k3s.transfer"),
        "{hints}"
    );
    assert!(hints.contains("sysextmgrcli cleanup"), "{hints}");

    assert_eq!(
        links(&world, "etc/extensions"),
        ["k3s.raw", "nobody-1.x86-64.raw", "strace.raw"]
    );
    assert_eq!(world.linked("strace").as_deref(), Some("1.0"));
    assert!(links(&world, "var/lib/extensions").is_empty());
    assert_eq!(
        world
            .host
            .read("/var/lib/sysext-store/strace-29.1.x86-64.raw"),
        "sysextmgr's"
    );
    // Nothing is left to do, and both are kept current from now on.
    assert!(world.good(&["import"]).contains("no catalog"));
    let status = json(&world.good(&["list", "--installed", "--json"]));
    assert!(status.to_string().contains("k3s"), "{status}");
    assert_eq!(code(&world.run(&["update"])), 0);
}

#[test]
fn the_same_bytes_are_copied_and_not_fetched() {
    let world = World::new(&["k3s"]);
    let image = spec("k3s", "1.0").build();
    by_sysupdate(&world, "k3s", "1.0", &image);
    world.server.clear_log();
    world.good(&["import", "k3s"]);
    assert_eq!(world.server.count("/images/*"), 0);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.0"));
    assert_eq!(code(&world.run(&["verify"])), 0);
}

#[test]
fn a_link_of_our_own_name_is_replaced_by_ours() {
    let world = World::new(&["k3s"]);
    world
        .host
        .write("/var/lib/sysext-store/k3s.raw", b"sysextmgr's");
    fs::create_dir_all(world.host.path("etc/extensions")).unwrap();
    symlink(
        "/var/lib/sysext-store/k3s.raw",
        world.host.path("etc/extensions/k3s.raw"),
    )
    .unwrap();
    // Without being asked to, nothing touches it, and the way out is named.
    let output = world.run(&["install", "k3s"]);
    assert_eq!(code(&output), 5);
    assert!(
        talk(&output).contains("sysext-fetch import k3s"),
        "{}",
        talk(&output)
    );
    world.good(&["import", "k3s"]);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.0"));
}

#[test]
fn what_is_linked_by_us_already_only_loses_the_other_link() {
    let world = World::new(&["k3s"]);
    world.good(&["install", "k3s"]);
    by_sysupdate(&world, "k3s", "0.9", b"sysupdate's");
    world.good(&["import", "k3s"]);
    assert!(links(&world, "var/lib/extensions").is_empty());
    assert_eq!(world.linked("k3s").as_deref(), Some("1.0"));
}

#[test]
fn what_can_not_be_taken_over_stays_and_says_why() {
    let mut world = World::new(&["k3s"]);
    by_sysextmgr(&world, "strace-29.1.x86-64", b"sysextmgr's");
    world.refuses(&["import", "strace"], 2, "no catalog offers strace");
    world.refuses(&["import", "k3s"], 2, "sysext-fetch install k3s");
    // An image that does not fit this host never comes into its place.
    world.vendor.add_extension("strace");
    let unfit = ImageSpec::new("strace")
        .version("1.0")
        .os("debian")
        .version_id("1");
    world.vendor.add_image("strace", &unfit);
    world.vendor.publish();
    world.serve();
    let output = world.run(&["import", "strace"]);
    assert_ne!(code(&output), 0);
    assert_eq!(links(&world, "etc/extensions"), ["strace-29.1.x86-64.raw"]);
    assert!(
        !world
            .host
            .path("etc/sysext-fetch/extensions.d/strace.toml")
            .exists()
    );
}

#[test]
fn what_stood_in_our_way_does_not_any_more() {
    let world = World::new(&["k3s"]);
    world.host.write(
        "etc/sysext-fetch/sysext-fetch.toml",
        "activation = \"boot\"\n",
    );
    world.good(&["install", "k3s"]);
    // systemd takes what is in /etc before what is in /run.
    by_sysextmgr(&world, "k3s", b"sysextmgr's");
    assert_eq!(code(&world.run(&["update"])), 5);
    world.good(&["import"]);
    assert_eq!(code(&world.run(&["update"])), 0);
    assert_eq!(links(&world, "run/extensions"), ["k3s.raw"]);
    assert!(links(&world, "etc/extensions").is_empty());
}

#[test]
fn a_catalog_that_fails_is_told() {
    let world = World::new(&["k3s"]);
    by_sysupdate(&world, "k3s", "0.9", b"sysupdate's");
    std::fs::remove_dir_all(world.host.path("var/lib/sysext-fetch/catalogs")).unwrap();
    world.server.remove("metadata/timestamp.json");
    for arguments in [&["import"][..], &["import", "--dry-run"]] {
        let output = world.run(arguments);
        assert_ne!(code(&output), 0, "{}", talk(&output));
        assert!(
            talk(&output).contains("catalog \"vendor\""),
            "{}",
            talk(&output)
        );
    }
    assert_eq!(links(&world, "var/lib/extensions"), ["k3s.raw"]);
}
