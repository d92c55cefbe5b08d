//! What stands on the page for a given catalog.

use serde_json::{Value, json};

use super::*;

fn about(extensions: usize) -> About {
    let descriptor = format!(
        "schema = 1\nid = \"acme\"\ntitle = \"A & B\"\nurl = [\"https://a.example/\"]\nroot-sha256 = \"{}\"\n",
        "5a".repeat(32)
    );
    About {
        descriptor: Descriptor::parse(descriptor.as_bytes()).unwrap(),
        moved_to: Vec::new(),
        fresh_until: "2026-12-01T00:00:00Z".parse().unwrap(),
        sysupdate: false,
        extensions,
    }
}

fn image(version: &str, change: impl FnOnce(&mut Value)) -> (String, Value) {
    let mut sysext = json!({
        "schema": 1, "class": "sysext", "version": version, "architecture": "x86-64", "channels": ["stable"],
        "extension_release": {"ID": "_any"}, "released": "2026-01-01T00:00:00Z",
        "image": {"container": "none", "filesystem": "squashfs", "compressed": false},
    });
    change(&mut sysext);
    let architecture = sysext["architecture"]
        .as_str()
        .unwrap()
        .replace("_any", "noarch");
    let sha256 = Sha256Digest::of(format!("{version} {architecture}").as_bytes());
    let target = json!({
        "length": 50_000_000, "hashes": {"sha256": sha256.to_string()}, "custom": {"sysext": sysext},
    });
    (format!("k3s_{version}_{architecture}.raw"), target)
}

fn index(images: Vec<(String, Value)>) -> ExtensionIndex {
    let images: serde_json::Map<String, Value> = images.into_iter().collect();
    let count = images.len();
    let targets = json!({
        "version": 1, "expires": "2030-01-01T00:00:00Z", "targets": images, "x-sysext": {"schema": 1, "summary": "s"},
    });
    let name = "k3s".parse().unwrap();
    let index = ExtensionIndex::read(&name, &serde_json::from_value(targets).unwrap()).unwrap();
    assert_eq!(index.images.len(), count, "{:?}", index.ignored);
    index
}

fn extension(images: Vec<(String, Value)>) -> Extension {
    Extension::new(&index(images), about(1).fresh_until, MAX_VERSIONS)
}

fn html(images: Vec<(String, Value)>) -> String {
    let about = about(1);
    let mut page = Page::new(&about);
    page.add(&index(images), about.fresh_until);
    page.html().unwrap()
}

fn transport(kind: &str, length: u64, from: Option<&str>) -> Value {
    let mut transport = json!({"kind": kind, "file": format!("k3s_1.{kind}.{length}"), "length": length, "sha256": "00".repeat(32)});
    if let Some(from) = from {
        transport["from"] =
            json!(Sha256Digest::of(format!("{from} x86-64").as_bytes()).to_string());
    }
    transport
}

#[test]
fn the_policy_names_the_style_and_the_script_as_they_are_written() {
    let html = html(Vec::new());
    for (tag, directive) in [("style", "style-src"), ("script", "script-src")] {
        let inside = html.split(&format!("<{tag}>")).nth(1).unwrap();
        let inside = inside.split(&format!("</{tag}>")).next().unwrap();
        let digest = BASE64.encode(Sha256Digest::of(inside.as_bytes()).as_bytes());
        let allowed = format!("{directive} &#39;sha256-{digest}&#39;;");
        assert!(html.contains(&allowed), "{allowed} is not in\n{html}");
    }
    assert!(html.contains("default-src &#39;none&#39;;"));
    assert!(!html.contains("unsafe"), "{html}");
    // Whatever they say must not end them.
    assert!(![STYLE, SCRIPT].iter().any(|text| text.contains("</")));
}

#[test]
fn nothing_but_the_style_and_the_script_is_taken_as_it_is() {
    let template = include_str!("../../templates/page.html");
    let raw: Vec<_> = template
        .lines()
        .filter(|line| line.contains("safe"))
        .collect();
    assert_eq!(
        raw,
        [
            "<style>{{ self.style()|safe }}</style>",
            "<script>{{ self.script()|safe }}</script>"
        ]
    );
    // Unquoted attributes would end at a space.
    assert!(!template.contains("={{"), "quote attributes");
    let html = html(Vec::new());
    assert!(html.contains("<h1>A &#38; B</h1>"), "{html}");
}

#[test]
fn the_newest_is_what_a_host_gets_that_asks_for_nothing_special() {
    let newest = |images| {
        let newest = extension(images).newest?;
        let channel = newest.channel.map(|it| it.to_string()).unwrap_or_default();
        Some((newest.version.to_string(), channel, newest.architectures))
    };
    let in_testing = |sysext: &mut Value| sysext["channels"] = json!(["testing"]);
    let withdrawn = |sysext: &mut Value| {
        sysext["withdrawn"] = json!({"reason": "r", "since": "2026-01-01T00:00:00Z"});
    };
    let arm = |sysext: &mut Value| sysext["architecture"] = json!("arm64");
    let any = |sysext: &mut Value| sysext["architecture"] = json!("_any");
    let found = |version: &str, channel: &str, machines: &str| {
        Some((version.to_owned(), channel.to_owned(), machines.to_owned()))
    };
    let images = vec![
        image("1.9", |_| ()),
        image("1.10", |_| ()),
        image("1.10", arm),
        image("2", in_testing),
    ];
    assert_eq!(newest(images), found("1.10", "", "arm64, x86-64"));
    assert_eq!(
        newest(vec![image("1", withdrawn), image("2", in_testing)]),
        found("2", "testing", "x86-64")
    );
    assert_eq!(newest(vec![image("1", any)]), found("1", "", "any"));
    assert_eq!(newest(vec![image("1", withdrawn)]), None);
    assert_eq!(newest(Vec::new()), None);
}

