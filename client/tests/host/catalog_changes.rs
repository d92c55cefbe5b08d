//! What a catalog goes through in its life, and what a host that uses it makes of that: names given away, keys changed,
//! extensions retired, a move, and growth.

use serde_json::{Value, json};
use test_repos::fault_server::{Behaviour, FaultServer, Times};
use test_repos::simulator::Simulator;

use crate::world::{World, code, json, now, spec, talk};

/// The entry of an extension in a list of a document.
fn entry(document: &Value, list: &str, name: &str) -> Value {
    let entries = document[list].as_array().unwrap();
    let found = entries.iter().find(|entry| entry["name"] == name);
    found
        .unwrap_or_else(|| panic!("{name}: {document}"))
        .clone()
}

/// What `status` says of an extension.
fn notes(world: &World, name: &str) -> String {
    let status = json(&world.good(&["--json", "status"]));
    entry(&status, "extensions", name)["notes"].to_string()
}

#[test]
fn a_name_that_was_given_away_and_not_used_yet_is_unavailable_alone() {
    let mut world = World::new(&["k3s"]);
    world.good(&["install", "k3s"]);
    // Delegated, and its vendor has not signed anything: no snapshot lists it.
    let mut later = world.vendor.clone();
    later.add_extension("later");
    let targets = later.signed("targets").clone();
    world.vendor.signed_mut("targets")["delegations"] = targets["delegations"].clone();
    world.vendor.signed_mut("targets")["x-sysext"] = targets["x-sysext"].clone();
    world.publish("k3s", "1.1");
    world.good(&["update"]);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.1"));
    world.refuses(
        &["install", "later"],
        4,
        "has not published anything of it yet",
    );
    world.refuses(
        &["info", "later"],
        4,
        "has not published anything of it yet",
    );
    for arguments in [["search"].as_slice(), &["list", "--available"]] {
        let found = json(&world.good(&[["--json"].as_slice(), arguments].concat()));
        assert_eq!(entry(&found, "extensions", "later")["published"], false);
        assert_eq!(entry(&found, "extensions", "k3s")["published"], true);
        let shown = world.good(arguments);
        assert_eq!(shown.matches("nothing published yet").count(), 1, "{shown}");
    }
    // Wanted in advance, by a file: the others go on.
    world.host.write(
        "etc/sysext-fetch/extensions.d/later.toml",
        "catalog = \"vendor\"\n",
    );
    world.publish("k3s", "1.2");
    let output = world.run(&["update"]);
    assert_eq!(code(&output), 4, "{}", talk(&output));
    assert_eq!(world.linked("k3s").as_deref(), Some("1.2"));
    assert!(notes(&world, "later").contains("has not published anything"));
    assert_eq!(notes(&world, "k3s"), "[]");
    // Then it comes.
    later.add_image("later", &spec("later", "1.0"));
    for role in ["targets", "k3s", "snapshot", "timestamp"] {
        later.set_version(role, 100);
    }
    world.vendor = later;
    world.vendor.publish();
    world.serve();
    world.good(&["update"]);
    assert_eq!(world.linked("later").as_deref(), Some("1.0"));
}

#[test]
fn an_index_of_a_revoked_key_is_refused_by_hosts_that_cached_it_and_the_others_go_on() {
    let mut world = World::new(&["k3s", "htop"]);
    world.good(&["install", "k3s", "htop"]);
    // The thief of its key publishes; this host has read that.
    world.publish("k3s", "6.6.6");
    world.good(&["check"]);
    let update = |world: &World| {
        let status = json(&world.good(&["--json", "status"]));
        entry(&status, "extensions", "k3s")["update"].clone()
    };
    assert_eq!(update(&world), "6.6.6");
    // Another key from now on, which has not signed an index yet.
    world.vendor.set_keys("k3s", &["k3s-2"]);
    world.vendor.set_signers("k3s", &["k3s"]);
    let index = world.vendor.version("k3s");
    world.publish("htop", "1.1");
    assert_eq!(world.vendor.version("k3s"), index);
    let output = world.run(&["update"]);
    let said = talk(&output);
    assert_eq!(code(&output), 3, "{said}");
    assert!(
        said.contains("k3s is signed only by keys that may not sign it"),
        "{said}"
    );
    assert_eq!(world.linked("htop").as_deref(), Some("1.1"));
    assert_eq!(world.linked("k3s").as_deref(), Some("1.0"));
    // Without a network the same is known.
    let output = world.run(&["--offline", "update"]);
    assert_eq!(code(&output), 3, "{}", talk(&output));
    assert!(talk(&output).contains("may not sign"), "{}", talk(&output));
    assert_eq!(update(&world), Value::Null);
    assert!(
        notes(&world, "k3s").contains("may not sign"),
        "{}",
        notes(&world, "k3s")
    );
    assert_eq!(notes(&world, "htop"), "[]");
    assert!(world.good(&["why", "k3s"]).contains("1.0 stays linked"));
    let found = json(&world.good(&["--json", "search"]));
    assert_eq!(found["extensions"].as_array().unwrap().len(), 2);
    // Signed by the new key, without the thief's image.
    world.vendor.set_signers("k3s", &["k3s-2"]);
    let targets = world.vendor.signed_mut("k3s")["targets"].as_object_mut();
    targets.unwrap().retain(|file, _| !file.contains("6.6.6"));
    world.publish("k3s", "1.1");
    world.good(&["update"]);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.1"));
    assert_eq!(notes(&world, "k3s"), "[]");
}

