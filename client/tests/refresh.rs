//! Refreshing catalogs: stories of a vendor's server and a host.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of tests that panics is the failing test"
)]

#[path = "refresh/several.rs"]
mod several;
#[path = "refresh/unchanged.rs"]
mod unchanged;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;
use sysext_fetch::config::Config;
use sysext_fetch::fetch::{Fetcher, Network, Patience};
use sysext_fetch::refresh::{
    Catalogs, FreshCatalog, Mode, ProblemKind, RefreshProblem, Wanted, cached, refresh_all,
};
use sysext_fetch::root::Root;
use sysext_formats::time::UtcTime;
use test_repos::fault_server::{Behaviour, FaultServer, Times};
use test_repos::image::ImageSpec;
use test_repos::scratch::ScratchHost;
use test_repos::simulator::{Delegation, Simulator};

const NOW: &str = "2026-11-23T00:00:00Z";

/// A host that knows the catalog `k3s` at some mirrors.
struct Story {
    host: ScratchHost,
    catalog: Simulator,
    mirrors: Vec<FaultServer>,
}

impl Story {
    fn new(mirrors: usize) -> Self {
        let mut catalog = Simulator::new(NOW);
        catalog.add_extension("k3s");
        catalog.add_image("k3s", &ImageSpec::new("k3s").version("1.31.5"));
        catalog.publish();
        let mirrors: Vec<_> = (0..mirrors).map(|_| FaultServer::empty()).collect();
        let story = Self {
            host: ScratchHost::new(),
            catalog,
            mirrors,
        };
        story.trust("k3s", &story.catalog);
        story.upload();
        story
    }

    /// Writes the descriptor that trusts the newest root.
    fn trust(&self, id: &str, catalog: &Simulator) {
        let urls: Vec<_> = self.mirrors.iter().map(|mirror| mirror.url("")).collect();
        let urls: Vec<_> = urls.iter().map(String::as_str).collect();
        self.host.write(
            &format!("etc/sysext-fetch/catalogs.d/{id}.toml"),
            catalog.descriptor(id, &urls, &["k3s", "k3s-*"]),
        );
    }

    fn upload(&self) {
        for mirror in &self.mirrors {
            mirror.put_all(self.catalog.files());
        }
    }

    fn publish(&mut self) {
        self.catalog.publish();
        self.upload();
    }

    fn root(&self) -> Root {
        Root::new(self.host.root().to_owned(), None)
    }

    fn all(&self, now: UtcTime, mode: Mode) -> Catalogs<FreshCatalog> {
        let root = self.root();
        let config = Config::load(&root).unwrap();
        assert!(config.problems.is_empty(), "{:?}", config.problems);
        refresh_all(&root, &config, &fetcher(), now, &wanted(&["k3s"]), mode)
    }

    fn refresh(&self) -> Result<FreshCatalog, RefreshProblem> {
        self.all(self.catalog.now(), Mode::Online)
            .remove("k3s")
            .unwrap()
    }

    fn refresh_at(&self, now: &str) -> Result<FreshCatalog, RefreshProblem> {
        self.all(time(now), Mode::Online).remove("k3s").unwrap()
    }
}

fn fetcher() -> Fetcher {
    let patience = Patience {
        pause: |_| (),
        ..Patience::default()
    };
    Fetcher::with_patience(&Default::default(), Network::Online, patience).unwrap()
}

fn wanted(names: &[&str]) -> Wanted {
    let names: BTreeSet<_> = names.iter().map(|name| name.parse().unwrap()).collect();
    Wanted {
        indexes: BTreeMap::from([("k3s".parse().unwrap(), names)]),
        ..Wanted::default()
    }
}

fn time(text: &str) -> UtcTime {
    text.parse().unwrap()
}

fn versions(catalog: &FreshCatalog) -> Vec<String> {
    let index = catalog.indexes.get("k3s").unwrap().as_ref().unwrap();
    index
        .images
        .iter()
        .map(|image| image.version.to_string())
        .collect()
}

fn kind<T: std::fmt::Debug>(result: Result<T, RefreshProblem>) -> ProblemKind {
    result.unwrap_err().kind()
}

