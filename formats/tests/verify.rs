//! What is said of documents whose signatures do not suffice, and by whom.

#![cfg(feature = "sign")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

use serde_json::{Value, json};
use sysext_formats::role::{Role, Root, Timestamp};
use sysext_formats::sign::{Pending, SecretKey, Signer as _};
use sysext_formats::verify::{Verified, VerifyError, verify, verify_first_root};

const EXPIRES: &str = "2030-01-01T00:00:00Z";

fn keys<const N: usize>() -> [SecretKey; N] {
    let mut seed = 0;
    [(); N].map(|()| {
        seed += 1;
        SecretKey::from_seed(&[seed; 32])
    })
}

fn signed<T: Role>(signed: Value, signers: &[&SecretKey]) -> Vec<u8> {
    let document = json!({"signed": signed, "signatures": []}).to_string();
    let mut document = Pending::<T>::parse(document.as_bytes()).unwrap();
    for signer in signers {
        document.sign(*signer).unwrap();
    }
    document.bytes()
}

/// A root whose timestamp needs two of `keys`; the first of them signs the rest.
fn root(keys: &[&SecretKey]) -> Verified<Root> {
    let ids: Vec<_> = keys
        .iter()
        .map(|key| key.public_key().canonical_id())
        .collect();
    let listed: serde_json::Map<_, _> = keys
        .iter()
        .zip(&ids)
        .map(|(key, id)| (id.to_string(), json!(key.public_key())))
        .collect();
    let one = json!({"keyids": [ids[0]], "threshold": 1});
    let bytes = signed::<Root>(
        json!({
            "_type": "root", "spec_version": "1.0.34", "version": 1, "expires": EXPIRES, "consistent_snapshot": true,
            "keys": listed,
            "roles": {"root": one, "targets": one, "snapshot": one, "timestamp": {"keyids": ids, "threshold": 2}},
        }),
        &[keys[0]],
    );
    verify_first_root(&bytes).unwrap()
}

fn timestamp(signers: &[&SecretKey]) -> Vec<u8> {
    let meta = json!({"snapshot.json": {"version": 1}});
    signed::<Timestamp>(
        json!({"_type": "timestamp", "spec_version": "1.0.34", "version": 1, "expires": EXPIRES, "meta": meta}),
        signers,
    )
}

#[track_caller]
fn refused(root: &Verified<Root>, bytes: &[u8]) -> VerifyError {
    verify::<Timestamp>(bytes, &root.timestamp_authority()).unwrap_err()
}

#[test]
fn as_many_of_its_own_keys_as_the_threshold_says_must_sign_a_role() {
    let [one, two, stranger] = keys();
    let root = root(&[&one, &two]);
    let verified = |signers: &[&SecretKey]| {
        verify::<Timestamp>(&timestamp(signers), &root.timestamp_authority()).is_ok()
    };
    assert!(verified(&[&one, &two]));
    assert!(verified(&[&one, &stranger, &two]));
    assert!(!verified(&[]) && !verified(&[&one]) && !verified(&[&one, &stranger]));
}

#[test]
fn only_the_keys_of_a_role_are_its_authority() {
    let [one, two, stranger] = keys();
    let root = root(&[&one, &two]);
    let id = |key: &SecretKey| key.public_key().canonical_id();
    let (timestamp, snapshot) = (root.timestamp_authority(), root.snapshot_authority());
    assert_eq!(timestamp.key(&id(&two)), Some(two.public_key()));
    assert_eq!(snapshot.key(&id(&one)), Some(one.public_key()));
    assert_eq!(snapshot.key(&id(&two)), None);
    assert_eq!(timestamp.key(&id(&stranger)), None);
}

#[test]
fn what_is_missing_is_said_with_the_keys_concerned() {
    let [one, two, stranger] = keys();
    let root = root(&[&one, &two]);
    let short = |key: &SecretKey| key.public_key().canonical_id().short();

    let none = refused(&root, &timestamp(&[]));
    assert_eq!(none.to_string(), "timestamp is not signed");

    let wrong = refused(&root, &timestamp(&[&stranger]));
    let expected = format!(
        "timestamp is signed only by keys that may not sign it: {}",
        short(&stranger)
    );
    assert_eq!(wrong.to_string(), expected);

    // The second signature is of another document.
    let mut document: Value = serde_json::from_slice(&timestamp(&[&one, &two])).unwrap();
    let id = two.public_key().canonical_id();
    let signatures = document["signatures"].as_array_mut().unwrap();
    let second = signatures
        .iter_mut()
        .find(|signature| signature["keyid"] == json!(id))
        .unwrap();
    second["sig"] = "00".repeat(64).into();
    let few = refused(&root, document.to_string().as_bytes());
    let expected = format!(
        "timestamp has 1 good signature(s) of 2 needed; key {}: the signature is wrong",
        short(&two)
    );
    assert_eq!(few.to_string(), expected);

    for error in [none, wrong, few] {
        assert!(error.is_about_signatures_of("timestamp"), "{error}");
        assert!(!error.is_about_signatures_of("root"), "{error}");
    }
    let other = refused(&root, b"{}");
    assert!(!other.is_about_signatures_of("timestamp"), "{other}");
}
