//! One image of an extension, as its index lists it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::SCHEMA;
use super::transport::{Transport, TransportKind, read_transport};
use crate::digest::Sha256Digest;
use crate::limits::MAX_IMAGE;
use crate::name::{Channel, ExtensionName, FileName};
use crate::os::Fields;
use crate::role::{Extra, TargetFile};
use crate::time::UtcTime;
use crate::version::Version;

/// systemd's name of an architecture (`x86-64`, `arm64` …), or `_any`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Architecture(String);

/// A text that is no architecture.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an architecture: systemd's names (x86-64, arm64 …) and _any are")]
pub struct ArchitectureError(String);

impl Architecture {
    /// The name that systemd uses.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether images of this architecture run everywhere.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.0 == "_any"
    }

    /// As it stands in file names, where `_any` is `noarch`.
    #[must_use]
    pub fn in_file_name(&self) -> &str {
        if self.is_any() { "noarch" } else { &self.0 }
    }
}

impl FromStr for Architecture {
    type Err = ArchitectureError;

    fn from_str(text: &str) -> Result<Self, ArchitectureError> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let plain = (1..=32).contains(&text.len()) && text.bytes().all(allowed);
        if plain || text == "_any" {
            Ok(Self(text.to_owned()))
        } else {
            Err(ArchitectureError(text.chars().take(40).collect()))
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Serialize for Architecture {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Architecture {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// An image, with what TUF says (file, length, digest) and what `custom.sysext` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its file name in the catalog. A label: `version` and `architecture` are the truth.
    pub file: FileName,
    /// Its length in bytes, as it lies on the host.
    pub length: u64,
    /// The digest of those bytes.
    pub sha256: Sha256Digest,
    /// What else the index says.
    pub custom: Custom,
}

impl std::ops::Deref for Image {
    type Target = Custom;

    fn deref(&self) -> &Custom {
        &self.custom
    }
}

/// The member `custom.sysext` of a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Custom {
    /// [`SCHEMA`].
    pub schema: u64,
    /// `sysext`; `confext` is reserved.
    pub class: String,
    /// The extension's own version.
    pub version: Version,
    /// Which machines it is for.
    pub architecture: Architecture,
    /// The fields of its extension-release file. This, never the file name, decides which hosts it fits.
    pub extension_release: Fields,
    /// The channels it is in; never empty.
    #[serde(deserialize_with = "non_empty")]
    pub channels: Vec<Channel>,
    /// When it was released.
    pub released: UtcTime,
    /// Facts read from the image.
    pub image: ImageFacts,
    /// Cheaper ways to get the same bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transports: Vec<Transport>,
    /// Absolute URLs of the image, tried before the catalog's own as far as they are [links](fn@super::link).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Set when it must not be chosen any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<Withdrawn>,
    /// Ids of advisories that it fixes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixes: Vec<String>,
    /// Over which time hosts take it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
    /// Where to read more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<Links>,
    /// Members this code does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What an image's container and file system are, and what it brings that an admin wants to know beforehand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFacts {
    /// How the file system is wrapped.
    pub container: Container,
    /// `squashfs`, `erofs`, `ext4` …
    pub filesystem: String,
    /// Whether the file system compresses; patches gain nothing then.
    pub compressed: bool,
    /// The dm-verity data, where there is some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verity: Option<Verity>,
    /// Names of the system units it brings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<String>,
    /// Paths of its setuid and setgid files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub setuid: Vec<String>,
    /// Members this code does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// How a file system is wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Container {
    /// Not at all.
    None,
    /// In a GPT disk image.
    Gpt,
}

/// dm-verity data of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verity {
    /// The root hash, hexadecimal.
    pub root_hash: String,
    /// Whether a signature partition is there.
    pub signed: bool,
}

/// Why and since when an image is withdrawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawn {
    /// For people.
    pub reason: String,
    /// Since when.
    pub since: UtcTime,
}

/// Over which time hosts take an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    /// When the first hosts do.
    pub start: UtcTime,
    /// Hours until the last ones do.
    pub hours: u32,
}

impl Rollout {
    /// A host's share of every rollout of this version, as a fraction of 2^64: the first 8 bytes, big-endian, of
    /// SHA-256 over machine id, NUL, extension, NUL, version. The machine id is text, as `/etc/machine-id` has it.
    #[must_use]
    pub fn share(machine_id: &str, extension: &ExtensionName, version: &Version) -> u64 {
        let digest = Sha256Digest::of(format!("{machine_id}\0{extension}\0{version}").as_bytes());
        let first = digest.as_bytes().first_chunk().copied();
        u64::from_be_bytes(first.unwrap_or_default())
    }

    /// When all hosts have taken part.
    #[must_use]
    pub fn end(&self) -> UtcTime {
        self.reaches(u64::MAX)
    }

