//! `targets.json` and delegated roles: files, and who may speak for which of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Extra, MetadataVersion, Role, RoleKeys};
use crate::digest::Hashes;
use crate::key::{KeyId, PublicKey};
use crate::limits::MAX_SLOW_PATTERNS;
use crate::name::{RoleName, TargetPath};
use crate::time::UtcTime;
use crate::verify::Authority;

/// A list of files, and delegations to further lists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Targets {
    /// Its version.
    pub version: MetadataVersion,
    /// When hosts stop believing it.
    pub expires: UtcTime,
    /// The files.
    pub targets: BTreeMap<TargetPath, TargetFile>,
    /// Who else may speak for which files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegations: Option<Delegations>,
    /// What a catalog says about itself or an extension; read by [`catalog`](crate::catalog).
    #[serde(rename = "x-sysext", default, skip_serializing_if = "Option::is_none")]
    pub x_sysext: Option<Value>,
    /// Members this code does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetFile {
    /// Its length in bytes.
    pub length: u64,
    /// Its hashes.
    pub hashes: Hashes,
    /// What stands above TUF; read by [`catalog`](crate::catalog).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom: Option<Value>,
    /// Members this code does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Delegations, in the order of their priority.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delegations {
    /// Every key that a delegated role uses.
    pub keys: BTreeMap<KeyId, PublicKey>,
    /// The roles.
    #[serde(deserialize_with = "distinct_roles")]
    pub roles: Vec<DelegatedRole>,
    /// Members this code does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// One delegated role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelegatedRole {
    /// Its name.
    pub name: RoleName,
    /// For which files it may speak.
    #[serde(flatten)]
    pub paths: Paths,
    /// Whether a search that reaches it ends with it.
    pub terminating: bool,
    /// Its keys and threshold.
    #[serde(flatten)]
    pub keys: RoleKeys,
}

/// For which files a role may speak: exactly one of two members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", try_from = "EitherPaths")]
pub enum Paths {
    /// Shell patterns, matched component by component: `*` and `?` never stand for a `/`.
    Paths(Vec<String>),
    /// Beginnings of the hexadecimal SHA-256 digest of the path.
    PathHashPrefixes(Vec<String>),
}

#[derive(Deserialize)]
struct EitherPaths {
    paths: Option<Vec<String>>,
    path_hash_prefixes: Option<Vec<String>>,
}

impl TryFrom<EitherPaths> for Paths {
    type Error = &'static str;

    fn try_from(either: EitherPaths) -> Result<Self, &'static str> {
        match (either.paths, either.path_hash_prefixes) {
            (Some(patterns), None) => Ok(Self::Paths(patterns)),
            (None, Some(prefixes)) => Ok(Self::PathHashPrefixes(prefixes)),
            _ => Err("exactly one of paths and path_hash_prefixes is needed"),
        }
    }
}

impl Targets {
    /// The role that this document says it is of, in `x-sysext.role`; documents that are not of catalogs do not say it.
    #[must_use]
    pub fn stated_role(&self) -> Option<&str> {
        self.x_sysext.as_ref()?.get("role")?.as_str()
    }
}

impl Delegations {
    /// Who may sign the delegated role `name`.
    #[must_use]
    pub fn authority(&self, name: &RoleName) -> Option<Authority<'_>> {
        let role = self.roles.iter().find(|role| role.name == *name)?;
        Some(self.authority_of(role))
    }

    /// Who may sign `role`, one of these.
    pub(crate) fn authority_of<'a>(&'a self, role: &'a DelegatedRole) -> Authority<'a> {
        Authority::new(role.name.as_str(), &role.keys, &self.keys)
    }
}

impl DelegatedRole {
    /// Whether the role may speak for `path`.
    #[must_use]
    pub fn covers(&self, path: &TargetPath) -> bool {
        match &self.paths {
            Paths::Paths(patterns) => patterns
                .iter()
                .any(|pattern| path_matches(pattern, path.as_str())),
            Paths::PathHashPrefixes(prefixes) => {
                let digest = path_digest(path);
                prefixes
                    .iter()
                    .any(|prefix| digest.starts_with(&prefix.to_ascii_lowercase()))
            }
        }
    }
}

/// What `path_hash_prefixes` are the beginning of: the hexadecimal SHA-256 of the path.
pub(crate) fn path_digest(path: &TargetPath) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(path.as_str()))
}

fn path_matches(pattern: &str, path: &str) -> bool {
    let mut components = (pattern.split('/'), path.split('/'));
    loop {
        match (components.0.next(), components.1.next()) {
            (None, None) => return true,
            (Some(pattern), Some(text))
                if component_matches(pattern.as_bytes(), text.as_bytes()) => {}
            _ => return false,
        }
    }
}

