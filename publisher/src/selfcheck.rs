//! The staged tree, looked at as hosts will: the one way from [`StagedTree`] to [`Publishable`].
//!
//! - The client's own workflow runs over it, with expiry, from the first root (a new host), from the root that is
//!   published now (a host that was away), and from everything that is published now (a host that is up to date: nothing
//!   may be older than what it has, nothing may have vanished).
//! - Every new index is read as a client reads it; nothing in it may be ignored. Every new image must be found under its
//!   name in the index of its extension, and its bytes at the host are hashed once more.
//! - Expiry of a document that this run has not signed is left to `status`, except where hosts would refuse everything.

use std::io::Read as _;

use sysext_formats::catalog::{ExtensionIndex, IndexError};
use sysext_formats::digest::{Sha256Digest, Sha256Hasher};
use sysext_formats::limits::Limits;
use sysext_formats::name::{ExtensionName, FileName, RoleName};
use sysext_formats::time::UtcTime;
use sysext_formats::trust::Clock;
use sysext_formats::workflow::{self, CachedFile, Fresh, RefreshError, Remote, RemoteFile};

use crate::location::{Location, LocationError, Place};
use crate::memory::{Documents, Memory};
use crate::published::find_index;
use crate::staged::StagedTree;

/// A tree that hosts accept. Nothing else can be uploaded.
#[derive(Debug)]
pub struct Publishable<'a>(StagedTree<'a>);

impl<'a> Publishable<'a> {
    /// What was checked.
    #[must_use]
    pub fn tree(&self) -> &StagedTree<'a> {
        &self.0
    }

    /// What was checked, to upload it.
    pub(crate) fn into_tree(self) -> StagedTree<'a> {
        self.0
    }
}

/// What hosts would not accept.
#[derive(Debug, thiserror::Error)]
pub enum SelfCheckError {
    /// The workflow refused it.
    #[error("{host} would refuse what was about to be published")]
    Refused {
        /// Which host.
        host: &'static str,
        /// Why.
        source: RefreshError<LocationError, sysext_durable::Error>,
    },
    /// An index is not found where hosts look.
    #[error("hosts would not find the index of {0}")]
    IndexNotFound(ExtensionName),
    /// An index can not be read as hosts read it.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// An entry that hosts would ignore.
    #[error("hosts would ignore {file}: {reason}")]
    Ignored {
        /// The entry.
        file: String,
        /// Why.
        reason: String,
    },
    /// An image is not found where hosts look.
    #[error("hosts would not find {file} in the index of {extension}")]
    ImageNotFound {
        /// The image.
        file: FileName,
        /// Its extension.
        extension: ExtensionName,
    },
    /// The bytes at the host are others.
    #[error(
        "{file}: the bytes at the host are not those that were read: sha256 {found}, {expected} was expected"
    )]
    OtherBytes {
        /// The file.
        file: FileName,
        /// What the index says.
        expected: Sha256Digest,
        /// What is there.
        found: Sha256Digest,
    },
    /// The host failed.
    #[error(transparent)]
    Location(#[from] LocationError),
}

/// What is known before the change.
#[derive(Debug)]
pub struct Before<'a> {
    /// The vendor's own `root.json`.
    pub first_root: &'a [u8],
    /// What a host has stored that is up to date; empty for a new catalog.
    pub published: Documents,
    /// Where the documents are that do not change.
    pub location: Option<&'a dyn Location>,
    /// The time.
    pub now: UtcTime,
}