#[test]
fn nothing_new_costs_two_requests() {
    let story = Story::new(1);
    let fresh = story.refresh().unwrap();
    assert_eq!(versions(&fresh), ["1.31.5"]);
    assert_eq!(fresh.info.title, "A simulated catalog");
    assert_eq!(fresh.notes, Vec::<String>::new());
    story.mirrors[0].clear_log();
    assert_eq!(versions(&story.refresh().unwrap()), ["1.31.5"]);
    let requests = story.mirrors[0].requests();
    let paths: Vec<_> = requests
        .iter()
        .map(|request| request.path.as_str())
        .collect();
    assert_eq!(paths, ["metadata/2.root.json", "metadata/timestamp.json"]);
    let answers: Vec<_> = requests.iter().map(|request| request.status).collect();
    assert_eq!(answers, [Some(404), Some(304)]);
    assert_eq!(requests[1].bytes_sent, 0);
    assert_eq!(story.mirrors[0].connections(), 1);
}

#[test]
fn only_what_changed_is_fetched() {
    let mut story = Story::new(1);
    story.catalog.add_extension("other");
    story.publish();
    story.refresh().unwrap();
    story.mirrors[0].clear_log();
    story
        .catalog
        .add_image("k3s", &ImageSpec::new("k3s").version("1.31.6"));
    story.publish();
    assert_eq!(versions(&story.refresh().unwrap()), ["1.31.6", "1.31.5"]);
    let paths: Vec<_> = story.mirrors[0]
        .requests()
        .into_iter()
        .map(|request| request.path)
        .collect();
    let version = story.catalog.version("snapshot");
    let index = story.catalog.version("k3s");
    assert_eq!(
        paths,
        [
            "metadata/2.root.json".to_owned(),
            "metadata/timestamp.json".to_owned(),
            format!("metadata/{version}.snapshot.json"),
            format!("metadata/{index}.k3s.json"),
        ]
    );
}

#[test]
fn offline_what_is_stored_must_do_until_it_expires() {
    let story = Story::new(1);
    let offline = |now: &str| {
        story
            .all(time(now), Mode::CachedOnly)
            .remove("k3s")
            .unwrap()
    };
    assert_eq!(kind(offline(NOW)), ProblemKind::Temporary);
    story.refresh().unwrap();
    story.mirrors[0].clear_log();
    let before = story.host.snapshot();
    let fresh = offline(NOW).unwrap();
    assert_eq!(versions(&fresh), ["1.31.5"]);
    assert_eq!(fresh.refreshed, Some(time(NOW)));
    assert_eq!(kind(offline("2036-01-01T00:00:00Z")), ProblemKind::Overdue);
    before.assert_unchanged(&story.host.snapshot());
    assert!(story.mirrors[0].requests().is_empty());
    let config = Config::load(&story.root()).unwrap();
    let seen = cached(
        &story.root(),
        &config,
        time("2036-01-01T00:00:00Z"),
        &wanted(&["k3s"]),
    );
    let seen = seen["k3s"].as_ref().unwrap();
    assert!(seen.overdue && seen.error.is_none());
    assert_eq!(versions(&seen.catalog), ["1.31.5"]);
}

#[test]
fn a_rollback_is_refused_and_the_old_state_stays_good() {
    let mut story = Story::new(1);
    let old = story.catalog.files();
    story
        .catalog
        .add_image("k3s", &ImageSpec::new("k3s").version("1.31.6"));
    story.publish();
    story.refresh().unwrap();
    story.mirrors[0].put_all(old);
    let problem = story.refresh().unwrap_err();
    assert_eq!(problem.kind(), ProblemKind::Trust);
    assert!(problem.to_string().contains("rolled back"), "{problem}");
    story.upload();
    assert_eq!(versions(&story.refresh().unwrap()).len(), 2);
}

#[test]
fn a_stale_mirror_is_noted_and_the_next_one_asked() {
    let mut story = Story::new(2);
    let old = story.catalog.files();
    story
        .catalog
        .add_image("k3s", &ImageSpec::new("k3s").version("1.31.6"));
    story.publish();
    story.refresh().unwrap();
    story.mirrors[0].put_all(old);
    let fresh = story.refresh().unwrap();
    assert_eq!(versions(&fresh), ["1.31.6", "1.31.5"]);
    assert_eq!(fresh.notes.len(), 1);
    let (url, note) = (story.mirrors[0].url(""), &fresh.notes[0]);
    assert!(
        note.starts_with(&url) && note.contains("rolled back"),
        "{note}"
    );
    assert!(
        fresh.image_bases[0]
            .as_str()
            .starts_with(&story.mirrors[1].url(""))
    );
    assert_eq!(fresh.image_bases.len(), 2);
}

