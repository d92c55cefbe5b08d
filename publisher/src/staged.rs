//! Everything that would be uploaded, in the order of the upload, and nothing uploaded yet.
//!
//! The order lets a reader at any moment see the old catalog or the new one: images, transports, indexes, targets,
//! snapshot, a new root, `SHA256SUMS`, `catalog.toml`, and `timestamp.json` last. Where the keys of other top roles change, the root comes
//! after the timestamp: what it no longer vouches for is out of sight by then.

use std::collections::BTreeMap;

use sysext_formats::catalog::Descriptor;
use sysext_formats::name::{ExtensionName, FileName};
use sysext_formats::role::Role;
use sysext_formats::workflow::RemoteFile;

use crate::arrival::Arrival;
use crate::draft::{Change, RootOrder};
use crate::location::Place;
use crate::prune::record::Departed;
use crate::signer::SignedDraft;
use crate::sysupdate::sums::Step;

/// The images at hand, by name.
pub type Arrivals = BTreeMap<FileName, Arrival>;

/// What would be uploaded.
#[derive(Debug)]
pub struct StagedTree<'a> {
    /// New documents in their order; the timestamp is not among them.
    pub(crate) documents: Vec<(RemoteFile, Vec<u8>)>,
    /// Where each of them is: there may be thousands, and every one is looked for.
    positions: BTreeMap<RemoteFile, usize>,
    /// The new timestamp.
    pub(crate) timestamp: Vec<u8>,
    /// A new root that becomes visible after everything else, the timestamp included.
    pub(crate) last_root: Option<(RemoteFile, Vec<u8>)>,
    /// `catalog.toml`.
    pub(crate) descriptor: Vec<u8>,
    /// What systemd-sysupdate reads, where it is new.
    pub(crate) sums: Vec<(Place, Step)>,
    /// What nothing names any more once this is published.
    pub(crate) departed: Option<Departed>,
    /// The new images.
    pub(crate) images: Vec<(&'a mut Arrival, ExtensionName)>,
    /// The extensions whose index is new.
    pub(crate) extensions: Vec<ExtensionName>,
    /// The extensions of groups that are new: hosts must find them there.
    pub(crate) regrouped: Vec<ExtensionName>,
    /// What is new, for people.
    pub(crate) changes: Vec<Change>,
}

/// Why a tree was not staged.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// A new image never arrived.
    #[error("{0} is to be published, and was not brought to the host")]
    NoImage(FileName),
    /// The descriptor can not be written.
    #[error("catalog.toml can not be written: {0}")]
    Descriptor(#[from] toml::ser::Error),
}

impl<'a> StagedTree<'a> {
    /// Puts together what a signed draft publishes.
    ///
    /// # Errors
    /// When an image of the draft is not at hand.
    pub fn new(
        signed: SignedDraft,
        arrivals: &'a mut Arrivals,
        descriptor: &Descriptor,
    ) -> Result<Self, StageError> {
        let SignedDraft {
            draft,
            delegated,
            targets,
            snapshot,
            root,
            timestamp,
        } = signed;
        let mut wanted = draft.images;
        let mut images = Vec::new();
        for (file, arrival) in arrivals {
            if let Some(extension) = wanted.remove(file) {
                images.push((arrival, extension));
            }
        }
        if let Some((file, _)) = wanted.pop_first() {
            return Err(StageError::NoImage(file));
        }
        let catalog = draft.catalog;
        let regrouped = draft
            .touched
            .groups
            .iter()
            .filter_map(|role| catalog.groups.get(role));
        let regrouped =
            regrouped.flat_map(|group| group.delegations.iter().flat_map(|it| &it.roles));
        let regrouped = regrouped
            .filter_map(|role| role.name.as_str().parse().ok())
            .collect();
        let mut documents = Vec::new();
        for (role, document) in delegated {
            let document_of = match role.as_str().parse::<ExtensionName>() {
                Ok(name) => catalog.indexes.get(&name),
                Err(_) => catalog.groups.get(&role),
            };
            let file = RemoteFile::Targets(Some(role), document_of.map(Role::version));
            documents.push((file, document.into_bytes()));
        }
        if let Some(document) = targets {
            let file = RemoteFile::Targets(None, Some(catalog.targets.version));
            documents.push((file, document.into_bytes()));
        }
        if let Some(document) = snapshot {
            let file = RemoteFile::Snapshot(Some(catalog.snapshot.version));
            documents.push((file, document.into_bytes()));
        }
        let mut last_root = None;
        if let Some(document) = root {
            let file = RemoteFile::Root(catalog.root.version);
            match draft.order {
                RootOrder::First => documents.push((file, document.into_bytes())),
                RootOrder::Last => last_root = Some((file, document.into_bytes())),
            }
        }
        let names = documents.iter().map(|(file, _)| file.clone());
        Ok(Self {
            positions: names.zip(0..).collect(),
            documents,
            timestamp: timestamp.into_bytes(),
            last_root,
            descriptor: toml::to_string(descriptor)?.into_bytes(),
            sums: Vec::new(),
            departed: None,
            images,
            extensions: draft.touched.indexes.into_iter().collect(),
            regrouped,
            changes: draft.changes,
        })
    }

    /// With what systemd-sysupdate reads. No host of ours believes it.
    #[must_use]
    pub fn with_sums(mut self, sums: Vec<(Place, Step)>) -> Self {
        self.sums = sums;
        self
    }

    /// With what leaves the catalog.
    #[must_use]
    pub fn with_departed(mut self, departed: Departed) -> Self {
        self.departed = Some(departed);
        self
    }

    /// A document of the tree, as a host would ask for it once all of it is there.
    pub(crate) fn document(&self, file: &RemoteFile) -> Option<&[u8]> {
        match &self.last_root {
            Some((last, bytes)) if last == file => Some(bytes),
            _ => self.document_before_root(file),
        }
    }

    /// A document of the tree, as a host would ask for it before a root that comes last is there.
    pub(crate) fn document_before_root(&self, file: &RemoteFile) -> Option<&[u8]> {
        if *file == RemoteFile::Timestamp {
            return Some(&self.timestamp);
        }
        let (_, bytes) = self.documents.get(*self.positions.get(file)?)?;
        Some(bytes)
    }
}
