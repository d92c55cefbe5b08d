//! The Open Build Service: fragments made where no key is, and the hook that its publisher calls. The real programs around
//! them are in ci/e2e/87-obs.sh.

use std::path::PathBuf;

use serde_json::Value;
use sysext_formats::digest::Sha256Digest;
use test_repos::image::ImageSpec;

use crate::common::{Run, Vendor};

/// A vendor, and the directory `repo` that OBS publishes to.
struct Obs {
    vendor: Vendor,
}

impl Obs {
    fn new() -> Self {
        let vendor = Vendor::with_catalog();
        std::fs::create_dir(vendor.path("repo")).unwrap();
        Self { vendor }
    }

    /// An image with its fragment and both digests, as they come out of a build.
    fn build(&self, name: &str, version: &str) -> String {
        self.build_of(
            &ImageSpec::new(name).padding(20_000, 7),
            &format!("{name}_{version}_noarch.raw"),
        )
    }

    fn build_of(&self, spec: &ImageSpec, file: &str) -> String {
        let image = self.vendor.image_of(spec, &format!("repo/{file}"));
        self.sum(file);
        self.vendor
            .run(&["describe", "--sha256", &image])
            .ends(0)
            .prints(&format!("{file}.json"));
        image
    }

    /// `FILE.sha256`, as a build has it.
    fn sum(&self, file: &str) {
        let bytes = self.vendor.read(&format!("repo/{file}"));
        let line = format!("{}  {file}\n", Sha256Digest::of(&bytes));
        self.vendor
            .write(&format!("repo/{file}.sha256"), line.as_bytes());
    }

    fn remove(&self, file: &str) {
        std::fs::remove_file(self.vendor.path(&format!("repo/{file}"))).unwrap();
    }

    /// As OBS calls it, after options of the configuration.
    fn hook_with(&self, options: &[&str]) -> Run {
        let directory = self.vendor.path("repo");
        let mut words = vec!["--json", "obs-hook"];
        words.extend(options);
        words.extend([
            "home:acme:images/standard",
            directory.to_str().unwrap(),
            "hello_1.0_noarch.raw",
            "-odd",
        ]);
        self.vendor.run(&words)
    }

    /// With files that have been there for long.
    fn hook(&self) -> Run {
        self.hook_with(&["--patience", "0"])
    }

    fn problems(&self) -> Vec<(String, String)> {
        let status = self.vendor.run(&["--json", "status"]).json();
        let problems = status["problems"].as_array().cloned().unwrap_or_default();
        let text = |problem: &Value| {
            (
                problem["image"].as_str().unwrap().to_owned(),
                problem["messages"].to_string(),
            )
        };
        problems.iter().map(text).collect()
    }
}

fn fragment(vendor: &Vendor, path: &str) -> Value {
    serde_json::from_slice(&vendor.read(path)).unwrap()
}

