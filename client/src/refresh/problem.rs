//! Why a catalog, or one extension of it, can not be used now.

use std::error::Error;

use sysext_formats::catalog::IndexError;
use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::{CatalogId, ExtensionName};
use sysext_formats::trust::TrustError;
use sysext_formats::workflow::RefreshError;

use crate::config::ConfigError;
use crate::fetch::FetchError;

/// What kind of problem it is, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProblemKind {
    /// It may well work later (exit code 4).
    Temporary,
    /// What the admin says does not go together (exit code 2).
    Configuration,
    /// This host's disk (exit code 1).
    Host,
    /// Only time has run out: the vendor is late, nobody tampered (exit code 3).
    Overdue,
    /// Not what is trusted (exit code 3).
    Trust,
}

/// Why a catalog, or one extension of it, can not be used now.
#[derive(Debug, thiserror::Error)]
pub enum RefreshProblem {
    /// Past its expiry.
    #[error(transparent)]
    Overdue(TrustError),
    /// Signed by others, older than what was seen, or other bytes than promised.
    #[error(transparent)]
    Trust(TrustError),
    /// It could not be fetched.
    #[error("{file} could not be fetched")]
    Fetch {
        /// The document.
        file: String,
        /// Why.
        source: FetchError,
    },
    /// A document that must be there is not: a mirror in the middle of an update, or no catalog at all.
    #[error("{0} is not there")]
    Missing(String),
    /// The metadata on this host can not be read or written.
    #[error(transparent)]
    Store(sysext_durable::Error),
    /// A file of the configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Nothing, or not enough, was ever fetched, and no network may be used.
    #[error("{0} is not stored on this host yet, and no network may be used")]
    NotStored(String),
    /// The catalog has no root with the fingerprint that the configuration names.
    #[error(
        "no root of this catalog has the fingerprint {expected}; its root {version} has {found}"
    )]
    Fingerprint {
        /// What the configuration says.
        expected: Sha256Digest,
        /// The version that was looked at first.
        version: u64,
        /// What that root has.
        found: String,
    },
    /// The catalog was trusted before, by another root from which no chain leads to the one pinned now.
    #[error(
        "the catalog {catalog} is trusted on this host by another root, from which no chain leads to {pinned}"
    )]
    OtherRoot {
        /// The catalog.
        catalog: CatalogId,
        /// What the configuration says.
        pinned: Sha256Digest,
    },
    /// The host's admin, or the descriptor, does not let the catalog provide it.
    #[error("the catalog {catalog} may not provide {extension}: it is allowed {patterns}")]
    NotAllowed {
        /// The catalog.
        catalog: CatalogId,
        /// The extension.
        extension: ExtensionName,
        /// What it may provide.
        patterns: String,
    },
    /// The catalog has no such extension.
    #[error("the catalog {catalog} has no extension {extension}")]
    NotOffered {
        /// The catalog.
        catalog: CatalogId,
        /// The extension.
        extension: ExtensionName,
    },
    /// The catalog delegates it, and nothing was ever published of it.
    #[error("the catalog {catalog} names {extension}, but has not published anything of it yet")]
    NotPublished {
        /// The catalog.
        catalog: CatalogId,
        /// The extension.
        extension: ExtensionName,
    },
    /// Signed, but not in words that this program knows.
    #[error(transparent)]
    Content(#[from] IndexError),
    /// The descriptor has no fingerprint.
    #[error("the catalog {0} has no root-sha256, so nothing says which keys it has")]
    NoFingerprint(CatalogId),
}

impl RefreshProblem {
    /// What kind of problem it is.
    #[must_use]
    pub fn kind(&self) -> ProblemKind {
        match self {
            Self::Overdue(_) => ProblemKind::Overdue,
            Self::Trust(_) | Self::Fingerprint { .. } => ProblemKind::Trust,
            Self::Fetch { source, .. } if !source.is_temporary() => match source {
                FetchError::Scheme { .. } | FetchError::Proxy { .. } => ProblemKind::Configuration,
                FetchError::Client(_) | FetchError::File { .. } => ProblemKind::Host,
                _ => ProblemKind::Trust,
            },
            Self::Fetch { .. }
            | Self::Missing(_)
            | Self::NotStored(_)
            | Self::NotPublished { .. } => ProblemKind::Temporary,
            Self::Store(sysext_durable::Error::Locked { .. }) => ProblemKind::Temporary,
            Self::Store(_) | Self::Content(_) => ProblemKind::Host,
            Self::Config(_)
            | Self::OtherRoot { .. }
            | Self::NotAllowed { .. }
            | Self::NotOffered { .. }
            | Self::NoFingerprint(_) => ProblemKind::Configuration,
        }
    }

    /// The next step for whoever reads it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Overdue(_) => "the vendor has not renewed it in time, or the clock of this host is wrong; what is \
                 installed keeps running"
                .to_owned(),
            Self::Trust(_) => "what is installed keeps running; if it stays so, tell the vendor".to_owned(),
            Self::NotStored(_) => "one run with a network is needed first".to_owned(),
            Self::NotPublished { .. } => {
                "it can be installed once whoever was given its name has published it".to_owned()
            }
            Self::Fingerprint { .. } => {
                "compare the fingerprint with what the vendor says; do not simply take the other one".to_owned()
            }
            Self::OtherRoot { catalog, .. } => format!(
                "if it was really set up anew, \"sysext-fetch catalog remove {catalog}\" forgets the old one"
            ),
            Self::NotAllowed {
                catalog, extension, ..
            } => format!("\"sysext-fetch catalog narrow {catalog} PATTERN...\" can allow {extension}"),
            Self::NotOffered { catalog, .. } => {
                format!("\"sysext-fetch catalog show {catalog}\" lists what it has")
            }
            _ => return None,
        })
    }

    /// The whole chain of causes in one line, for notes and the state file.
    #[must_use]
    pub fn in_one_line(&self) -> String {
        let mut text = self.to_string();
        let mut source = self.source();
        while let Some(cause) = source {
            text.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        text
    }

    /// Whether another mirror may do better: not when this host itself is at fault.
    pub(super) fn is_of_the_mirror(&self) -> bool {
        !matches!(self, Self::Store(_) | Self::Config(_))
    }
}

impl From<TrustError> for RefreshProblem {
    fn from(error: TrustError) -> Self {
        if error.is_expiry() {
            Self::Overdue(error)
        } else {
            Self::Trust(error)
        }
    }
}

impl From<RefreshError<FetchError, sysext_durable::Error>> for RefreshProblem {
    fn from(error: RefreshError<FetchError, sysext_durable::Error>) -> Self {
        match error {
            RefreshError::Trust(error) => error.into(),
            RefreshError::Remote { file, source } => Self::Fetch {
                file: file.url_name(),
                source,
            },
            RefreshError::Missing(file) => Self::Missing(file.url_name()),
            RefreshError::Cache { source, .. } => Self::Store(source),
            RefreshError::NoRoot => Self::NotStored("root.json".to_owned()),
            RefreshError::Offline(file) => Self::NotStored(file),
        }
    }
}
