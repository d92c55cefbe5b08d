//! A catalog of ten thousand extensions in groups, counted from the server's log.

use crate::world::{World, code, json, spec, talk};

/// The path of a request, as far as it is metadata.
fn metadata(world: &World) -> Vec<String> {
    let requests = world.server.requests().into_iter();
    let paths = requests.filter(|request| request.path.starts_with("metadata/"));
    paths.map(|request| request.path).collect()
}

fn bytes(world: &World) -> u64 {
    let requests = world.server.requests().into_iter();
    requests.map(|request| request.bytes_sent).sum()
}

#[test]
fn ten_thousand_extensions_cost_a_host_that_uses_five_of_them_little() {
    let mut world = World::new(&[]);
    let names: Vec<_> = (0..10_000).map(|number| format!("e{number:04}")).collect();
    world.vendor.add_grouped_extensions(&names, 200);
    let used = ["e0000", "e2500", "e5000", "e7501", "e9999"];
    for name in used {
        world.vendor.add_image(name, &spec(name, "1.0"));
    }
    world.vendor.publish();
    world.serve();
    for name in used {
        let wish = format!("etc/sysext-fetch/extensions.d/{name}.toml");
        world.host.write(&wish, "catalog = \"vendor\"\n");
    }
    world.server.clear_log();
    let output = world.run(&["check"]);
    assert_eq!(code(&output), 0, "{}", talk(&output));
    let asked = metadata(&world);
    let groups = asked.iter().filter(|path| path.contains("._")).count();
    let indexes = asked.iter().filter(|path| path.contains(".e")).count();
    // Five groups and five indexes, beside root, timestamp, snapshot and table of contents.
    assert_eq!((groups, indexes, asked.len()), (5, 5, 14), "{asked:?}");
    let first = bytes(&world);
    assert!(first <= 1_000_000, "{first} bytes");
    world.good(&["update"]);
    world.server.clear_log();
    world.good(&["update"]);
    assert_eq!(metadata(&world).len(), 2);

    // One more, by its name alone: its group and its index.
    world.server.clear_log();
    world.refuses(&["install", "e1234"], 1, "no image");
    assert_eq!(metadata(&world).len(), 4, "{:?}", metadata(&world));

    // Lists read the groups that are missing, once, and name every extension.
    world.server.clear_log();
    let found = json(&world.good(&["--json", "search", "e99"]));
    let list = found["extensions"].as_array().unwrap();
    assert_eq!(list.len(), 100, "{found}");
    assert!(list.iter().all(|entry| entry["summary"] != ""));
    let read = metadata(&world).len();
    assert_eq!(
        read,
        2 + 100 - 6,
        "two for nothing new, and each group that was not there"
    );
    world.server.clear_log();
    world.good(&["list", "--available"]);
    assert_eq!(metadata(&world).len(), 0);
}

#[test]
fn a_group_that_can_not_be_read_costs_its_own_lines_and_speaks_for_no_others() {
    let mut world = World::new(&["htop"]);
    world
        .vendor
        .add_grouped_extensions(&["k3s", "k9s", "nano", "nmap"].map(str::to_owned), 2);
    let foreign = &mut world.vendor.signed_mut("_n")["x-sysext"]["extensions"];
    foreign["htop"] = serde_json::json!({"summary": "a lie"});
    foreign["k3s"] = serde_json::json!({"summary": "a lie"});
    world.vendor.publish();
    world.serve();
    let lost = world.vendor.path("_k");
    world.server.remove(&lost);
    world.good(&["check"]);
    let output = world.run(&["--json", "search"]);
    assert_eq!(code(&output), 0);
    let said = talk(&output);
    assert!(said.contains("1 of 2 groups are not listed"), "{said}");
    let found = json(&String::from_utf8(output.stdout).unwrap());
    let list = found["extensions"].as_array().unwrap();
    let names: Vec<_> = list
        .iter()
        .map(|entry| entry["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["htop", "nano", "nmap"]);
    assert!(!found.to_string().contains("a lie"), "{found}");
}

#[test]
fn more_groups_than_are_read_at_once_are_said_and_their_extensions_found_by_name() {
    let mut world = World::new(&[]);
    let letters = || 'a'..='x';
    let names: Vec<_> = letters()
        .flat_map(|first| letters().map(move |second| format!("{first}{second}")))
        .collect();
    world.vendor.add_grouped_extensions(&names, 1);
    world.vendor.add_image("xx", &spec("xx", "1.0"));
    world.vendor.publish();
    world.serve();
    world.good(&["check"]);
    for _ in 0..2 {
        let output = world.run(&["--json", "search"]);
        let said = talk(&output);
        assert!(said.contains("64 of 576 groups are not listed"), "{said}");
        let found = json(&String::from_utf8(output.stdout).unwrap());
        assert_eq!(found["extensions"].as_array().unwrap().len(), 512);
    }
    world.good(&["install", "xx"]);
    assert_eq!(world.linked("xx").as_deref(), Some("1.0"));
}