#[test]
fn a_fragment_says_what_the_image_is_and_from_where_that_is_known() {
    let vendor = Vendor::with_catalog();
    let image = vendor.image("hello", "1.0");
    let describe = [
        "--json",
        "describe",
        "--version",
        "1.0+k3s1",
        "--sha256",
        &image,
    ];
    let run = vendor.run(&describe).ends(0);
    assert_eq!(run.json()["changed"], true);
    let said = fragment(&vendor, "hello_1.0_noarch.raw.json");
    assert_eq!(
        (
            &said["schema"],
            &said["name"],
            &said["version"],
            &said["architecture"]
        ),
        (
            &1.into(),
            &"hello".into(),
            &"1.0+k3s1".into(),
            &"_any".into()
        )
    );
    let bytes = vendor.read("hello_1.0_noarch.raw");
    assert_eq!(said["sha256"], Sha256Digest::of(&bytes).to_string());
    assert_eq!(said["length"], bytes.len());
    assert_eq!(said["file_name"], "hello_1.0.k3s1_noarch.raw");
    assert_eq!(said["findings"], serde_json::json!([]));
    assert_eq!(said["provenance"]["version"], "--version");
    let json = vendor.read("hello_1.0_noarch.raw.json");
    let line = format!("{}  hello_1.0_noarch.raw.json\n", Sha256Digest::of(&json));
    assert_eq!(
        vendor.read("hello_1.0_noarch.raw.json.sha256"),
        line.as_bytes()
    );

    let line = format!("{}  hello_1.0_noarch.raw\n", Sha256Digest::of(&bytes));
    assert_eq!(vendor.read("hello_1.0_noarch.raw.sha256"), line.as_bytes());

    // Once more, and without saying the version again: the same bytes.
    assert_eq!(vendor.run(&describe).ends(0).json()["changed"], false);
    let again = vendor.run(&["--json", "describe", &image]).ends(0);
    assert_eq!(again.json()["changed"], false, "{}", again.out);
    assert_eq!(vendor.read("hello_1.0_noarch.raw.json"), json);

    vendor.run(&["add", &image]).ends(0);
    assert_eq!(vendor.images("hello"), ["hello_1.0.k3s1_noarch.raw"]);
}

#[test]
fn a_fragment_of_other_bytes_is_refused_and_describing_again_mends_it() {
    let vendor = Vendor::with_catalog();
    let image = vendor.image("hello", "1.0");
    vendor.run(&["describe", &image]).ends(0);
    let old = Sha256Digest::of(&vendor.read("hello_1.0_noarch.raw")).to_string();
    let other = ImageSpec::new("hello").padding(20_000, 9);
    vendor.image_of(&other, "hello_1.0_noarch.raw");
    let new = Sha256Digest::of(&vendor.read("hello_1.0_noarch.raw")).to_string();
    for words in [
        vec!["add", &image],
        vec!["--dry-run", "add", &image],
        vec!["sync", "."],
    ] {
        vendor
            .run(&words)
            .ends(1)
            .says(&[&old, &new, "hello_1.0_noarch.raw.json", "describe"]);
    }
    assert!(vendor.images("hello").is_empty());
    vendor.run(&["describe", &image]).ends(0);
    vendor.run(&["add", &image]).ends(0);

    vendor.write(
        "hello_2.0_noarch.raw.json",
        br#"{"schema":1,"sha256":"no"}"#,
    );
    let image = vendor.image("hello", "2.0");
    vendor
        .run(&["add", &image])
        .ends(1)
        .says(&["\"no\"", "SHA-256"]);
}

#[test]
fn a_fragment_of_a_later_version_is_an_error_wherever_it_is_read() {
    let obs = Obs::new();
    let image = obs.build("hello", "1.0");
    let json = r#"{"schema":2,"name":"hello"}"#.as_bytes();
    obs.vendor.write("repo/hello_1.0_noarch.raw.json", json);
    obs.remove("hello_1.0_noarch.raw.json.sha256");
    for words in [["add", &image], ["describe", &image], ["sync", "repo"]] {
        let run = obs.vendor.run(&words).ends(1);
        run.says(&["hello_1.0_noarch.raw.json", "its schema is 2"]);
    }
    assert_eq!(obs.vendor.read("repo/hello_1.0_noarch.raw.json"), json);
    obs.hook_with(&[]).ends(5).says(&["its schema is 2"]);
    obs.hook().ends(0);
    assert!(obs.problems()[0].1.contains("its schema is 2"));
}

#[test]
fn a_dry_run_names_the_fragment_as_a_real_one_does() {
    let vendor = Vendor::with_catalog();
    vendor.image("hello", "1.0");
    let describe = ["describe", "hello_1.0_noarch.raw"];
    let dry = vendor
        .run(&[&["--dry-run"], &describe[..]].concat())
        .ends(0);
    let real = vendor.run(&describe).ends(0);
    assert_eq!(real.out, "hello_1.0_noarch.raw.json\n");
    assert_eq!(dry.out, format!("would write {}", real.out));
}

