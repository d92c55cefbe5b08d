//! `root.json`: the keys of the top roles.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Extra, MetadataVersion, Role, RoleKeys};
use crate::key::{KeyId, KeyValue, PublicKey};
use crate::time::UtcTime;
use crate::verify::Authority;

/// The root of trust.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Root {
    /// Its version.
    pub version: MetadataVersion,
    /// When hosts stop believing it.
    pub expires: UtcTime,
    /// Whether file names carry versions; true in every catalog of ours.
    #[serde(default)]
    pub consistent_snapshot: bool,
    /// Every key that a top role uses.
    pub keys: BTreeMap<KeyId, PublicKey>,
    /// Who signs what.
    pub roles: RootRoles,
    /// Members this code does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Keys and thresholds of the four top roles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootRoles {
    /// Who may change the root.
    pub root: RoleKeys,
    /// Who says which extensions exist.
    pub targets: RoleKeys,
    /// Who vouches for consistency.
    pub snapshot: RoleKeys,
    /// Who vouches for freshness.
    pub timestamp: RoleKeys,
    /// Roles this code does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Root {
    /// Who may sign the next root.
    #[must_use]
    pub fn root_authority(&self) -> Authority<'_> {
        self.authority("root", &self.roles.root)
    }

    /// Who may sign `targets.json`.
    #[must_use]
    pub fn targets_authority(&self) -> Authority<'_> {
        self.authority("targets", &self.roles.targets)
    }

    /// Who may sign `snapshot.json`.
    #[must_use]
    pub fn snapshot_authority(&self) -> Authority<'_> {
        self.authority("snapshot", &self.roles.snapshot)
    }

    /// Who may sign `timestamp.json`.
    #[must_use]
    pub fn timestamp_authority(&self) -> Authority<'_> {
        self.authority("timestamp", &self.roles.timestamp)
    }

    /// Whether timestamp or snapshot have other keys than in `earlier`, which ends the life of what the old keys
    /// signed (TUF 5.3.11).
    #[must_use]
    pub fn rotates_freshness_keys(&self, earlier: &Self) -> bool {
        let values = |root: &Self, role: &RoleKeys| root.key_values(role);
        values(self, &self.roles.timestamp) != values(earlier, &earlier.roles.timestamp)
            || values(self, &self.roles.snapshot) != values(earlier, &earlier.roles.snapshot)
    }

    fn key_values(&self, role: &RoleKeys) -> BTreeSet<KeyValue> {
        role.keyids
            .iter()
            .filter_map(|id| self.keys.get(id)?.value())
            .collect()
    }

    fn authority<'a>(&'a self, role: &str, keys: &'a RoleKeys) -> Authority<'a> {
        Authority::new(role, keys, &self.keys)
    }
}

impl<'a> Authority<'a> {
    /// The keys of a role, as far as `known` has them; an id without a key can not sign.
    pub(crate) fn new(
        role: &str,
        keys: &'a RoleKeys,
        known: &'a BTreeMap<KeyId, PublicKey>,
    ) -> Self {
        let keys_of_role = keys
            .keyids
            .iter()
            .filter_map(|id| known.get_key_value(id))
            .collect();
        Self {
            role: role.to_owned(),
            threshold: keys.threshold,
            keys: keys_of_role,
        }
    }
}

impl Role for Root {
    const TYPE: &'static str = "root";

    fn version(&self) -> MetadataVersion {
        self.version
    }

    fn expires(&self) -> UtcTime {
        self.expires
    }

    fn own_authority(&self) -> Option<Authority<'_>> {
        Some(self.root_authority())
    }
}
