//! `timestamp.json`: which snapshot is the current one.

use serde::{Deserialize, Serialize};

use super::{Extra, MetaFile, MetadataVersion, Role};
use crate::time::UtcTime;

/// The one small document that hosts ask for every time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timestamp {
    /// Its version.
    pub version: MetadataVersion,
    /// When hosts stop believing it.
    pub expires: UtcTime,
    /// The snapshot it names.
    pub meta: TimestampMeta,
    /// Members this code does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// The `meta` of a timestamp: exactly one document that is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimestampMeta {
    /// The current snapshot.
    #[serde(rename = "snapshot.json")]
    pub snapshot: MetaFile,
    /// Members this code does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Role for Timestamp {
    const TYPE: &'static str = "timestamp";

    fn version(&self) -> MetadataVersion {
        self.version
    }

    fn expires(&self) -> UtcTime {
        self.expires
    }
}
