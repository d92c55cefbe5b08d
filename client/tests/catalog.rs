//! Trusting catalogs for the first time, and no more.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of tests that panics is the failing test"
)]

use clap::Parser;
use sysext_fetch::cmd::catalog::{
    AddArgs, Added, CatalogError, CatalogRow, Source, add, list, narrow, remove, show,
};
use sysext_fetch::config::Config;
use sysext_fetch::fetch::{Fetcher, Network};
use sysext_fetch::refresh::{ProblemKind, RefreshProblem};
use sysext_fetch::root::Root;
use test_repos::fault_server::{Behaviour, FaultServer, Times};
use test_repos::image::ImageSpec;
use test_repos::scratch::ScratchHost;
use test_repos::simulator::Simulator;

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    add: AddArgs,
}

struct Story {
    host: ScratchHost,
    server: FaultServer,
    catalog: Simulator,
}

impl Story {
    fn new() -> Self {
        let mut catalog = Simulator::new("2026-11-23T00:00:00Z");
        catalog.add_extension("k3s");
        catalog.add_image("k3s", &ImageSpec::new("k3s").version("1.31.5"));
        catalog.add_extension("other");
        catalog.publish();
        let story = Self {
            host: ScratchHost::new(),
            server: FaultServer::empty(),
            catalog,
        };
        story.upload();
        story
    }

    fn upload(&self) {
        self.server.put_all(self.catalog.files());
        let urls = [self.server.url(""), "file:///etc".to_owned()];
        let urls = urls.each_ref().map(String::as_str);
        let descriptor = self.catalog.descriptor("k3s", &urls, &["k3s", "k3s-*"]);
        self.server.put("catalog.toml", descriptor);
    }

    fn root(&self) -> Root {
        Root::new(self.host.root().to_owned(), None)
    }

    fn config(&self) -> Config {
        let config = Config::load(&self.root()).unwrap();
        assert!(config.problems.is_empty(), "{:?}", config.problems);
        config
    }

    fn add_and(&self, words: &[&str], answer: Option<bool>) -> Result<Added, CatalogError> {
        let request = Cli::try_parse_from([&["add"], words].concat()).unwrap().add;
        let fetcher = Fetcher::new(&Default::default(), Network::Online).unwrap();
        let now = self.catalog.now();
        add(
            &self.root(),
            &self.config(),
            &fetcher,
            now,
            &request,
            |question| {
                assert_eq!(question.fingerprint.to_string(), self.fingerprint());
                answer
            },
        )
    }

    fn add(&self, words: &[&str]) -> Result<Added, CatalogError> {
        self.add_and(words, None)
    }

    fn fingerprint(&self) -> String {
        self.catalog.fingerprint(self.catalog.version("root"))
    }

    fn pinned(&self) -> String {
        format!("{}#sha256={}", self.server.url(""), self.fingerprint())
    }

    fn rows(&self) -> Vec<CatalogRow> {
        list(&self.root(), &self.config(), self.catalog.now())
    }
}

#[test]
fn a_catalog_is_added_once() {
    let story = Story::new();
    let added = story.add(&[&story.pinned()]).unwrap();
    assert!(added.changed);
    assert_eq!(added.title, "A simulated catalog");
    assert_eq!(added.offered, ["k3s".parse().unwrap()]);
    let descriptor = story.config().catalogs["k3s"].descriptor.clone();
    assert_eq!(
        descriptor.root_sha256.unwrap().to_string(),
        story.fingerprint()
    );
    let urls: Vec<_> = descriptor.url.iter().map(|url| url.as_str()).collect();
    assert_eq!(
        urls,
        [story.server.url("")],
        "what a server says of this host's files is not believed"
    );
    let before = story.host.snapshot();
    assert!(!story.add(&[&story.pinned()]).unwrap().changed);
    before.assert_unchanged(&story.host.snapshot());
    let row = &story.rows()[0];
    assert_eq!(
        (row.offers, row.overdue, row.problem.as_deref()),
        (1, false, None)
    );
    assert_eq!(row.refreshed, Some(story.catalog.now()));
}

