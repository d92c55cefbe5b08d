//! Putting what was checked in place.
//!
//! - The order is that of [`staged`](crate::staged): whatever happens in between, a reader sees the old catalog or the new
//!   one, and the next run completes or replaces what is left.
//! - Before the first document is written, and again with the last one, the published timestamp must be the one that the
//!   draft started from. Losing that race changes nothing for readers.

use sysext_formats::digest::Sha256Digest;
use sysext_formats::limits::{Limits, MAX_DESCRIPTOR};
use sysext_formats::workflow::RemoteFile;

use crate::config::HashedNames;
use crate::draft::Change;
use crate::location::{LocationError, Place, Store, Swap};
use crate::pruned;
use crate::selfcheck::Publishable;

/// Why nothing new is published.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// Somebody else published meanwhile.
    #[error("somebody else has published meanwhile")]
    Lost,
    /// A root of this version is there already.
    #[error("{0} is there already, and is not overwritten")]
    RootThere(Place),
    /// The host failed.
    #[error(transparent)]
    Location(LocationError),
}

impl From<LocationError> for UploadError {
    fn from(error: LocationError) -> Self {
        match error {
            LocationError::Meanwhile(_) => Self::Lost,
            error => Self::Location(error),
        }
    }
}

/// What was published.
#[derive(Debug)]
pub struct Uploaded {
    /// In words.
    pub changes: Vec<Change>,
    /// The documents that hosts read first: files and bytes.
    pub documents: Vec<(RemoteFile, Vec<u8>)>,
}

/// Uploads a checked tree over the catalog whose timestamp has the digest `expected` (`None`: over nothing).
///
/// # Errors
/// When the race is lost, or the host fails.
pub fn upload(
    store: &dyn Store,
    publishable: Publishable<'_>,
    expected: Option<Sha256Digest>,
    hashed_names: HashedNames,
) -> Result<Uploaded, UploadError> {
    let tree = publishable.into_tree();
    let _guard = store.exclusive()?;
    if timestamp(store)? != expected {
        return Err(UploadError::Lost);
    }
    for (arrival, _) in tree.images {
        arrival.publish()?;
        if hashed_names == HashedNames::Link && arrival.is_at_location() {
            store.link_hashed(arrival.sha256, &arrival.file)?;
        }
    }
    for (file, bytes) in &tree.documents {
        let place = Place::Metadata(file.clone());
        match file {
            RemoteFile::Root(_) => put_root(store, place, bytes)?,
            // A run that failed may have left one of this version, to which nothing leads.
            _ => store.put(&place, bytes)?,
        }
    }
    for (place, bytes) in &tree.sums {
        store.put(place, bytes)?;
    }
    let there = store.read(&Place::Descriptor, MAX_DESCRIPTOR)?;
    if there.as_deref() != Some(&tree.descriptor) {
        store.put(&Place::Descriptor, &tree.descriptor)?;
    }
    // Before the timestamp: a run that ends here has noted too much, which deletes nothing that is named.
    if let Some(departed) = &tree.departed {
        pruned::note(store, departed)?;
    }
    match store.swap_timestamp(expected, &tree.timestamp)? {
        Swap::Done => {}
        Swap::Lost => return Err(UploadError::Lost),
    }
    // A run that ends before this leaves a catalog that the old root vouches for as well.
    if let Some((file, bytes)) = &tree.last_root {
        put_root(store, Place::Metadata(file.clone()), bytes)?;
    }
    let mut documents = tree.documents;
    documents.extend(tree.last_root);
    documents.push((RemoteFile::Timestamp, tree.timestamp));
    Ok(Uploaded {
        changes: tree.changes,
        documents,
    })
}

/// A root is never replaced: hosts may have it. The same bytes, from a run that failed, are fine.
fn put_root(store: &dyn Store, place: Place, bytes: &[u8]) -> Result<(), UploadError> {
    if store.put_new(&place, bytes)?
        || store.read(&place, Limits::default().root)?.as_deref() == Some(bytes)
    {
        return Ok(());
    }
    Err(UploadError::RootThere(place))
}

/// The digest of the published timestamp.
///
/// # Errors
/// When the host fails.
pub fn timestamp(store: &dyn Store) -> Result<Option<Sha256Digest>, LocationError> {
    let place = Place::Metadata(RemoteFile::Timestamp);
    let bytes = store.read(&place, Limits::default().timestamp)?;
    Ok(bytes.as_deref().map(Sha256Digest::of))
}
