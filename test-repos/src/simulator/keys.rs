//! Keys that are made from a label: the same label is the same key, on every machine.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sysext_formats::canonical;
use sysext_formats::sign::{SecretKey, Signer as _};

/// The ed25519 key whose seed is the SHA-256 digest of `label`.
#[must_use]
pub fn secret_key(label: &str) -> SecretKey {
    SecretKey::from_seed(&Sha256::digest(label).into())
}

/// The id that documents call the key by: SHA-256 of its canonical form.
#[must_use]
pub fn key_id(label: &str) -> String {
    secret_key(label).public_key().canonical_id().to_string()
}

/// The public half as it stands in documents.
///
/// # Panics
/// Never: a public key is JSON.
#[must_use]
pub fn key_object(label: &str) -> Value {
    serde_json::to_value(secret_key(label).public_key()).unwrap()
}

/// One member of `signatures`: the key's signature over the canonical form of `signed`.
///
/// # Panics
/// When `signed` has no canonical form.
#[must_use]
pub fn signature(label: &str, signed: &Value) -> Value {
    let message = canonical::encode(signed).unwrap();
    let sig = secret_key(label).sign(&message).unwrap();
    json!({"keyid": key_id(label), "sig": data_encoding::HEXLOWER.encode(&sig)})
}
