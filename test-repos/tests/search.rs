//! Where the search for a target ends, and whose word counts on the way.

use sysext_formats::limits::{Limits, MAX_SLOW_PATTERNS};
use sysext_formats::name::TargetPath;
use sysext_formats::role::MetadataVersion;
use sysext_formats::trust::{Clock, TrustError};
use sysext_formats::workflow::{Found, RefreshError, Remote, RemoteFile, refresh};
use test_repos::image::ImageSpec;
use test_repos::simulator::{Delegation, Simulator, signature};

const NOW: &str = "2026-06-01T00:00:00Z";

#[test]
fn a_role_that_lists_the_file_ends_the_search() {
    let mut vendor = Simulator::new(NOW);
    vendor.add_extension("k3s");
    let file = vendor.add_image("k3s", &ImageSpec::new("k3s"));
    // An index that would send readers through thousands of patterns below it.
    vendor.add_delegation(
        "k3s",
        Delegation {
            role: "below",
            keys: &["below"],
            paths: &["k3s_*"],
            terminating: false,
        },
    );
    vendor.publish();
    let clock = Clock::enforcing(vendor.now());
    let (remote, mut host) = (Some(vendor.remote()), vendor.host());
    let mut fresh = refresh(remote, &mut host, clock, Limits::default()).unwrap();
    let mut visited = Vec::new();
    fresh
        .search(&file.parse().unwrap(), |found| {
            visited.push(found.role.map(|role| role.to_string()));
            false
        })
        .unwrap();
    assert_eq!(visited, [None, Some("k3s".to_owned())]);
}

#[test]
fn a_document_full_of_slow_patterns_is_refused() {
    let pattern = format!("*{}z", "k".repeat(100));
    for (count, refused) in [(100, false), (MAX_SLOW_PATTERNS / 100, true)] {
        let mut vendor = Simulator::new(NOW);
        vendor.add_extension("k3s");
        vendor.add_delegation(
            "targets",
            Delegation {
                role: "slow",
                keys: &["slow"],
                paths: &vec![pattern.as_str(); count],
                terminating: false,
            },
        );
        vendor.publish();
        let clock = Clock::enforcing(vendor.now());
        let (remote, mut host) = (Some(vendor.remote()), vendor.host());
        let outcome = refresh(remote, &mut host, clock, Limits::default());
        assert_eq!(outcome.is_err(), refused, "{count}");
    }
}

/// What `needed` says is fetched next is what the search fetches next, with the same bound.
#[test]
fn what_a_search_needs_is_what_it_fetches() {
    let mut vendor = Simulator::new(NOW);
    vendor.add_extension("k3s");
    vendor.add_group("_a", &["a*"]);
    vendor.add_extension_under("_a", "ab", "ab");
    let below = |vendor: &mut Simulator, delegator: &str| {
        vendor.add_delegation(
            delegator,
            Delegation {
                role: "below",
                keys: &["below"],
                paths: &["k3s_*"],
                terminating: false,
            },
        );
    };
    below(&mut vendor, "k3s");
    vendor.publish();
    let clock = Clock::enforcing(vendor.now());
    let mut host = vendor.host();
    let limits = Limits::default();
    let remote = Some(vendor.remote());
    let mut fresh = refresh(remote, &mut host, clock, limits.clone()).unwrap();
    let path = |text: &str| text.parse::<TargetPath>().unwrap();
    let file = |vendor: &Simulator, role: &str| {
        let version = MetadataVersion::new(vendor.version(role)).unwrap();
        RemoteFile::Targets(Some(role.parse().unwrap()), Some(version))
    };
    let is = |name: &'static str| {
        move |found: Found<'_>| found.role.is_some_and(|role| role.as_str() == name)
    };
    // The group first, then what it leads to; a search that ends is never asked further.
    let needed = fresh.needed(&path("ab_"), is("ab")).unwrap();
    assert_eq!(needed.file, file(&vendor, "_a"));
    assert_eq!(fresh.needed_role(&"_a".parse().unwrap()).unwrap(), needed);
    fresh.delegated(&"_a".parse().unwrap()).unwrap();
    assert_eq!(fresh.needed_role(&"_a".parse().unwrap()), None);
    let needed = fresh.needed(&path("ab_"), is("ab")).unwrap();
    assert_eq!(needed.file, file(&vendor, "ab"));
    fresh.search(&path("ab_"), is("ab")).unwrap();
    assert_eq!(fresh.needed(&path("ab_"), is("ab")), None);
    // Nothing is signed about its length.
    let needed = fresh.needed(&path("k3s_"), is("k3s")).unwrap();
    assert_eq!(needed.file, file(&vendor, "k3s"));
    assert_eq!(needed.limit, limits.targets);
    fresh.search(&path("k3s_"), is("k3s")).unwrap();
    assert_eq!(fresh.needed(&path("k3s_"), is("k3s")), None);
    // For a search that goes on: what lies below.
    let needed = fresh.needed(&path("k3s_"), |_| false).unwrap();
    assert_eq!(needed.file, file(&vendor, "below"));
    // Nobody speaks for it; nothing was published of it.
    assert_eq!(fresh.needed(&path("other_"), is("other")), None);
    assert_eq!(fresh.needed_role(&"other".parse().unwrap()), None);
    drop(fresh);
    // What is stored and current is not needed, without a request.
    let remote = vendor.remote();
    let mut fresh = refresh(Some(remote), &mut host, clock, limits.clone()).unwrap();
    assert_eq!(fresh.needed(&path("k3s_"), is("k3s")), None);
    assert_eq!(fresh.needed_role(&"_a".parse().unwrap()), None);
    drop(fresh);
    vendor.touch("k3s");
    vendor.publish();
    let remote = vendor.remote();
    let mut fresh = refresh(Some(remote), &mut host, clock, limits).unwrap();
    let needed = fresh.needed(&path("k3s_"), is("k3s")).unwrap();
    assert_eq!(needed.file, file(&vendor, "k3s"));
}

