//! `sysext-publish.toml`: what the vendor decided, beside `root.json` in the vendor's own git.
//!
//! - Parsed whole before anything happens; unknown members are errors, since a misspelt one would be ignored silently.
//! - Commands that change it keep its comments and its order ([`edit`]).
//! - What it names (keys, the location) is relative to its own directory.

pub mod edit;
mod error;
mod guest;
mod office;
mod openpgp;
mod span;
mod template;
mod values;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use sysext_durable::Dir;
use sysext_formats::catalog::{self, ExtensionInfo, SCHEMA};
use sysext_formats::name::{CatalogId, Channel, ExtensionName, NamePattern};
use url::Url;

pub use self::error::ConfigError;
pub use self::guest::Guest;
pub use self::office::{Office, OfficeError};
pub use self::openpgp::{OpenPgp, OpenPgpError};
pub use self::span::{Span, SpanError};
pub use self::template::{Profile, Template};
use self::values::{one_or_many, url_or_nothing};
use crate::signer::KeySource;
use crate::words::{LineError, line_or_nothing};

/// The name of the vendor's own copy of the first root, beside the configuration.
pub const ROOT_FILE: &str = "root.json";

/// Bytes of a configuration that are read at most; one with 10,000 extensions has 2 MB.
const MAX_CONFIG: u64 = 16 << 20;

/// What the vendor decided.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// What hosts call the catalog.
    pub id: CatalogId,
    /// What people call it.
    #[serde(default)]
    pub title: String,
    /// Where hosts read it.
    pub url: Vec<Url>,
    /// Where it is written.
    pub location: String,
    /// Where hosts find images and transports, when somebody copies `images/` elsewhere.
    #[serde(default, deserialize_with = "url_or_nothing")]
    pub images_url: Option<Url>,
    /// Which extensions hosts let it provide.
    #[serde(default = "everything")]
    pub provides: Vec<NamePattern>,
    /// Under which second names images are published.
    #[serde(default)]
    pub hashed_names: HashedNames,
    /// How many images `prune` keeps, for each channel, architecture and operating system of an extension.
    #[serde(default = "default_keep")]
    pub keep: usize,
    /// Which transports are made of each image.
    #[serde(default = "default_transports")]
    pub transports: Vec<TransportChoice>,
    /// From how many versions before it there are patches to a new image.
    #[serde(default = "default_patches_from")]
    pub patches_from: usize,
    /// Megabytes of memory that making patches may take.
    #[serde(default = "default_patch_memory")]
    pub patch_memory: u64,
    /// The zstd level of transports.
    #[serde(default = "default_level")]
    pub zstd_level: i32,
    /// With how many extensions the table of contents is split into groups, and a group into smaller ones.
    #[serde(default = "default_group_above")]
    pub group_above: usize,
    /// Who signs for systemd-sysupdate.
    #[serde(default)]
    pub openpgp: OpenPgp,
    /// Where the keys are.
    pub keys: Keys,
    /// For how long signatures are good.
    #[serde(default)]
    pub expires: Expires,
    /// What is said about each extension.
    #[serde(default)]
    pub extension: BTreeMap<ExtensionName, Extension>,
}

/// Under which second names images are published, for stock TUF clients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HashedNames {
    /// `HASH.NAME` is a hard link in a directory, a copy in an object store.
    #[default]
    #[serde(alias = "copy")]
    Link,
    /// There are none.
    None,
}

/// A transport that can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransportChoice {
    /// The whole image as one zstd frame.
    Zstd,
    /// Patches from the versions before.
    Patch,
}

/// Where the keys are. Of several sources for one role, those that are there are used until enough have signed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Keys {
    /// Signs indexes, and with most profiles the table of contents; nobody here where the catalog is somebody else's.
    #[serde(default, deserialize_with = "one_or_many")]
    pub release: Vec<KeySource>,
    /// Signs snapshot and timestamp; nobody here where the catalog is somebody else's.
    #[serde(default, deserialize_with = "one_or_many")]
    pub online: Vec<KeySource>,
    /// Sign the root.
    #[serde(default, deserialize_with = "one_or_many")]
    pub root: Vec<KeySource>,
}

/// What decides how documents are drafted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// For how long signatures are good.
    pub expires: Expires,
    /// With how many extensions a table of contents is split.
    pub group_above: usize,
}