    /// When a host with this share takes part: the first second at which the elapsed part of `hours` is above it.
    #[must_use]
    pub fn reaches(&self, share: u64) -> UtcTime {
        let seconds = u128::from(self.hours) * 3_600;
        let whole = u64::try_from((seconds * u128::from(share)) >> 64).unwrap_or(u64::MAX);
        self.start
            .plus(Duration::from_secs(whole.saturating_add(1)))
    }
}

/// Where to read more about an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Links {
    /// Release notes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// Source code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// How it was built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
}

/// A statement of how an image was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// Where it is.
    pub url: String,
    /// The digest of its bytes.
    pub sha256: Sha256Digest,
}

impl Image {
    /// Reads a target.
    ///
    /// # Errors
    /// The reason for which an index lists it as ignored.
    pub fn read(file: FileName, target: &TargetFile) -> Result<Self, String> {
        Self::read_with(file, target, |_| Ok(())).map(|(image, _)| image)
    }

    /// The same, with the reason for each transport that can not be used; `is_own` says so of a file's name. The image
    /// is as good without them: there is always its own file.
    pub(super) fn read_with(
        file: FileName,
        target: &TargetFile,
        is_own: impl Fn(&FileName) -> Result<(), String>,
    ) -> Result<(Self, Vec<String>), String> {
        let sha256 = target.hashes.sha256().ok_or("it has no sha256")?;
        if target.length > MAX_IMAGE {
            return Err(format!(
                "it has {} bytes; {MAX_IMAGE} are the most an image may have",
                target.length
            ));
        }
        let sysext = target
            .custom
            .as_ref()
            .and_then(|custom| custom.get("sysext"))
            .ok_or("it has no custom.sysext")?;
        // The schema first: another one may have other members.
        match sysext.get("schema").and_then(Value::as_u64) {
            Some(SCHEMA) => {}
            schema => {
                let schema = schema.map_or_else(|| "none".to_owned(), |number| number.to_string());
                return Err(format!(
                    "its schema is {schema}; this version knows {SCHEMA}: a newer one may know it"
                ));
            }
        }
        let mut sysext = sysext.clone();
        let mut usable = Vec::new();
        let mut skipped = Vec::new();
        if let Some(listed) = sysext.get_mut("transports").and_then(Value::as_array_mut) {
            for value in std::mem::take(listed) {
                match read_transport(&value, &is_own) {
                    Ok(transport) => usable.push(transport),
                    Err(reason) => skipped.push(reason),
                }
            }
        }
        let mut custom =
            Custom::deserialize(sysext).map_err(|error| format!("its custom.sysext: {error}"))?;
        custom.transports = usable;
        if custom.class != "sysext" {
            return Err(format!(
                "its class is {:?}, which is not supported yet; \"sysext\" is",
                custom.class
            ));
        }
        let image = Self {
            file,
            length: target.length,
            sha256,
            custom,
        };
        Ok((image, skipped))
    }

    /// Bytes of the smallest file that gives the whole image, of the kinds that this code reads: what a host without an
    /// earlier version downloads.
    #[must_use]
    pub fn download(&self) -> u64 {
        let whole = self
            .transports
            .iter()
            .filter(|it| it.from.is_none() && it.kind == TransportKind::Zstd);
        let smallest = whole.map(|transport| transport.length).min();
        smallest.map_or(self.length, |length| length.min(self.length))
    }

    /// The target that [`read`](Self::read) gives back.
    ///
    /// # Errors
    /// When it can not be written as JSON.
    pub fn to_target(&self) -> Result<TargetFile, serde_json::Error> {
        Ok(TargetFile {
            length: self.length,
            hashes: self.sha256.into(),
            custom: Some(serde_json::json!({"sysext": serde_json::to_value(&self.custom)?})),
            extra: Extra::new(),
        })
    }

    /// The file name that a publisher gives an image: `NAME_VERSION[_VARIANT]_ARCH.raw`.
    ///
    /// # Errors
    /// When the parts do not make a file name, for example because they are too long.
    pub fn file_name(
        extension: &ExtensionName,
        version: &Version,
        variant: Option<&str>,
        architecture: &Architecture,
    ) -> Result<FileName, crate::name::NameError> {
        let variant = variant
            .map(|variant| format!("_{}", variant.replace('+', ".")))
            .unwrap_or_default();
        format!(
            "{extension}_{}{variant}_{}.raw",
            version.in_file_name(),
            architecture.in_file_name()
        )
        .parse()
    }
}

fn non_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Channel>, D::Error> {
    let channels = Vec::deserialize(deserializer)?;
    if channels.is_empty() {
        Err(serde::de::Error::custom("channels is empty"))
    } else {
        Ok(channels)
    }
}
