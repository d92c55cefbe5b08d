//! The one place where an untrusted document becomes a trusted one.
//!
//! - [`verify`] and [`verify_first_root`] are the only makers of a [`Verified`], and share one count.
//! - A threshold counts distinct key *values* (TUF 5.3.4): neither two ids for one key nor one signature twice helps.
//! - A root is always checked against itself too (TUF 5.3.4, 5.3.5; CVE-2020-15163).
//! - Version, expiry and consistency are not decided here: they need the state that [`trust`](crate::trust) holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Deref;

use crate::digest::Sha256Digest;
use crate::envelope::{Envelope, EnvelopeError};
use crate::key::{KeyId, PublicKey, SignatureError};
use crate::role::{Role, Root, Threshold};

/// A document whose signatures reach the threshold of the role that may vouch for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified<T> {
    payload: T,
    sha256: Sha256Digest,
}

impl<T> Verified<T> {
    /// The digest of the document's bytes as they were received.
    #[must_use]
    pub fn sha256(&self) -> Sha256Digest {
        self.sha256
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.payload
    }
}

/// Who may sign a role: keys and threshold, as a verified document says.
#[derive(Debug, Clone)]
pub struct Authority<'a> {
    pub(crate) role: String,
    pub(crate) threshold: Threshold,
    pub(crate) keys: BTreeMap<&'a KeyId, &'a PublicKey>,
}

impl<'a> Authority<'a> {
    /// The public key of this id, where it may sign.
    #[must_use]
    pub fn key(&self, id: &KeyId) -> Option<&'a PublicKey> {
        self.keys.get(id).copied()
    }
}

/// Why a document is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It is not a document of that role at all.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// Nobody signed it.
    #[error("{role} is not signed")]
    Unsigned {
        /// The role.
        role: String,
    },
    /// Only keys signed it that may not sign this role.
    #[error(
        "{role} is signed only by keys that may not sign it: {}",
        shorts(found)
    )]
    WrongKeys {
        /// The role.
        role: String,
        /// The keys that signed.
        found: Vec<KeyId>,
    },
    /// Too few good signatures.
    #[error(
        "{role} has {valid} good signature(s) of {threshold} needed{}",
        Problems(problems)
    )]
    BelowThreshold {
        /// The role.
        role: String,
        /// Distinct keys with a good signature.
        valid: usize,
        /// The threshold.
        threshold: Threshold,
        /// What is wrong with the others.
        problems: Vec<(KeyId, SignatureError)>,
    },
}

impl VerifyError {
    /// Whether it is a document of the role `name` that those who may sign it have not signed.
    #[must_use]
    pub fn is_about_signatures_of(&self, name: &str) -> bool {
        match self {
            Self::Unsigned { role }
            | Self::WrongKeys { role, .. }
            | Self::BelowThreshold { role, .. } => role == name,
            Self::Envelope(_) => false,
        }
    }
}

fn shorts(ids: &[KeyId]) -> String {
    ids.iter().map(KeyId::short).collect::<Vec<_>>().join(", ")
}

struct Problems<'a>(&'a [(KeyId, SignatureError)]);

impl fmt::Display for Problems<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|(id, problem)| write!(f, "; key {}: {problem}", id.short()))
    }
}

/// Verifies a document against the role that vouches for it; a root against itself too.
///
/// # Errors
/// When the bytes are not such a document, or a threshold is not reached.
pub fn verify<T: Role>(
    bytes: &[u8],
    authority: &Authority<'_>,
) -> Result<Verified<T>, VerifyError> {
    let envelope = Envelope::parse(bytes)?;
    check(&envelope, authority)?;
    admit(envelope, bytes)
}

/// Verifies a root that the caller trusts already, by its digest or because it was shipped: against itself only.
///
/// # Errors
/// As [`verify`].
pub fn verify_first_root(bytes: &[u8]) -> Result<Verified<Root>, VerifyError> {
    admit(Envelope::parse(bytes)?, bytes)
}

fn admit<T: Role>(envelope: Envelope<T>, bytes: &[u8]) -> Result<Verified<T>, VerifyError> {
    if let Some(own) = envelope.payload.own_authority() {
        check(&envelope, &own)?;
    }
    Ok(Verified {
        payload: envelope.payload,
        sha256: Sha256Digest::of(bytes),
    })
}

fn check<T>(envelope: &Envelope<T>, authority: &Authority<'_>) -> Result<(), VerifyError> {
    let role = authority.role.clone();
    if envelope.signatures.is_empty() {
        return Err(VerifyError::Unsigned { role });
    }
    let mut good = BTreeSet::new();
    let mut problems = Vec::new();
    let mut authorised = false;
    for (id, signature) in &envelope.signatures {
        // A signature by a key that may not sign this role says nothing, good or bad.
        let Some(key) = authority.keys.get(id) else {
            continue;
        };
        authorised = true;
        match (key.verify(&envelope.message, signature), key.value()) {
            (Ok(()), Some(value)) => {
                good.insert(value);
            }
            (Err(problem), _) => problems.push((id.clone(), problem)),
            // verify() fails for a key without a value.
            (Ok(()), None) => {}
        }
    }
    if authority.threshold.is_met_by(good.len()) {
        return Ok(());
    }
    if !authorised {
        return Err(VerifyError::WrongKeys {
            role,
            found: envelope.signatures.keys().cloned().collect(),
        });
    }
    Err(VerifyError::BelowThreshold {
        role,
        valid: good.len(),
        threshold: authority.threshold,
        problems,
    })
}
