//! Public keys of TUF.
//!
//! - A [`KeyId`] is an opaque name. Two keys are one when their *values* are one, whatever they are called.
//! - ed25519, ECDSA P-256 and RSA-PSS signatures can be verified. A key of another type or scheme, or with a value that
//!   can not be read, is kept and simply never counts: a document must not become unreadable because of a key that a
//!   newer signer added.

use std::fmt;
use std::str::FromStr;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use ring::signature::{ECDSA_P256_SHA256_ASN1, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use spki::der::pem::PemLabel as _;
use spki::der::{Decode as _, Document};
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};

use crate::canonical;

const ID_EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP256R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// What a document calls a key: 1 to 256 bytes, otherwise opaque.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(String);

/// A text that is no key id.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key id has 1 to 256 bytes, this one has {0}")]
pub struct KeyIdError(usize);

impl FromStr for KeyId {
    type Err = KeyIdError;

    fn from_str(text: &str) -> Result<Self, KeyIdError> {
        if (1..=256).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(KeyIdError(text.len()))
        }
    }
}

impl KeyId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its beginning, enough to recognise it in a message.
    #[must_use]
    pub fn short(&self) -> String {
        self.0.chars().take(12).collect()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// A public key as a document lists it.
#[derive(Debug, Clone, PartialEq)]
pub struct PublicKey {
    /// As received, with members this code does not know.
    raw: Map<String, Value>,
    material: Material,
}

/// What can be verified with; two keys are the same key when this is equal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Material {
    Ed25519([u8; 32]),
    /// The point, uncompressed.
    EcdsaP256(Vec<u8>),
    /// An RSAPublicKey in DER.
    RsaPss(Vec<u8>),
    Unusable(String),
}

/// The identity of a key for counting: equal exactly for keys that verify the same signatures.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyValue(Material);

/// Why one signature does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The key can not be used.
    #[error("the key can not be used: {0}")]
    UnusableKey(String),
    /// The signature is not hexadecimal.
    #[error("the signature is not hexadecimal")]
    NotHex,
    /// The signature does not belong to these bytes and this key.
    #[error("the signature is wrong")]
    Wrong,
}

impl PublicKey {
    /// An ed25519 key in the form that this project publishes.
    #[must_use]
    pub fn ed25519(value: &[u8; 32]) -> Self {
        let raw = json!({
            "keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": HEXLOWER.encode(value)},
        });
        let Value::Object(raw) = raw else {
            unreachable!("json! of braces is an object")
        };
        Self {
            raw,
            material: Material::Ed25519(*value),
        }
    }

    /// The id that this project gives the key: SHA-256 of its canonical form.
    #[must_use]
    pub fn canonical_id(&self) -> KeyId {
        // A key that was parsed has a canonical form: json::parse lets no float through.
        let bytes = canonical::encode(&Value::Object(self.raw.clone())).unwrap_or_default();
        KeyId(HEXLOWER.encode(&Sha256::digest(bytes)))
    }

    /// The identity that signatures are counted by; `None` for a key that can not be used.
    #[must_use]
    pub fn value(&self) -> Option<KeyValue> {
        match &self.material {
            Material::Unusable(_) => None,
            material => Some(KeyValue(material.clone())),
        }
    }

    /// Type and scheme as listed, for messages.
    #[must_use]
    pub fn kind(&self) -> String {
        let text = |member| self.raw.get(member).and_then(Value::as_str).unwrap_or("?");
        format!("{}/{}", text("keytype"), text("scheme"))
    }

    /// Verifies a hexadecimal signature over `message`.
    ///
    /// # Errors
    /// When it does not count, with the reason.
    pub fn verify(&self, message: &[u8], signature: &str) -> Result<(), SignatureError> {
        let signature = HEXLOWER_PERMISSIVE
            .decode(signature.as_bytes())
            .map_err(|_| SignatureError::NotHex)?;
        let good = match &self.material {
            Material::Unusable(why) => return Err(SignatureError::UnusableKey(why.clone())),
            Material::Ed25519(value) => ed25519_verify(value, message, &signature),
            Material::EcdsaP256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point)
                .verify(message, &signature)
                .is_ok(),
            Material::RsaPss(key) => UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, key)
                .verify(message, &signature)
                .is_ok(),
        };
        if good {
            Ok(())
        } else {
            Err(SignatureError::Wrong)
        }
    }
}

/// Strict: a signature that is valid for one key and message only, never a small-order point.
fn ed25519_verify(value: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    let (Ok(key), Ok(signature)) = (
        ed25519_dalek::VerifyingKey::from_bytes(value),
        ed25519_dalek::Signature::from_slice(signature),
    ) else {
        return false;
    };
    key.verify_strict(message, &signature).is_ok()
}

