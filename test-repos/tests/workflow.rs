//! What a host makes of time, of a missing network, and of a server that says the same in other words.

use std::convert::Infallible;

use serde_json::Value;
use sysext_formats::limits::Limits;
use sysext_formats::name::RoleName;
use sysext_formats::trust::{Clock, Delegator, ExpiryPolicy, RoleRequest, RootNews, RootStage};
use sysext_formats::workflow::{CachedFile, Fresh, RefreshError, refresh};
use test_repos::scenario::{self, IMAGE, NOW};
use test_repos::simulator::{MemoryCache, MemoryRemote, RemoteFailure, Simulator};

type Met<'a> =
    Result<Fresh<MemoryRemote, &'a mut MemoryCache>, RefreshError<RemoteFailure, Infallible>>;

fn meet<'a>(host: &'a mut MemoryCache, remote: Option<MemoryRemote>, clock: Clock) -> Met<'a> {
    refresh(remote, host, clock, Limits::default())
}

fn is_expiry<T>(result: Result<T, RefreshError<RemoteFailure, Infallible>>) -> bool {
    match result {
        Err(RefreshError::Trust(error)) => error.is_expiry(),
        _ => false,
    }
}

#[test]
fn a_document_is_good_until_the_second_it_names_and_no_longer() {
    for role in ["root", "timestamp", "snapshot", "targets"] {
        let mut catalog = scenario::honest();
        let refreshed = |catalog: &Simulator, expiry| {
            let clock = Clock {
                now: NOW.parse().unwrap(),
                expiry,
            };
            let mut host = catalog.host();
            meet(&mut host, Some(catalog.remote()), clock).map(drop)
        };
        catalog.set_expires(role, "2026-11-23T00:00:01Z");
        catalog.publish();
        assert!(refreshed(&catalog, ExpiryPolicy::Enforce).is_ok(), "{role}");
        for overdue in [NOW, "2026-11-22T23:59:59Z"] {
            catalog.set_expires(role, overdue);
            catalog.publish();
            assert!(
                is_expiry(refreshed(&catalog, ExpiryPolicy::Enforce)),
                "{role} {overdue}"
            );
            // A publisher must be able to renew it.
            assert!(
                refreshed(&catalog, ExpiryPolicy::Ignore).is_ok(),
                "{role} {overdue}"
            );
        }
    }
}

#[test]
fn only_time_that_ran_out_is_called_so() {
    let mut catalog = scenario::honest();
    catalog.tamper("metadata/timestamp.json", |timestamp| {
        timestamp["signed"]["version"] = 1000.into();
    });
    let clock = Clock::enforcing(catalog.now());
    let mut host = catalog.host();
    let result = meet(&mut host, Some(catalog.remote()), clock).map(drop);
    assert!(matches!(result, Err(RefreshError::Trust(_))), "{result:?}");
    assert!(!is_expiry(result));
}

#[test]
fn without_a_network_what_is_stored_does_until_it_expires() {
    let mut catalog = scenario::honest();
    let mut host = catalog.host();
    let clock = Clock::enforcing(catalog.now());
    let nothing = meet(&mut host, None, clock).map(drop);
    assert!(
        matches!(&nothing, Err(RefreshError::Offline(file)) if file == "timestamp.json"),
        "{nothing:?}"
    );

    let path = IMAGE.parse().unwrap();
    let mut fresh = meet(&mut host, Some(catalog.remote()), clock).unwrap();
    let online = fresh.find_target(&path).unwrap().unwrap().0;
    let stored = host.clone();
    let mut fresh = meet(&mut host, None, clock).unwrap();
    assert_eq!(fresh.find_target(&path).unwrap().unwrap().0, online);
    assert_eq!(host, stored);

    catalog.advance_days(1000);
    let late = meet(&mut host, None, Clock::enforcing(catalog.now())).map(drop);
    assert!(is_expiry(late));
}

#[test]
fn a_timestamp_in_other_words_is_no_news() {
    let mut catalog = scenario::honest();
    let mut host = catalog.host();
    let clock = Clock::enforcing(catalog.now());
    drop(meet(&mut host, Some(catalog.remote()), clock).unwrap());
    let stored = host.clone();

    let path = "metadata/timestamp.json";
    let document: Value = serde_json::from_slice(catalog.file(path)).unwrap();
    let pretty = serde_json::to_vec_pretty(&document).unwrap();
    assert_ne!(pretty, catalog.file(path));
    catalog.put(path, pretty);
    drop(meet(&mut host, Some(catalog.remote()), clock).unwrap());
    assert_eq!(host, stored);
}

