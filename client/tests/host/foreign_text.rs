//! Text in a catalog, or of a server, that is made to fool a terminal.

use serde_json::{Value, json};
use test_repos::fault_server::{Behaviour, Times};

use crate::world::{World, code, spec};

/// Moves the cursor, changes the title and the clipboard, hides, turns around; and forges lines that would be ours.
const FOREIGN: &str = "FOREIGN\x1b[2J\x1b[8m\x1b]0;title\x07\x1b]52;c;cm0=\x1b\\\x1bPq\u{9b}31m\u{90}\x7f\x08\r\u{202e}\u{2066}\u{200f}\u{2028}\
    \nerror: FORGED\ncaused by: FORGED\nhint: FORGED\nwarning: FORGED\nNext: FORGED\nNewest         FORGED";

/// What no terminal may get; the same list as in the program, written once more on purpose.
fn acts(c: char) -> bool {
    let order = ['\u{61c}', '\u{200e}', '\u{200f}', '\u{2028}', '\u{2029}'];
    (c.is_control() && c != '\n')
        || order.contains(&c)
        || ('\u{202a}'..='\u{202e}').contains(&c)
        || ('\u{2066}'..='\u{2069}').contains(&c)
}

impl World {
    /// Runs a command, whatever comes of it; everything that it printed, and how it ended.
    #[track_caller]
    fn harmless(&self, arguments: &[&str]) -> (String, i32) {
        let output = self.run(arguments);
        let mut printed = String::new();
        for stream in [&output.stdout, &output.stderr] {
            let text = std::str::from_utf8(stream).unwrap();
            for line in text.lines() {
                assert!(!line.contains(acts), "{arguments:?} prints {line:?}");
                let ours = [
                    "error:",
                    "caused by:",
                    "hint:",
                    "warning:",
                    "Next:",
                    "Newest",
                ];
                let forged = ours.iter().any(|word| line.starts_with(word))
                    && line.split_whitespace().nth(1) == Some("FORGED");
                assert!(!forged, "{arguments:?} lets a line be forged: {line:?}");
            }
            printed.push_str(text);
        }
        (printed, code(&output))
    }

    /// As a good command, and what is foreign was there to be printed.
    #[track_caller]
    fn shows(&self, arguments: &[&str]) -> String {
        let (printed, code) = self.harmless(arguments);
        assert_eq!(code, 0, "{arguments:?}: {printed}");
        assert!(printed.contains("FOREIGN\\u"), "{arguments:?}: {printed}");
        let arguments = [["--json"].as_slice(), arguments].concat();
        let (printed, code) = self.harmless(&arguments);
        assert_eq!(code, 0, "{arguments:?}: {printed}");
        assert!(
            printed.contains("FOREIGN\\u001b"),
            "{arguments:?}: {printed}"
        );
        printed
    }
}

/// A catalog in which everything that may hold text holds that.
fn foreign_world() -> World {
    let mut world = World::new(&["k3s"]);
    let vendor = &mut world.vendor;
    vendor.signed_mut("targets")["x-sysext"]["title"] = FOREIGN.into();
    vendor.signed_mut("targets")["x-sysext"]["extensions"]["k3s"]["summary"] = FOREIGN.into();
    vendor.signed_mut("targets")["x-sysext"]["urls"] = json!([FOREIGN]);
    let info = &mut vendor.signed_mut("k3s")["x-sysext"];
    for member in ["summary", "homepage", "license", "documentation"] {
        info[member] = FOREIGN.into();
    }
    info["channels"] = json!({"stable": FOREIGN});
    let file = vendor.add_image("k3s", &spec("k3s", "1.1"));
    let image = vendor.image_mut("k3s", &file);
    image["links"] = json!({"notes": FOREIGN, "source": FOREIGN});
    image["fixes"] = json!([FOREIGN]);
    image["urls"] = json!([FOREIGN]);
    image["image"]["filesystem"] = FOREIGN.into();
    image["image"]["units"] = json!([FOREIGN]);
    image["image"]["setuid"] = json!([FOREIGN]);
    let file = vendor.add_image("k3s", &spec("k3s", "1.2"));
    vendor.image_mut("k3s", &file)["withdrawn"] =
        json!({"reason": FOREIGN, "since": "2026-01-01T00:00:00Z"});
    // Images that are ignored, each for a reason that quotes it.
    for (version, member) in [
        ("2.0", "class"),
        ("2.1", "architecture"),
        ("2.2", "released"),
    ] {
        let file = vendor.add_image("k3s", &spec("k3s", version));
        vendor.image_mut("k3s", &file)[member] = FOREIGN.into();
    }
    let file = vendor.add_image("k3s", &spec("k3s", "2.3"));
    vendor.image_mut("k3s", &file)["image"]["container"] = FOREIGN.into();
    let targets = &mut vendor.signed_mut("k3s")["targets"];
    let target = targets[&file].clone();
    targets[format!("k3s_{FOREIGN}")] = target;
    vendor.publish();
    world.serve();
    world
}