#[test]
fn without_a_fingerprint_somebody_is_asked_or_it_is_refused() {
    let story = Story::new();
    let url = story.server.url("");
    let before = story.host.snapshot();
    let error = story.add(&[&url]).unwrap_err();
    assert_eq!(error.kind(), ProblemKind::Configuration);
    let hint = error.hint().unwrap();
    assert!(hint.contains(&story.pinned()), "{hint}");
    let error = story.add_and(&[&url], Some(false)).unwrap_err();
    assert!(matches!(error, CatalogError::Declined));
    before.assert_unchanged(&story.host.snapshot());
    assert!(story.add_and(&[&url], Some(true)).unwrap().changed);
}

#[test]
fn the_published_fingerprint_vouches_for_nothing() {
    let story = Story::new();
    let wrong = "0".repeat(64);
    let published = story
        .catalog
        .descriptor("k3s", &[&story.server.url("")], &["*"]);
    story.server.put(
        "catalog.toml",
        published.replace(&story.fingerprint(), &wrong),
    );
    assert!(story.add(&[&story.pinned()]).unwrap().changed);
}

#[test]
fn a_wrong_fingerprint_changes_nothing() {
    let story = Story::new();
    let before = story.host.snapshot();
    let wrong = "0".repeat(64);
    let error = story
        .add(&[&story.server.url(""), "--fingerprint", &wrong])
        .unwrap_err();
    assert_eq!(error.kind(), ProblemKind::Trust);
    assert!(error.to_string().contains(&story.fingerprint()), "{error}");
    before.assert_unchanged(&story.host.snapshot());
    let error = story
        .add(&[&story.pinned(), "--fingerprint", &wrong])
        .unwrap_err();
    assert!(
        matches!(error, CatalogError::TwoFingerprints { .. }),
        "{error}"
    );
}

#[test]
fn a_catalog_that_can_not_be_refreshed_is_not_added_and_does_not_stand_in_the_way() {
    let story = Story::new();
    let not_there = Behaviour::Status {
        code: 404,
        retry_after: None,
    };
    story
        .server
        .behave("metadata/timestamp.json", Times::Always, not_there);
    let error = story.add(&[&story.pinned()]).unwrap_err();
    assert_eq!(error.kind(), ProblemKind::Temporary);
    assert!(story.config().catalogs.is_empty());
    let catalogs = story.host.path("var/lib/sysext-fetch/catalogs");
    assert_eq!(std::fs::read_dir(catalogs).unwrap().count(), 0);
}

#[test]
fn trust_files_hold_a_digest_a_root_or_a_descriptor() {
    let urls = |story: &Story| story.server.url("");
    let contents: [fn(&Story) -> Vec<u8>; 3] = [
        |story| format!("{}  1.root.json\n", story.fingerprint()).into_bytes(),
        |story| story.catalog.file("metadata/1.root.json").to_vec(),
        |story| {
            story
                .catalog
                .descriptor("k3s", &["https://elsewhere"], &["*"])
                .into_bytes()
        },
    ];
    for content in contents {
        let story = Story::new();
        story.host.write("root/trust", content(&story));
        let file = story.host.path("root/trust");
        let words = [&urls(&story), "--trust-file", file.to_str().unwrap()];
        assert!(story.add(&words).unwrap().changed);
    }
    let story = Story::new();
    story.host.write("root/trust", "hello");
    let file = story.host.path("root/trust");
    let error = story
        .add(&[&urls(&story), "--trust-file", file.to_str().unwrap()])
        .unwrap_err();
    assert!(matches!(error, CatalogError::TrustFile(_)), "{error}");
}

#[test]
fn a_descriptor_in_a_local_file_is_the_admins_word() {
    let story = Story::new();
    let descriptor = story
        .catalog
        .descriptor("k3s", &[&story.server.url("")], &["*"]);
    story.host.write("root/k3s.toml", descriptor);
    let file = story.host.path("root/k3s.toml");
    let words = [
        file.to_str().unwrap(),
        "--id",
        "mine",
        "--extensions",
        "k3s,k3s-*",
    ];
    let added = story.add(&words).unwrap();
    assert_eq!(added.id.as_str(), "mine");
    assert_eq!(
        story.config().catalogs["mine"].descriptor.extensions.len(),
        2
    );
}

