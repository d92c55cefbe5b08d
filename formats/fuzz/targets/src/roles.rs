//! The payloads of the four roles (`sysext_formats::role`).
//!
//! - A payload that is read and written again says everything that it said, unknown members included, and nothing else:
//!   who re-signs a document of a newer publisher loses nothing. (Members that are `null` count as absent.)
//! - Reading what was written gives the same value.
//! - Patterns of delegations match as the plain definition of `*` and `?` says.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sysext_formats::json;
use sysext_formats::name::TargetPath;
use sysext_formats::role::{Delegations, Paths, Role, Root, Snapshot, Targets, Timestamp};

/// `root.json`.
pub fn root(data: &[u8]) -> bool {
    read::<Root>(data)
        .inspect(|root| assert!(!root.rotates_freshness_keys(root)))
        .is_some()
}

/// `timestamp.json`.
pub fn timestamp(data: &[u8]) -> bool {
    read::<Timestamp>(data).is_some()
}

/// `snapshot.json`.
pub fn snapshot(data: &[u8]) -> bool {
    let Some(snapshot) = read::<Snapshot>(data) else {
        return false;
    };
    for (file, meta) in &snapshot.meta {
        if let Some(role) = file.strip_suffix(".json") {
            assert_eq!(snapshot.role(role), Some(meta));
        }
    }
    true
}

/// `targets.json` and delegated roles.
pub fn targets(data: &[u8]) -> bool {
    let Some(targets) = read::<Targets>(data) else {
        return false;
    };
    if let Some(delegations) = &targets.delegations {
        for path in targets.targets.keys() {
            patterns(delegations, path);
        }
    }
    true
}

fn read<T: Role + Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(
    data: &[u8],
) -> Option<T> {
    let received = json::parse(data).ok()?;
    let role = T::deserialize(&received).ok()?;
    assert!(role.version().get() > 0);
    let written = serde_json::to_value(&role).unwrap();
    assert_keeps(&received, &written, "signed");
    let again = T::deserialize(&written).expect("what was written can be read");
    assert_eq!(again, role);
    assert_eq!(serde_json::to_value(&again).unwrap(), written);
    Some(role)
}

/// `written` has what `received` has; what it has beyond that are defaults.
fn assert_keeps(received: &Value, written: &Value, place: &str) {
    match (received, written) {
        (Value::Object(received), Value::Object(written)) => {
            for (name, member) in received.iter().filter(|(_, member)| !member.is_null()) {
                let place = format!("{place}.{name}");
                let written = written
                    .get(name)
                    .unwrap_or_else(|| panic!("{place} was lost"));
                assert_keeps(member, written, &place);
            }
            let added = written
                .iter()
                .find(|(name, _)| !received.contains_key(*name));
            if let Some((name, member)) = added {
                assert!(
                    name == "consistent_snapshot" && member == false,
                    "{place}.{name} was added"
                );
            }
        }
        (Value::Array(received), Value::Array(written)) => {
            assert_eq!(received.len(), written.len(), "{place}");
            for (received, written) in received.iter().zip(written) {
                assert_keeps(received, written, place);
            }
        }
        (received, written) => assert_eq!(received, written, "{place}"),
    }
}

fn patterns(delegations: &Delegations, path: &TargetPath) {
    for role in &delegations.roles {
        if let Paths::Paths(patterns) = &role.paths {
            let expected = patterns
                .iter()
                .any(|pattern| matches(pattern, path.as_str()));
            assert_eq!(role.covers(path), expected, "{patterns:?} {path}");
        }
    }
}

/// Component by component, by a table: `row[n]` says whether the pattern so far matches the first `n` bytes.
fn matches(pattern: &str, path: &str) -> bool {
    let pairs = || pattern.split('/').zip(path.split('/'));
    pattern.split('/').count() == path.split('/').count()
        && pairs().all(|(pattern, text)| {
            let text = text.as_bytes();
            let mut row = vec![false; text.len() + 1];
            row[0] = true;
            for byte in pattern.bytes() {
                let before = row.clone();
                for at in 0..=text.len() {
                    row[at] = match byte {
                        b'*' => before[at] || (at > 0 && row[at - 1]),
                        _ => at > 0 && before[at - 1] && (byte == b'?' || byte == text[at - 1]),
                    };
                }
            }
            row[text.len()]
        })
}