#[test]
fn what_packing_writes_is_a_fragment_too() {
    let vendor = Vendor::with_catalog();
    std::fs::create_dir_all(vendor.path("tree/usr/share/hello")).unwrap();
    vendor.write("tree/usr/share/hello/text", b"hello");
    let pack = ["pack", "tree", "--name", "hello", "--version", "1+k3s1"];
    vendor.run(&pack).ends(0);
    let file = "hello_1.k3s1_noarch.raw";
    let said = fragment(&vendor, &format!("{file}.json"));
    assert_eq!(said["version"], "1+k3s1");
    assert_eq!(
        said["sha256"],
        Sha256Digest::of(&vendor.read(file)).to_string()
    );
    // Describing it does not lose what the file name can not say.
    let described = vendor.run(&["--json", "describe", file]).ends(0);
    assert_eq!(described.json()["changed"], false, "{}", described.out);
    vendor.run(&["add", file]).ends(0);
}

#[test]
fn describing_leaves_alone_what_is_somebody_elses() {
    let vendor = Vendor::with_catalog();
    let image = vendor.image("hello", "1.0");
    vendor.write(
        "hello_1.0_noarch.raw.json",
        br#"{"bomFormat":"CycloneDX","version":1}"#,
    );
    vendor.run(&["describe", &image]).ends(1).says(&[
        "hello_1.0_noarch.raw.json is there and is no fragment",
        "-o DIR",
    ]);
    std::fs::create_dir(vendor.path("out")).unwrap();
    vendor
        .run(&["describe", "-o", "out", &image])
        .ends(0)
        .prints("out/hello_1.0_noarch.raw.json");

    // mkosi's manifest of that name stays, with our members beside its own.
    vendor.write(
        "hello_1.0_noarch.raw.json",
        br#"{"manifest_version":1,"config":{"name":"hello","version":"1.7","architecture":"x86-64"},"packages":[{"name":"x"}]}"#,
    );
    vendor.run(&["describe", &image]).ends(0);
    let said = fragment(&vendor, "hello_1.0_noarch.raw.json");
    assert_eq!(said["packages"][0]["name"], "x");
    assert_eq!(
        (&said["version"], &said["schema"]),
        (&"1.7".into(), &1.into())
    );
    assert_eq!(said["provenance"]["version"], "hello_1.0_noarch.raw.json");
    let again = vendor.run(&["--json", "describe", &image]).ends(0);
    assert_eq!(again.json()["changed"], false);
    vendor.run(&["add", &image]).ends(0);
}

#[test]
fn a_manifest_that_disagrees_with_its_image_is_an_error_with_both_values() {
    let vendor = Vendor::with_catalog();
    let spec = ImageSpec::new("hello")
        .architecture("arm64")
        .padding(20_000, 7);
    let image = vendor.image_of(&spec, "hello_1.0.raw");
    let manifest = r#"{"manifest_version":1,"config":{"name":"hello","version":"1.0","architecture":"x86-64"}}"#;
    vendor.write("hello_1.0.manifest", manifest.as_bytes());
    for command in ["describe", "add"] {
        let run = vendor.run(&[command, &image]).ends(1);
        run.says(&["x86-64", "arm64", "hello_1.0.manifest"]);
    }
}

#[test]
fn what_would_hurt_is_in_the_fragment_and_in_the_exit_code() {
    let vendor = Vendor::with_catalog();
    let bad = ImageSpec::new("other").padding(20_000, 7);
    let image = vendor.image_of(&bad, "hello_1.0_noarch.raw");
    let run = vendor.run(&["--json", "describe", &image]).ends(1);
    assert_eq!(run.json()["good"], false);
    let said = fragment(&vendor, "hello_1.0_noarch.raw.json");
    assert_eq!(said["findings"][0]["severity"], "error", "{said}");
    vendor.run(&["add", &image]).ends(1);
}

