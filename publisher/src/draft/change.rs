//! What a draft changes, in words.

use std::fmt;

use serde::Serialize;
use sysext_formats::catalog::Architecture;
use sysext_formats::name::{Channel, ExtensionName, FileName};
use sysext_formats::time::UtcTime;
use sysext_formats::version::Version;

use crate::ui::bytes;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// A catalog comes to be.
    Catalog {
        /// The extensions it begins with.
        extensions: Vec<ExtensionName>,
    },
    /// An extension comes to be.
    Extension {
        /// Its name.
        name: ExtensionName,
        /// The beginnings of the ids of its keys.
        keys: Vec<String>,
    },
    /// An image comes to be.
    Image {
        /// Its extension.
        extension: ExtensionName,
        /// Its version.
        version: Version,
        /// Its architecture.
        architecture: Architecture,
        /// The operating system it is for.
        #[serde(skip_serializing_if = "Option::is_none")]
        os: Option<String>,
        /// Its channels.
        channels: Vec<Channel>,
        /// Its file name.
        file: FileName,
        /// Its length in bytes.
        length: u64,
        /// What a host downloads at most, in bytes.
        download: u64,
    },
    /// What is said about an extension or the catalog is new.
    Description {
        /// Of whom; none for the catalog itself.
        #[serde(skip_serializing_if = "Option::is_none")]
        extension: Option<ExtensionName>,
    },
    /// A document is signed again.
    Renewal {
        /// Its role.
        role: String,
        /// Until when it is good now.
        expires: UtcTime,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Catalog { extensions } if extensions.is_empty() => {
                f.write_str("a new, empty catalog")
            }
            Self::Catalog { extensions } => {
                write!(f, "a new catalog with the extensions {}", list(extensions))
            }
            Self::Extension { name, keys } => {
                write!(f, "new extension {name}, signed by {}", list(keys))
            }
            Self::Image {
                extension,
                version,
                architecture,
                os,
                channels,
                length,
                download,
                ..
            } => {
                write!(f, "{extension} gains {version} {architecture}")?;
                if let Some(os) = os {
                    write!(f, " for {os}")?;
                }
                write!(f, " in {} ({}", list(channels), bytes(*length))?;
                if download < length {
                    write!(f, ", {} to download", bytes(*download))?;
                }
                f.write_str(")")
            }
            Self::Description {
                extension: Some(name),
            } => write!(f, "new description of {name}"),
            Self::Description { extension: None } => f.write_str("new description of the catalog"),
            Self::Renewal { role, expires } => write!(f, "{role} is good until {expires}"),
        }
    }
}

fn list(words: &[impl ToString]) -> String {
    words
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
