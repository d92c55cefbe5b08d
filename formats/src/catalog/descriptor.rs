//! `catalog.toml`: how a host gets to know a catalog.
//!
//! In a host's configuration the fingerprint is the trust. At the catalog's own URL the same file vouches for nothing:
//! its `root-version` only says where to look, and its `root-sha256` is not believed.

use serde::{Deserialize, Serialize};
use url::Url;

use super::SCHEMA;
use crate::digest::Sha256Digest;
use crate::limits::MAX_DESCRIPTOR;
use crate::name::{CatalogId, NamePattern};
use crate::role::MetadataVersion;

/// A catalog as a host knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Descriptor {
    /// [`SCHEMA`].
    pub schema: u64,
    /// What the host calls it.
    pub id: CatalogId,
    /// What people call it.
    #[serde(default)]
    pub title: String,
    /// Where it is; all serve the same signed bytes and are tried in order.
    pub url: Vec<Url>,
    /// Where its images are, when not at `images/` below `url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images_url: Option<Url>,
    /// Which extensions it may provide.
    #[serde(default = "everything")]
    pub extensions: Vec<NamePattern>,
    /// The version of the root that a new host starts from.
    #[serde(default = "first")]
    pub root_version: MetadataVersion,
    /// The digest of that root's bytes: the fingerprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_sha256: Option<Sha256Digest>,
}

fn everything() -> Vec<NamePattern> {
    "*".parse().into_iter().collect()
}

fn first() -> MetadataVersion {
    MetadataVersion::ONE
}

/// A text that is no descriptor.
#[derive(Debug, thiserror::Error)]
pub enum DescriptorError {
    /// Too long to be one.
    #[error("it has {0} bytes; a catalog.toml has {MAX_DESCRIPTOR} at most")]
    TooLong(usize),
    /// Not UTF-8.
    #[error("it is not UTF-8 text")]
    NotText,
    /// Not TOML, or a member is missing or wrong.
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    /// Another schema.
    #[error("its schema is {0}; this version knows {SCHEMA}")]
    Schema(u64),
    /// No place to fetch from.
    #[error("it names no url")]
    NoUrl,
    /// A URL of another scheme.
    #[error("{0}: https://, http:// and file:// URLs are possible")]
    Scheme(Url),
}

impl Descriptor {
    /// Parses a `catalog.toml`.
    ///
    /// # Errors
    /// When it is not one.
    pub fn parse(bytes: &[u8]) -> Result<Self, DescriptorError> {
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_DESCRIPTOR {
            return Err(DescriptorError::TooLong(bytes.len()));
        }
        let descriptor: Self =
            toml::from_str(std::str::from_utf8(bytes).map_err(|_| DescriptorError::NotText)?)?;
        if descriptor.schema != SCHEMA {
            return Err(DescriptorError::Schema(descriptor.schema));
        }
        if descriptor.url.is_empty() {
            return Err(DescriptorError::NoUrl);
        }
        let known = |url: &&Url| !matches!(url.scheme(), "https" | "http" | "file");
        if let Some(url) = descriptor
            .url
            .iter()
            .chain(&descriptor.images_url)
            .find(known)
        {
            return Err(DescriptorError::Scheme(url.clone()));
        }
        Ok(descriptor)
    }

    /// Whether the catalog may provide `name`.
    #[must_use]
    pub fn may_provide(&self, name: &crate::name::ExtensionName) -> bool {
        self.extensions.iter().any(|pattern| pattern.matches(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_is_read_and_its_defaults_are_filled_in() {
        let descriptor =
            Descriptor::parse(b"schema = 1\nid = \"k3s\"\nurl = [\"https://sysext.k3s.io\"]\n")
                .unwrap();
        assert!(descriptor.may_provide(&"anything".parse().unwrap()));
        assert_eq!(
            (descriptor.root_version.get(), descriptor.root_sha256),
            (1, None)
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |text: &str| Descriptor::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error("schema = 2\nid = \"a\"\nurl = [\"http://x\"]").contains("schema is 2"));
        assert!(error("schema = 1\nid = \"a\"\nurl = []").contains("names no url"));
        assert!(error("schema = 1\nid = \"a\"\nurl = [\"ftp://x/\"]").contains("ftp://x/"));
        assert!(error("schema = 1\nid = \"../a\"\nurl = [\"http://x\"]").contains("catalog id"));
        assert!(error(&"#".repeat(70_000)).contains("70000 bytes"));
    }
}