#[test]
fn downloads_are_the_smallest_ways_that_there_are() {
    let with = |transports: Value| {
        let new = image("2", |sysext| sysext["transports"] = transports);
        let shown = extension(vec![image("1", |_| ()), image("1.5", |_| ()), new]);
        let row = &shown.releases[0].images[0];
        let updates = row
            .updates
            .iter()
            .map(|it| format!("{} from {}", it.size, it.from));
        (
            row.size.clone(),
            row.download.clone(),
            updates.collect::<Vec<_>>(),
        )
    };
    let whole = "50.0 MB".to_owned();
    assert_eq!(with(json!([])), (whole.clone(), whole.clone(), vec![]));
    let transports = json!([
        transport("zstd", 20_000_000, None),
        transport("zstd", 21_000_000, None),
        // Nobody reads that kind yet.
        transport("new", 1, None),
        transport("patch", 3_000_000, Some("1")),
        transport("patch", 2_000_000, Some("1")),
        transport("patch", 1_000_000, Some("1.5")),
        // Of an image that is not there any more, and one that saves nothing.
        transport("patch", 4, Some("0.9")),
        transport("patch", 30_000_000, Some("2")),
    ]);
    let updates = ["1.0 MB from 1.5", "2.0 MB from 1"].map(str::to_owned);
    assert_eq!(
        with(transports),
        (whole, "20.0 MB".to_owned(), updates.into())
    );
}

#[test]
fn hosts_are_named_as_the_image_names_them() {
    for (release, shown) in [
        (json!({"ID": "_any"}), "any"),
        (json!({"ID": "debian"}), "debian"),
        (json!({"ID": "debian", "VERSION_ID": "13"}), "debian 13"),
        (json!({"ID": "sles", "SYSEXT_LEVEL": "2"}), "sles, level 2"),
        (json!({"VERSION_ID": "13"}), "none"),
    ] {
        let images = vec![image("1", |sysext| sysext["extension_release"] = release)];
        assert_eq!(
            extension(images).releases[0].images[0].os.to_string(),
            shown
        );
    }
}

#[test]
fn images_of_a_version_stand_together_as_far_as_the_same_is_said_of_them() {
    let arm = |sysext: &mut Value| sysext["architecture"] = json!("arm64");
    let fixed = |sysext: &mut Value| sysext["fixes"] = json!(["CVE-1"]);
    let groups = |images| {
        let shown = extension(images).releases;
        shown.iter().map(|it| it.images.len()).collect::<Vec<_>>()
    };
    assert_eq!(
        groups(vec![
            image("1", |_| ()),
            image("1", arm),
            image("2", |_| ())
        ]),
        [1, 2]
    );
    assert_eq!(groups(vec![image("1", fixed), image("1", arm)]), [1, 1]);
}

#[test]
fn a_long_history_and_long_lists_are_cut_and_counted() {
    let many = |count: u32| {
        (1..=count)
            .map(|number| image(&format!("1.{number}"), |_| ()))
            .collect()
    };
    let shown = extension(many(23));
    assert_eq!((shown.releases.len(), shown.more), (MAX_VERSIONS, 3));
    assert_eq!(shown.releases[0].version.to_string(), "1.23");
    assert!(html(many(23)).contains("and 3 older images"));
    assert_eq!(extension(many(20)).more, 0);
    // One version for more kinds of machines than there are.
    let machines = (0..300).map(|it| {
        image("1", |sysext| {
            sysext["architecture"] = json!(format!("m{it}"))
        })
    });
    let shown = extension(machines.collect());
    assert_eq!((shown.releases[0].images.len(), shown.more), (200, 100));
    let fixes: Vec<_> = (0..40).map(|number| format!("CVE-{number}")).collect();
    let shown = extension(vec![image("1", |sysext| sysext["fixes"] = json!(fixes))]);
    let fixes = &shown.releases[0].fixes;
    assert_eq!((fixes.shown.len(), fixes.more), (12, 28));
}

#[test]
fn a_catalog_of_ten_thousand_is_one_page_that_a_browser_can_read() {
    let about = about(10_000);
    let mut page = Page::new(&about);
    let images = (1..=8)
        .map(|number| image(&format!("1.{number}"), |_| ()))
        .collect();
    let one = index(images);
    for number in 0..10_000 {
        let mut index = one.clone();
        index.name = format!("k3s-{number}").parse().unwrap();
        page.add(&index, about.fresh_until);
    }
    let html = page.html().unwrap();
    assert!(html.contains("<body class=\"many\">") && html.contains("and 6 older images"));
    let megabytes = html.len() / 1_000_000;
    assert!((1..20).contains(&megabytes), "{megabytes} MB");
}

#[test]
fn the_same_catalog_gives_the_same_page_and_nothing_is_missing_of_an_empty_one() {
    let page = || html(vec![image("1", |_| ())]);
    assert_eq!(page(), page());
    let empty = Page::new(&about(0)).html().unwrap();
    assert!(empty.contains("There is none yet."), "{empty}");
    assert!(empty.contains(&format!(
        "catalog add https://a.example#sha256={}<",
        "5a".repeat(32)
    )));
}

#[test]
fn a_catalog_that_moved_says_where_to() {
    let mut about = about(0);
    about.moved_to = vec!["https://new.example/k3s".parse().unwrap()];
    let html = Page::new(&about).html().unwrap();
    assert!(
        html.contains("moved to <a href=\"https://new.example/k3s\">new.example/k3s</a>"),
        "{html}"
    );
}