/// Checks a staged tree.
///
/// # Errors
/// When a host would refuse it.
pub fn check<'a>(
    mut tree: StagedTree<'a>,
    before: &Before<'_>,
) -> Result<Publishable<'a>, SelfCheckError> {
    let of_root = |bytes: &[u8]| Documents::from([(CachedFile::Root, bytes.to_vec())]);
    let mut hosts = vec![("a new host", of_root(before.first_root))];
    if let Some(root) = before.published.get(&CachedFile::Root) {
        hosts.push(("a host with the published root", of_root(root)));
        hosts.push(("a host that is up to date", before.published.clone()));
    }
    for (host, documents) in hosts {
        let refused = |source| SelfCheckError::Refused { host, source };
        let overlay = Overlay {
            tree: &tree,
            before,
        };
        let memory = Memory::of_documents(documents);
        let clock = Clock::enforcing(before.now);
        let mut fresh =
            workflow::refresh(Some(overlay), memory, clock, Limits::default()).map_err(refused)?;
        for name in &tree.extensions {
            check_index(&mut fresh, name, &tree).map_err(|problem| match problem {
                Problem::Refused(source) => refused(source),
                Problem::Other(error) => error,
            })?;
        }
    }
    for (arrival, _) in &mut tree.images {
        let expected = arrival.sha256;
        check_bytes(&arrival.file, expected, arrival.image.as_mut())?;
        for (transport, file) in arrival.transports.iter().zip(&mut arrival.transport_files) {
            check_bytes(&transport.file, transport.sha256, file.as_mut())?;
        }
    }
    Ok(Publishable(tree))
}

enum Problem {
    Refused(RefreshError<LocationError, sysext_durable::Error>),
    Other(SelfCheckError),
}

impl From<SelfCheckError> for Problem {
    fn from(error: SelfCheckError) -> Self {
        Self::Other(error)
    }
}

fn check_index(
    fresh: &mut Fresh<Overlay<'_, '_>, Memory>,
    name: &ExtensionName,
    tree: &StagedTree<'_>,
) -> Result<(), Problem> {
    let index = find_index(fresh, name).map_err(Problem::Refused)?;
    let index = index.ok_or_else(|| SelfCheckError::IndexNotFound(name.clone()))?;
    let index = ExtensionIndex::read(name, &index).map_err(SelfCheckError::from)?;
    let new = |file: &str| {
        tree.images
            .iter()
            .any(|(arrival, _)| arrival.file.as_str() == file)
    };
    if let Some(ignored) = index.ignored.iter().find(|ignored| new(&ignored.file)) {
        return Err(Problem::Other(SelfCheckError::Ignored {
            file: ignored.file.clone(),
            reason: ignored.reason.clone(),
        }));
    }
    for (arrival, _) in tree
        .images
        .iter()
        .filter(|(_, extension)| extension == name)
    {
        let found = fresh
            .find_target(&(&arrival.file).into())
            .map_err(Problem::Refused)?;
        let good = found.is_some_and(|(role, target)| {
            role == Some(RoleName::from(name))
                && target.length == arrival.length
                && target.hashes.sha256() == Some(arrival.sha256)
        });
        if !good {
            return Err(Problem::Other(SelfCheckError::ImageNotFound {
                file: arrival.file.clone(),
                extension: name.clone(),
            }));
        }
    }
    Ok(())
}

fn check_bytes(
    file: &FileName,
    expected: Sha256Digest,
    incoming: &mut dyn crate::location::Incoming,
) -> Result<(), SelfCheckError> {
    let mut reader = incoming.read_back()?;
    let mut hasher = Sha256Hasher::default();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => hasher.update(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(source) => {
                return Err(SelfCheckError::Location(LocationError::Stream {
                    file: file.to_string(),
                    source,
                }));
            }
        }
    }
    let found = hasher.finish();
    if found == expected {
        return Ok(());
    }
    Err(SelfCheckError::OtherBytes {
        file: file.clone(),
        expected,
        found,
    })
}

/// The tree over what is published: what hosts would see after the upload.
#[derive(Debug)]
struct Overlay<'t, 'a> {
    tree: &'t StagedTree<'a>,
    before: &'t Before<'t>,
}

impl Remote for Overlay<'_, '_> {
    type Error = LocationError;

    fn fetch(&mut self, file: &RemoteFile, limit: u64) -> Result<Option<Vec<u8>>, LocationError> {
        if let Some(bytes) = self.tree.document(file) {
            if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
                return Err(LocationError::TooLong {
                    file: file.url_name(),
                    limit,
                });
            }
            return Ok(Some(bytes.to_vec()));
        }
        match self.before.location {
            Some(location) => location.read(&Place::Metadata(file.clone()), limit),
            None => Ok(None),
        }
    }
}
