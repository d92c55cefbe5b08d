//! Every scenario against the real client workflow, and `fixtures/` against the scenarios.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sysext_formats::catalog::ExtensionIndex;
use sysext_formats::limits::Limits;
use sysext_formats::name::TargetPath;
use sysext_formats::trust::Clock;
use sysext_formats::workflow::{CachedFile, Fresh, RefreshError, refresh};
use test_repos::scenario::{self, Expected, Files, IMAGE, Scenario};
use test_repos::simulator::{MemoryCache, MemoryRemote, RemoteFailure};

type Host<'a> = Fresh<MemoryRemote, &'a mut MemoryCache>;
type Failure = RefreshError<RemoteFailure, std::convert::Infallible>;

/// What a lookup of a file ends with: the role that lists it, and its index of `k3s` if that was visited.
struct Lookup {
    role: Option<String>,
    ignored: Option<Vec<String>>,
}

fn meet<'a>(host: &'a mut MemoryCache, files: &Files) -> Result<Host<'a>, Failure> {
    let clock = Clock::enforcing(scenario::NOW.parse().unwrap());
    refresh(
        Some(MemoryRemote::new(files.clone())),
        host,
        clock,
        Limits::default(),
    )
}

fn look_up(host: &mut Host<'_>, file: &str) -> Result<Lookup, Failure> {
    let path: TargetPath = file.parse().unwrap();
    let role = host
        .find_target(&path)?
        .map(|(role, _)| role.unwrap().to_string());
    let mut ignored = None;
    host.search(&path, |found| {
        if found.role.is_some_and(|role| role.as_str() == "k3s") {
            let index = ExtensionIndex::read(&"k3s".parse().unwrap(), found.document).unwrap();
            ignored = Some(
                index
                    .ignored
                    .into_iter()
                    .map(|ignored| ignored.file)
                    .collect(),
            );
        }
        false
    })?;
    Ok(Lookup { role, ignored })
}

/// Refresh and lookup of the image, all honest.
fn take(host: &mut MemoryCache, files: &Files) -> Result<Lookup, Failure> {
    look_up(&mut meet(host, files)?, IMAGE)
}

#[track_caller]
fn assert_says(scenario: &Scenario, error: &Failure, says: &str) {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    assert!(text.contains(says), "{}: {text}", scenario.name);
}

fn play(scenario: &Scenario) {
    let name = scenario.name;
    let root = &scenario.before["metadata/1.root.json"];
    let mut host = MemoryCache::trusting(root);
    let seen = take(&mut host, &scenario.before);
    if let (Err(error), false) = (&seen, scenario.before == scenario.served) {
        panic!("{name}: what the host has seen is refused: {error}");
    }
    let stored = host.clone();

    match scenario.expected {
        Expected::Accepted => {
            let lookup =
                take(&mut host, &scenario.served).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(lookup.role.as_deref(), Some("k3s"), "{name}");
        }
        Expected::Refused { says, .. } => {
            let error = meet(&mut host, &scenario.served).map(drop).unwrap_err();
            assert_says(scenario, &error, says);
        }
        Expected::IndexRefused { says } => {
            let mut fresh = meet(&mut host, &scenario.served).unwrap();
            let error = look_up(&mut fresh, IMAGE).map(drop).unwrap_err();
            assert_says(scenario, &error, says);
            // The other extension goes on.
            look_up(&mut fresh, "htop_3.4.1_noarch.raw").unwrap();
        }
        Expected::Absent { file } => {
            let mut fresh = meet(&mut host, &scenario.served).unwrap();
            assert_eq!(look_up(&mut fresh, file).unwrap().role, None, "{name}");
        }
        Expected::Ignored { files } => {
            let lookup = take(&mut host, &scenario.served).unwrap();
            let ignored: BTreeSet<_> = lookup.ignored.unwrap().into_iter().collect();
            let expected = files.iter().map(|file| (*file).to_owned()).collect();
            assert_eq!(ignored, expected, "{name}");
        }
    }
    assert_nothing_refused_is_stored(scenario, &stored, &host);

    let healed = take(&mut host, &scenario.after);
    let role = healed
        .unwrap_or_else(|error| panic!("{name}: the honest successor is refused: {error}"))
        .role;
    assert_eq!(role.as_deref(), Some("k3s"), "{name}");
}

/// Of the document that was refused, the host has what it had, or nothing where new keys ended its life (TUF 5.3.11).
fn assert_nothing_refused_is_stored(
    scenario: &Scenario,
    before: &MemoryCache,
    after: &MemoryCache,
) {
    let file = match scenario.expected {
        // A root is stored before its expiry is looked at (TUF 5.3.8): the next one must be signed by its keys.
        Expected::Refused { says, .. } if says.starts_with("root version") => return,
        Expected::Refused { role, .. } => match role {
            "root" => CachedFile::Root,
            "timestamp" => CachedFile::Timestamp,
            "snapshot" => CachedFile::Snapshot,
            "targets" => CachedFile::Targets(None),
            role => CachedFile::Targets(Some(role.parse().unwrap())),
        },
        Expected::IndexRefused { .. } => CachedFile::Targets(Some("k3s".parse().unwrap())),
        Expected::Accepted | Expected::Absent { .. } | Expected::Ignored { .. } => return,
    };
    if let Some(stored) = after.get(&file) {
        assert_eq!(before.get(&file), Some(stored), "{}", scenario.name);
    }
}

#[test]
fn every_scenario_ends_as_it_must() {
    let scenarios = scenario::all();
    let names: BTreeSet<_> = scenarios.iter().map(|scenario| scenario.name).collect();
    assert_eq!(names.len(), scenarios.len(), "two scenarios share a name");
    // All are played, so that one failure does not hide another.
    let failed = |scenario: &&Scenario| std::panic::catch_unwind(|| play(scenario)).is_err();
    let failed: Vec<_> = scenarios
        .iter()
        .filter(failed)
        .map(|scenario| scenario.name)
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
}

/// TUF 5.3.2 bounds the walk; what is left waits for the next refresh.
#[test]
fn more_than_256_new_roots_are_walked_in_steps() {
    let mut catalog = scenario::honest();
    let mut host = catalog.host();
    for _ in 0..300 {
        catalog.touch("root");
        catalog.publish();
    }
    let root_after = |host: &mut MemoryCache| {
        let fresh = meet(host, &catalog.files()).unwrap();
        fresh.stage().root().version.get()
    };
    assert_eq!(root_after(&mut host), 257);
    assert_eq!(root_after(&mut host), 301);
}

#[test]
fn the_folders_hold_what_the_scenarios_say() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut expected = BTreeMap::new();
    for scenario in scenario::all() {
        for (path, bytes) in scenario.disk_files() {
            expected.insert(format!("{}/{path}", scenario.name), bytes);
        }
    }
    let mut found = BTreeMap::new();
    read_tree(&fixtures, "", &mut found);
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<BTreeSet<_>>();
    let hint = "run: cargo run -p test-repos --example write-fixtures";
    assert_eq!(names(&found), names(&expected), "{hint}");
    for (path, bytes) in &expected {
        assert!(found[path] == *bytes, "{path} differs; {hint}");
    }
}

fn read_tree(directory: &Path, prefix: &str, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            read_tree(&entry.path(), &format!("{path}/"), found);
        } else {
            found.insert(path, std::fs::read(entry.path()).unwrap());
        }
    }
}
