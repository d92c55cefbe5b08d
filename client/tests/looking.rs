//! Commands that look at a host and change nothing, or only mend it: what they say, on which stream, with which code.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of tests that panics is the failing test"
)]

use std::fs::OpenOptions;
use std::process::{Command, Output};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use sysext_durable::Dir;
use sysext_formats::time::UtcTime;
use test_repos::fault_server::FaultServer;
use test_repos::image::ImageSpec;
use test_repos::scratch::ScratchHost;
use test_repos::simulator::Simulator;

struct World {
    vendor: Simulator,
    server: FaultServer,
    host: ScratchHost,
}

fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    UtcTime::from_unix(i64::try_from(since.as_secs()).unwrap()).to_string()
}

fn spec(name: &str, version: &str) -> ImageSpec {
    let program = format!("#!/bin/sh\necho {name} {version}\n");
    let spec = ImageSpec::new(name).version(version).os("_any");
    spec.file(&format!("usr/bin/{name}"), 0o755, program)
}

fn command(host: &ScratchHost, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sysext-fetch"));
    command.arg("--root").arg(host.root()).args(arguments);
    for variable in ["http_proxy", "https_proxy", "all_proxy", "HOME"] {
        command.env_remove(variable);
        command.env_remove(variable.to_uppercase());
    }
    command
}

fn run(host: &ScratchHost, arguments: &[&str]) -> Output {
    command(host, arguments).output().unwrap()
}

impl World {
    /// A host that trusts the catalog "vendor", with these extensions installed in version 1.0.
    fn with(extensions: &[&str]) -> Self {
        let mut vendor = Simulator::new(&now());
        for name in extensions {
            vendor.add_extension(name);
            vendor.add_image(name, &spec(name, "1.0"));
        }
        vendor.publish();
        let world = Self {
            vendor,
            server: FaultServer::empty(),
            host: ScratchHost::new(),
        };
        world.serve();
        let fingerprint = world.vendor.fingerprint(1);
        let url = format!("{}#sha256={fingerprint}", world.server.url(""));
        world.good(&["catalog", "add", &url, "--id", "vendor"]);
        world.good(&[["install"].as_slice(), extensions].concat());
        world
    }

    fn serve(&self) {
        let url = self.server.url("");
        self.server.put_all(self.vendor.files());
        self.server.put(
            "catalog.toml",
            self.vendor.descriptor("vendor", &[&url], &["*"]),
        );
    }

    fn publish(&mut self, name: &str, version: &str) {
        self.vendor.add_image(name, &spec(name, version));
        self.vendor.publish();
        self.serve();
    }

    /// Runs a command that must end with `expected`.
    fn ends(&self, arguments: &[&str], expected: i32) -> Output {
        let output = run(&self.host, arguments);
        assert_eq!(code(&output), expected, "{arguments:?}: {}", talk(&output));
        output
    }

    fn good(&self, arguments: &[&str]) -> String {
        data(&self.ends(arguments, 0))
    }

    /// Where the image is that a link names, as a path below the root.
    fn image(&self, name: &str) -> String {
        let links = self.host.links("etc/extensions");
        let target = links.get(&format!("{name}.raw")).unwrap();
        let inside = target.strip_prefix("/").unwrap();
        inside.to_str().unwrap().to_owned()
    }