#[test]
fn disks_that_are_no_extensions_are_left_out() {
    let vendor = Vendor::with_catalog();
    vendor.write("disk_1.raw", &[0x5a; 40_000]);
    let image = vendor.image("hello", "1.0");
    let disk = vendor.path("disk_1.raw");
    let disk = disk.to_str().unwrap();
    let run = vendor
        .run(&["describe", "--extensions-only", disk, &image])
        .ends(0);
    run.says(&["disk_1.raw: left out"]);
    assert!(!vendor.path("disk_1.raw.json").exists());
    assert!(vendor.path("hello_1.0_noarch.raw.json").exists());
    vendor.run(&["describe", disk]).ends(1);
    // One that is cut off is not left out: it may have been an extension.
    let whole = vendor.read("hello_1.0_noarch.raw");
    vendor.write("hello_2.0_noarch.raw", &whole[..whole.len() / 2]);
    vendor
        .run(&["describe", "--extensions-only", "hello_2.0_noarch.raw"])
        .ends(1);
}

#[test]
fn the_hook_publishes_once_and_keeps_what_obs_forgets() {
    let obs = Obs::new();
    obs.build("hello", "1.0");
    let first = obs.hook().ends(0);
    assert_eq!(first.json()["changed"], true);
    let before = obs.vendor.published();
    let again = obs.hook().ends(0);
    assert_eq!(again.json()["changed"], false);
    assert!(obs.vendor.published() == before, "nothing was written");

    // The next build: what is not in its result is unlinked.
    for file in ["", ".sha256", ".json", ".json.sha256"] {
        obs.remove(&format!("hello_1.0_noarch.raw{file}"));
    }
    obs.build("hello", "1.1");
    obs.hook().ends(0);
    assert_eq!(
        obs.vendor.images("hello"),
        ["hello_1.0_noarch.raw", "hello_1.1_noarch.raw"]
    );
    let written: Vec<_> = obs.vendor.files("repo").into_keys().collect();
    assert_eq!(
        written,
        ["", ".json", ".json.sha256", ".sha256"].map(|it| format!("hello_1.1_noarch.raw{it}")),
        "nothing is written into the directory of OBS"
    );
    obs.vendor.run(&["verify"]).ends(0);
}

#[test]
fn links_and_other_peoples_images_are_nothing_for_a_catalog() {
    let obs = Obs::new();
    obs.build("hello", "1.0");
    std::os::unix::fs::symlink("hello_1.0_noarch.raw", obs.vendor.path("repo/hello.raw")).unwrap();
    obs.vendor
        .write("repo/appliance-Build1.raw", &[0x5a; 40_000]);
    let run = obs.hook().ends(0);
    assert_eq!(run.json()["left_out"].as_array().unwrap().len(), 1);
    assert_eq!(obs.vendor.images("hello"), ["hello_1.0_noarch.raw"]);
    assert!(obs.problems().is_empty());
}

#[test]
fn one_bad_image_stops_no_other_and_status_names_it_until_it_is_mended() {
    let obs = Obs::new();
    // No such extension, an image that would hurt, one without a version.
    obs.build("unknown", "1.0");
    obs.vendor
        .image_of(&ImageSpec::new("other"), "repo/hello_3.0_noarch.raw");
    obs.vendor
        .image_of(&ImageSpec::new("hello"), "repo/hello.raw");
    obs.build("hello", "1.0");
    let run = obs.hook().ends(0);
    assert_eq!(run.json()["problems"].as_array().unwrap().len(), 3);
    assert_eq!(obs.vendor.images("hello"), ["hello_1.0_noarch.raw"]);
    let problems = obs.problems();
    let names: Vec<_> = problems.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "hello.raw",
            "hello_3.0_noarch.raw",
            "unknown_1.0_noarch.raw"
        ]
    );
    assert!(
        problems[2].1.contains("has no extension unknown"),
        "{problems:?}"
    );
    obs.vendor
        .run(&["status"])
        .ends(1)
        .prints("home:acme:images/standard unknown_1.0_noarch.raw: ")
        .prints("hint: `sysext-publish extension add unknown` adds it");
    obs.hook_with(&["--patience", "0", "--strict"]).ends(1);

    obs.vendor.run(&["extension", "add", "unknown"]).ends(0);
    obs.remove("hello_3.0_noarch.raw");
    obs.remove("hello.raw");
    obs.hook().ends(0);
    assert!(obs.problems().is_empty());
    obs.vendor.run(&["status"]).ends(0);
    assert_eq!(obs.vendor.images("unknown"), ["unknown_1.0_noarch.raw"]);
}

