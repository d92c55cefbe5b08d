//! What is wrong with a configuration file: always the file, and the line where one is at fault.

use std::io;
use std::path::{Path, PathBuf};

use sysext_formats::name::{CatalogId, NameError};

/// What is wrong with a configuration file.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It can not be read.
    #[error("{} can not be read: {source}", file.display())]
    Read {
        /// The file or directory.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is too long to be a configuration file.
    #[error("{} is longer than {limit} bytes", file.display())]
    TooLong {
        /// The file.
        file: PathBuf,
        /// The bound.
        limit: u64,
    },
    /// A directory holds too much.
    #[error("{} holds more than {} files", directory.display(), super::MAX_ENTRIES)]
    TooMany {
        /// The directory.
        directory: PathBuf,
    },
    /// It is not UTF-8.
    #[error("{} is not UTF-8 text", file.display())]
    NotText {
        /// The file.
        file: PathBuf,
    },
    /// It is not TOML, or has a member that is unknown or wrong.
    #[error("{}{}: {message}", file.display(), line.map(|line| format!(":{line}")).unwrap_or_default())]
    Content {
        /// The file.
        file: PathBuf,
        /// The line, where one is at fault.
        line: Option<usize>,
        /// What is wrong.
        message: String,
    },
    /// It is called after something that can not be.
    #[error("{}: {source}", file.display())]
    Name {
        /// The file.
        file: PathBuf,
        /// What is wrong with the name.
        source: NameError,
    },
    /// A catalog in a file that is called after another.
    #[error("{} says id = \"{id}\"; the file of that catalog is called {id}.toml", file.display())]
    OtherId {
        /// The file.
        file: PathBuf,
        /// The id in it.
        id: CatalogId,
    },
    /// A catalog that nothing vouches for.
    #[error("{} has no root-sha256, so nothing says which keys the catalog {id} has", file.display())]
    NoFingerprint {
        /// The file.
        file: PathBuf,
        /// The catalog.
        id: CatalogId,
    },
}

impl ConfigError {
    pub(super) fn read(file: &Path, error: rustix::io::Errno) -> Self {
        Self::Read {
            file: file.to_owned(),
            source: error.into(),
        }
    }

    /// An error of the TOML parser in the text of `file`.
    pub(super) fn toml(file: &Path, text: &str, error: &toml::de::Error) -> Self {
        let line = error
            .span()
            .and_then(|span| text.get(..span.start))
            .map(|before| before.matches('\n').count() + 1);
        Self::Content {
            file: file.to_owned(),
            line,
            message: error.message().to_owned(),
        }
    }
}
