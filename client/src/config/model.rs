//! The types of the configuration files; the defaults are the documented ones.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sysext_formats::catalog::{DEFAULT_CHANNEL, Descriptor};
use sysext_formats::name::{CatalogId, Channel, ExtensionName};
use sysext_formats::version::{Version, VersionError};

use super::quantities::{Age, Deadline, MinRate};

/// Where the links of extensions are, once decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// `/etc/extensions`: part of the root, and rolled back with it.
    Etc,
    /// `/run/extensions`: chosen at each boot for the root that runs.
    Boot,
}

impl Activation {
    /// The kind that a host has when it does not have this one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Etc => Self::Boot,
            Self::Boot => Self::Etc,
        }
    }
}

/// `activation` in `sysext-fetch.toml`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActivationChoice {
    /// Decided by the kind of host.
    #[default]
    Auto,
    /// Always `/etc/extensions`.
    Etc,
    /// Always `/run/extensions`.
    Boot,
}

/// `refresh` in `sysext-fetch.toml`: whether systemd merges anew after a change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefreshPolicy {
    /// Never; the next boot does.
    Never,
    /// Always.
    Always,
    /// When something is merged now, or nothing was linked before.
    #[default]
    IfMerged,
}

/// `apply`: when an update that the timer finds takes effect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Apply {
    /// At once.
    Live,
    /// At the next boot.
    #[default]
    Boot,
}

/// `on-incompatible`: what an OS update does that no image fits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnIncompatible {
    /// The extension is left out, and that is said.
    #[default]
    Warn,
    /// The OS update is stopped.
    Block,
}

/// `sysext-fetch.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// Where links are made.
    pub activation: ActivationChoice,
    /// Whether systemd merges anew after a change.
    pub refresh: RefreshPolicy,
    /// What the timer does where an extension says nothing.
    pub apply: Apply,
    /// Images kept per extension besides those that some root needs.
    pub keep: u32,
    /// Further roots that share the store, which `gc` can not find by itself.
    pub roots: Vec<PathBuf>,
    /// Downloads at a time: images, and documents of each catalog (no more than six of those).
    pub parallel: u8,
    /// The slowest download that is waited for.
    pub min_rate: MinRate,
    /// How long one document of a catalog may take, retries included.
    pub metadata_deadline: Deadline,
    /// How long one image may take, over all its transports and mirrors. What has come is kept for the next run.
    pub image_deadline: Deadline,
    /// The proxy; empty: what the environment says.
    pub proxy: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            activation: ActivationChoice::Auto,
            refresh: RefreshPolicy::IfMerged,
            apply: Apply::Boot,
            keep: 1,
            roots: Vec::new(),
            parallel: 4,
            min_rate: MinRate::default(),
            metadata_deadline: Deadline(Duration::from_secs(60)),
            image_deadline: Deadline(Duration::from_secs(86_400)),
            proxy: String::new(),
        }
    }
}

/// A catalog that this host knows: the descriptor, and the file it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    /// Its content. The fingerprint in it is the trust.
    pub descriptor: Descriptor,
    /// The strongest file that describes it.
    pub file: PathBuf,
}

/// `extensions.d/NAME.toml`: an extension that the admin wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// Its name: the file's.
    pub name: ExtensionName,
    /// What the file says.
    pub wish: Wish,
    /// The strongest file that says it.
    pub file: PathBuf,
}

/// What can be said about an extension; `catalog` is the only member without a default of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Wish {
    /// The catalog it comes from: updates never cross catalogs. Empty: the only one that offers it.
    #[serde(with = "empty_is_none")]
    pub catalog: Option<CatalogId>,
    /// The channel.
    pub channel: Channel,
    /// The exact version, a prefix with `*`, or empty for the newest.
    pub version: VersionConstraint,
    /// Stay at what is linked.
    pub hold: bool,
    /// Linked at all.
    pub enabled: bool,
    /// When an update that the timer finds takes effect; empty: as `sysext-fetch.toml` says.
    #[serde(with = "empty_is_none")]
    pub apply: Option<Apply>,
    /// Units to restart after a live merge that changed this image.
    pub restart: Vec<String>,
    /// What an OS update does that no image fits.
    pub on_incompatible: OnIncompatible,
    /// Versions not to be chosen again.
    pub skip: Vec<Version>,
    /// How long this host must have known a version before it takes it.
    pub min_age: Age,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            catalog: None,
            channel: default_channel(),
            version: VersionConstraint::Any,
            hold: false,
            enabled: true,
            apply: None,
            restart: Vec::new(),
            on_incompatible: OnIncompatible::Warn,
            skip: Vec::new(),
            min_age: Age::default(),
        }
    }
}

#[expect(
    clippy::expect_used,
    reason = "the constant is a channel; a test of formats parses it"
)]
fn default_channel() -> Channel {
    DEFAULT_CHANNEL
        .parse()
        .expect("the default channel is a channel")
}

/// Which versions may be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionConstraint {
    /// Any.
    Any,
    /// Exactly this one.
    Exactly(Version),
    /// Those whose text starts so: `1.31.*`.
    Prefix(String),
}

impl VersionConstraint {
    /// Whether `version` may be chosen.
    #[must_use]
    pub fn allows(&self, version: &Version) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(exact) => version == exact,
            Self::Prefix(prefix) => version.as_str().starts_with(prefix.as_str()),
        }
    }
}

impl FromStr for VersionConstraint {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        match (text, text.strip_suffix('*')) {
            ("" | "*", _) => Ok(Self::Any),
            // A prefix has a version's alphabet; "." and "-" may end it.
            (_, Some(prefix)) => prefix
                .parse::<Version>()
                .map(|prefix| Self::Prefix(prefix.to_string())),
            (exact, None) => exact.parse().map(Self::Exactly),
        }
    }
}

impl fmt::Display for VersionConstraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => Ok(()),
            Self::Exactly(version) => write!(f, "{version}"),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}

impl Serialize for VersionConstraint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for VersionConstraint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// TOML has no null: the empty text stands for "not said".
mod empty_is_none {
    use serde::de::{DeserializeOwned, IntoDeserializer};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T: Serialize, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => value.serialize(serializer),
            None => serializer.serialize_str(""),
        }
    }

    pub(super) fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(None);
        }
        let inner: serde::de::value::StringDeserializer<D::Error> = text.into_deserializer();
        T::deserialize(inner).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_all_defaults_and_comes_back() {
        let wish: Wish = toml::from_str("").unwrap();
        assert_eq!(wish, Wish::default());
        assert_eq!(
            toml::from_str::<Wish>(&toml::to_string(&wish).unwrap()).unwrap(),
            wish
        );
        let settings: Settings = toml::from_str("").unwrap();
        assert_eq!(
            toml::from_str::<Settings>(&toml::to_string(&settings).unwrap()).unwrap(),
            settings
        );
    }

    #[test]
    fn constraints_are_exact_a_prefix_or_nothing() {
        let allows = |constraint: &str, version: &str| {
            constraint
                .parse::<VersionConstraint>()
                .unwrap()
                .allows(&version.parse().unwrap())
        };
        assert!(
            allows("", "1")
                && allows("*", "1")
                && allows("1.31.*", "1.31.5+k3s1")
                && allows("1.2", "1.2")
        );
        assert!(!allows("1.31.*", "1.3") && !allows("1.2", "1.2.1"));
        assert!("../*".parse::<VersionConstraint>().is_err());
    }

    #[test]
    fn unknown_members_are_named() {
        let error = toml::from_str::<Wish>("chanel = \"x\"")
            .unwrap_err()
            .to_string();
        assert!(error.contains("chanel"), "{error}");
    }
}
