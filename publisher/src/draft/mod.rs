//! The catalog as it shall be, decided without I/O: what is published, and changes to it.
//!
//! - [`Editor`] takes changes one by one and refuses what may never be published; [`Editor::finish`] gives the [`Draft`],
//!   or nothing when nothing changed. What is there already is no change.
//! - Only documents that change get a new version and a new expiry. A snapshot lists versions only; the timestamp's word
//!   about the snapshot is added when that is signed.
//! - A draft can be printed ([`Change`]): `--dry-run` shows exactly that.

mod change;
mod difference;
mod editor;
mod extensions;
mod first;
mod groups;
mod image_edit;
mod keys;
mod patches;
mod pending;
mod proposed;
mod prune;
mod renew;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use sysext_formats::catalog::{Architecture, IndexError};
use sysext_formats::digest::Sha256Digest;
use sysext_formats::key::KeyId;
use sysext_formats::name::{Channel, ExtensionName, FileName, NameError, RoleName};
use sysext_formats::role::{MetadataVersion, RoleKeys, Root, Snapshot, Targets, Timestamp};
use sysext_formats::time::UtcTime;
use sysext_formats::version::Version;

pub use self::change::Change;
pub use self::difference::{Difference, differences};
pub use self::editor::{Editor, Standing};
pub use self::first::{First, FirstKeys};
pub use self::groups::{Table, group_prefix, is_group};
pub use self::image_edit::{ImageEdit, Which};
pub use self::keys::{KeyChange, KeyEdit};
pub use self::pending::{DocumentId, Need, PendingDocument, PendingDocuments};

/// The documents of a catalog, as plain data.
#[derive(Debug, Clone)]
pub struct Catalog {
    /// The root.
    pub root: Root,
    /// The table of contents.
    pub targets: Targets,
    /// The snapshot.
    pub snapshot: Snapshot,
    /// The timestamp.
    pub timestamp: Timestamp,
    /// Those groups that were read or changed.
    pub groups: BTreeMap<RoleName, Targets>,
    /// Those extension indexes that were read or changed.
    pub indexes: BTreeMap<ExtensionName, Targets>,
}

impl Catalog {
    /// The names of its extensions; of those in groups, the ones in groups that were read.
    pub fn extensions(&self) -> impl Iterator<Item = ExtensionName> {
        let roles = self
            .tables()
            .flat_map(|(_, table)| table.delegations.iter().flat_map(|it| &it.roles));
        roles.filter_map(|role| role.name.as_str().parse().ok())
    }

    /// Whether the root keys sign the table of contents: then it is changed by `extension add` only.
    #[must_use]
    pub fn targets_by_root(&self) -> bool {
        self.root.roles.targets.keyids == self.root.roles.root.keyids
    }

    /// Who signs the index of an extension; its group must have been read.
    #[must_use]
    pub fn index_keys(&self, name: &ExtensionName) -> Option<&RoleKeys> {
        let (role, _) = self.delegation(&RoleName::from(name))?;
        Some(&role.keys)
    }
}

/// Which documents of a draft are new.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    /// The root.
    pub root: bool,
    /// The table of contents.
    pub targets: bool,
    /// Groups.
    pub groups: BTreeSet<RoleName>,
    /// Indexes.
    pub indexes: BTreeSet<ExtensionName>,
    /// The snapshot. The timestamp always is new.
    pub snapshot: bool,
}

/// When a new root becomes visible.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RootOrder {
    /// With the other documents, just before the timestamp.
    #[default]
    First,
    /// After everything else, which the old keys and the new ones have signed: no reader ever meets a document that its
    /// root does not vouch for.
    Last,
}

/// A catalog as it shall be; it differs from what is published.
#[derive(Debug, Clone)]
pub struct Draft {
    /// What is published: the documents that were read.
    pub before: Catalog,
    /// All documents, changed and unchanged.
    pub catalog: Catalog,
    /// When a new root becomes visible.
    pub order: RootOrder,
    /// Whether keys that go are lost, and can not sign.
    pub lost: bool,
    /// Documents that came with signatures, from a proposal.
    pub proposed: PendingDocuments,
    /// Which of them are new.
    pub touched: Touched,
    /// What is new, for people.
    pub changes: Vec<Change>,
    /// The images that are new.
    pub images: BTreeMap<FileName, ExtensionName>,
}

