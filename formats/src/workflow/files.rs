//! What documents are called: on the remote side, in URLs, and on the host, in one flat directory.

use crate::name::{RoleName, url_component};
use crate::role::MetadataVersion;

/// A document on the remote side.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RemoteFile {
    /// `N.root.json`
    Root(MetadataVersion),
    /// `timestamp.json`
    Timestamp,
    /// `N.snapshot.json`, or without `N.` where the repository is not consistent.
    Snapshot(Option<MetadataVersion>),
    /// `N.targets.json`, `N.ROLE.json`; or without `N.`.
    Targets(Option<RoleName>, Option<MetadataVersion>),
}

impl RemoteFile {
    /// The last component of its URL, percent-encoded.
    #[must_use]
    pub fn url_name(&self) -> String {
        let (version, name) = match self {
            Self::Root(version) => (Some(*version), "root".to_owned()),
            Self::Timestamp => (None, "timestamp".to_owned()),
            Self::Snapshot(version) => (*version, "snapshot".to_owned()),
            Self::Targets(None, version) => (*version, "targets".to_owned()),
            Self::Targets(Some(role), version) => (*version, url_component(role.as_str())),
        };
        version.map_or_else(
            || format!("{name}.json"),
            |version| format!("{version}.{name}.json"),
        )
    }
}

/// A document on the host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum CachedFile {
    /// The newest trusted root.
    Root,
    /// The newest trusted timestamp.
    Timestamp,
    /// The newest trusted snapshot.
    Snapshot,
    /// A targets document; `None` for the top one.
    Targets(Option<RoleName>),
}

impl CachedFile {
    /// Its name in one flat directory, without a version. A delegated role's name is encoded one-to-one and never
    /// meets a top role's.
    #[must_use]
    pub fn storage_name(&self) -> String {
        match self {
            Self::Root => "root.json".to_owned(),
            Self::Timestamp => "timestamp.json".to_owned(),
            Self::Snapshot => "snapshot.json".to_owned(),
            Self::Targets(None) => "targets.json".to_owned(),
            Self::Targets(Some(role)) => format!("{}.json", role.storage_name()),
        }
    }
}