/// Shell pattern matching with `*` and `?`. Linear in practice and quadratic at worst: on a mismatch only the last
/// `*` is tried again.
fn component_matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at_pattern, mut at_text) = (0, 0);
    let mut retry = None;
    while let Some(byte) = text.get(at_text) {
        match pattern.get(at_pattern) {
            Some(b'*') => {
                at_pattern += 1;
                retry = Some((at_pattern, at_text));
                continue;
            }
            Some(expected) if *expected == b'?' || expected == byte => {
                at_pattern += 1;
                at_text += 1;
                continue;
            }
            _ => {}
        }
        let Some((after_star, start)) = retry else {
            return false;
        };
        retry = Some((after_star, start + 1));
        (at_pattern, at_text) = (after_star, start + 1);
    }
    pattern.iter().skip(at_pattern).all(|byte| *byte == b'*')
}

/// Bytes of a document's patterns that take long to match: those with a wildcard before their end.
fn slow_bytes(roles: &[DelegatedRole]) -> usize {
    let patterns = roles.iter().flat_map(|role| match &role.paths {
        Paths::Paths(patterns) => patterns.as_slice(),
        Paths::PathHashPrefixes(_) => &[],
    });
    let is_slow = |pattern: &&String| {
        let beginning = pattern.strip_suffix('*').unwrap_or(pattern);
        beginning.contains(['*', '?'])
    };
    patterns.filter(is_slow).map(String::len).sum()
}

/// One name twice would let the keys of one entry sign for the paths of another.
fn distinct_roles<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<DelegatedRole>, D::Error> {
    let roles = Vec::<DelegatedRole>::deserialize(deserializer)?;
    let mut names = BTreeSet::new();
    let slow = slow_bytes(&roles);
    if slow > MAX_SLOW_PATTERNS {
        return Err(serde::de::Error::custom(format_args!(
            "{slow} bytes of patterns with a wildcard before their end; {MAX_SLOW_PATTERNS} are the most"
        )));
    }
    match roles.iter().find(|role| !names.insert(&role.name)) {
        Some(role) => Err(serde::de::Error::custom(format_args!(
            "the role {:?} is delegated twice",
            role.name.as_str()
        ))),
        None => Ok(roles),
    }
}

impl Role for Targets {
    const TYPE: &'static str = "targets";

    fn version(&self) -> MetadataVersion {
        self.version
    }

    fn expires(&self) -> UtcTime {
        self.expires
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn patterns_match_component_by_component() {
        for (pattern, path, expected) in [
            ("k3s_*", "k3s_1_x86-64.raw", true),
            ("k3s_*", "k3s-agent_1.raw", false),
            ("*", "a", true),
            ("*", "a/b", false),
            ("*/*", "a/b", true),
            ("a?c", "abc", true),
            ("a?c", "a/c", false),
            ("*.*.raw", "a.b.c.raw", true),
            ("", "", true),
            ("*a*a*a*b", "aaaaaaaaaaaaaaaa", false),
            ("a*", "a", true),
        ] {
            assert_eq!(path_matches(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn hash_prefixes_match_the_digest_of_the_path() {
        let role: DelegatedRole = serde_json::from_value(json!({
            "name": "bin", "keyids": [], "threshold": 1, "terminating": false, "path_hash_prefixes": ["CA978"],
        }))
        .unwrap();
        assert!(role.covers(&"a".parse().unwrap()));
        assert!(!role.covers(&"b".parse().unwrap()));
    }

    #[test]
    fn delegations_of_the_wrong_shape_are_refused() {
        let role = json!({"name": "a", "keyids": [], "threshold": 1, "terminating": false, "paths": ["a"]});
        let parse = |roles: Value| {
            serde_json::from_value::<Delegations>(json!({"keys": {}, "roles": roles}))
        };
        assert!(parse(json!([role])).is_ok());
        assert!(
            parse(json!([role, role]))
                .unwrap_err()
                .to_string()
                .contains("twice")
        );
        let with = |member: &str, value: Value| {
            let mut changed = role.clone();
            changed[member] = value;
            json!([changed])
        };
        assert!(parse(with("threshold", json!(0))).is_err());
        assert!(parse(with("threshold", json!(-1))).is_err());
        assert!(parse(with("name", json!("snapshot"))).is_err());
        assert!(parse(with("path_hash_prefixes", json!(["a"]))).is_err());
        assert!(
            parse(json!([{"name": "a", "keyids": [], "threshold": 1, "terminating": false}]))
                .is_err()
        );
    }
}
