//! Why a configuration can not be used.

use std::path::PathBuf;

/// A configuration that can not be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is none.
    #[error("{} is not there", .0.display())]
    Missing(PathBuf),
    /// It can not be read.
    #[error(transparent)]
    Read(#[from] sysext_durable::Error),
    /// Not UTF-8.
    #[error("{} is not UTF-8 text", .0.display())]
    NotText(PathBuf),
    /// Not TOML, or a member is wrong.
    #[error("{}: {source}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its place.
        source: toml::de::Error,
    },
    /// A member with a value that can not be.
    #[error("{}: {member}: {reason}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The member.
        member: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// It can not be edited.
    #[error("{}: {source}", path.display())]
    Edit {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: toml_edit::TomlError,
    },
}
