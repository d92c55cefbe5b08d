//! Who signed a document, counted by other code than ours: what verifies and was not signed so was forged.
//!
//! Ed25519 alone, as all catalogs of `test-repos` are signed.

use std::collections::BTreeSet;

use ed25519_dalek::{Signature, VerifyingKey};
use serde_json::Value;
use sysext_formats::canonical;

/// TUF 5.3.4 and its like, counted anew: distinct key values with a good signature, against the threshold.
pub(crate) fn is_signed(document: &Value, keys: &Value, role: &Value) -> bool {
    let message = canonical::encode(&document["signed"]).unwrap();
    let mut good = BTreeSet::new();
    for id in role["keyids"].as_array().into_iter().flatten() {
        let public = id
            .as_str()
            .and_then(|id| keys[id]["keyval"]["public"].as_str());
        let signatures = document["signatures"].as_array().into_iter().flatten();
        for signature in signatures.filter(|signature| signature["keyid"] == *id) {
            if public
                .zip(signature["sig"].as_str())
                .is_some_and(|(public, sig)| verifies(public, sig, &message))
            {
                good.insert(public.map(str::to_ascii_lowercase));
            }
        }
    }
    let threshold = role["threshold"].as_u64().expect("a role has a threshold");
    threshold > 0 && good.len() as u64 >= threshold
}

fn verifies(public: &str, signature: &str, message: &[u8]) -> bool {
    let bytes = |text: &str| {
        data_encoding::HEXLOWER_PERMISSIVE
            .decode(text.as_bytes())
            .ok()
    };
    let key = bytes(public).and_then(|bytes| VerifyingKey::try_from(bytes.as_slice()).ok());
    let signature = bytes(signature).and_then(|bytes| Signature::from_slice(&bytes).ok());
    key.zip(signature)
        .is_some_and(|(key, signature)| key.verify_strict(message, &signature).is_ok())
}