#[test]
fn every_way_of_a_broken_mirror_leads_to_the_next_one() {
    let index = "metadata/1.k3s.json";
    for behaviour in [
        Behaviour::Status {
            code: 404,
            retry_after: None,
        },
        Behaviour::Status {
            code: 500,
            retry_after: None,
        },
        Behaviour::Status {
            code: 503,
            retry_after: None,
        },
        Behaviour::Endless,
        Behaviour::Short { bytes: 10 },
        Behaviour::Flip { offset: 100 },
        Behaviour::CloseAtOnce,
        Behaviour::RedirectLoop,
        Behaviour::GzipBomb {
            decoded_len: 1 << 24,
        },
        Behaviour::Replace(b"[".repeat(100_000)),
    ] {
        for path in ["metadata/timestamp.json", index, "metadata/1.root.json"] {
            let story = Story::new(2);
            assert!(story.catalog.files().contains_key(index));
            story.mirrors[0].behave(path, Times::Always, behaviour.clone());
            let fresh = story.refresh().unwrap();
            assert_eq!(versions(&fresh), ["1.31.5"], "{behaviour:?} {path}");
            assert_eq!(
                fresh.notes.len(),
                1,
                "{behaviour:?} {path}: {:?}",
                fresh.notes
            );
        }
    }
}

#[test]
fn after_any_refused_refresh_the_next_honest_one_succeeds() {
    let mut story = Story::new(1);
    story.refresh().unwrap();
    story
        .catalog
        .add_image("k3s", &ImageSpec::new("k3s").version("1.31.6"));
    story.publish();
    let snapshot = format!(
        "metadata/{}.snapshot.json",
        story.catalog.version("snapshot")
    );
    let index = format!("metadata/{}.k3s.json", story.catalog.version("k3s"));
    for path in ["metadata/timestamp.json", &snapshot, &index] {
        let flip = Behaviour::Flip { offset: 60 };
        story.mirrors[0].behave(path, Times::Always, flip);
        let result = story.refresh();
        let failed = match &result {
            Err(problem) => problem.kind() == ProblemKind::Trust,
            Ok(fresh) => fresh.indexes["k3s"].as_ref().unwrap_err().kind() == ProblemKind::Trust,
        };
        assert!(failed, "{path}: {result:?}");
        story.mirrors[0].behave_well();
        if path == "metadata/timestamp.json" {
            let config = Config::load(&story.root()).unwrap();
            let seen = cached(&story.root(), &config, time(NOW), &wanted(&["k3s"]));
            let error = seen["k3s"].as_ref().unwrap().error.clone().unwrap();
            assert_eq!(error.time, time(NOW));
        }
    }
    assert_eq!(versions(&story.refresh().unwrap()).len(), 2);
}

#[test]
fn damaged_files_on_this_host_are_fetched_again() {
    let story = Story::new(1);
    story.refresh().unwrap();
    let directory = catalog_directory(&story);
    let names = [
        "root.json",
        "timestamp.json",
        "snapshot.json",
        "targets.json",
        "k3s.json",
        "state.toml",
    ];
    for name in names {
        story.host.write(&format!("{directory}/{name}"), "{");
        assert_eq!(versions(&story.refresh().unwrap()), ["1.31.5"], "{name}");
    }
    // A later root that nobody signed, slipped into the store, is no root.
    let root = story.host.read(&format!("{directory}/roots/1.root.json"));
    let forged = root.replace("\"version\":1", "\"version\":2");
    assert_ne!(root, forged);
    story.host.write(&format!("{directory}/root.json"), &forged);
    story
        .host
        .write(&format!("{directory}/roots/2.root.json"), &forged);
    assert_eq!(versions(&story.refresh().unwrap()), ["1.31.5"]);
    // Without its first root the trust begins anew, from the pin.
    std::fs::remove_dir_all(story.host.path(&format!("{directory}/roots"))).unwrap();
    assert_eq!(versions(&story.refresh().unwrap()), ["1.31.5"]);
}

fn catalog_directory(story: &Story) -> String {
    let digest = story.catalog.fingerprint(1);
    format!("var/lib/sysext-fetch/catalogs/k3s@{}", &digest[..16])
}

#[test]
fn others_may_read_and_temporary_files_are_swept() {
    use std::os::unix::fs::PermissionsExt as _;
    let story = Story::new(1);
    story.refresh().unwrap();
    let directory = catalog_directory(&story);
    let mode = |path: &str| {
        let about = std::fs::metadata(story.host.path(path)).unwrap();
        about.permissions().mode() & 0o777
    };
    assert_eq!(mode(&directory), 0o755);
    assert_eq!(mode(&format!("{directory}/roots")), 0o755);
    assert_eq!(mode(&format!("{directory}/k3s.json")), 0o644);
    let left = format!("{directory}/.tmp-0123456789abcdef");
    story.host.write(&left, "cut off");
    story.refresh().unwrap();
    assert!(!story.host.path(&left).exists());
}