/// What may not be published.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// No such extension.
    #[error("the catalog has no extension {0}")]
    UnknownExtension(ExtensionName),
    /// A group that was not read.
    #[error("the catalog has no group {0}")]
    UnknownGroup(RoleName),
    /// A group that can not be named.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The name is there with other bytes.
    #[error(
        "{file} is published already with other bytes: sha256 {published} is published, {offered} is offered"
    )]
    OtherBytes {
        /// The name.
        file: FileName,
        /// The digest that is published.
        published: Sha256Digest,
        /// The digest that is offered.
        offered: Sha256Digest,
    },
    /// The name is there with another length.
    #[error(
        "{file} is published already with other bytes: {published} bytes are published, {offered} are offered"
    )]
    OtherLength {
        /// The name.
        file: FileName,
        /// The length that is published.
        published: u64,
        /// The length that is offered.
        offered: u64,
    },
    /// The name has left the index, and hosts with an older one ask for the bytes that it had.
    #[error(
        "{file} was published with other bytes, which hosts may still ask for: sha256 {there} is at the location, {offered} is offered"
    )]
    Left {
        /// The name.
        file: FileName,
        /// The digest of what is at the location.
        there: Sha256Digest,
        /// The digest that is offered.
        offered: Sha256Digest,
    },
    /// The name is there for another version.
    #[error(
        "{file} is published already as version {published}; version {offered} would have the same file name"
    )]
    OtherVersion {
        /// The name.
        file: FileName,
        /// The version that is published.
        published: String,
        /// The version that is offered.
        offered: Version,
    },
    /// A version that orders the same is there for the same hosts.
    #[error(
        "{file} is published already as version {published}, which orders the same as version {offered}"
    )]
    SameOrder {
        /// The published file.
        file: FileName,
        /// Its version.
        published: Version,
        /// The version that is offered.
        offered: Version,
    },
    /// A pre-release in the channel that everybody follows.
    #[error(
        "version {version} of {extension} looks like a pre-release, which may not be in the channel {channel}"
    )]
    Prerelease {
        /// The extension.
        extension: ExtensionName,
        /// The version.
        version: Version,
        /// The channel.
        channel: Channel,
    },
    /// A version that is not published.
    #[error(
        "{extension} has no image of version {version}{}; {}",
        architecture.as_ref().map(|it| format!(" for {it}")).unwrap_or_default(),
        newest(versions)
    )]
    UnknownVersion {
        /// The extension.
        extension: ExtensionName,
        /// The version.
        version: Version,
        /// The machines that it shall be for.
        architecture: Option<Architecture>,
        /// The newest versions that it has.
        versions: Vec<Version>,
    },
    /// An image would be in no channel.
    #[error("{file} is in the channel {channel} alone")]
    LastChannel {
        /// The image.
        file: FileName,
        /// The channel.
        channel: Channel,
    },
    /// A withdrawn image is offered to more hosts.
    #[error("{file} was withdrawn {since}: {reason}")]
    Withdrawn {
        /// The image.
        file: FileName,
        /// Since when.
        since: UtcTime,
        /// Why.
        reason: String,
    },
    /// An extension is there with other keys.
    #[error("the extension {0} is there already, and other keys sign it")]
    OtherKeys(ExtensionName),
    /// An extension that takes no more images.
    #[error("the extension {0} is retired")]
    Retired(ExtensionName),
    /// What is published can not be understood.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A document can not be written.
    #[error("a document can not be written as JSON")]
    Json(#[from] serde_json::Error),
    /// A version number can not be counted up any more.
    #[error("the version of {0} can not be counted up any more")]
    LastVersion(String),
    /// A proposed document that does not follow the published one.
    #[error(
        "{role} of the proposal has version {found}; the next one to be published is {expected}"
    )]
    NotNext {
        /// The role.
        role: String,
        /// The version that would be next.
        expected: MetadataVersion,
        /// The version of the proposal.
        found: MetadataVersion,
    },
    /// A proposed document of a role that no proposal may hold.
    #[error("the proposal holds a document of the role {0}, which is no extension")]
    NotAnIndex(String),
    /// A proposed document that hosts would refuse.
    #[error("{role} of the proposal has expired {expires}")]
    Expired {
        /// The role.
        role: String,
        /// When.
        expires: UtcTime,
    },
    /// A proposed index that lets others speak.
    #[error("the proposed index of {0} delegates further, which an index may not")]
    Delegates(ExtensionName),
    /// A proposed index lists what hosts would ignore.
    #[error("the proposed index of {extension} lists {file}, which hosts would ignore: {reason}")]
    Ignored {
        /// The extension.
        extension: ExtensionName,
        /// The entry.
        file: String,
        /// Why.
        reason: String,
    },
    /// A key that may not sign the role anyway.
    #[error("the key {} is none of those that sign {role}: {}", id.short(), keys.join(", "))]
    NoSuchKey {
        /// The role.
        role: String,
        /// The key.
        id: KeyId,
        /// Beginnings of the ids of those that do.
        keys: Vec<String>,
    },
    /// A key that takes the place of another, and has one already.
    #[error("the key {} signs {role} already, and can not take the place of another one", id.short())]
    SignsAlready {
        /// The role.
        role: String,
        /// The key.
        id: KeyId,
    },
    /// A threshold that its keys can never reach.
    #[error("a threshold of {threshold} can never be reached with {keys} key(s)")]
    Threshold {
        /// The threshold.
        threshold: u64,
        /// The number of keys.
        keys: usize,
    },
}

fn newest(versions: &[Version]) -> String {
    if versions.is_empty() {
        return "it has no image at all".to_owned();
    }
    let versions: Vec<_> = versions.iter().map(ToString::to_string).collect();
    format!("its newest are {}", versions.join(", "))
}

impl DraftError {
    /// Whether a published name would get other bytes.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(
            self,
            Self::OtherBytes { .. }
                | Self::OtherLength { .. }
                | Self::Left { .. }
                | Self::OtherVersion { .. }
                | Self::SameOrder { .. }
                | Self::OtherKeys(_)
                | Self::NotNext { .. }
        )
    }
}
