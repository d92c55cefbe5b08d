//! Why a command about catalogs failed.

use std::io;
use std::path::PathBuf;

use sysext_formats::catalog::DescriptorError;
use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::CatalogId;

use crate::config::edit::EditError;
use crate::fetch::FetchError;
use crate::refresh::{ProblemKind, RefreshProblem};

/// Why a command about catalogs failed.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// There is none of that id.
    #[error("there is no catalog {0} on this host")]
    Unknown(CatalogId),
    /// Nothing at the URL says that it is a catalog.
    #[error("{0} is not there, so this is no catalog")]
    NoDescriptor(String),
    /// The descriptor is none.
    #[error("{place} can not be used")]
    Descriptor {
        /// Where it is.
        place: String,
        /// Why.
        source: DescriptorError,
    },
    /// It can not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A file of this host can not be read.
    #[error("{} can not be read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that holds no fingerprint.
    #[error("{} holds no fingerprint: a digest, a root.json or a catalog.toml with root-sha256 does", .0.display())]
    TrustFile(PathBuf),
    /// Two different fingerprints were given.
    #[error("two fingerprints were given: {one} and {other}")]
    TwoFingerprints {
        /// One.
        one: Sha256Digest,
        /// The other.
        other: Sha256Digest,
    },
    /// Nobody said whom to trust, and nobody is there to ask.
    #[error("nothing says that {url} is to be trusted; its fingerprint is {fingerprint}")]
    NeedsFingerprint {
        /// Where the catalog is.
        url: String,
        /// The digest of its root.
        fingerprint: Sha256Digest,
    },
    /// The answer was no.
    #[error("the catalog was not added")]
    Declined,
    /// The catalog can not be refreshed.
    #[error(transparent)]
    Refresh(#[from] RefreshProblem),
    /// The configuration can not be changed.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// The store can not be changed.
    #[error(transparent)]
    Store(#[from] sysext_durable::Error),
}

impl CatalogError {
    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> ProblemKind {
        match self {
            Self::Refresh(problem) => problem.kind(),
            Self::NoDescriptor(_) => ProblemKind::Temporary,
            Self::Fetch(error) if error.is_temporary() => ProblemKind::Temporary,
            Self::File { .. } | Self::Fetch(FetchError::File { .. } | FetchError::Client(_)) => {
                ProblemKind::Host
            }
            Self::Edit(EditError::Write(_)) | Self::Store(_) => ProblemKind::Host,
            Self::Unknown(_)
            | Self::Descriptor { .. }
            | Self::Fetch(_)
            | Self::TrustFile(_)
            | Self::TwoFingerprints { .. }
            | Self::NeedsFingerprint { .. }
            | Self::Declined
            | Self::Edit(_) => ProblemKind::Configuration,
        }
    }

    /// The next step.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Refresh(problem) => problem.hint(),
            Self::NeedsFingerprint { url, fingerprint } => Some(format!(
                "compare it with what the vendor says elsewhere, then: sysext-fetch catalog add '{url}#sha256={fingerprint}'"
            )),
            Self::Unknown(_) => {
                Some("\"sysext-fetch catalog list\" shows those that there are".to_owned())
            }
            _ => None,
        }
    }
}
