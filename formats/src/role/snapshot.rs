//! `snapshot.json`: which version of every targets document belongs together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Extra, MetaFile, MetadataVersion, Role};
use crate::time::UtcTime;

/// The consistent set of all targets documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its version.
    pub version: MetadataVersion,
    /// When hosts stop believing it.
    pub expires: UtcTime,
    /// What is current, by the file name without version: `targets.json`, `ROLE.json`.
    pub meta: BTreeMap<String, MetaFile>,
    /// Members this code does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Snapshot {
    /// What it says about the role `name` (`targets` or a delegated one).
    #[must_use]
    pub fn role(&self, name: &str) -> Option<&MetaFile> {
        self.meta.get(&format!("{name}.json"))
    }
}

impl Role for Snapshot {
    const TYPE: &'static str = "snapshot";

    fn version(&self) -> MetadataVersion {
        self.version
    }

    fn expires(&self) -> UtcTime {
        self.expires
    }
}