#[test]
fn a_signed_length_bounds_what_is_needed() {
    for (length, expected) in [(1000, 1000), (10_000_000, Limits::default().targets)] {
        let mut vendor = Simulator::new(NOW);
        vendor.add_extension("k3s");
        vendor.publish();
        vendor.signed_mut("snapshot")["meta"]["k3s.json"]["length"] = length.into();
        vendor.publish();
        let clock = Clock::enforcing(vendor.now());
        let (remote, mut host) = (Some(vendor.remote()), vendor.host());
        let mut fresh = refresh(remote, &mut host, clock, Limits::default()).unwrap();
        let needed = fresh.needed(&"k3s_".parse().unwrap(), |_| false).unwrap();
        assert_eq!(needed.limit, expected);
    }
}

/// Serves a second document of one role from the second time on.
struct TwoFaced<R> {
    remote: R,
    second: Vec<u8>,
    asked: u32,
}

impl<R: Remote> Remote for TwoFaced<R> {
    type Error = R::Error;

    fn fetch(&mut self, file: &RemoteFile, limit: u64) -> Result<Option<Vec<u8>>, R::Error> {
        if matches!(file, RemoteFile::Targets(Some(role), _) if role.as_str() == "shared") {
            self.asked += 1;
            if self.asked > 1 {
                return Ok(Some(self.second.clone()));
            }
        }
        self.remote.fetch(file, limit)
    }
}

#[test]
fn one_role_of_two_delegators_is_one_document() {
    let mut vendor = Simulator::new(NOW);
    let delegate = |vendor: &mut Simulator, delegator: &str, role: &str, key: &str, path: &str| {
        vendor.add_delegation(
            delegator,
            Delegation {
                role,
                keys: &[key],
                paths: &[path],
                terminating: false,
            },
        );
    };
    delegate(&mut vendor, "targets", "shared", "first", "a*");
    delegate(&mut vendor, "targets", "other", "other", "b*");
    delegate(&mut vendor, "other", "shared", "second", "b*");
    vendor.publish();
    let mut second = vendor.signed("shared").clone();
    second["x-other"] = "document".into();
    let second =
        serde_json::json!({"signatures": [signature("second", &second)], "signed": second});
    let remote = TwoFaced {
        remote: vendor.remote(),
        second: second.to_string().into_bytes(),
        asked: 0,
    };
    let clock = Clock::enforcing(vendor.now());
    let mut host = vendor.host();
    let mut fresh = refresh(Some(remote), &mut host, clock, Limits::default()).unwrap();
    fresh.search(&"a".parse().unwrap(), |_| false).unwrap();
    let refused = fresh.search(&"b".parse().unwrap(), |_| false).unwrap_err();
    assert!(
        matches!(&refused, RefreshError::Trust(TrustError::TwoDocuments { role, .. }) if role == "shared"),
        "{refused}"
    );
}
