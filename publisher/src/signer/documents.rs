//! From a draft to signed documents.

use std::collections::BTreeMap;

use sysext_formats::digest::Sha256Digest;
use sysext_formats::key::KeyId;
use sysext_formats::name::RoleName;
use sysext_formats::role::{Extra, MetaFile, MetadataVersion, Root, Snapshot, Targets, Timestamp};
use sysext_formats::sign::{Pending, SignError, SignedDocument};
use sysext_formats::verify::VerifyError;

use super::{AtHand, KeyRing, KeySource, SignerError, Signers};
use crate::config::Config;
use crate::draft::{DocumentId, Draft, Need, PendingDocument, PendingDocuments};

/// The signed documents of a draft, in no other order than the one they are published in.
#[derive(Debug)]
pub struct SignedDraft {
    pub(crate) draft: Draft,
    pub(crate) delegated: BTreeMap<RoleName, SignedDocument<Targets>>,
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
    /// A proposed document that not everybody has signed.
    #[error("not everybody has signed {role} yet")]
    NotEnough {
        /// The role.
        role: String,
        /// What is missing, in a client's words.
        source: VerifyError,
    },
    /// Nobody delegates to the role.
    #[error("nobody in the catalog may sign {0}")]
    NotDelegated(String),
}

/// Who signs: finds the signers of a document.
pub trait Roster {
    /// Signers that satisfy every one of `needs`.
    ///
    /// # Errors
    /// When their keys are not to be had.
    fn signers(&self, document: &DocumentId, needs: &[Need<'_>]) -> Result<Signers, SignerError>;
}

/// The keys that the configuration names.
#[derive(Debug)]
pub struct Configured<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// Its keys.
    pub ring: &'a KeyRing,
}

impl Configured<'_> {
    fn sources(&self, document: &DocumentId) -> Vec<KeySource> {
        let keys = &self.config.keys;
        // With the profile `team` the root keys sign the table of contents; which ones may, the root says.
        let contents = || keys.release.iter().chain(&keys.root).cloned().collect();
        match document {
            DocumentId::Root => keys.root.clone(),
            DocumentId::Snapshot | DocumentId::Timestamp => keys.online.clone(),
            DocumentId::Targets => contents(),
            DocumentId::Delegated(_) => match document.extension() {
                None => contents(),
                Some(name) => self.config.index_sources(&name),
            },
        }
    }