/// For how long signatures are good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Expires {
    /// `root.json`.
    pub root: Span,
    /// `targets.json`.
    pub targets: Span,
    /// Each extension's index.
    pub index: Span,
    /// `snapshot.json`.
    pub snapshot: Span,
    /// `timestamp.json`.
    pub timestamp: Span,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            expires: Expires::default(),
            group_above: default_group_above(),
        }
    }
}

impl Default for Expires {
    fn default() -> Self {
        Self {
            root: Span::days(365),
            targets: Span::days(365),
            index: Span::days(180),
            snapshot: Span::days(30),
            timestamp: Span::days(14),
        }
    }
}

/// What is said about an extension.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Extension {
    /// Its own key; empty for the release key.
    #[serde(deserialize_with = "one_or_many")]
    pub key: Vec<KeySource>,
    /// One line.
    pub summary: String,
    /// Its web page.
    pub homepage: String,
    /// Its licence, as an SPDX expression.
    pub license: String,
    /// Its documentation.
    pub documentation: String,
    /// Its channels and what they are for.
    pub channels: BTreeMap<Channel, String>,
}

impl Extension {
    /// What is signed and shown as it is, with the names of the members.
    fn texts(&self) -> impl Iterator<Item = (String, &str)> {
        let texts = [
            ("summary", &self.summary),
            ("homepage", &self.homepage),
            ("license", &self.license),
            ("documentation", &self.documentation),
        ];
        let texts = texts.map(|(member, text)| (member.to_owned(), text.as_str()));
        let channels = self.channels.iter();
        let channels = channels.map(|(name, text)| (format!("channels.{name}"), text.as_str()));
        texts.into_iter().chain(channels)
    }

    /// As the index says it; what is not said here stays as it is in `published`.
    #[must_use]
    pub fn info(&self, published: ExtensionInfo) -> ExtensionInfo {
        ExtensionInfo {
            schema: SCHEMA,
            role: published.role,
            summary: self.summary.clone(),
            homepage: self.homepage.clone(),
            license: self.license.clone(),
            documentation: self.documentation.clone(),
            channels: self.channels.clone(),
            retired: published.retired,
            extra: published.extra,
        }
    }
}

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    /// When it is not there, or not one.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::read_with(path, |text| Ok(text.to_owned()))
    }

    /// As [`read`](Self::read), as if the file were changed by `edit`, which it is not.
    ///
    /// # Errors
    /// As [`read`](Self::read), and when `edit` fails.
    pub fn read_with(
        path: &Path,
        edit: impl FnOnce(&str) -> Result<String, toml_edit::TomlError>,
    ) -> Result<Self, ConfigError> {
        let text = edit(&read_text(path)?).map_err(|source| ConfigError::Edit {
            path: path.to_owned(),
            source,
        })?;
        let config: Self = toml::from_str(&text).map_err(|source| ConfigError::Toml {
            path: path.to_owned(),
            source,
        })?;
        let wrong = |member: &str, reason: &str| ConfigError::Value {
            path: path.to_owned(),
            member: member.to_owned(),
            reason: reason.to_owned(),
        };
        if config.url.is_empty() {
            return Err(wrong(
                "url",
                "one URL is needed where hosts read the catalog",
            ));
        }
        if !(1..=22).contains(&config.zstd_level) {
            return Err(wrong("zstd-level", "1 to 22 are possible"));
        }
        if config.keep == 0 {
            return Err(wrong("keep", "1 is the least"));
        }
        if config.group_above == 0 {
            return Err(wrong("group-above", "1 is the least"));
        }
        let unsignable = |member: &str, error: LineError| ConfigError::Value {
            path: path.to_owned(),
            member: member.to_owned(),
            reason: error.to_string(),
        };
        line_or_nothing(&config.title).map_err(|error| unsignable("title", error))?;
        for (name, said) in &config.extension {
            for (member, text) in said.texts() {
                line_or_nothing(text)
                    .map_err(|error| unsignable(&format!("{member} of {name}"), error))?;
            }
            let links = [
                ("homepage", &said.homepage),
                ("documentation", &said.documentation),
            ];
            for (member, text) in links {
                if !text.is_empty() && catalog::link(text).is_none() {
                    let reason = format!(
                        "{text:?} of {name} is no link that hosts show: https:// is needed"
                    );
                    return Err(wrong(member, &reason));
                }
            }
        }
        if config.provides.is_empty() {
            return Err(wrong(
                "provides",
                "one pattern is needed; \"*\" is every name",
            ));
        }
        Ok(config)
    }

    /// What decides how documents are drafted.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy {
            expires: self.expires,
            group_above: self.group_above,
        }
    }

    /// The key sources of an office, as they are configured: an extension may have none of its own.
    #[must_use]
    pub fn sources(&self, office: &Office) -> Vec<KeySource> {
        match office {
            Office::Root => self.keys.root.clone(),
            Office::Release => self.keys.release.clone(),
            Office::Online => self.keys.online.clone(),
            Office::Extension(name) => self.extension(name).key,
        }
    }

    /// The key sources that sign the index of an extension: its own, or those of the release key.
    #[must_use]
    pub fn index_sources(&self, name: &ExtensionName) -> Vec<KeySource> {
        match self.extension(name).key {
            own if own.is_empty() => self.keys.release.clone(),
            own => own,
        }
    }

    /// What is said about an extension; nothing where it has no table.
    #[must_use]
    pub fn extension(&self, name: &ExtensionName) -> Extension {
        self.extension.get(name).cloned().unwrap_or_default()
    }
}

