//! Documents on their way to be signed, by one person or by several apart.
//!
//! - A [`Pending`] document gathers signatures, in one run or over several machines; what is signed never changes with
//!   them. A [`SignedDocument`] has one at least. Neither says that they suffice: that is
//!   [`verify`](crate::verify::verify)'s word alone.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use serde_json::{Value, json};

use super::Signer;
use crate::canonical;
use crate::envelope::{Envelope, EnvelopeError};
use crate::json;
use crate::key::{KeyId, PublicKey};
use crate::role::{Role, SPEC_VERSION};
use crate::verify::{Authority, VerifyError, verify};

/// A document of role `T` with the signatures that it has so far, none at first.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending<T> {
    payload: T,
    signed: Value,
    message: Vec<u8>,
    signatures: BTreeMap<KeyId, String>,
}

/// The bytes of a signed document of role `T`, as they are published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedDocument<T> {
    bytes: Vec<u8>,
    role: PhantomData<T>,
}

/// Why a document was not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The payload is no JSON object.
    #[error("the document can not be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Text that encoders might disagree about.
    #[error("{field} is {text:?}; only printable ASCII can be signed")]
    NotAscii {
        /// Where it stands.
        field: String,
        /// What stands there.
        text: String,
    },
    /// A number that has no canonical form.
    #[error(transparent)]
    Canonical(#[from] canonical::CanonicalError),
    /// Nobody to sign.
    #[error("no key was given to sign {0} with")]
    NoSigner(&'static str),
    /// A key's holder did not sign.
    #[error("the key {} did not sign {role}: {reason}", id.short())]
    Signer {
        /// The role.
        role: &'static str,
        /// The key.
        id: KeyId,
        /// Its holder's words.
        reason: String,
    },
    /// The received document is none.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// Two copies of a document that are not the same document.
    #[error("{0}: the two copies do not say the same")]
    Differ(&'static str),
    /// A signature came back that the key does not verify.
    #[error("the signature that came back for the key {} does not verify over {role}", id.short())]
    WrongSignature {
        /// The role.
        role: &'static str,
        /// The key.
        id: KeyId,
    },
}

impl<T: Role> Pending<T> {
    /// A document that nobody has signed.
    ///
    /// # Errors
    /// When it can not be signed: it has no canonical form, or text that encoders might disagree about.
    pub fn new(payload: T) -> Result<Self, SignError> {
        let mut signed = serde_json::to_value(&payload)?;
        if let Value::Object(members) = &mut signed {
            members.insert("_type".to_owned(), T::TYPE.into());
            members.insert("spec_version".to_owned(), SPEC_VERSION.into());
        }
        check_ascii(&signed, &mut String::from("signed"))?;
        let message = canonical::encode(&signed)?;
        Ok(Self {
            payload,
            signed,
            message,
            signatures: BTreeMap::new(),
        })
    }

    /// A document that somebody else has made, with the signatures it came with, good or bad. Members that this program
    /// does not know are kept: they are signed.
    ///
    /// # Errors
    /// When the bytes are no document of role `T`, or hold text that is not printable ASCII.
    pub fn parse(bytes: &[u8]) -> Result<Self, SignError> {
        let envelope = Envelope::<T>::parse(bytes)?;
        let Value::Object(mut members) = json::parse(bytes).map_err(EnvelopeError::from)? else {
            return Err(SignError::NoSigner(T::TYPE));
        };
        let signed = members.remove("signed").unwrap_or_default();
        check_ascii(&signed, &mut String::from("signed"))?;
        let payload = T::deserialize(&signed)?;
        let (message, signatures) = envelope.into_parts();
        Ok(Self {
            payload,
            signed,
            message,
            signatures,
        })
    }

    /// What it says, whoever has signed it: for showing it to the one who shall, and for drafting from it. Only
    /// [`verify`] makes it trustworthy.
    #[must_use]
    pub fn unverified(&self) -> &T {
        &self.payload
    }

    /// Adds the signature of `signer`, which is verified first. One that is there already is replaced.
    ///
    /// # Errors
    /// When the signer fails.
    pub fn sign(&mut self, signer: &dyn Signer) -> Result<(), SignError> {
        let id = signer.public_key().canonical_id();
        let failed = |reason| SignError::Signer {
            role: T::TYPE,
            id: id.clone(),
            reason,
        };
        let signature =
            data_encoding::HEXLOWER.encode(&signer.sign(&self.message).map_err(failed)?);
        if signer
            .public_key()
            .verify(&self.message, &signature)
            .is_err()
        {
            return Err(SignError::WrongSignature { role: T::TYPE, id });
        }
        self.signatures.insert(id, signature);
        Ok(())
    }

    /// Takes over the signatures of a copy of the same document.
    ///
    /// # Errors
    /// When it is another document.
    pub fn merge(&mut self, other: Self) -> Result<(), SignError> {
        if other.message != self.message {
            return Err(SignError::Differ(T::TYPE));
        }
        for (id, signature) in other.signatures {
            self.signatures.entry(id).or_insert(signature);
        }
        Ok(())
    }

    /// Drops the signatures of everybody else than `keep`: what nobody asks for is not published.
    pub fn retain(&mut self, keep: impl Fn(&KeyId) -> bool) {
        self.signatures.retain(|id, _| keep(id));
    }

    /// Whether `key` has signed it.
    #[must_use]
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        let signature = self.signatures.get(&key.canonical_id());
        signature.is_some_and(|signature| key.verify(&self.message, signature).is_ok())
    }

    /// Whether its signatures suffice for `authority`, in the very words of a client.
    ///
    /// # Errors
    /// When they do not.
    pub fn check(&self, authority: &Authority<'_>) -> Result<(), VerifyError> {
        verify::<T>(&self.bytes(), authority).map(drop)
    }

    /// The document as it is now.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let signatures: Vec<_> = self
            .signatures
            .iter()
            .map(|(id, sig)| json!({"keyid": id, "sig": sig}))
            .collect();
        // Compact, and in the order of the members' names.
        json!({"signatures": signatures, "signed": self.signed})
            .to_string()
            .into_bytes()
    }

    /// The document to publish.
    ///
    /// # Errors
    /// When nobody has signed it.
    pub fn finish(&self) -> Result<SignedDocument<T>, SignError> {
        if self.signatures.is_empty() {
            return Err(SignError::NoSigner(T::TYPE));
        }
        Ok(SignedDocument {
            bytes: self.bytes(),
            role: PhantomData,
        })
    }
}