#[test]
fn a_retired_extension_keeps_running_and_the_others_go_on() {
    let mut world = World::new(&["k3s", "htop"]);
    world.good(&["install", "k3s", "htop"]);
    world.vendor.retire("k3s", "nobody is left", Some("htop"));
    world.publish("htop", "1.1");
    world.good(&["update"]);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.0"));
    assert_eq!(world.linked("htop").as_deref(), Some("1.1"));
    assert!(notes(&world, "k3s").contains("retired: nobody is left, successor htop"));
    assert!(world.good(&["search"]).contains("k3s"));
    world.good(&["remove", "k3s"]);
    assert_ne!(code(&world.run(&["install", "k3s"])), 0);
    assert_eq!(world.linked("k3s"), None);
}

#[test]
fn a_catalog_that_moved_to_another_url_is_followed_and_its_root_is_not_replaced() {
    let mut world = World::new(&["k3s"]);
    world.good(&["install", "k3s"]);
    let moved_to =
        |world: &World| json(&world.good(&["--json", "status"]))["catalogs"][0]["moved_to"].clone();
    assert_eq!(moved_to(&world), json!([]));
    let new_place = FaultServer::empty();
    let url = new_place.url("");
    world.vendor.signed_mut("targets")["x-sysext"]["urls"] =
        json!([url, "file:///srv/catalog", "http://10.0.0.1/"]);
    world.vendor.publish();
    world.serve();
    world.good(&["update"]);
    let shown = url.parse::<url::Url>().unwrap().to_string();
    assert_eq!(moved_to(&world), json!([shown]));
    assert!(world.good(&["status"]).contains("has moved"));
    // From now on everything comes from there; nobody has changed the configuration.
    let pinned = world.host.read("etc/sysext-fetch/catalogs.d/vendor.toml");
    world.vendor.add_image("k3s", &spec("k3s", "1.1"));
    world.vendor.publish();
    new_place.put_all(world.vendor.files());
    world.server.clear_log();
    world.good(&["update"]);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.1"));
    assert!(
        world.server.requests().is_empty(),
        "{:?}",
        world.server.requests()
    );
    assert_eq!(
        world.host.read("etc/sysext-fetch/catalogs.d/vendor.toml"),
        pinned
    );
    // Whoever has that place now, and no key of the chain: the place that was configured serves on.
    let mut thief = Simulator::new(&now());
    thief.set_keys("root", &["thief"]);
    thief.set_signers("root", &["thief"]);
    thief.set_root_cosigners(&[]);
    thief.add_extension("k3s");
    thief.add_image("k3s", &spec("k3s", "6.6.6"));
    thief.touch("root");
    thief.publish();
    new_place.put_all(thief.files());
    world.publish("k3s", "1.2");
    let output = world.run(&["update"]);
    assert_eq!(code(&output), 0, "{}", talk(&output));
    assert!(
        talk(&output).contains(&new_place.url("")),
        "{}",
        talk(&output)
    );
    assert_eq!(world.linked("k3s").as_deref(), Some("1.2"));
    // It is gone, and comes back home.
    new_place.behave(
        "*",
        Times::Always,
        Behaviour::Status {
            code: 404,
            retry_after: None,
        },
    );
    world.vendor.signed_mut("targets")["x-sysext"]["urls"] = json!([]);
    world.publish("k3s", "1.3");
    world.good(&["update"]);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.3"));
    assert_eq!(moved_to(&world), json!([]));
    new_place.clear_log();
    world.good(&["update"]);
    assert!(new_place.requests().is_empty());
}

#[test]
fn a_transport_that_can_not_be_used_does_not_cost_its_image() {
    let mut world = World::new(&["k3s"]);
    let file = world.vendor.add_image("k3s", &spec("k3s", "1.1"));
    world.vendor.add_zstd("k3s", &file);
    let transports = &mut world.vendor.image_mut("k3s", &file)["transports"];
    let transports = transports.as_array_mut().unwrap();
    transports.push(
        json!({"kind": "zstd", "file": "other_1.zst", "length": 1, "sha256": "00".repeat(32)}),
    );
    transports.push(json!({"kind": "torrent", "magnet": "x"}));
    world.vendor.publish();
    world.serve();
    world.good(&["install", "k3s"]);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.1"));
    assert_eq!(
        world.server.count(&format!("images/{file}")),
        0,
        "the zstd transport serves"
    );
    let why = world.good(&["why", "k3s"]);
    for word in ["other_1.zst", "torrent", "the image is not"] {
        assert!(why.contains(word), "{word}: {why}");
    }
}
