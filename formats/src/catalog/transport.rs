//! Other files from which an image can be made, as its index lists them.
//!
//! One that can not be read costs itself only; a kind that is not known is kept, and never chosen.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::digest::Sha256Digest;
use crate::name::FileName;
use crate::role::Extra;

/// Another file that gives the same image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transport {
    /// What the file is.
    pub kind: TransportKind,
    /// Its name in the catalog.
    pub file: FileName,
    /// Its length in bytes.
    pub length: u64,
    /// Its digest, checked before a decoder sees a byte.
    pub sha256: Sha256Digest,
    /// For a patch: the digest of the image it starts from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Sha256Digest>,
    /// Absolute URLs of the file, tried before the catalog's own as far as they are [links](fn@super::link).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Members this code does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// The kind of a transport. Kinds this code does not know are kept and never chosen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum TransportKind {
    /// The whole image as one zstd frame.
    Zstd,
    /// A patch from the image whose digest is `from`: what moved where, with references worked out, in LZMA.
    RelinkLzma,
    /// Any other word.
    Unknown(String),
}

impl TransportKind {
    /// The word in the index.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Zstd => "zstd",
            Self::RelinkLzma => "relink-lzma",
            Self::Unknown(word) => word,
        }
    }
}

impl Serialize for TransportKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for TransportKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        Ok(match word.as_str() {
            "zstd" => Self::Zstd,
            "relink-lzma" => Self::RelinkLzma,
            _ => Self::Unknown(word),
        })
    }
}

/// Reads one of an image's; the error names it. `is_own` refuses names of files that are another extension's.
pub(super) fn read_transport(
    value: &Value,
    is_own: impl Fn(&FileName) -> Result<(), String>,
) -> Result<Transport, String> {
    let transport = Transport::deserialize(value).map_err(|error| {
        let text = |member| Some(value.get(member)?.as_str()?.chars().take(80).collect());
        let what: Option<String> = text("file").or_else(|| text("kind"));
        format!("{}: {error}", what.as_deref().unwrap_or("no object"))
    })?;
    is_own(&transport.file)?;
    Ok(transport)
}
