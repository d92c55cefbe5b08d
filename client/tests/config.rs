//! The configuration of a host: found as UAPI.6 says, edited as a person would.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of tests that panics is the failing test"
)]

use std::os::unix::fs::symlink;

use sysext_fetch::config::edit::{
    EditError, narrow_catalog, remove_catalog, remove_extension, set_extension, skip, unskip,
    write_catalog,
};
use sysext_fetch::config::{Config, VersionConstraint, Wish, shipped_root};
use sysext_fetch::root::Root;
use sysext_formats::catalog::Descriptor;
use test_repos::scratch::ScratchHost;

const CATALOG: &str = "schema = 1\nid = \"k3s\"\nurl = [\"https://k3s.example\"]\nroot-sha256 = \"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"\n";

fn root(host: &ScratchHost) -> Root {
    Root::new(host.root().to_owned(), None)
}

fn load(host: &ScratchHost) -> Config {
    Config::load(&root(host)).unwrap()
}

fn wish(host: &ScratchHost, name: &str) -> Option<Wish> {
    let config = load(host);
    assert!(config.problems.is_empty(), "{:?}", config.problems);
    Some(config.extensions.get(name)?.wish.clone())
}

fn link_to_null(host: &ScratchHost, path: &str) {
    let path = host.path(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    symlink("/dev/null", path).unwrap();
}

#[test]
fn a_host_without_configuration_has_the_defaults() {
    let config = load(&ScratchHost::new());
    assert_eq!(config.settings, Default::default());
    assert!(config.catalogs.is_empty() && config.extensions.is_empty());
}

#[test]
fn stronger_directories_hide_weaker_ones_by_name() {
    let host = ScratchHost::new();
    for (number, base) in ["usr/lib", "usr/local/lib", "run", "etc"]
        .iter()
        .enumerate()
    {
        let file = format!("{base}/sysext-fetch/extensions.d/k3s.toml");
        host.write(&file, format!("channel = \"c{number}\"\n"));
        let channel = wish(&host, "k3s").unwrap().channel;
        assert_eq!(channel.as_str(), format!("c{number}"));
    }
}

#[test]
fn an_empty_file_or_a_link_to_null_hides() {
    let host = ScratchHost::new();
    for name in ["a", "b", "c"] {
        host.write(
            &format!("usr/lib/sysext-fetch/extensions.d/{name}.toml"),
            "hold = true\n",
        );
    }
    host.write("etc/sysext-fetch/extensions.d/a.toml", "");
    link_to_null(&host, "run/sysext-fetch/extensions.d/b.toml");
    let names: Vec<_> = load(&host).extensions.into_keys().collect();
    assert_eq!(names, ["c".parse().unwrap()]);
}

#[test]
fn drop_ins_apply_in_the_order_of_their_names_wherever_they_lie() {
    let host = ScratchHost::new();
    let folder = "sysext-fetch/extensions.d/k3s.toml";
    host.write(
        &format!("usr/lib/{folder}"),
        "channel = \"main\"\nhold = true\n",
    );
    host.write(&format!("etc/{folder}.d/10-a.toml"), "channel = \"ten\"\n");
    host.write(
        &format!("usr/lib/{folder}.d/20-b.toml"),
        "channel = \"twenty\"\n",
    );
    host.write(
        &format!("usr/lib/{folder}.d/30-c.toml"),
        "channel = \"thirty\"\n",
    );
    link_to_null(&host, &format!("etc/{folder}.d/30-c.toml"));
    let wish = wish(&host, "k3s").unwrap();
    assert_eq!(wish.channel.as_str(), "twenty");
    assert!(wish.hold);
}

#[test]
fn a_broken_file_is_named_with_its_line_and_the_others_count() {
    let host = ScratchHost::new();
    host.write(
        "etc/sysext-fetch/sysext-fetch.toml",
        "keep = 2\nparalel = 3\n",
    );
    host.write(
        "etc/sysext-fetch/extensions.d/a.toml",
        "# fine\nhold = true\n",
    );
    host.write(
        "etc/sysext-fetch/extensions.d/b.toml",
        "hold = true\n\nhold = 1\n",
    );
    host.write("etc/sysext-fetch/extensions.d/C.toml", "");
    host.write("etc/sysext-fetch/extensions.d/d.toml", [0xff, 0xfe]);
    host.write("etc/sysext-fetch/extensions.d/e.toml", "#".repeat(70_000));
    host.write("etc/sysext-fetch/catalogs.d/k3s.toml", CATALOG);
    host.write("etc/sysext-fetch/catalogs.d/other.toml", CATALOG);
    host.write(
        "etc/sysext-fetch/catalogs.d/bare.toml",
        "schema = 1\nid = \"bare\"\nurl = [\"https://x\"]\n",
    );
    host.write(
        "etc/sysext-fetch/catalogs.d/k3s.toml.d/10.toml",
        "extensions = [\"k3s\"]\n",
    );
    let config = load(&host);
    assert_eq!(config.settings, Default::default());
    let extensions: Vec<_> = config.extensions.keys().map(|name| name.as_str()).collect();
    assert_eq!(extensions, ["a"]);
    let catalog = &config.catalogs["k3s"];
    assert_eq!(catalog.descriptor.extensions, ["k3s".parse().unwrap()]);
    let problems = config.problems.iter().chain(&config.settings_problem);
    let problems: Vec<_> = problems.map(ToString::to_string).collect();
    let text = problems.join("\n");
    let unreadable: Vec<_> = config.unreadable.iter().map(|name| name.as_str()).collect();
    assert_eq!(unreadable, ["b", "d", "e"]);
    for part in [
        "sysext-fetch.toml:2: ",
        "paralel",
        "b.toml:3: ",
        "C.toml",
        "d.toml is not UTF-8",
        "e.toml is longer than 65536 bytes",
        "other.toml says id = \"k3s\"",
        "bare.toml has no root-sha256",
    ] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
    assert_eq!(problems.len(), 7, "{text}");
}

#[test]
fn links_never_lead_out_of_the_root() {
    let host = ScratchHost::new();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("k3s.toml"), "hold = true\n").unwrap();
    std::fs::create_dir_all(host.path("etc/sysext-fetch")).unwrap();
    symlink(outside.path(), host.path("etc/sysext-fetch/extensions.d")).unwrap();
    assert!(load(&host).extensions.is_empty());
    host.write("usr/share/wishes/k3s.toml", "hold = true\n");
    std::fs::remove_file(host.path("etc/sysext-fetch/extensions.d")).unwrap();
    symlink(
        "/usr/share/wishes",
        host.path("etc/sysext-fetch/extensions.d"),
    )
    .unwrap();
    assert!(wish(&host, "k3s").unwrap().hold);
}

