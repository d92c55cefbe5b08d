//! Documents that people sign apart: what is read, and what is signed then.

#![cfg(feature = "sign")]
#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use serde_json::Value;
use sysext_formats::role::Timestamp;
use sysext_formats::sign::{Pending, SecretKey, Signer as _};

/// With a member that this program does not know.
const DOCUMENT: &str = r#"{"signed":{"_type":"timestamp","spec_version":"1.0.34","version":3,"x-new":[1],
    "expires":"2030-01-01T00:00:00Z","meta":{"snapshot.json":{"version":2}}},"signatures":[]}"#;

fn read(bytes: &[u8]) -> Pending<Timestamp> {
    Pending::parse(bytes).unwrap()
}

#[test]
fn what_others_made_is_signed_as_it_came() {
    let [ours, theirs] = [1, 2].map(|seed| SecretKey::from_seed(&[seed; 32]));
    let mut first = read(DOCUMENT.as_bytes());
    first.sign(&theirs).unwrap();
    // On its way to the next one.
    let mut second = read(&first.bytes());
    assert!(second.is_signed_by(theirs.public_key()));
    assert!(!second.is_signed_by(ours.public_key()));
    second.sign(&ours).unwrap();
    assert!(second.is_signed_by(theirs.public_key()) && second.is_signed_by(ours.public_key()));

    let signed = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap()["signed"].clone();
    assert_eq!(signed(&second.bytes()), signed(DOCUMENT.as_bytes()));
}

#[test]
fn copies_are_put_together_when_they_are_of_one_document() {
    let [ours, theirs] = [1, 2].map(|seed| SecretKey::from_seed(&[seed; 32]));
    let mut one = read(DOCUMENT.as_bytes());
    let mut copy = one.clone();
    one.sign(&ours).unwrap();
    copy.sign(&theirs).unwrap();
    let mut other = read(
        DOCUMENT
            .replace("\"x-new\":[1]", "\"x-new\":[2]")
            .as_bytes(),
    );
    other.sign(&theirs).unwrap();
    assert!(one.merge(other).is_err());
    assert!(!one.is_signed_by(theirs.public_key()));
    one.merge(copy).unwrap();
    assert!(one.is_signed_by(theirs.public_key()) && one.is_signed_by(ours.public_key()));
}