impl<T: Role + Clone> SignedDocument<T> {
    /// Signs `payload` with every signer; each signature is verified before it is used.
    ///
    /// # Errors
    /// When the payload can not be signed, or a signer fails.
    pub fn new(payload: &T, signers: &[&dyn Signer]) -> Result<Self, SignError> {
        let mut pending = Pending::new(payload.clone())?;
        signers
            .iter()
            .try_for_each(|signer| pending.sign(*signer))?;
        pending.finish()
    }
}

impl<T> SignedDocument<T> {
    /// The published bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The published bytes.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

fn check_ascii(value: &Value, field: &mut String) -> Result<(), SignError> {
    let check = |text: &str, field: &str| {
        if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Ok(());
        }
        Err(SignError::NotAscii {
            field: field.to_owned(),
            text: text.chars().take(80).collect(),
        })
    };
    let length = field.len();
    match value {
        Value::String(text) => check(text, field)?,
        Value::Array(items) => {
            for (position, item) in items.iter().enumerate() {
                field.push_str(&format!("[{position}]"));
                check_ascii(item, field)?;
                field.truncate(length);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                check(key, field)?;
                field.push_str(&format!(".{key}"));
                check_ascii(member, field)?;
                field.truncate(length);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::{Extra, MetaFile, MetadataVersion, Timestamp, TimestampMeta};
    use crate::sign::SecretKey;

    fn timestamp(extra: Extra) -> Timestamp {
        Timestamp {
            version: MetadataVersion::ONE,
            expires: "2030-01-01T00:00:00Z".parse().unwrap(),
            meta: TimestampMeta {
                snapshot: MetaFile::version_only(MetadataVersion::ONE),
                extra: Extra::new(),
            },
            extra,
        }
    }

    #[test]
    fn text_outside_of_ascii_is_refused_by_its_place() {
        let key = SecretKey::from_seed(&[7; 32]);
        let extra = json!({"x": {"titles": ["a", "Gr\u{fc}n"]}});
        let Value::Object(extra) = extra else {
            panic!()
        };
        let error = SignedDocument::new(&timestamp(extra), &[&key])
            .unwrap_err()
            .to_string();
        assert!(error.contains("signed.x.titles[1]"), "{error}");
    }

    #[test]
    fn a_document_is_the_same_bytes_every_time_and_verifies() {
        let key = SecretKey::from_seed(&[7; 32]);
        let one = SignedDocument::new(&timestamp(Extra::new()), &[&key]).unwrap();
        assert_eq!(
            one,
            SignedDocument::new(&timestamp(Extra::new()), &[&key, &key]).unwrap()
        );
        assert!(crate::envelope::Envelope::<Timestamp>::parse(one.bytes()).is_ok());
        assert!(matches!(
            SignedDocument::new(&timestamp(Extra::new()), &[]),
            Err(SignError::NoSigner("timestamp"))
        ));
    }
}
