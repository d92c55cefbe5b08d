//! What of the store no root needs any more.
//!
//! - Needed is what a link of any root names, what a record of `roots/` or a pending journal names, and what runs; of
//!   each wanted extension also the images that were used last, for a rollback.
//! - [`needs`] reads all of that and fails where one root can not be read: nothing is deleted then. [`garbage`] is pure.
//! - The caller holds the lock, so nobody is staging.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::ExtensionName;
use sysext_formats::time::UtcTime;

use crate::activate::running;
use crate::history::{ImageRef, Transaction};
use crate::journal::{self, RootId};
use crate::root::Root;
use crate::roots::{self, Record, ScanError};
use crate::store::{Contents, Store, StoreError, StoredImage, parse_link};
use crate::systemd::{Merger, SystemdError};

/// How long a record counts whose root can not be seen.
const UNSEEN: Duration = Duration::from_secs(90 * 86_400);

/// Why nothing is deleted.
#[derive(Debug, thiserror::Error)]
pub enum GcError {
    /// A root can not be read.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// The store can not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record or journal can not be read, so that nobody knows what its root needs.
    #[error("{} can not be read, so nobody knows what its root needs: {reason}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// What runs is not known.
    #[error(transparent)]
    Systemd(#[from] SystemdError),
}

/// What roots need.
#[derive(Debug, Default)]
pub struct Needs {
    /// Images.
    pub images: BTreeSet<Sha256Digest>,
    /// How many roots were asked.
    pub roots: usize,
    /// Records of roots that are gone.
    pub stale: Vec<Record>,
}

/// Reads what every root needs; `configured` are the roots that the configuration names.
///
/// # Errors
/// When one can not be read.
pub fn needs(
    root: &Root,
    store: &Store,
    configured: &[PathBuf],
    systemd: &dyn Merger,
    now: UtcTime,
) -> Result<Needs, GcError> {
    let known = roots::scan(root, configured)?;
    let mut needs = Needs {
        roots: known.len(),
        ..Needs::default()
    };
    let mut ids: BTreeSet<RootId> = BTreeSet::new();
    for root in known {
        ids.insert(root.id);
        let images = root.images.into_iter().map(|(_, target)| target.sha256);
        needs.images.extend(images);
    }
    let siblings_seen = ids.iter().any(RootId::has_siblings);
    let records = roots::records(store)?;
    if let Some((path, reason)) = records.broken.into_iter().next() {
        return Err(GcError::Broken { path, reason });
    }
    let all = records.records;
    for record in &all {
        let is_gone = if record.root.has_siblings() {
            siblings_seen && !ids.contains(&record.root)
        } else {
            !record.is_of(root) && is_superseded(record, &all, now)
        };
        if is_gone {
            needs.stale.push(record.clone());
        } else {
            let images = record.images.values().map(|image| image.sha256);
            needs.images.extend(images);
        }
    }
    for found in journal::all(store)? {
        let journal = found.map_err(|(path, reason)| GcError::Broken { path, reason })?;
        let targets = journal
            .changes
            .iter()
            .flat_map(|change| [&change.from, &change.to]);
        let images = targets.flatten().filter_map(|path| parse_link(root, path));
        needs.images.extend(images.map(|target| target.sha256));
    }
    if systemd.can_merge(root) {
        let contents = store.images()?;
        let images = running(systemd, &contents.images)?;
        needs
            .images
            .extend(images.into_iter().map(|image| image.sha256));
    }
    Ok(needs)
}

/// Of a host whose roots can not be told apart by name, such as one with two slots, the last two records count for ever,
/// and older ones for a while.
fn is_superseded(record: &Record, all: &[Record], now: UtcTime) -> bool {
    let newer = all
        .iter()
        .filter(|other| other.root == record.root && other.time > record.time);
    newer.count() >= 2 && now.since(record.time) > UNSEEN
}

/// The images that nobody needs, `keep` of each wanted extension left for a rollback: those used last, and of those that
/// never were the highest versions.
#[must_use]
pub fn garbage<'a>(
    contents: &'a Contents,
    needed: &BTreeSet<Sha256Digest>,
    wanted: &BTreeSet<ExtensionName>,
    history: &[Transaction],
    keep: usize,
) -> Vec<&'a StoredImage> {
    let used = last_use(history);
    let mut idle: BTreeMap<&ExtensionName, Vec<&StoredImage>> = BTreeMap::new();
    for image in &contents.images {
        if !needed.contains(&image.sha256) {
            idle.entry(&image.extension).or_default().push(image);
        }
    }
    let mut garbage = Vec::new();
    for (name, mut images) in idle {
        images.sort_by(|a, b| {
            let rank = |image: &StoredImage| used.get(&image.sha256).copied();
            (rank(b), b.version()).cmp(&(rank(a), a.version()))
        });
        let kept = if wanted.contains(name) { keep } else { 0 };
        garbage.extend(images.into_iter().skip(kept));
    }
    garbage.sort_by(|a, b| (&a.extension, a.version()).cmp(&(&b.extension, b.version())));
    garbage
}

/// The last transaction in which an image was linked or unlinked.
fn last_use(history: &[Transaction]) -> BTreeMap<Sha256Digest, u64> {
    let mut used = BTreeMap::new();
    for transaction in history {
        let images = transaction
            .changes
            .iter()
            .flat_map(|change| [&change.from, &change.to]);
        for ImageRef { sha256, .. } in images.flatten() {
            let last = used.entry(*sha256).or_insert(0);
            *last = transaction.number.max(*last);
        }
    }
    used
}
