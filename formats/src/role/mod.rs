//! The four top roles of TUF and what they have in common.
//!
//! The structs hold what this code reads and, in `extra`, every member it does not know, so that a publisher that
//! re-signs a document loses nothing. They are plain data: whether one is trusted shows only in
//! [`Verified`](crate::verify::Verified) around it.

mod root;
mod snapshot;
mod targets;
mod timestamp;

use std::fmt;
use std::num::NonZeroU64;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use self::root::{Root, RootRoles};
pub use self::snapshot::Snapshot;
pub(crate) use self::targets::path_digest;
pub use self::targets::{DelegatedRole, Delegations, Paths, TargetFile, Targets};
pub use self::timestamp::{Timestamp, TimestampMeta};
use crate::digest::{Hashes, HashesError};
use crate::key::KeyId;
use crate::time::UtcTime;
use crate::verify::Authority;

/// Members of a document that this code does not know; kept as they are.
pub type Extra = serde_json::Map<String, serde_json::Value>;

/// The specification that documents of ours name.
pub const SPEC_VERSION: &str = "1.0.34";

/// A kind of TUF document.
pub trait Role: DeserializeOwned + Serialize {
    /// Its `_type`.
    const TYPE: &'static str;
    /// Its `version`.
    fn version(&self) -> MetadataVersion;
    /// Its `expires`.
    fn expires(&self) -> UtcTime;
    /// Who must have signed it by its own word; only a root says that.
    fn own_authority(&self) -> Option<Authority<'_>> {
        None
    }
}

/// The version of a document: a positive integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MetadataVersion(NonZeroU64);

impl MetadataVersion {
    /// The first version.
    pub const ONE: Self = Self(NonZeroU64::MIN);

    /// The number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0.get()
    }

    /// The following version; `None` after the last one.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }

    /// From a number; `None` for 0.
    #[must_use]
    pub fn new(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }
}

impl fmt::Display for MetadataVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How many distinct keys must have signed: one at least (a threshold of 0 would trust anybody, CVE-2026-23992).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Threshold(NonZeroU64);

impl Threshold {
    /// One key suffices.
    pub const ONE: Self = Self(NonZeroU64::MIN);

    /// From a number; `None` for 0.
    #[must_use]
    pub fn new(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0.get()
    }

    /// Whether so many distinct keys reach it.
    #[must_use]
    pub fn is_met_by(self, keys: usize) -> bool {
        u64::try_from(keys).unwrap_or(u64::MAX) >= self.0.get()
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Keys and threshold of a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleKeys {
    /// Ids of the keys that may sign.
    pub keyids: Vec<KeyId>,
    /// How many of them must.
    pub threshold: Threshold,
    /// Members this code does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What a snapshot or timestamp says about another document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetaFile {
    /// Its version.
    pub version: MetadataVersion,
    /// Its length in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// Its hashes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hashes: Option<Hashes>,
    /// Members this code does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// How a document's bytes differ from what its parent says.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetaFileError {
    /// Another length.
    #[error("it has {found} bytes, {expected} were promised")]
    Length {
        /// What the parent says.
        expected: u64,
        /// What there is.
        found: u64,
    },
    /// Other bytes.
    #[error(transparent)]
    Hashes(#[from] HashesError),
}

impl MetaFile {
    /// Says only the version, as our snapshots do.
    #[must_use]
    pub fn version_only(version: MetadataVersion) -> Self {
        Self {
            version,
            length: None,
            hashes: None,
            extra: Extra::new(),
        }
    }

    /// Checks length and hashes, where they are given (TUF 5.5.2, 5.6.2).
    ///
    /// # Errors
    /// When the bytes are other bytes.
    pub fn check(&self, bytes: &[u8]) -> Result<(), MetaFileError> {
        let found = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if let Some(expected) = self.length.filter(|expected| *expected != found) {
            return Err(MetaFileError::Length { expected, found });
        }
        self.hashes
            .as_ref()
            .map_or(Ok(()), |hashes| Ok(hashes.check(bytes)?))
    }
}