#[test]
fn a_clock_that_was_set_back_is_noted_and_makes_nothing_fresh_again() {
    let mut story = Story::new(1);
    story.refresh().unwrap();
    let fresh = story.refresh_at("2020-01-01T00:00:00Z").unwrap();
    assert!(fresh.notes[0].contains("2020-01-01"), "{:?}", fresh.notes);
    assert_eq!(fresh.refreshed, Some(time(NOW)));
    // Years later, on a host whose clock says it is 2026 again.
    story.catalog.advance_days(3650);
    for role in ["root", "targets", "snapshot", "timestamp", "k3s"] {
        story.catalog.renew(role);
    }
    story.publish();
    story.refresh().unwrap();
    story.catalog.expire("timestamp");
    story.publish();
    assert_eq!(kind(story.refresh_at(NOW)), ProblemKind::Overdue);
}

#[test]
fn a_clock_once_far_in_the_future_does_no_lasting_harm() {
    let story = Story::new(1);
    story.refresh().unwrap();
    for far in ["2036-01-01T00:00:00Z", "2199-12-31T23:59:59Z"] {
        assert_eq!(kind(story.refresh_at(far)), ProblemKind::Overdue, "{far}");
        let fresh = story.refresh().unwrap();
        assert_eq!(versions(&fresh), ["1.31.5"]);
        assert_eq!(fresh.refreshed, Some(time(NOW)), "{far}");
        assert_eq!(fresh.notes, Vec::<String>::new(), "{far}");
    }
}

#[test]
fn an_expired_index_only_stops_its_own_extension() {
    let mut story = Story::new(1);
    story.catalog.add_extension("k3s-agent");
    story.catalog.expire("k3s");
    story.publish();
    let root = story.root();
    let config = Config::load(&root).unwrap();
    let wanted = wanted(&["k3s", "k3s-agent", "k3s-none", "other"]);
    let mut all = refresh_all(
        &root,
        &config,
        &fetcher(),
        story.catalog.now(),
        &wanted,
        Mode::Online,
    );
    let fresh = all.remove("k3s").unwrap().unwrap();
    let kind = |name: &str| fresh.indexes[name].as_ref().unwrap_err().kind();
    assert_eq!(kind("k3s"), ProblemKind::Overdue);
    assert!(fresh.indexes["k3s-agent"].is_ok());
    assert!(matches!(
        fresh.indexes["k3s-none"],
        Err(RefreshProblem::NotOffered { .. })
    ));
    let problem = fresh.indexes["other"].as_ref().unwrap_err();
    assert_eq!(
        problem.to_string(),
        "the catalog k3s may not provide other: it is allowed k3s, k3s-*"
    );
    let offered: Vec<_> = fresh.offered().map(|(name, _)| name.as_str()).collect();
    assert_eq!(offered, ["k3s", "k3s-agent"]);
}

#[test]
fn an_expired_catalog_is_overdue_and_not_tampered_with() {
    for role in ["root", "targets", "snapshot", "timestamp"] {
        let mut story = Story::new(1);
        story.refresh().unwrap();
        story.catalog.expire(role);
        story.publish();
        let problem = story.refresh().unwrap_err();
        assert_eq!(problem.kind(), ProblemKind::Overdue, "{role}");
        assert!(problem.to_string().starts_with(role), "{problem}");
    }
}

#[test]
fn images_that_another_role_speaks_for_are_none_of_the_extension() {
    let mut story = Story::new(1);
    story.catalog = Simulator::new(NOW);
    let thief = Delegation {
        role: "k3s-thief",
        keys: &["thief"],
        paths: &["k3s_1.32*"],
        terminating: false,
    };
    story.catalog.add_delegation("targets", thief);
    story.catalog.add_extension("k3s");
    for version in ["1.31.5", "1.32.0"] {
        story
            .catalog
            .add_image("k3s", &ImageSpec::new("k3s").version(version));
    }
    story.catalog.signed_mut("k3s")["targets"]["other_1.raw"] =
        json!({"length": 1, "hashes": {"sha256": "00"}});
    story.publish();
    story.trust("k3s", &story.catalog);
    let fresh = story.refresh().unwrap();
    assert_eq!(versions(&fresh), ["1.31.5"]);
    let ignored = &fresh.indexes["k3s"].as_ref().unwrap().ignored;
    let reasons: Vec<_> = ignored
        .iter()
        .map(|ignored| format!("{}: {}", ignored.file, ignored.reason))
        .collect();
    assert_eq!(reasons.len(), 2);
    assert!(
        reasons
            .iter()
            .any(|reason| reason.starts_with("k3s_1.32") && reason.contains("k3s-thief")),
        "{reasons:?}"
    );
}