#[test]
fn one_id_with_another_root_is_refused_with_the_way_out() {
    let mut story = Story::new();
    story.add(&[&story.pinned()]).unwrap();
    let before = story.host.snapshot();
    story.catalog = Simulator::new("2026-11-23T00:00:00Z");
    story.catalog.set_keys("root", &["thief"]);
    story.catalog.set_signers("root", &["thief"]);
    story.catalog.set_root_cosigners(&[]);
    story.catalog.publish();
    story.upload();
    let error = story.add(&[&story.pinned()]).unwrap_err();
    assert!(
        matches!(
            error,
            CatalogError::Refresh(RefreshProblem::OtherRoot { .. })
        ),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("catalog remove k3s"));
    before.assert_unchanged(&story.host.snapshot());
    let id = "k3s".parse().unwrap();
    assert!(remove(&story.root(), &story.config(), &id).unwrap().changed);
    assert!(!remove(&story.root(), &story.config(), &id).unwrap().changed);
    assert!(story.add(&[&story.pinned()]).unwrap().changed);
}

#[test]
fn a_later_root_of_the_same_catalog_is_no_change() {
    let mut story = Story::new();
    let first = story.pinned();
    story.add(&[&first]).unwrap();
    story.catalog.touch("root");
    story.catalog.publish();
    story.upload();
    assert!(!story.add(&[&first]).unwrap().changed);
    assert!(!story.add(&[&story.pinned()]).unwrap().changed);
}

#[test]
fn narrowing_says_who_is_left_out() {
    let story = Story::new();
    let id = "k3s".parse().unwrap();
    let patterns = ["k3s-*".parse().unwrap()];
    let error = narrow(&story.root(), &story.config(), &id, &patterns).unwrap_err();
    assert!(matches!(error, CatalogError::Unknown(_)));
    story.add(&[&story.pinned()]).unwrap();
    story.host.write(
        "etc/sysext-fetch/extensions.d/k3s.toml",
        "catalog = \"k3s\"\n",
    );
    let details = show(&story.root(), &story.config(), story.catalog.now(), &id).unwrap();
    assert_eq!(details.used_by, ["k3s".parse().unwrap()]);
    assert_eq!(details.offered["k3s"], "k3s, simulated");
    let narrowed = narrow(&story.root(), &story.config(), &id, &patterns).unwrap();
    assert!(narrowed.changed);
    assert_eq!(narrowed.affected, ["k3s".parse().unwrap()]);
    assert!(
        !narrow(&story.root(), &story.config(), &id, &patterns)
            .unwrap()
            .changed
    );
    assert_eq!(story.rows()[0].offers, 0);
}

#[test]
fn what_is_no_catalog_is_said_so() {
    let story = Story::new();
    story.server.remove("catalog.toml");
    let error = story.add(&[&story.pinned()]).unwrap_err();
    assert!(matches!(error, CatalogError::NoDescriptor(_)), "{error}");
    story.server.put("catalog.toml", b"<html>".to_vec());
    let error = story.add(&[&story.pinned()]).unwrap_err();
    assert_eq!(error.kind(), ProblemKind::Configuration);
    for wrong in ["https://h#md5=00", "https://h#sha256=00", "http://[/"] {
        assert!(wrong.parse::<Source>().is_err(), "{wrong}");
    }
}

#[test]
fn a_catalog_on_a_stick_is_the_same_catalog() {
    let story = Story::new();
    for (path, bytes) in story.catalog.files() {
        story.host.write(&format!("media/{path}"), bytes);
    }
    let descriptor = story
        .catalog
        .descriptor("k3s", &["https://catalog.invalid/"], &["*"]);
    story.host.write("media/catalog.toml", descriptor);
    let url = format!(
        "file://{}#sha256={}",
        story.host.path("media").display(),
        story.fingerprint()
    );
    let added = story.add(&[&url]).unwrap();
    assert_eq!(added.notes, Vec::<String>::new());
    assert!(story.server.requests().is_empty());
}