    /// Those of the configured keys, and of `more`, whose signature a document still lacks.
    ///
    /// # Errors
    /// When one of them can not be unlocked.
    pub fn at_hand(
        &self,
        document: &DocumentId,
        needs: &[Need<'_>],
        more: &[KeySource],
        have: &[KeyId],
    ) -> Result<AtHand, SignerError> {
        let keys: Vec<_> = needs.iter().map(|need| need.keys).collect();
        let sources = match more {
            [] => self.sources(document),
            named => named.to_vec(),
        };
        self.ring.at_hand(&keys, &sources, have)
    }

    /// The configured keys of a document whose public half is known without a passphrase.
    #[must_use]
    pub fn known(&self, document: &DocumentId) -> Vec<(KeySource, KeyId)> {
        let known = |source: KeySource| {
            let (key, _) = self.ring.describe(&source);
            Some((source, key?.canonical_id()))
        };
        self.sources(document)
            .into_iter()
            .filter_map(known)
            .collect()
    }
}

impl Roster for Configured<'_> {
    fn signers(&self, document: &DocumentId, needs: &[Need<'_>]) -> Result<Signers, SignerError> {
        let keys: Vec<_> = needs.iter().map(|need| need.keys).collect();
        self.ring
            .signers(&document.to_string(), &keys, &self.sources(document))
    }
}

impl SignedDraft {
    /// Signs every new document of a draft, but for those that were proposed: they must have come with every signature.
    ///
    /// # Errors
    /// When a key is not to be had, or a document can not be signed.
    pub fn new(mut draft: Draft, roster: &impl Roster) -> Result<Self, DraftSignError> {
        let mut documents = PendingDocuments::of(&draft).map_err(failed)?;
        for (id, document) in documents.iter_mut() {
            let needs = draft.needs(&id);
            if !draft.proposed.contains(&id) {
                sign(document, &id, &roster.signers(&id, &needs)?)?;
            }
            check(document, &id, &needs)?;
        }
        let mut snapshot = None;
        if draft.touched.snapshot {
            let signed = online(
                &DocumentId::Snapshot,
                &draft,
                &draft.catalog.snapshot,
                roster,
            )?;
            draft.catalog.timestamp.meta.snapshot = MetaFile {
                version: draft.catalog.snapshot.version,
                length: u64::try_from(signed.bytes().len()).ok(),
                hashes: Some(Sha256Digest::of(signed.bytes()).into()),
                extra: Extra::new(),
            };
            snapshot = Some(signed);
        }
        let timestamp = online(
            &DocumentId::Timestamp,
            &draft,
            &draft.catalog.timestamp,
            roster,
        )?;
        let finished = |id: DocumentId| move |error| failed((id, error));
        let mut delegated = BTreeMap::new();
        for (role, document) in &documents.delegated {
            let id = DocumentId::Delegated(role.clone());
            delegated.insert(role.clone(), document.finish().map_err(finished(id))?);
        }
        let targets = documents.targets.map(|document| document.finish());
        let root = documents.root.map(|document| document.finish());
        Ok(Self {
            draft,
            delegated,
            targets: targets.transpose().map_err(finished(DocumentId::Targets))?,
            snapshot,
            root: root.transpose().map_err(finished(DocumentId::Root))?,
            timestamp,
        })
    }

    /// The version of the root that is published.
    #[must_use]
    pub fn root_before(&self) -> MetadataVersion {
        self.draft.before.root.version
    }

    /// The bytes of a new root.
    #[must_use]
    pub fn root_bytes(&self) -> Option<&[u8]> {
        self.root.as_ref().map(SignedDocument::bytes)
    }
}

fn online<T: sysext_formats::role::Role + Clone>(
    id: &DocumentId,
    draft: &Draft,
    payload: &T,
    roster: &impl Roster,
) -> Result<SignedDocument<T>, DraftSignError> {
    let failed = |error| failed((id.clone(), error));
    let needs = draft.needs(id);
    let mut document = Pending::new(payload.clone()).map_err(failed)?;
    sign(&mut document, id, &roster.signers(id, &needs)?)?;
    check(&mut document, id, &needs)?;
    document.finish().map_err(failed)
}

fn sign(
    document: &mut dyn PendingDocument,
    id: &DocumentId,
    signers: &Signers,
) -> Result<(), DraftSignError> {
    let mut signers = signers.refs().into_iter();
    let signed = signers.try_for_each(|signer| document.sign(signer));
    signed.map_err(|error| failed((id.clone(), error)))
}

/// Whether everybody has signed who must. Signatures that nobody asks for are dropped: they are not published.
fn check(
    document: &mut dyn PendingDocument,
    id: &DocumentId,
    needs: &[Need<'_>],
) -> Result<(), DraftSignError> {
    if needs.is_empty() {
        return Err(DraftSignError::NotDelegated(id.to_string()));
    }
    document.retain(&|key| needs.iter().any(|need| need.keys.keyids.contains(key)));
    for need in needs {
        document
            .check(&need.authority)
            .map_err(|source| DraftSignError::NotEnough {
                role: id.to_string(),
                source,
            })?;
    }
    Ok(())
}

impl From<(DocumentId, SignError)> for DraftSignError {
    fn from((id, source): (DocumentId, SignError)) -> Self {
        Self::Sign {
            role: id.to_string(),
            source,
        }
    }
}

fn failed(error: (DocumentId, SignError)) -> DraftSignError {
    error.into()
}