#[test]
fn what_is_stored_has_names_that_never_meet() {
    let files = [
        (CachedFile::Root, "root"),
        (CachedFile::Timestamp, "timestamp"),
        (CachedFile::Snapshot, "snapshot"),
        (CachedFile::Targets(None), "targets"),
    ];
    for (file, name) in files {
        assert_eq!(file.storage_name(), format!("{name}.json"));
        // No delegated role is called so.
        assert!(name.parse::<RoleName>().is_err(), "{name}");
    }
    let role = |name: &str| CachedFile::Targets(Some(name.parse().unwrap())).storage_name();
    assert_eq!(
        (role("k3s"), role("../a")),
        ("k3s.json".to_owned(), "%2E%2E%2Fa.json".to_owned())
    );
}

/// Only new keys of timestamp or snapshot end the life of what is stored (TUF 5.3.11): a new root as such must not, or a
/// server could make a host forget what it has seen.
#[test]
fn a_new_root_says_whether_it_rotates_the_keys_of_freshness() {
    let news = |change: &dyn Fn(&mut Simulator)| {
        let mut catalog = scenario::honest();
        let clock = Clock::enforcing(catalog.now());
        let mut stage = RootStage::trust(catalog.file("metadata/1.root.json"), clock).unwrap();
        change(&mut catalog);
        catalog.publish();
        stage.update(catalog.file("metadata/2.root.json")).unwrap()
    };
    for plain in ["root", "targets"] {
        let change = |catalog: &mut Simulator| catalog.set_keys(plain, &["new"]);
        assert_eq!(news(&change), RootNews::Plain, "{plain}");
    }
    assert_eq!(news(&|catalog| catalog.touch("root")), RootNews::Plain);
    for fresh in ["timestamp", "snapshot"] {
        let change = |catalog: &mut Simulator| catalog.set_keys(fresh, &["new"]);
        assert_eq!(news(&change), RootNews::FreshnessKeysRotated, "{fresh}");
    }
}

/// A stage takes a role from nobody but the one whose delegation it was asked for.
#[test]
fn a_role_that_is_listed_and_not_delegated_is_refused_by_both_names() {
    let catalog = scenario::honest();
    let file = |role: &str| catalog.file(&catalog.path(role));
    let stage = RootStage::trust(file("root"), Clock::enforcing(catalog.now())).unwrap();
    let (stage, _) = stage.finish().unwrap().update(file("timestamp")).unwrap();
    let mut stage = stage.update(file("snapshot")).unwrap();
    let targets = stage.request_targets().unwrap().unwrap();
    assert_eq!(
        (targets.name(), &targets.delegator),
        ("targets", &Delegator::Root)
    );
    stage.update(&targets, file("targets")).unwrap();
    assert_eq!(stage.request_targets().unwrap(), None);

    let request = |role: &str, delegator| RoleRequest {
        role: Some(role.parse().unwrap()),
        delegator,
        wanted: stage.snapshot().role(role).unwrap().clone(),
    };
    let from_targets = request("k3s", Delegator::Targets);
    assert_eq!(from_targets.name(), "k3s");
    let requests = [
        (
            request("htop", Delegator::Root),
            "root does not delegate to htop",
        ),
        (
            request("htop", Delegator::Role("k3s".parse().unwrap())),
            "k3s does not delegate to htop",
        ),
    ];
    stage.update(&from_targets, file("k3s")).unwrap();
    for (request, says) in requests {
        let error = stage.update(&request, file("htop")).unwrap_err();
        assert_eq!(error.to_string(), says);
    }
    let nobody = RoleRequest {
        role: Some("nobody".parse().unwrap()),
        ..from_targets
    };
    let error = stage.update(&nobody, file("k3s")).unwrap_err();
    assert_eq!(error.to_string(), "nobody is not listed in the snapshot");
    assert_eq!(Delegator::Targets.to_string(), "targets");
}