    fn lose_image(&self, name: &str) {
        std::fs::remove_file(self.host.path(&self.image(name))).unwrap();
    }
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn data(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn talk(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The one document on stdout: a second one would be trailing text, and fail.
fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_link_without_its_image_is_found_and_only_that_extension_is_mended() {
    let mut world = World::with(&["helm", "k3s"]);
    world.publish("helm", "1.1");
    world.lose_image("k3s");
    let output = world.ends(&["--json", "verify"], 3);
    let report = json(&data(&output));
    let images = report["images"].as_array().unwrap();
    assert!(images.iter().any(|image| image["ok"] == false), "{report}");
    assert!(talk(&output).contains("verify --repair"));
    let report = json(&world.good(&["--json", "verify", "--repair"]));
    assert_eq!(report["changed"], true, "{report}");
    let steps = report["repaired"]["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 1, "{report}");
    assert_eq!(steps[0]["name"], "k3s", "{report}");
    assert!(world.image("helm").contains("helm_1.0"));
    let report = json(&world.good(&["--json", "verify", "--repair"]));
    assert_eq!(report["changed"], false, "{report}");
}

#[test]
fn links_are_found_where_the_whole_store_is_gone() {
    let world = World::with(&["k3s"]);
    std::fs::remove_dir_all(world.host.path("var/lib/sysext-fetch")).unwrap();
    let report = json(&data(&world.ends(&["--json", "verify"], 3)));
    assert_eq!(report["images"][0]["image"], "k3s", "{report}");
    world.good(&["verify", "--repair"]);
    world.good(&["verify"]);
}

#[test]
fn a_link_that_nothing_wants_is_taken_away_when_its_image_is_lost() {
    let world = World::with(&["k3s"]);
    world.lose_image("k3s");
    let wish = "etc/sysext-fetch/extensions.d/k3s.toml";
    std::fs::remove_file(world.host.path(wish)).unwrap();
    let said = world.good(&["verify", "--repair"]);
    assert!(said.contains("k3s is not wanted"), "{said}");
    assert!(world.host.links("etc/extensions").is_empty());
    world.good(&["verify"]);
}

#[test]
fn a_file_of_ours_begins_with_its_header() {
    let world = World::with(&["k3s"]);
    let header = "# Written by sysext-fetch. Comments and other changes are kept.\n\n";
    let read = |file: &str| world.host.read(&format!("etc/sysext-fetch/{file}"));
    assert_eq!(
        read("extensions.d/k3s.toml"),
        format!("{header}catalog = \"vendor\"\nenabled = true\n")
    );
    assert!(read("catalogs.d/vendor.toml").starts_with(&format!("{header}schema = 1\n")));
    world.good(&["set", "k3s", "hold=true"]);
    assert_eq!(
        read("extensions.d/k3s.toml"),
        format!("{header}catalog = \"vendor\"\nenabled = true\nhold = true\n")
    );
}

#[test]
fn why_names_a_version_that_nobody_offers() {
    let world = World::with(&["k3s"]);
    let said = talk(&world.ends(&["why", "k3s", "9.9"], 2));
    assert!(said.contains("k3s 9.9"), "{said}");
    assert!(said.contains("sysext-fetch versions k3s"), "{said}");
    assert!(world.good(&["why", "k3s", "1.0"]).contains("1.0"));
}

#[test]
fn status_says_where_links_are_and_what_is_missing() {
    let world = World::with(&["k3s"]);
    let said = world.good(&["status"]);
    assert!(said.contains("Activation: etc, with links in /etc/extensions"));
    assert!(!said.contains("missing"), "{said}");
    world.lose_image("k3s");
    let said = world.good(&["status"]);
    let note = "its image is missing: sysext-fetch update fetches it";
    assert!(said.contains(note), "{said}");
    world.good(&["update"]);
    assert!(!world.good(&["status"]).contains("missing"));
}

#[test]
fn status_says_what_is_in_the_place_of_a_link() {
    let world = World::with(&["k3s"]);
    let link = "etc/extensions/k3s.raw";
    std::fs::remove_file(world.host.path(link)).unwrap();
    world.host.write(link, "somebody else's");
    let report = json(&data(&world.ends(&["--json", "status"], 5)));
    let extension = &report["extensions"][0];
    assert_eq!(extension["blocked"], true, "{report}");
    let note = extension["notes"][0].as_str().unwrap();
    assert!(note.contains("is not ours"), "{note}");
    // What is not wanted is in nobody's way.
    world.good(&["disable", "k3s"]);
    world.good(&["status"]);
}

#[test]
fn the_overview_warns_once() {
    let world = World::with(&["k3s"]);
    let broken = "etc/sysext-fetch/extensions.d/broken.toml";
    world.host.write(broken, "chanel = 1\n");
    let said = talk(&world.ends(&[], 0));
    assert_eq!(said.matches("broken.toml").count(), 1, "{said}");
    assert!(said.contains("Next: "), "{said}");
}

#[test]
fn without_a_catalog_the_first_step_is_said() {
    let host = ScratchHost::new();
    for (arguments, expected) in [
        (["search"].as_slice(), 0),
        (&["list", "--available"], 0),
        (&["--quiet", "search"], 0),
        (&["info", "k3s"], 2),
    ] {
        let output = run(&host, arguments);
        assert_eq!(code(&output), expected, "{arguments:?}");
        let said = talk(&output);
        assert!(said.contains("sysext-fetch catalog add"), "{said}");
    }
}

#[test]
fn setup_writes_nothing_where_nothing_would_merge() {
    let host = ScratchHost::new();
    let refuses = |word: &str| {
        let before = host.snapshot();
        let output = run(&host, &["setup"]);
        assert_eq!(code(&output), 1, "{}", talk(&output));
        assert!(talk(&output).contains(word), "{}", talk(&output));
        before.assert_unchanged(&host.snapshot());
    };
    refuses("systemd-container");
    host.write("usr/lib/systemd/system/systemd-sysext.service", "[Unit]\n");
    let units = Dir::create_all(&host.path("etc/systemd/system"), 0o755).unwrap();
    units
        .symlink("systemd-sysext.service", "/dev/null".as_ref())
        .unwrap();
    refuses("systemctl unmask");
}

#[test]
fn a_completion_script_is_a_script_with_json_too() {
    let host = ScratchHost::new();
    let plain = data(&run(&host, &["completions", "bash"]));
    assert!(plain.contains("complete -F _sysext"));
    assert_eq!(data(&run(&host, &["--json", "completions", "bash"])), plain);
}

#[test]
fn a_full_disk_behind_stdout_is_a_failure_and_a_reader_that_left_is_none() {
    let host = ScratchHost::new();
    for arguments in [
        ["status"].as_slice(),
        &["--json", "list"],
        &["completions", "bash"],
    ] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = command(&host, arguments).stdout(full).output().unwrap();
        assert_eq!(code(&output), 1, "{arguments:?}");
        let said = talk(&output);
        assert!(said.contains("stdout can not be written: "), "{said}");
    }
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut status = command(&host, &["status"]);
    let output = status.stdout(writer).output().unwrap();
    assert_eq!(code(&output), 0, "{}", talk(&output));
}

#[test]
fn every_list_in_a_document_has_a_name() {
    let world = World::with(&["k3s"]);
    for (arguments, name) in [
        (["search"].as_slice(), "extensions"),
        (&["list"], "extensions"),
        (&["list", "--available"], "extensions"),
        (&["versions", "k3s"], "versions"),
        (&["info", "k3s"], "offers"),
        (&["catalog", "list"], "catalogs"),
    ] {
        let document = json(&world.good(&[["--json"].as_slice(), arguments].concat()));
        let list = document[name].as_array();
        assert_eq!(list.map(Vec::len), Some(1), "{arguments:?}: {document}");
    }
}

#[test]
fn a_usage_error_is_a_document_too() {
    let host = ScratchHost::new();
    for arguments in [
        ["--json", "lst"].as_slice(),
        &["list", "--json", "--availble"],
        &["--json", "install"],
        &["--json", "info", "../k3s"],
    ] {
        let output = run(&host, arguments);
        assert_eq!(code(&output), 2, "{arguments:?}");
        assert!(talk(&output).starts_with("error: "), "{}", talk(&output));
        let error = json(&data(&output))["error"].clone();
        assert_eq!(
            (&error["kind"], &error["exit_code"]),
            (&"usage".into(), &2.into()),
            "{arguments:?}"
        );
        let message = error["messages"][0].as_str().unwrap().to_owned();
        assert!(talk(&output).contains(&message), "{message}");
        assert!(
            !message.starts_with("error:") && !message.contains("Usage"),
            "{message}"
        );
    }
    for arguments in [["lst"].as_slice(), &["lst", "--", "--json"]] {
        assert_eq!(data(&run(&host, arguments)), "", "{arguments:?}");
    }
    let help = run(&host, &["--json", "--help"]);
    assert_eq!(code(&help), 0);
    assert!(data(&help).contains("Exit codes"));
}
