//! What an admin does, and what a host does about it.

use std::path::PathBuf;

use test_repos::fault_server::{Behaviour, FaultServer, Times};
use test_repos::simulator::Simulator;

use crate::world::{World, code, json, now, spec, talk};

#[test]
fn an_extension_is_installed_updated_and_removed() {
    let mut world = World::new(&["k3s"]);
    world.good(&["install", "k3s"]);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.0"));
    world.publish("k3s", "1.1");
    let plan = json(&world.good(&["--json", "update", "--dry-run"]));
    assert_eq!(
        (&plan["steps"][0]["from"], &plan["steps"][0]["to"]),
        (&"1.0".into(), &"1.1".into())
    );
    assert_eq!(world.linked("k3s").as_deref(), Some("1.0"));
    world.good(&["update"]);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.1"));
    world.good(&["remove", "k3s"]);
    assert_eq!(world.linked("k3s"), None);
    assert_eq!(
        json(&world.good(&["--json", "remove", "k3s"]))["changed"],
        false
    );
}

#[test]
fn a_second_run_changes_nothing() {
    let world = World::new(&["k3s"]);
    world.good(&["install", "k3s"]);
    let before = world.host.snapshot();
    for arguments in [
        ["--json", "install", "k3s"].as_slice(),
        &["--json", "update"],
        &["--json", "enable", "k3s"],
    ] {
        assert_eq!(
            json(&world.good(arguments))["changed"],
            false,
            "{arguments:?}"
        );
    }
    let url = world.url();
    assert_eq!(
        json(&world.good(&["--json", "catalog", "add", &url, "--id", "vendor"]))["changed"],
        false
    );
    let state = |path: &str| world.host.snapshot().contains(path);
    assert!(state("etc/sysext-fetch/extensions.d/k3s.toml"));
    let wish = world.host.read("etc/sysext-fetch/extensions.d/k3s.toml");
    assert!(wish.starts_with("# Written by sysext-fetch."), "{wish}");
    before
        .without("var/lib/sysext-fetch/catalogs")
        .without("var/lib/sysext-fetch/lock")
        .assert_unchanged(
            &world
                .host
                .snapshot()
                .without("var/lib/sysext-fetch/catalogs")
                .without("var/lib/sysext-fetch/lock"),
        );
}