#[test]
fn a_wish_is_written_once_and_edited_with_its_comments() {
    let host = ScratchHost::new();
    let (root, name) = (root(&host), "k3s".parse().unwrap());
    let set = |members: &[(&str, toml_edit::Value)]| set_extension(&root, &name, members).unwrap();
    assert!(set(&[
        ("catalog", "k3s".into()),
        ("version", "1.31.*".into())
    ]));
    let file = "etc/sysext-fetch/extensions.d/k3s.toml";
    host.write(
        file,
        format!("{}hold = false # until May\n", host.read(file)),
    );
    let before = host.snapshot();
    assert!(!set(&[
        ("version", "1.31.*".into()),
        ("hold", false.into())
    ]));
    before.assert_unchanged(&host.snapshot());
    assert!(set(&[("hold", true.into())]));
    assert!(
        host.read(file).contains("hold = true # until May"),
        "{}",
        host.read(file)
    );
    let wish = wish(&host, "k3s").unwrap();
    assert!(wish.hold && wish.version == "1.31.*".parse::<VersionConstraint>().unwrap());
    assert!(remove_extension(&root, &name).unwrap());
    assert!(!remove_extension(&root, &name).unwrap());
    assert!(load(&host).extensions.is_empty());
}

#[test]
fn what_is_shipped_is_changed_by_a_drop_in_and_removed_by_a_mask() {
    let host = ScratchHost::new();
    let (root, name) = (root(&host), "k3s".parse().unwrap());
    let shipped = "usr/lib/sysext-fetch/extensions.d/k3s.toml";
    host.write(shipped, "catalog = \"k3s\"\nchannel = \"stable\"\n");
    assert!(set_extension(&root, &name, &[("channel", "edge".into())]).unwrap());
    let drop_in = "etc/sysext-fetch/extensions.d/k3s.toml.d/50-cli.toml";
    assert_eq!(host.read(drop_in), "channel = \"edge\"\n");
    assert!(remove_extension(&root, &name).unwrap());
    assert!(!remove_extension(&root, &name).unwrap());
    assert!(wish(&host, "k3s").is_none());
    assert!(set_extension(&root, &name, &[]).is_ok());
    assert_eq!(wish(&host, "k3s").unwrap().channel.as_str(), "stable");
    assert_eq!(
        host.read(shipped),
        "catalog = \"k3s\"\nchannel = \"stable\"\n"
    );
}

