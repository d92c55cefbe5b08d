//! A signed document as it was received: nothing in it is believed.
//!
//! - [`Envelope::parse`] checks the shape: strict JSON, `signed` and `signatures`, the right `_type` and
//!   `spec_version`, unique key ids.
//! - There is no getter for the payload. [`verify`](crate::verify) is the one way to it.
//! - Signatures are checked over the canonical form of the received `signed` value, with every member in it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::canonical::{self, CanonicalError};
use crate::json::{self, JsonError};
use crate::key::KeyId;
use crate::limits::MAX_SIGNATURES;
use crate::role::Role;

/// A document of role `T` that nobody has verified.
#[derive(Debug)]
pub struct Envelope<T> {
    pub(crate) payload: T,
    pub(crate) message: Vec<u8>,
    pub(crate) signatures: BTreeMap<KeyId, String>,
}

/// Why bytes are not a signed document of the expected role.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// Not strict JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// `signed` has no canonical form.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
    /// JSON, but not an object with `signed` and `signatures`, or a member has the wrong shape.
    #[error("not a signed {role} document: {source}")]
    Shape {
        /// The role that was expected.
        role: &'static str,
        /// What serde found.
        source: serde_json::Error,
    },
    /// A document of another role.
    #[error("its _type is {found:?}, {expected:?} was expected")]
    Type {
        /// The role that was expected.
        expected: &'static str,
        /// The `_type` it has.
        found: String,
    },
    /// A specification this code does not know.
    #[error("its spec_version is {0:?}; 1.x is known")]
    SpecVersion(String),
    /// One key id twice among the signatures (TUF 4.2.1 forbids it).
    #[error("two signatures carry the key id {0}")]
    DuplicateKeyId(KeyId),
    /// More signatures than any role has.
    #[error("{0} signatures; {MAX_SIGNATURES} are the most that is read")]
    TooManySignatures(usize),
}

#[derive(Deserialize)]
struct Outer {
    signed: Value,
    signatures: Vec<Signature>,
}

#[derive(Deserialize)]
struct Signature {
    keyid: KeyId,
    sig: String,
}

#[derive(Deserialize)]
struct Header {
    #[serde(rename = "_type")]
    kind: String,
    spec_version: String,
}

impl<T: Role> Envelope<T> {
    /// Parses `bytes`, whose length the caller has bounded.
    ///
    /// # Errors
    /// When they are not a signed document of role `T`.
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let shape = |source| EnvelopeError::Shape {
            role: T::TYPE,
            source,
        };
        let outer = Outer::deserialize(json::parse(bytes)?).map_err(shape)?;
        let header = Header::deserialize(&outer.signed).map_err(shape)?;
        if header.kind != T::TYPE {
            return Err(EnvelopeError::Type {
                expected: T::TYPE,
                found: header.kind,
            });
        }
        if !is_known_spec(&header.spec_version) {
            return Err(EnvelopeError::SpecVersion(header.spec_version));
        }
        if outer.signatures.len() > MAX_SIGNATURES {
            return Err(EnvelopeError::TooManySignatures(outer.signatures.len()));
        }
        let mut signatures = BTreeMap::new();
        for Signature { keyid, sig } in outer.signatures {
            if signatures.insert(keyid.clone(), sig).is_some() {
                return Err(EnvelopeError::DuplicateKeyId(keyid));
            }
        }
        let message = canonical::encode(&outer.signed)?;
        let payload = T::deserialize(&outer.signed).map_err(shape)?;
        Ok(Self {
            payload,
            message,
            signatures,
        })
    }

    /// The message and the signatures that came with it, to add more. The payload stays behind: nothing has vouched for it.
    #[cfg(feature = "sign")]
    pub(crate) fn into_parts(self) -> (Vec<u8>, BTreeMap<KeyId, String>) {
        (self.message, self.signatures)
    }
}

/// `1.x` or `1.x.y`: the major version is what decides (TUF 4.3).
fn is_known_spec(text: &str) -> bool {
    let mut parts = text.split('.');
    let numeric = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.next() == Some("1") && (1..=2).contains(&parts.clone().count()) && parts.all(numeric)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::Timestamp;

    fn parse(text: &str) -> Result<Envelope<Timestamp>, EnvelopeError> {
        Envelope::parse(text.as_bytes())
    }

    const SIGNED: &str = r#"{"_type":"timestamp","spec_version":"1.0.34","version":1,"expires":"2030-01-01T00:00:00Z","meta":{"snapshot.json":{"version":1}}}"#;

    #[test]
    fn a_document_needs_signed_and_signatures() {
        assert!(parse(&format!(r#"{{"signed":{SIGNED},"signatures":[]}}"#)).is_ok());
        for text in [
            "[]",
            "{}",
            "null",
            r#"{"signed":[],"signatures":[]}"#,
            &format!(r#"{{"signed":{SIGNED}}}"#),
        ] {
            assert!(
                matches!(parse(text), Err(EnvelopeError::Shape { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn type_and_specification_must_be_the_expected_ones() {
        let document = |from: &str, to: &str| {
            format!(
                r#"{{"signed":{},"signatures":[]}}"#,
                SIGNED.replace(from, to)
            )
        };
        assert!(matches!(
            parse(&document("\"timestamp\"", "\"snapshot\"")),
            Err(EnvelopeError::Type { .. })
        ));
        for spec in ["2.0.0", "1", "", "1.0.0.0", "1.x", "1."] {
            assert!(
                matches!(
                    parse(&document("1.0.34", spec)),
                    Err(EnvelopeError::SpecVersion(_))
                ),
                "{spec}"
            );
        }
    }

    #[test]
    fn as_many_signatures_are_read_as_the_limit_says() {
        let document = |count: usize| {
            let signatures: Vec<_> = (0..count)
                .map(|number| format!(r#"{{"keyid":"{number}","sig":"00"}}"#))
                .collect();
            format!(
                r#"{{"signed":{SIGNED},"signatures":[{}]}}"#,
                signatures.join(",")
            )
        };
        let envelope = parse(&document(MAX_SIGNATURES)).unwrap();
        assert_eq!(envelope.signatures.len(), MAX_SIGNATURES);
        for count in [MAX_SIGNATURES + 1, 2 * MAX_SIGNATURES] {
            assert!(
                matches!(parse(&document(count)), Err(EnvelopeError::TooManySignatures(found)) if found == count)
            );
        }
    }

    #[test]
    fn one_key_id_signs_once() {
        let signature = r#"{"keyid":"a","sig":"00"}"#;
        let text = format!(r#"{{"signed":{SIGNED},"signatures":[{signature},{signature}]}}"#);
        assert!(matches!(
            parse(&text),
            Err(EnvelopeError::DuplicateKeyId(_))
        ));
    }
}
