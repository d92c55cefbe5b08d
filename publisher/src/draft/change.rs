//! What a draft changes, in words.

use std::fmt;

use serde::Serialize;
use sysext_formats::catalog::{Architecture, Image, Rollout};
use sysext_formats::name::{Channel, ExtensionName, FileName};
use sysext_formats::time::UtcTime;
use sysext_formats::version::Version;

use crate::pruned::GRACE_DAYS;
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
    /// An entry of an index goes; its file stays for a while.
    ImageGone {
        /// Its extension.
        extension: ExtensionName,
        /// Its version, where it can be read.
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<Version>,
        /// Its architecture, where it can be read.
        #[serde(skip_serializing_if = "Option::is_none")]
        architecture: Option<Architecture>,
        /// The operating system it is for.
        #[serde(skip_serializing_if = "Option::is_none")]
        os: Option<String>,
        /// Its file name.
        file: String,
    },
    /// What is said about an image is new; its bytes are the same.
    ImageDescription {
        /// Its extension.
        extension: ExtensionName,
        /// Its file name.
        file: String,
        /// The members that differ.
        members: Vec<String>,
    },
    /// An image must not be chosen any more, or may be again.
    Withdrawn {
        /// Its extension.
        extension: ExtensionName,
        /// Its file name.
        file: String,
        /// Why; none where it may be chosen again.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// An image is in other channels.
    Channels {
        /// Its extension.
        extension: ExtensionName,
        /// Its file name.
        file: String,
        /// The channels.
        channels: Vec<Channel>,
    },
    /// Hosts take an image over some time, or all do.
    Rollout {
        /// Its extension.
        extension: ExtensionName,
        /// Its file name.
        file: String,
        /// Over which time; none where all hosts take it.
        #[serde(skip_serializing_if = "Option::is_none")]
        rollout: Option<Rollout>,
    },
    /// An extension ends.
    Retired {
        /// Its name.
        extension: ExtensionName,
        /// Why.
        reason: String,
        /// What to install instead.
        #[serde(skip_serializing_if = "Option::is_none")]
        successor: Option<ExtensionName>,
    },
    /// An extension is not delegated to anybody any more.
    ExtensionGone {
        /// Its name.
        name: ExtensionName,
    },
    /// The table of contents is split.
    Grouped {
        /// The groups that come to be.
        groups: Vec<String>,
        /// How many extensions move into them.
        extensions: usize,
    },
    /// Who may sign a role.
    Keys {
        /// The role.
        role: String,
        /// The beginnings of the ids of keys that come.
        added: Vec<String>,
        /// The beginnings of the ids of keys that go.
        removed: Vec<String>,
        /// How many must sign.
        threshold: u64,
    },
    /// Where hosts are told to look from now on.
    Moved {
        /// The URLs.
        urls: Vec<String>,
    },
    /// Something else in a document.
    Other {
        /// Its role.
        role: String,
        /// The members that differ.
        members: Vec<String>,
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
            Self::ImageGone {
                extension,
                version: Some(version),
                architecture: Some(architecture),
                os,
                file,
            } => {
                write!(f, "{extension} loses {version} {architecture}")?;
                if let Some(os) = os {
                    write!(f, " for {os}")?;
                }
                write!(f, " (images/{file} stays {GRACE_DAYS} days)")
            }
            Self::ImageGone {
                extension, file, ..
            } => write!(
                f,
                "{extension} loses {file} (which stays {GRACE_DAYS} days)"
            ),
            Self::ImageDescription {
                extension,
                file,
                members,
            } => write!(f, "{extension}: {} of {file} change(s)", list(members)),
            Self::Withdrawn {
                extension,
                file,
                reason: Some(reason),
            } => write!(f, "{extension}: {file} is withdrawn: {reason}"),
            Self::Withdrawn {
                extension, file, ..
            } => write!(f, "{extension}: {file} is not withdrawn any more"),
            Self::Channels {
                extension,
                file,
                channels,
            } => write!(f, "{extension}: {file} is in {}", list(channels)),
            Self::Rollout {
                extension,
                file,
                rollout: Some(rollout),
            } => write!(
                f,
                "{extension}: hosts take {file} over {} hour(s) from {}",
                rollout.hours, rollout.start
            ),
            Self::Rollout {
                extension, file, ..
            } => write!(f, "{extension}: all hosts take {file}"),
            Self::Retired {
                extension,
                reason,
                successor,
            } => {
                write!(f, "{extension} is retired: {reason}")?;
                match successor {
                    Some(successor) => write!(f, "; {successor} takes its place"),
                    None => Ok(()),
                }
            }
            Self::ExtensionGone { name } => {
                write!(f, "{name} is not an extension of this catalog any more")
            }
            Self::Grouped { groups, extensions } => write!(
                f,
                "the table of contents is split into the groups {}: {extensions} extension(s) move",
                list(groups)
            ),
            Self::Keys {
                role,
                added,
                removed,
                threshold,
            } => {
                write!(f, "{role}: ")?;
                if !added.is_empty() {
                    write!(f, "new key(s) {}, ", list(added))?;
                }
                if !removed.is_empty() {
                    write!(f, "without the key(s) {}, ", list(removed))?;
                }
                write!(f, "{threshold} must sign")
            }
            Self::Moved { urls } if urls.is_empty() => {
                f.write_str("hosts are no longer told to look elsewhere")
            }
            Self::Moved { urls } => write!(f, "hosts are told to look at {}", list(urls)),
            Self::Other { role, members } => {
                write!(f, "{role}: other members change: {}", list(members))
            }
            Self::Renewal { role, expires } => write!(f, "{role} is good until {expires}"),
        }
    }
}

/// The operating system that an image is for.
pub(super) fn os_of(image: &Image) -> Option<String> {
    let release = &image.extension_release;
    let id = release.get("ID").filter(|id| *id != "_any")?;
    let version = release
        .get("VERSION_ID")
        .or_else(|| release.get("SYSEXT_LEVEL"));
    Some(version.map_or_else(|| id.to_owned(), |version| format!("{id} {version}")))
}

fn list(words: &[impl ToString]) -> String {
    words
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