impl Material {
    fn read(raw: &Map<String, Value>) -> Self {
        let text = |member| raw.get(member).and_then(Value::as_str).unwrap_or_default();
        let public = raw
            .get("keyval")
            .and_then(|keyval| keyval.get("public"))
            .and_then(Value::as_str);
        let Some(public) = public else {
            return Self::Unusable("it has no keyval.public".to_owned());
        };
        let read = match (text("keytype"), text("scheme")) {
            ("ed25519", "ed25519") => read_ed25519(public),
            // "ecdsa-sha2-nistp256" as a type is what older TUF repositories wrote.
            ("ecdsa" | "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256") => read_ecdsa(public),
            ("rsa", "rsassa-pss-sha256") => read_rsa(public),
            (keytype, scheme) => Err(format!(
                "keytype {keytype:?} with scheme {scheme:?} is not known"
            )),
        };
        read.unwrap_or_else(Self::Unusable)
    }
}

fn read_ed25519(public: &str) -> Result<Material, String> {
    let bytes = HEXLOWER_PERMISSIVE
        .decode(public.as_bytes())
        .map_err(|_| "its value is not hexadecimal".to_owned())?;
    let value: [u8; 32] = bytes
        .try_into()
        .map_err(|_| "its value does not have 32 bytes".to_owned())?;
    Ok(Material::Ed25519(value))
}

fn read_ecdsa(public: &str) -> Result<Material, String> {
    let document = pem(public)?;
    let info = subject_key(&document)?;
    let curve = info
        .algorithm
        .parameters_oid()
        .map_err(|error| error.to_string())?;
    if info.algorithm.oid != ID_EC_PUBLIC_KEY || curve != SECP256R1 {
        return Err("it is no key on the curve P-256".to_owned());
    }
    Ok(Material::EcdsaP256(
        info.subject_public_key.raw_bytes().to_vec(),
    ))
}

fn read_rsa(public: &str) -> Result<Material, String> {
    let document = pem(public)?;
    let info = subject_key(&document)?;
    if info.algorithm.oid != RSA_ENCRYPTION {
        return Err("it is no RSA key".to_owned());
    }
    Ok(Material::RsaPss(
        info.subject_public_key.raw_bytes().to_vec(),
    ))
}

fn pem(public: &str) -> Result<Document, String> {
    let (label, document) =
        Document::from_pem(public).map_err(|error| format!("its PEM can not be read: {error}"))?;
    SubjectPublicKeyInfoRef::validate_pem_label(label)
        .map_err(|_| format!("its PEM is a {label:?}"))?;
    Ok(document)
}

fn subject_key(document: &Document) -> Result<SubjectPublicKeyInfoRef<'_>, String> {
    SubjectPublicKeyInfoRef::from_der(document.as_bytes())
        .map_err(|error| format!("its DER can not be read: {error}"))
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Map::deserialize(deserializer)?;
        let material = Material::read(&raw);
        Ok(Self { raw, material })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(value: Value) -> PublicKey {
        serde_json::from_value(value).unwrap()
    }

    /// RFC 8032, section 7.1, test 2.
    const PUBLIC: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    const SIGNATURE: &str = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

    #[test]
    fn an_ed25519_signature_of_the_rfc_verifies() {
        let key =
            key(json!({"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": PUBLIC}}));
        assert_eq!(key.verify(&[0x72], SIGNATURE), Ok(()));
        assert_eq!(key.verify(&[0x73], SIGNATURE), Err(SignatureError::Wrong));
        assert_eq!(key.verify(&[0x72], "zz"), Err(SignatureError::NotHex));
        assert_eq!(key.verify(&[0x72], "00"), Err(SignatureError::Wrong));
    }

    #[test]
    fn keys_are_compared_by_value_not_by_what_stands_around_it() {
        let one =
            key(json!({"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": PUBLIC}}));
        let other = key(
            json!({"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": PUBLIC.to_uppercase()}, "x": 1}),
        );
        assert_ne!(one.canonical_id(), other.canonical_id());
        assert_eq!(one.value(), other.value());
    }

    #[test]
    fn an_unknown_or_broken_key_parses_and_never_counts() {
        for value in [
            json!({"keytype": "sphincs", "scheme": "x", "keyval": {"public": "00"}}),
            json!({"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": "00"}}),
            json!({"keytype": "ed25519", "scheme": "ed25519"}),
            json!({"keytype": "rsa", "scheme": "rsassa-pss-sha256", "keyval": {"public": "-----BEGIN PUBLIC KEY-----"}}),
            json!({"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": ""}}),
            json!({}),
        ] {
            let key = key(value);
            assert_eq!(key.value(), None);
            assert!(matches!(
                key.verify(b"", "00"),
                Err(SignatureError::UnusableKey(_))
            ));
        }
    }

    #[test]
    fn a_small_order_key_signs_nothing() {
        // The identity point accepts any message under lax verification.
        let identity = "0100000000000000000000000000000000000000000000000000000000000000";
        let key =
            key(json!({"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": identity}}));
        let signature = format!("{identity}{}", "00".repeat(32));
        assert_eq!(
            key.verify(b"anything", &signature),
            Err(SignatureError::Wrong)
        );
    }
}
