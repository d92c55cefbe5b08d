//! Whose keys are meant, in a vendor's words.

use std::fmt;
use std::str::FromStr;

use sysext_formats::name::{ExtensionName, NameError};

/// Whose keys are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Office {
    /// Those who may change the root; with the profile `team` also the table of contents.
    Root,
    /// Those who publish: the table of contents, and every index that has no keys of its own.
    Release,
    /// Those who sign snapshot and timestamp.
    Online,
    /// Those who sign one index.
    Extension(ExtensionName),
}

/// A text that is no office.
#[derive(Debug, thiserror::Error)]
#[error("{text:?} is none of root, release and online, and no extension: {source}")]
pub struct OfficeError {
    text: String,
    source: NameError,
}

impl FromStr for Office {
    type Err = OfficeError;

    fn from_str(text: &str) -> Result<Self, OfficeError> {
        match text {
            "root" => Ok(Self::Root),
            "release" => Ok(Self::Release),
            "online" => Ok(Self::Online),
            name => {
                let extension = name.parse().map_err(|source| OfficeError {
                    text: name.to_owned(),
                    source,
                });
                extension.map(Self::Extension)
            }
        }
    }
}

impl fmt::Display for Office {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Root => "root",
            Self::Release => "release",
            Self::Online => "online",
            Self::Extension(name) => name.as_str(),
        })
    }
}