#[test]
fn nothing_new_costs_two_requests_whatever_the_number_of_extensions() {
    let names: Vec<_> = (0..50).map(|number| format!("ext{number}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let world = World::new(&names);
    world.good(&[["install"].as_slice(), &names].concat());
    world.server.clear_log();
    assert!(world.good(&["update"]).contains("Nothing to do"));
    let requests: Vec<_> = world
        .server
        .requests()
        .into_iter()
        .map(|request| request.path)
        .collect();
    assert_eq!(requests.len(), 2, "{requests:?}");
}

#[test]
fn a_name_that_nobody_offers_leaves_nothing_behind() {
    let world = World::new(&["k3s"]);
    let before = world.host.snapshot();
    world.refuses(&["install", "tailscale"], 2, "no catalog offers tailscale");
    world.refuses(&["install", "../k3s"], 2, "extension name");
    world.refuses(&["update", "tailscale"], 2, "is not installed");
    assert!(
        !world
            .host
            .snapshot()
            .contains("etc/sysext-fetch/extensions.d/tailscale.toml")
    );
    assert!(before.contains("etc/sysext-fetch/catalogs.d/vendor.toml"));
}

#[test]
fn a_timestamp_that_was_rolled_back_is_refused_and_the_next_honest_one_works() {
    let mut world = World::new(&["k3s"]);
    world.good(&["install", "k3s"]);
    let old = world.vendor.files();
    world.publish("k3s", "1.1");
    world.good(&["update"]);
    world.server.put(
        "metadata/timestamp.json",
        old.get("metadata/timestamp.json").unwrap().clone(),
    );
    world.refuses(&["update"], 3, "rolled back");
    world.publish("k3s", "1.2");
    world.good(&["update"]);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.2"));
}

#[test]
fn an_expired_timestamp_is_overdue_and_what_runs_goes_on() {
    let mut world = World::new(&["k3s"]);
    world.good(&["install", "k3s"]);
    world.vendor.touch("timestamp");
    world
        .vendor
        .set_expires("timestamp", "2020-01-01T00:00:00Z");
    world.vendor.publish();
    world
        .vendor
        .set_expires("timestamp", "2020-01-01T00:00:00Z");
    world.vendor.write("timestamp");
    world.serve();
    world.refuses(&["update"], 3, "overdue");
    assert_eq!(world.linked("k3s").as_deref(), Some("1.0"));
}

#[test]
fn image_bytes_that_nobody_signed_are_never_linked() {
    let world = World::new(&["k3s"]);
    world
        .server
        .behave("images/*", Times::Always, Behaviour::Flip { offset: 100 });
    world.refuses(&["install", "k3s"], 3, "sha256");
    assert!(
        !world
            .host
            .snapshot()
            .contains("etc/sysext-fetch/extensions.d/k3s.toml")
    );
    world.server.behave_well();
    world.good(&["install", "k3s"]);
}

#[test]
fn an_image_that_is_not_what_its_index_says_is_never_linked() {
    let mut world = World::new(&["k3s"]);
    // Signed, but its extension-release is of another name: systemd would merge nothing at all.
    world
        .vendor
        .add_image("k3s", &spec("k3s", "2.0").release_name("other"));
    world.vendor.publish();
    world.serve();
    world.refuses(&["install", "k3s"], 3, "extension-release");
}

#[test]
fn two_catalogs_with_one_name_are_never_guessed_between() {
    let world = World::new(&["k3s"]);
    let mut other = Simulator::new(&now());
    other.add_extension("k3s");
    other.add_image("k3s", &spec("k3s", "9.0"));
    other.publish();
    let server = FaultServer::start(other.files());
    server.put(
        "catalog.toml",
        other.descriptor("other", &[&server.url("")], &["*"]),
    );
    let url = format!("{}#sha256={}", server.url(""), other.fingerprint(1));
    world.good(&["catalog", "add", &url]);
    world.refuses(&["install", "k3s"], 2, "\"other\" and \"vendor\"");
    world.good(&["install", "k3s", "--from", "other"]);
    assert_eq!(world.linked("k3s").as_deref(), Some("9.0"));
    // Bound: the other catalog's failure changes nothing for it.
    drop(server);
    assert_eq!(code(&world.run(&["update"])), 4);
    assert_eq!(world.linked("k3s").as_deref(), Some("9.0"));
}

#[test]
fn a_catalog_needs_a_fingerprint_and_the_right_one() {
    let world = World::new(&[]);
    let url = world.server.url("");
    world.refuses(
        &["catalog", "add", &url, "--id", "second"],
        2,
        "fingerprint",
    );
    let wrong = format!("{url}#sha256={}", "00".repeat(32));
    world.refuses(
        &["catalog", "add", &wrong, "--id", "second"],
        3,
        &"00".repeat(8),
    );
    assert!(
        !world
            .host
            .snapshot()
            .contains("etc/sysext-fetch/catalogs.d/second.toml")
    );
}

#[test]
fn offline_works_from_what_is_there_and_says_what_is_not() {
    let mut world = World::new(&["k3s"]);
    world.good(&["install", "k3s"]);
    world.publish("k3s", "1.1");
    world.server.clear_log();
    assert!(
        world
            .good(&["--offline", "update"])
            .contains("Nothing to do")
    );
    world.good(&["--offline", "status"]);
    assert!(world.good(&["--offline", "why", "k3s"]).contains("1.0"));
    assert!(world.server.requests().is_empty());
}

#[test]
fn a_server_that_is_down_is_temporary_and_names_the_catalog() {
    let world = World::new(&["k3s"]);
    world.good(&["install", "k3s"]);
    world.server.behave(
        "*",
        Times::Always,
        Behaviour::Status {
            code: 503,
            retry_after: None,
        },
    );
    let talk = world.refuses(&["update"], 4, "vendor");
    assert!(talk.contains("503"), "{talk}");
}

#[test]
fn a_version_asked_for_by_name_goes_down_and_stays() {
    let mut world = World::new(&["k3s"]);
    world.publish("k3s", "1.1");
    world.good(&["install", "k3s"]);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.1"));
    world.good(&["install", "k3s@1.0"]);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.0"));
    world.good(&["update"]);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.0"));
    world.good(&["set", "k3s", "version="]);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.1"));
}

#[test]
fn files_of_others_in_the_way_are_named_and_left_alone() {
    let world = World::new(&["k3s"]);
    world
        .host
        .write("etc/extensions/k3s.raw", "somebody else's");
    let output = world.run(&["install", "k3s"]);
    assert_eq!(code(&output), 5, "{}", talk(&output));
    assert!(
        talk(&output).contains("k3s.raw is not ours"),
        "{}",
        talk(&output)
    );
    assert_eq!(world.host.read("etc/extensions/k3s.raw"), "somebody else's");
}

#[test]
fn a_comment_in_a_wish_survives_every_command() {
    let world = World::new(&["k3s"]);
    world.host.write(
        "etc/sysext-fetch/extensions.d/k3s.toml",
        "# ours\ncatalog = \"vendor\" # theirs\n",
    );
    world.good(&["update"]);
    world.good(&["set", "k3s", "hold=true", "min-age=3d"]);
    assert!(
        world
            .host
            .read("etc/sysext-fetch/extensions.d/k3s.toml")
            .starts_with("# ours")
    );
    let text = world.host.read("etc/sysext-fetch/extensions.d/k3s.toml");
    assert!(
        text.contains("# ours") && text.contains("# theirs") && text.contains("hold = true"),
        "{text}"
    );
    world.refuses(&["set", "k3s", "hld=true"], 2, "hld");
    world.refuses(&["set", "k3s", "min-age=soon"], 2, "soon");
}

#[test]
fn a_disabled_extension_keeps_its_image_and_loses_its_link() {
    let world = World::new(&["k3s"]);
    world.good(&["install", "k3s"]);
    world.good(&["disable", "k3s"]);
    assert_eq!(world.linked("k3s"), None);
    world.server.clear_log();
    world.good(&["enable", "k3s"]);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.0"));
    assert_eq!(world.server.count("images/*"), 0);
}

#[test]
fn a_damaged_image_is_found_and_repaired() {
    let world = World::new(&["k3s"]);
    world.good(&["install", "k3s"]);
    let target: PathBuf = world
        .host
        .links("etc/extensions")
        .remove("k3s.raw")
        .unwrap();
    let inside = target
        .strip_prefix("/")
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    let mut bytes = std::fs::read(world.host.path(&inside)).unwrap();
    bytes[200] ^= 1;
    std::fs::write(world.host.path(&inside), &bytes).unwrap();
    world.refuses(&["verify"], 3, "verify --repair");
    let report = json(&world.good(&["--json", "verify", "--repair"]));
    assert_eq!(report["repaired"]["changed"], true, "{report}");
    std::fs::remove_file(world.host.path(&inside)).unwrap();
    world.refuses_to_verify();
    world.good(&["verify", "--repair"]);
    assert!(world.good(&["verify"]).contains("good"));
    assert_eq!(world.linked("k3s").as_deref(), Some("1.0"));
}

#[test]
fn a_broken_wish_keeps_its_link_and_is_said() {
    let world = World::new(&["k3s"]);
    world.good(&["install", "k3s"]);
    let file = "etc/sysext-fetch/extensions.d/k3s.toml";
    let text = world.host.read(file);
    world.host.write(file, "chanel = \"stable\"\n");
    world.refuses(&["update"], 2, "chanel");
    assert_eq!(world.linked("k3s").as_deref(), Some("1.0"));
    world.host.write(file, text);
    world.good(&["update"]);
    world
        .host
        .write("etc/sysext-fetch/sysext-fetch.toml", "keeep = 3\n");
    world.refuses(&["update"], 2, "keeep");
}

#[test]
fn a_catalog_that_is_not_known_is_never_bound() {
    let world = World::new(&["k3s"]);
    world.good(&["install", "k3s"]);
    world.refuses(&["install", "k3s", "--from", "nope"], 2, "\"nope\"");
    world.refuses(&["set", "k3s", "catalog=nope"], 2, "\"nope\"");
    world.good(&["update"]);
}

#[test]
fn a_skipped_version_asked_for_by_name_is_not_skipped_any_more() {
    let mut world = World::new(&["k3s"]);
    world.publish("k3s", "1.1");
    world.good(&["install", "k3s"]);
    world.good(&["set", "k3s", "skip=1.1"]);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.0"));
    world.good(&["install", "k3s@1.1"]);
    world.good(&["update"]);
    assert_eq!(world.linked("k3s").as_deref(), Some("1.1"));
}

#[test]
fn what_can_not_be_had_is_not_written_down() {
    let mut world = World::new(&["k3s"]);
    world.publish("k3s", "1.1");
    world.good(&["install", "k3s"]);
    world.good(&["set", "k3s", "hold=true"]);
    let before = world.host.read("etc/sysext-fetch/extensions.d/k3s.toml");
    world.refuses(&["install", "k3s@1.0"], 2, "hold=false");
    world.refuses(&["set", "k3s", "hold=false", "version=9.9"], 1, "9.9");
    assert_eq!(
        world.host.read("etc/sysext-fetch/extensions.d/k3s.toml"),
        before
    );
}

#[test]
fn taking_away_needs_no_network() {
    let world = World::new(&["k3s", "helm"]);
    world.good(&["install", "k3s", "helm"]);
    world
        .server
        .behave("*", Times::Always, Behaviour::CloseAtOnce);
    world.good(&["disable", "k3s"]);
    world.good(&["set", "helm", "restart=helm.service"]);
    world.host.write(
        "etc/sysext-fetch/sysext-fetch.toml",
        "proxy = \"no proxy\"\n",
    );
    world.good(&["remove", "helm"]);
    assert_eq!((world.linked("k3s"), world.linked("helm")), (None, None));
}

#[test]
fn a_link_that_systemd_passes_by_is_said_every_time() {
    let world = World::new(&["k3s"]);
    world.host.write(
        "etc/sysext-fetch/sysext-fetch.toml",
        "activation = \"boot\"\n",
    );
    world
        .host
        .write("etc/extensions/k3s.raw", "somebody else's, and stronger");
    for _ in 0..2 {
        let output = world.run(&["install", "k3s"]);
        assert_eq!(code(&output), 5, "{}", talk(&output));
        assert!(talk(&output).contains("has no effect"), "{}", talk(&output));
    }
}