#[test]
fn a_stronger_drop_in_is_an_error_and_not_a_silent_nothing() {
    let host = ScratchHost::new();
    let (root, name) = (root(&host), "k3s".parse().unwrap());
    host.write("etc/sysext-fetch/extensions.d/k3s.toml", "hold = false\n");
    host.write(
        "usr/lib/sysext-fetch/extensions.d/k3s.toml.d/70-site.toml",
        "hold = false\n",
    );
    let error = set_extension(&root, &name, &[("hold", true.into())]).unwrap_err();
    assert!(matches!(error, EditError::Overridden { .. }), "{error}");
    assert!(error.to_string().contains("70-site.toml"), "{error}");
}

#[test]
fn skipped_versions_keep_their_reasons() {
    let host = ScratchHost::new();
    let root = root(&host);
    host.write(
        "etc/sysext-fetch/extensions.d/k3s.toml",
        "skip = [\"1.0\"]\n",
    );
    let extension = || load(&host).extensions["k3s"].clone();
    assert!(
        skip(
            &root,
            &extension(),
            &"1.2".parse().unwrap(),
            "it did not\nmerge"
        )
        .unwrap()
    );
    assert!(!skip(&root, &extension(), &"1.2".parse().unwrap(), "again").unwrap());
    assert!(
        skip(
            &root,
            &extension(),
            &"1.3".parse().unwrap(),
            "rolled \u{202e}back"
        )
        .unwrap()
    );
    let text = host.read("etc/sysext-fetch/extensions.d/k3s.toml.d/90-skip.toml");
    assert!(
        text.contains("# it did not merge\n") && text.contains("# rolled \\u{202e}back\n"),
        "{text}"
    );
    let skipped = |extension: &sysext_fetch::config::Extension| {
        extension
            .wish
            .skip
            .iter()
            .map(|version| version.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(skipped(&extension()), ["1.0", "1.2", "1.3"]);
    assert!(unskip(&root, &extension(), &["1.2".parse().unwrap()]).unwrap());
    assert_eq!(skipped(&extension()), ["1.0", "1.3"]);
    assert!(unskip(&root, &extension(), &[]).unwrap());
    assert!(!unskip(&root, &extension(), &[]).unwrap());
    assert!(extension().wish.skip.is_empty());
}

#[test]
fn a_catalog_is_written_narrowed_and_removed() {
    let host = ScratchHost::new();
    let root = root(&host);
    let descriptor = Descriptor::parse(CATALOG.as_bytes()).unwrap();
    assert!(write_catalog(&root, &descriptor).unwrap());
    assert!(!write_catalog(&root, &descriptor).unwrap());
    assert_eq!(load(&host).catalogs["k3s"].descriptor, descriptor);
    let id = "k3s".parse().unwrap();
    let patterns = ["k3s".parse().unwrap(), "k3s-*".parse().unwrap()];
    assert!(narrow_catalog(&root, &id, &patterns).unwrap());
    assert!(!narrow_catalog(&root, &id, &patterns).unwrap());
    assert_eq!(load(&host).catalogs["k3s"].descriptor.extensions, patterns);
    host.write("etc/sysext-fetch/catalogs.d/k3s.root.json", "{}");
    assert_eq!(shipped_root(&root, &id).unwrap().unwrap(), b"{}");
    assert!(remove_catalog(&root, &id).unwrap());
    assert!(!remove_catalog(&root, &id).unwrap());
    assert_eq!(shipped_root(&root, &id).unwrap(), None);
    assert!(narrow_catalog(&root, &id, &patterns).is_err());
}
