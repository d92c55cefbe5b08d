//! From a draft to signed documents.

use std::collections::BTreeMap;

use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::ExtensionName;
use sysext_formats::role::{Extra, MetaFile, Root, Snapshot, Targets, Timestamp};
use sysext_formats::sign::{SignError, SignedDocument};

use super::{KeyRing, KeySource, SignerError, Signers};
use crate::config::Config;
use crate::draft::Draft;

/// The signed documents of a draft, in no other order than the one they are published in.
#[derive(Debug)]
pub struct SignedDraft {
    pub(crate) draft: Draft,
    pub(crate) indexes: BTreeMap<ExtensionName, SignedDocument<Targets>>,
    pub(crate) targets: Option<SignedDocument<Targets>>,
    pub(crate) snapshot: Option<SignedDocument<Snapshot>>,
    pub(crate) root: Option<SignedDocument<Root>>,
    pub(crate) timestamp: SignedDocument<Timestamp>,
}

/// Why a draft was not signed.
#[derive(Debug, thiserror::Error)]
pub enum DraftSignError {
    /// No key for a role.
    #[error(transparent)]
    Key(#[from] SignerError),
    /// A document can not be signed, or a key's holder did not.
    #[error("{role} can not be signed: {source}")]
    Sign {
        /// The role.
        role: String,
        /// Why.
        source: SignError,
    },
}

/// Who signs: finds the signers of a role.
pub trait Roster {
    /// Of the index of an extension.
    ///
    /// # Errors
    /// When its keys are not to be had.
    fn index(&self, name: &ExtensionName, draft: &Draft) -> Result<Signers, SignerError>;
    /// Of the table of contents.
    ///
    /// # Errors
    /// When its keys are not to be had.
    fn targets(&self, draft: &Draft) -> Result<Signers, SignerError>;
    /// Of snapshot and timestamp.
    ///
    /// # Errors
    /// When its keys are not to be had.
    fn online(&self, draft: &Draft) -> Result<Signers, SignerError>;
    /// Of the root.
    ///
    /// # Errors
    /// When its keys are not to be had.
    fn root(&self, draft: &Draft) -> Result<Signers, SignerError>;
}

/// The keys that the configuration names.
#[derive(Debug)]
pub struct Configured<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// Its keys.
    pub ring: &'a KeyRing,
}

impl Roster for Configured<'_> {
    fn index(&self, name: &ExtensionName, draft: &Draft) -> Result<Signers, SignerError> {
        let own = self.config.extension(name).key;
        let sources = if own.is_empty() {
            &self.config.keys.release
        } else {
            &own
        };
        let keys = draft
            .catalog
            .index_keys(name)
            .ok_or_else(|| SignerError::NoneThere {
                role: name.to_string(),
                tried: Vec::new(),
            })?;
        self.ring
            .signers(&format!("the index of {name}"), keys, sources)
    }

    fn targets(&self, draft: &Draft) -> Result<Signers, SignerError> {
        // With the profile `team` the root keys sign it; which ones may, the root says.
        let keys = &self.config.keys;
        let sources: Vec<KeySource> = keys.release.iter().chain(&keys.root).cloned().collect();
        self.ring
            .signers("targets", &draft.catalog.root.roles.targets, &sources)
    }

    fn online(&self, draft: &Draft) -> Result<Signers, SignerError> {
        let roles = &draft.catalog.root.roles;
        let keys = &self.config.keys.online;
        // Catalogs of ours give both to one key; other keys for the snapshot would be another configuration.
        self.ring
            .signers("snapshot and timestamp", &roles.timestamp, keys)
    }

    fn root(&self, draft: &Draft) -> Result<Signers, SignerError> {
        self.ring.signers(
            "root",
            &draft.catalog.root.roles.root,
            &self.config.keys.root,
        )
    }
}

impl SignedDraft {
    /// Signs every new document of a draft.
    ///
    /// # Errors
    /// When a key is not to be had, or a document can not be signed.
    pub fn new(mut draft: Draft, roster: &impl Roster) -> Result<Self, DraftSignError> {
        let failed = |role: &str| {
            let role = role.to_owned();
            move |source| DraftSignError::Sign { role, source }
        };
        let mut indexes = BTreeMap::new();
        for name in &draft.touched.indexes {
            if let Some(index) = draft.catalog.indexes.get(name) {
                let signers = roster.index(name, &draft)?;
                let signed =
                    SignedDocument::new(index, &signers.refs()).map_err(failed(name.as_str()))?;
                indexes.insert(name.clone(), signed);
            }
        }
        let targets = match draft.touched.targets {
            true => {
                let signers = roster.targets(&draft)?;
                Some(
                    SignedDocument::new(&draft.catalog.targets, &signers.refs())
                        .map_err(failed("targets"))?,
                )
            }
            false => None,
        };
        let root = match draft.touched.root {
            true => {
                let signers = roster.root(&draft)?;
                Some(
                    SignedDocument::new(&draft.catalog.root, &signers.refs())
                        .map_err(failed("root"))?,
                )
            }
            false => None,
        };
        let online = roster.online(&draft)?;
        let mut snapshot = None;
        if draft.touched.snapshot {
            let signed = SignedDocument::new(&draft.catalog.snapshot, &online.refs())
                .map_err(failed("snapshot"))?;
            draft.catalog.timestamp.meta.snapshot = MetaFile {
                version: draft.catalog.snapshot.version,
                length: u64::try_from(signed.bytes().len()).ok(),
                hashes: Some(Sha256Digest::of(signed.bytes()).into()),
                extra: Extra::new(),
            };
            snapshot = Some(signed);
        }
        let timestamp = SignedDocument::new(&draft.catalog.timestamp, &online.refs())
            .map_err(failed("timestamp"))?;
        Ok(Self {
            draft,
            indexes,
            targets,
            snapshot,
            root,
            timestamp,
        })
    }

    /// The bytes of a new root.
    #[must_use]
    pub fn root_bytes(&self) -> Option<&[u8]> {
        self.root.as_ref().map(SignedDocument::bytes)
    }
}