#[test]
fn what_is_not_published_is_said_once() {
    let obs = Obs::new();
    obs.vendor
        .image_of(&ImageSpec::new("other"), "repo/hello_3.0_noarch.raw");
    obs.vendor
        .write("repo/appliance-Build1.raw", &[0x5a; 40_000]);
    let directory = obs.vendor.path("repo");
    let words = [
        "obs-hook",
        "--patience",
        "0",
        "a:b/c",
        directory.to_str().unwrap(),
    ];
    let run = obs.vendor.run(&words).ends(0);
    assert_eq!(
        run.out,
        "nothing to do: everything else is published already\n"
    );
    for once in [
        "hello_3.0_noarch.raw is not published",
        "Build1.raw: left out",
    ] {
        assert_eq!(run.err.matches(once).count(), 1, "{}", run.err);
    }
}

#[test]
fn what_is_not_all_there_is_tried_again_and_the_rest_is_published() {
    let obs = Obs::new();
    obs.build("hello", "1.0");
    let image = "repo/hello_2.0_noarch.raw";
    obs.build("hello", "2.0");
    // Each way in which the files of 2.0 may arrive.
    let whole = obs.vendor.read(image);
    let json = obs.vendor.read(&format!("{image}.json"));
    obs.vendor.write(image, &whole[..whole.len() - 4096]);
    obs.hook_with(&[])
        .ends(5)
        .says(&["hello_2.0_noarch.raw", "not all there yet"]);
    assert_eq!(obs.vendor.images("hello"), ["hello_1.0_noarch.raw"]);
    assert!(obs.problems().is_empty());

    obs.vendor.write(image, &whole);
    std::fs::remove_file(obs.vendor.path(&format!("{image}.json"))).unwrap();
    obs.hook_with(&[])
        .ends(5)
        .says(&["hello_2.0_noarch.raw.json is not there"]);
    obs.vendor
        .write(&format!("{image}.json"), &json[..json.len() / 2]);
    obs.hook_with(&[]).ends(5).says(&["promises sha256"]);

    obs.vendor.write(&format!("{image}.json"), &json);
    let other = format!("{}  hello_2.0_noarch.raw\n", "1".repeat(64));
    obs.vendor
        .write(&format!("{image}.sha256"), other.as_bytes());
    obs.hook_with(&[]).ends(5).says(&[&"1".repeat(64)]);
    // What does not change for long is not on its way.
    obs.hook().ends(0);
    assert_eq!(obs.problems().len(), 1);

    obs.sum("hello_2.0_noarch.raw");
    obs.hook_with(&[]).ends(0);
    assert_eq!(obs.vendor.images("hello").len(), 2);
    assert!(obs.problems().is_empty());
}

#[test]
fn an_image_can_be_made_to_wait_for_its_fragment() {
    let obs = Obs::new();
    let image = obs.vendor.image("hello", "1.0");
    std::fs::copy(image, obs.vendor.path("repo/hello_1.0_noarch.raw")).unwrap();
    obs.hook_with(&["--require-fragments"])
        .ends(5)
        .says(&["hello_1.0_noarch.raw.json is not there"]);
    assert!(obs.vendor.images("hello").is_empty());
    obs.hook_with(&[]).ends(0);
    assert_eq!(obs.vendor.images("hello"), ["hello_1.0_noarch.raw"]);
}

