//! What an update costs: requests, connections, bytes.

use std::collections::BTreeSet;

use crate::world::{World, code, spec, talk};

const MANY: usize = 12;

fn many() -> World {
    let names: Vec<_> = (0..MANY)
        .map(|number| format!("tool-{number:02}"))
        .collect();
    World::new(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

fn install_all(world: &World) {
    let names: Vec<_> = (0..MANY)
        .map(|number| format!("tool-{number:02}"))
        .collect();
    let mut arguments = vec!["install"];
    arguments.extend(names.iter().map(String::as_str));
    world.good(&arguments);
}

fn publish_all(world: &mut World, version: &str) {
    for number in 0..MANY {
        let name = format!("tool-{number:02}");
        world.vendor.add_image(&name, &spec(&name, version));
    }
    world.vendor.publish();
    world.serve();
}

#[test]
fn an_update_of_many_extensions_takes_no_more_connections_than_downloads_at_once() {
    let mut world = many();
    install_all(&world);
    publish_all(&mut world, "1.1");
    world.server.clear_log();
    world.good(&["update"]);
    let requests = world.server.requests();
    // The next root, timestamp and snapshot; an index and an image of each.
    assert_eq!(requests.len(), 3 + 2 * MANY);
    let paths: BTreeSet<_> = requests.iter().map(|request| &request.path).collect();
    assert_eq!(paths.len(), requests.len(), "something came twice");
    let connections = world.server.connections();
    // Four, and one that was on its way when another became free.
    assert!(connections <= 5, "{connections} connections");
}

#[test]
fn one_at_a_time_takes_one_connection() {
    let mut world = many();
    world
        .host
        .write("etc/sysext-fetch/sysext-fetch.toml", "parallel = 1\n");
    install_all(&world);
    publish_all(&mut world, "1.1");
    world.server.clear_log();
    world.good(&["update"]);
    assert_eq!(world.server.requests().len(), 3 + 2 * MANY);
    assert_eq!(world.server.connections(), 1);
}

#[test]
fn an_update_of_nothing_is_two_requests_without_an_answer_to_read() {
    let world = many();
    install_all(&world);
    for _ in 0..2 {
        world.server.clear_log();
        world.good(&["update"]);
        let requests = world.server.requests();
        let seen: Vec<_> = requests
            .iter()
            .map(|request| (request.path.as_str(), request.status.unwrap()))
            .collect();
        assert_eq!(
            seen,
            [
                ("metadata/2.root.json", 404),
                ("metadata/timestamp.json", 304)
            ]
        );
        assert_eq!(requests[1].bytes_sent, 0);
        assert_eq!(world.server.connections(), 1);
    }
}

/// An index that lists the image of another extension: the bytes come once, and what they are decides who gets them.
#[test]
fn the_same_bytes_of_two_extensions_come_once() {
    let mut world = World::new(&["aa"]);
    world.vendor.add_extension("bb");
    world.vendor.add_image("bb", &spec("aa", "1.0"));
    world.vendor.publish();
    world.serve();
    world.server.clear_log();
    let output = world.run(&["install", "aa", "bb"]);
    assert_eq!(code(&output), 3, "{}", talk(&output));
    assert!(
        talk(&output).contains("bb 1.0 is refused"),
        "{}",
        talk(&output)
    );
    assert_eq!(world.server.count("images/*"), 1);
    world.good(&["install", "aa"]);
    assert_eq!(world.linked("aa").as_deref(), Some("1.0"));
    assert_eq!(world.server.count("images/*"), 1);
}
