//! A whole refresh against a server that serves whatever it likes (`sysext_formats::workflow`).
//!
//! The server holds every document of every scenario of `test-repos`: old and new ones, of honest publishers and of
//! thieves with real keys, and may serve each of them anywhere, damage it, leave it out, or serve bytes of its own.
//!
//! - What the host stores was signed by enough of the keys that the stored root, or a stored delegator, names: the
//!   signatures are counted here again, by other code. What was stored before and did not change is not asked again.
//! - While the keys stay, no stored version ever goes down, and the snapshot drops no role.
//! - A refresh that succeeds has documents of one consistent set, none of them expired.
//! - The same server gives the same result.

mod input;

pub(crate) use self::input::scenarios;

use serde_json::Value;
use sysext_formats::limits::Limits;
use sysext_formats::time::UtcTime;
use sysext_formats::trust::{Clock, TargetsStage};
use sysext_formats::workflow::{CachedFile, refresh};
use test_repos::scenario::{self, Files};
use test_repos::simulator::{MemoryCache, MemoryRemote};

use crate::signed::is_signed;

/// The invariant above, for any program of `input.rs`.
pub fn check(data: &[u8]) -> bool {
    let Some((before, served)) = input::read(data) else {
        return false;
    };
    let mut host = MemoryCache::trusting(&before["metadata/1.root.json"]);
    // Some scenarios begin with a state that is refused.
    let _ = meet(&mut host, &before);
    let stored = host.clone();
    let mut twin = host.clone();
    let result = meet(&mut host, &served);
    assert_verified(&stored, &host);
    assert_never_back(&stored, &host);
    let good = result.is_ok();
    assert_eq!((meet(&mut twin, &served), &twin), (result, &host));
    good
}

/// A refresh and a search; `Err` has the message.
fn meet(host: &mut MemoryCache, files: &Files) -> Result<bool, String> {
    let clock = Clock::enforcing(scenario::NOW.parse().unwrap());
    let limits = Limits {
        new_roots: 16,
        ..Limits::default()
    };
    let remote = MemoryRemote::new(files.clone());
    let mut fresh =
        refresh(Some(remote), host, clock, limits).map_err(|error| error.to_string())?;
    assert_consistent(fresh.stage(), clock.now);
    let path = scenario::IMAGE.parse().unwrap();
    let found = fresh
        .find_target(&path)
        .map_err(|error| error.to_string())?;
    if let Some((role, _)) = &found {
        let listed = fresh.stage().snapshot();
        assert!(
            listed
                .role(role.as_ref().map_or("targets", |role| role.as_str()))
                .is_some()
        );
    }
    Ok(found.is_some())
}

fn assert_consistent(stage: &TargetsStage, now: UtcTime) {
    let (timestamp, snapshot) = (stage.timestamp(), stage.snapshot());
    let targets = stage.targets().expect("a refresh takes targets.json");
    assert_eq!(timestamp.meta.snapshot.version, snapshot.version);
    assert_eq!(snapshot.role("targets").unwrap().version, targets.version);
    let expires = [
        stage.root().expires,
        timestamp.expires,
        snapshot.expires,
        targets.expires,
    ];
    assert!(expires.iter().all(|expires| *expires > now), "{expires:?}");
}

fn document(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("what is stored is JSON")
}

fn assert_verified(before: &MemoryCache, after: &MemoryCache) {
    let root = document(after.get(&CachedFile::Root).expect("a host keeps its root"));
    let top = |role: &str| {
        vec![(
            root["signed"]["keys"].clone(),
            root["signed"]["roles"][role].clone(),
        )]
    };
    for (file, bytes) in after
        .iter()
        .filter(|(file, bytes)| before.get(file) != Some(*bytes))
    {
        let authorities = match file {
            CachedFile::Root => top("root"),
            CachedFile::Timestamp => top("timestamp"),
            CachedFile::Snapshot => top("snapshot"),
            CachedFile::Targets(None) => top("targets"),
            CachedFile::Targets(Some(role)) => delegations(after, role.as_str()),
        };
        let document = document(bytes);
        let good = authorities
            .iter()
            .any(|(keys, role)| is_signed(&document, keys, role));
        assert!(good, "{file:?} was stored, and its keys did not sign it");
    }
}

/// Keys and role of every stored delegation to `name`.
fn delegations(cache: &MemoryCache, name: &str) -> Vec<(Value, Value)> {
    let mut found = Vec::new();
    for (file, bytes) in cache.iter() {
        if let CachedFile::Targets(_) = file {
            let delegations = &document(bytes)["signed"]["delegations"];
            let roles = delegations["roles"].as_array().into_iter().flatten();
            found.extend(
                roles
                    .filter(|role| role["name"] == name)
                    .map(|role| (delegations["keys"].clone(), role.clone())),
            );
        }
    }
    found
}

fn assert_never_back(before: &MemoryCache, after: &MemoryCache) {
    let signed = |cache: &MemoryCache, file: &CachedFile| {
        cache
            .get(file)
            .map(|bytes| document(bytes)["signed"].clone())
    };
    let version = |signed: &Value| signed["version"].as_u64().unwrap();
    let roots = [before, after].map(|cache| signed(cache, &CachedFile::Root).unwrap());
    assert!(
        version(&roots[0]) <= version(&roots[1]),
        "the root was rolled back"
    );
    if roots[0] != roots[1] {
        // New keys end the life of what a thief may have signed with the old ones (5.3.11).
        return;
    }
    for file in [CachedFile::Timestamp, CachedFile::Snapshot] {
        if let Some(old) = signed(before, &file) {
            let new = signed(after, &file).expect("what was stored stays");
            assert!(version(&old) <= version(&new), "{file:?} was rolled back");
            for (name, meta) in old["meta"].as_object().unwrap() {
                let found = new["meta"][name]["version"].as_u64();
                assert!(
                    found >= meta["version"].as_u64(),
                    "{name} was rolled back or dropped"
                );
            }
        }
    }
}