#[test]
fn text_of_a_catalog_never_reaches_the_terminal_raw() {
    let mut world = foreign_world();
    world.shows(&["info", "k3s"]);
    world.shows(&["why", "k3s"]);
    world.shows(&["versions", "k3s"]);
    world.shows(&["search"]);
    world.shows(&["list", "--available"]);
    world.shows(&["catalog", "show", "vendor"]);
    for arguments in [
        ["catalog", "list"].as_slice(),
        &["install", "k3s"],
        &["list"],
        &["status"],
        &["check"],
        &["update"],
        &["verify"],
        &[],
    ] {
        world.harmless(arguments);
        world.harmless(&[["--json"].as_slice(), arguments].concat());
    }
    world.vendor.retire("k3s", FOREIGN, None);
    world.vendor.publish();
    world.serve();
    world.harmless(&["update"]);
    world.shows(&["info", "k3s"]);
    world.shows(&["status"]);
}

/// Documents that can not be read, in words that quote them.
#[test]
fn text_of_a_broken_document_never_reaches_the_terminal_raw() {
    let mut world = World::new(&["k3s"]);
    let honest = world.vendor.clone();
    type Break = fn(&mut Value);
    let breaks: [(&str, Break); 5] = [
        ("k3s", |signed| {
            signed["x-sysext"]["schema"] = FOREIGN.into()
        }),
        ("k3s", |signed| {
            signed["x-sysext"]["channels"] = FOREIGN.into()
        }),
        ("k3s", |signed| signed["x-sysext"]["role"] = FOREIGN.into()),
        ("targets", |signed| {
            signed["x-sysext"]["extensions"] = json!({FOREIGN: {}})
        }),
        ("targets", |signed| signed["expires"] = FOREIGN.into()),
    ];
    for (role, change) in breaks {
        world.vendor = honest.clone();
        change(world.vendor.signed_mut(role));
        world.vendor.publish();
        world.serve();
        for arguments in [["install", "k3s"].as_slice(), &["status"], &["why", "k3s"]] {
            let (printed, _) = world.harmless(arguments);
            assert!(!printed.is_empty());
            world.harmless(&[["--json"].as_slice(), arguments].concat());
        }
    }
    let descriptor = |text: String| {
        world.server.put("catalog.toml", text);
        let url = world.server.url("");
        world.harmless(&["catalog", "add", &url, "--id", "second"])
    };
    let title = Value::from(FOREIGN.replace('\x7f', ""));
    let honest = world
        .vendor
        .descriptor("vendor", &[&world.server.url("")], &["*"]);
    let titled = honest.replace("title = ", "# ");
    descriptor(format!("title = {title}\n{titled}"));
    let (printed, code) = descriptor(format!("{FOREIGN} = "));
    assert!(code != 0 && printed.contains("FOREIGN"), "{printed}");
}

/// What a server says besides the document. Each in a world of its own, since some are asked again after a pause.
#[test]
fn text_of_a_server_never_reaches_the_terminal_raw() {
    let header = FOREIGN.replace(['\r', '\n', '\0'], " ");
    let behaviours = [
        Behaviour::Status {
            code: 403,
            retry_after: None,
        },
        Behaviour::Replace(FOREIGN.into()),
        Behaviour::RedirectTo(format!("http://{header}/")),
        Behaviour::RedirectTo(format!("ftp://host/{header}")),
        Behaviour::RedirectTo(format!("//{header}@127.0.0.1:1/")),
    ];
    std::thread::scope(|scope| {
        for behaviour in behaviours {
            scope.spawn(move || server_says(&behaviour));
        }
    });
}

fn server_says(behaviour: &Behaviour) {
    let world = World::new(&["k3s"]);
    let deadlines = "metadata-deadline = \"1s\"\nimage-deadline = \"1s\"\n";
    world
        .host
        .write("etc/sysext-fetch/sysext-fetch.toml", deadlines);
    let url = world.server.url("");
    let add = ["catalog", "add", &url, "--id", "second"];
    for (pattern, arguments) in [
        ("metadata/timestamp.json", ["install", "k3s"].as_slice()),
        ("images/*", &["install", "k3s"]),
        ("catalog.toml", &add),
    ] {
        world.server.behave_well();
        world
            .server
            .behave(pattern, Times::Always, behaviour.clone());
        let (printed, code) = world.harmless(arguments);
        assert!(
            code != 0 && printed.contains("error:"),
            "{behaviour:?} {pattern}: {printed}"
        );
        world.harmless(&[["--json"].as_slice(), arguments].concat());
        world.harmless(&["status"]);
    }
}