#[test]
fn indexes_behind_a_group_are_found() {
    let mut story = Story::new(1);
    story.catalog = Simulator::new(NOW);
    story.catalog.add_group("_k", &["k*_*"]);
    story.catalog.add_extension_under("_k", "k3s", "release");
    story
        .catalog
        .add_image("k3s", &ImageSpec::new("k3s").version("2"));
    story.publish();
    story.trust("k3s", &story.catalog);
    assert_eq!(versions(&story.refresh().unwrap()), ["2"]);
}

#[test]
fn a_later_root_of_the_chain_continues_the_trust() {
    let mut story = Story::new(1);
    story.refresh().unwrap();
    story.catalog.touch("root");
    story.publish();
    story.refresh().unwrap();
    // The distribution ships a new descriptor with root 2.
    story.trust("k3s", &story.catalog);
    story.mirrors[0].clear_log();
    story.refresh().unwrap();
    assert_eq!(story.mirrors[0].requests().len(), 2);
    // And one with root 3 before this host has seen it.
    story.catalog.touch("root");
    story.publish();
    story.trust("k3s", &story.catalog);
    story.refresh().unwrap();
    let catalogs = story.host.path("var/lib/sysext-fetch/catalogs");
    assert_eq!(std::fs::read_dir(catalogs).unwrap().count(), 1);
    assert!(story.refresh().is_ok());
}

#[test]
fn another_root_is_refused_until_the_catalog_is_removed() {
    let mut story = Story::new(1);
    story.refresh().unwrap();
    let mut other = Simulator::new(NOW);
    other.set_keys("root", &["thief"]);
    other.set_signers("root", &["thief"]);
    other.set_root_cosigners(&[]);
    other.add_extension("k3s");
    other.touch("root");
    other.publish();
    story.trust("k3s", &other);
    story.mirrors[0].put_all(other.files());
    let problem = story.refresh().unwrap_err();
    assert!(
        matches!(problem, RefreshProblem::OtherRoot { .. }),
        "{problem:?}"
    );
    assert!(problem.hint().unwrap().contains("catalog remove k3s"));
    let offline = story
        .all(time(NOW), Mode::CachedOnly)
        .remove("k3s")
        .unwrap();
    assert!(matches!(offline, Err(RefreshProblem::OtherRoot { .. })));
    let trust = sysext_fetch::metadata_store::TrustStore::new(&story.root());
    assert!(trust.forget(&"k3s".parse().unwrap()).unwrap());
    story.catalog = other;
    story.refresh().unwrap();
}

#[test]
fn an_old_fingerprint_still_works_and_a_wrong_one_does_not() {
    let mut story = Story::new(1);
    let first = story.catalog.fingerprint(1);
    for _ in 0..3 {
        story.catalog.touch("root");
        story.publish();
    }
    let newest = story.catalog.fingerprint(4);
    let file = "etc/sysext-fetch/catalogs.d/k3s.toml";
    let descriptor = story
        .catalog
        .descriptor("k3s", &[&story.mirrors[0].url("")], &["*"]);
    assert!(descriptor.contains(&newest));
    story
        .host
        .write(file, descriptor.replace(&newest, &"0".repeat(64)));
    let problem = story.refresh().unwrap_err();
    assert_eq!(problem.kind(), ProblemKind::Trust);
    assert!(problem.to_string().contains(&newest), "{problem}");
    assert!(!story.host.path("var/lib/sysext-fetch/catalogs").exists());
    story.host.write(file, descriptor.replace(&newest, &first));
    story.refresh().unwrap();
}

#[test]
fn a_shipped_root_needs_no_fetching() {
    let story = Story::new(1);
    story.host.write(
        "etc/sysext-fetch/catalogs.d/k3s.root.json",
        story.catalog.file("metadata/1.root.json"),
    );
    story.refresh().unwrap();
    assert_eq!(story.mirrors[0].count("metadata/1.root.json"), 0);
}