#[test]
fn two_packages_with_one_file_name_and_a_rebuild_under_a_published_one_are_conflicts() {
    let obs = Obs::new();
    obs.build("hello", "1.0");
    obs.hook().ends(0);
    obs.build_of(
        &ImageSpec::new("hello").padding(20_000, 9),
        "hello_1.0_noarch.raw",
    );
    obs.build("hello", "1.1");
    obs.hook_with(&[]).ends(0).says(&["is published already"]);
    assert_eq!(
        obs.vendor.images("hello"),
        ["hello_1.0_noarch.raw", "hello_1.1_noarch.raw"]
    );
    assert!(obs.problems()[0].1.contains("published already"));

    // OBS keeps one file of each name: here the image of one package, and the fragment of the other.
    obs.build("hello", "1.2");
    let image = obs.vendor.path("repo/hello_1.2_noarch.raw");
    std::fs::write(image, ImageSpec::new("hello").padding(20_000, 11).build()).unwrap();
    obs.sum("hello_1.2_noarch.raw");
    obs.hook_with(&[]).ends(5);
    obs.hook().ends(0).says(&["two packages"]);
    assert_eq!(obs.vendor.images("hello").len(), 2);
}

#[test]
fn what_another_try_mends_ends_with_a_failure() {
    let obs = Obs::new();
    obs.build("hello", "1.0");
    std::fs::rename(obs.vendor.path("public"), obs.vendor.path("away")).unwrap();
    obs.hook().ends(4);
    std::fs::rename(obs.vendor.path("away"), obs.vendor.path("public")).unwrap();
    std::fs::rename(obs.vendor.path("keys"), obs.vendor.path("drawer")).unwrap();
    assert_ne!(obs.hook().code, 0);
    std::fs::rename(obs.vendor.path("drawer"), obs.vendor.path("keys")).unwrap();
    obs.hook().ends(0);
}

#[test]
fn the_log_is_added_to_in_bounded_lines() {
    let obs = Obs::new();
    obs.build("hello", "1.0");
    let log = obs.vendor.path("hook.log");
    let options = ["--patience", "0", "--log", log.to_str().unwrap()];
    obs.hook_with(&options).ends(0);
    let first = std::fs::read_to_string(&log).unwrap();
    obs.vendor.image_of(
        &ImageSpec::new("x"),
        &format!("repo/{}_1_noarch.raw", "x".repeat(200)),
    );
    obs.vendor
        .image_of(&ImageSpec::new("x"), "repo/x\u{1b}[2J\n_1_noarch.raw");
    obs.hook_with(&options).ends(0);
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(text.starts_with(&first) && text.len() > first.len());
    assert!(
        first.contains("Z home:acme:images/standard: called for "),
        "{first}"
    );
    assert!(first.contains("hello gains 1.0"), "{first}");
    assert!(text.contains("refused: "), "{text}");
    for line in text.lines() {
        assert!(
            line.len() < 1_200 && line.contains("Z home:acme:"),
            "{line}"
        );
        assert!(!line.chars().any(char::is_control), "{line}");
    }
    // A log that can not be written stops nothing.
    obs.hook_with(&["--log", "/nonexistent/log"])
        .says(&["there is no log"]);
}