fn read_text(path: &Path) -> Result<String, ConfigError> {
    let missing = || ConfigError::Missing(path.to_owned());
    let (dir, name) = Dir::of_existing_file(path)?.ok_or_else(missing)?;
    let bytes = dir.read(&name, MAX_CONFIG)?.ok_or_else(missing)?;
    String::from_utf8(bytes).map_err(|_| ConfigError::NotText(path.to_owned()))
}

fn everything() -> Vec<NamePattern> {
    "*".parse().into_iter().collect()
}

fn default_transports() -> Vec<TransportChoice> {
    vec![TransportChoice::Zstd, TransportChoice::Patch]
}

fn default_keep() -> usize {
    5
}

/// 200 extensions are a table of contents of some 60 kB: a host that uses five reads five of them at most.
fn default_group_above() -> usize {
    200
}

fn default_patches_from() -> usize {
    4
}

/// Enough for images of 240 MB; three at once of 60 MB.
fn default_patch_memory() -> u64 {
    2_000
}

fn default_level() -> i32 {
    19
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, String> {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("sysext-publish.toml");
        std::fs::write(&path, text).unwrap();
        Config::read(&path).map_err(|error| error.to_string())
    }

    const LEAST: &str = "id = \"k3s\"\nurl = [\"https://x.example\"]\nlocation = \"public\"\n\
                         [keys]\nrelease = \"env:R\"\nonline = [\"env:O\", \"file:keys/online.pem\"]\n";

    #[test]
    fn the_least_configuration_has_the_documented_defaults() {
        let config = read(LEAST).unwrap();
        assert_eq!(config.expires, Expires::default());
        assert_eq!(
            (config.zstd_level, config.hashed_names),
            (19, HashedNames::Link)
        );
        assert_eq!((config.keys.online.len(), config.keys.root.len()), (2, 0));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let misspelt = read(&LEAST.replace("location", "locaton")).unwrap_err();
        assert!(
            misspelt.contains("locaton") && misspelt.contains("line 3"),
            "{misspelt}"
        );
        let title = read(&format!("title = \"f\u{fc}r\"\n{LEAST}")).unwrap_err();
        assert!(title.contains("title: '\u{fc}' is in it"), "{title}");
        for (member, named) in [("summary", "summary"), ("channels.beta", "channels.beta")] {
            let text = format!("{LEAST}[extension.k3s]\n{member} = \"a\\nb\"\n");
            let error = read(&text).unwrap_err();
            let named = format!("{named} of k3s: it has a line break");
            assert!(error.contains(&named), "{error}");
        }
        let level = read(&format!("zstd-level = 99\n{LEAST}")).unwrap_err();
        assert!(level.contains("zstd-level: 1 to 22"), "{level}");
        let key = read(&LEAST.replace("env:R", "keys/release.pem")).unwrap_err();
        assert!(key.contains("file:keys/release.pem"), "{key}");
    }
}