#[test]
fn a_catalog_that_moved_is_followed_by_its_signed_word() {
    let mut story = Story::new(1);
    let new_home = FaultServer::empty();
    story.catalog.signed_mut("targets")["x-sysext"]["urls"] =
        json!([new_home.url(""), "file:///etc", "nonsense"]);
    story.publish();
    story.refresh().unwrap();
    new_home.put_all(story.catalog.files());
    story.mirrors[0].clear_log();
    let fresh = story.refresh().unwrap();
    assert!(story.mirrors[0].requests().is_empty());
    assert!(fresh.image_bases[0].as_str().starts_with(&new_home.url("")));
    // The old place still works when the new one is gone.
    drop(new_home);
    let fresh = story.refresh().unwrap();
    assert_eq!(fresh.notes.len(), 1, "{:?}", fresh.notes);
}

#[test]
fn a_table_of_contents_that_can_not_be_read_does_not_move_a_catalog_back() {
    let mut story = Story::new(1);
    let new_home = FaultServer::empty();
    story.catalog.signed_mut("targets")["x-sysext"]["urls"] = json!([new_home.url("")]);
    story.publish();
    story.refresh().unwrap();
    story.catalog.signed_mut("targets")["x-sysext"]["schema"] = 2.into();
    story.publish();
    new_home.put_all(story.catalog.files());
    story.mirrors[0].clear_log();
    for _ in 0..2 {
        let fresh = story.refresh().unwrap();
        assert!(fresh.notes[0].contains("schema"), "{:?}", fresh.notes);
        assert_eq!(fresh.moved_to.len(), 1);
    }
    assert!(story.mirrors[0].requests().is_empty());
}

#[test]
fn one_catalog_never_touches_another() {
    let story = Story::new(1);
    story.host.write(
        "etc/sysext-fetch/catalogs.d/broken.toml",
        story
            .catalog
            .descriptor("broken", &["http://127.0.0.1:9/"], &["*"]),
    );
    let all = story.all(time(NOW), Mode::Online);
    assert_eq!(
        all["broken"].as_ref().unwrap_err().kind(),
        ProblemKind::Temporary
    );
    assert!(all["k3s"].is_ok());
}

#[test]
fn a_403_ends_the_walk_of_the_roots_and_is_an_error_elsewhere() {
    let story = Story::new(1);
    let forbidden = Behaviour::Status {
        code: 403,
        retry_after: None,
    };
    story.mirrors[0].behave("metadata/2.root.json", Times::Always, forbidden.clone());
    story.refresh().unwrap();
    story.mirrors[0].behave("metadata/timestamp.json", Times::Always, forbidden);
    assert_eq!(kind(story.refresh()), ProblemKind::Temporary);
    story.mirrors[0].behave_well();
    let busy = Behaviour::Status {
        code: 500,
        retry_after: None,
    };
    story.mirrors[0].behave("metadata/2.root.json", Times::Always, busy);
    assert_eq!(kind(story.refresh()), ProblemKind::Temporary);
}

#[test]
fn rotated_online_keys_recover_from_a_fast_forward() {
    let mut story = Story::new(1);
    let honest = story.catalog.clone();
    story.catalog.set_version("timestamp", 1 << 40);
    story.catalog.set_version("snapshot", 1 << 40);
    story.publish();
    story.refresh().unwrap();
    story.catalog = honest;
    story.upload();
    assert_eq!(kind(story.refresh()), ProblemKind::Trust);
    for role in ["snapshot", "timestamp"] {
        story.catalog.set_keys(role, &["online-2"]);
        story.catalog.set_signers(role, &["online-2"]);
    }
    story.catalog.touch("snapshot");
    story.catalog.touch("timestamp");
    story.publish();
    story.refresh().unwrap();
}

#[test]
fn a_second_run_waits_for_the_first() {
    let story = Story::new(1);
    story.refresh().unwrap();
    let dir = sysext_durable::Dir::open(&story.host.path(&catalog_directory(&story))).unwrap();
    let lock = dir
        .lock("lock", sysext_durable::LockKind::Exclusive, Duration::ZERO)
        .unwrap();
    std::thread::scope(|scope| {
        let run = scope.spawn(|| story.refresh().map(|fresh| versions(&fresh)));
        let reader = story
            .all(time(NOW), Mode::CachedOnly)
            .remove("k3s")
            .unwrap();
        assert!(reader.is_ok() && !run.is_finished());
        drop(lock);
        assert_eq!(run.join().unwrap().unwrap(), ["1.31.5"]);
    });
}