#[test]
fn the_call_is_the_one_of_obs() {
    let obs = Obs::new();
    obs.build("hello", "1.0");
    obs.vendor
        .run(&["obs-hook", "standard", "repo"])
        .ends(2)
        .says(&["PROJECT/REPO"]);
    // What is about images of one day is nothing for a hook that is set up once.
    for word in ["--at", "--anew", "--fixes", "--notes", "--source"] {
        let words = ["obs-hook", word, "https://a.example", "a:b/c", "repo"];
        obs.vendor.run(&words).ends(2).says(&[word]);
    }
    obs.vendor
        .run(&["obs-hook", "a:b/c", "nowhere"])
        .ends(1)
        .says(&["nowhere"]);
    // From any directory, with a configuration that is named.
    let config: PathBuf = obs.vendor.path("sysext-publish.toml");
    let directory = obs.vendor.path("repo");
    let output = obs
        .vendor
        .command(&[
            "--config",
            config.to_str().unwrap(),
            "obs-hook",
            "a:b/c",
            directory.to_str().unwrap(),
        ])
        .current_dir("/")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(obs.vendor.images("hello"), ["hello_1.0_noarch.raw"]);
}

#[test]
fn a_dry_run_takes_nothing_and_records_nothing() {
    let obs = Obs::new();
    obs.build("hello", "1.0");
    obs.build("unknown", "1.0");
    let before = obs.vendor.published();
    obs.hook_with(&["--dry-run"]).ends(0).prints("unknown_1.0");
    assert!(obs.vendor.published() == before);
    assert!(obs.problems().is_empty());
}

#[test]
fn a_fragment_that_may_still_come_is_waited_for_where_the_file_name_says_no_version() {
    let obs = Obs::new();
    obs.build("hello", "1.0");
    let image = obs
        .vendor
        .image_of(&ImageSpec::new("hello"), "repo/hello.raw");
    obs.hook_with(&[]).ends(5).says(&["no version is known"]);
    assert!(obs.problems().is_empty());
    obs.vendor
        .run(&["describe", "--version", "2.0", &image])
        .ends(0);
    obs.hook_with(&[]).ends(0);
    assert_eq!(obs.vendor.images("hello").len(), 2);
}

#[test]
fn an_extension_whose_key_was_revoked_stops_no_other() {
    let obs = Obs::new();
    obs.vendor
        .run(&["extension", "add", "tool", "--own-key", "--unencrypted"])
        .ends(0);
    obs.build("tool", "1.0");
    obs.hook().ends(0);
    obs.vendor
        .run(&["key", "generate", "--unencrypted", "keys/ci/tool-2.pem"])
        .ends(0);
    let replace = [
        "key",
        "replace",
        "--for",
        "tool",
        "--key",
        "file:keys/ci/tool-2.pem",
        "--revoke",
    ];
    obs.vendor.run(&replace).ends(0);
    obs.build("tool", "1.1");
    obs.build("hello", "1.0");
    obs.hook_with(&[])
        .ends(0)
        .says(&["tool_1.1_noarch.raw", "--anew"]);
    assert_eq!(obs.vendor.images("hello"), ["hello_1.0_noarch.raw"]);
    assert_eq!(obs.problems().len(), 2);
}

#[test]
fn what_was_pruned_is_left_out_by_the_next_call() {
    let obs = Obs::new();
    for version in ["1.0", "2.0"] {
        let spec = ImageSpec::new("hello").version(version).padding(20_000, 7);
        obs.build_of(&spec, &format!("hello_{version}_noarch.raw"));
    }
    obs.hook().ends(0);
    obs.vendor.run(&["prune", "--keep", "1"]).ends(0);
    let run = obs.hook().ends(0).says(&["1 image(s) that were pruned"]);
    assert_eq!(run.json()["changed"], false);
    assert_eq!(obs.vendor.images("hello"), ["hello_2.0_noarch.raw"]);
    // A rebuild of it is a conflict, as one of what is published.
    let spec = ImageSpec::new("hello").version("1.0").padding(20_000, 9);
    obs.build_of(&spec, "hello_1.0_noarch.raw");
    obs.hook_with(&["--patience", "0", "--strict"]).ends(1);
    let problems = obs.problems();
    assert!(
        problems[0].1.contains("was published with other bytes"),
        "{problems:?}"
    );
}
