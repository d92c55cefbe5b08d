//! Keys and signatures as other programs make them: `vectors/keys/` was written by OpenSSL, see the README there.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use serde_json::{Value, json};
use sysext_formats::key::{KeyId, PublicKey, SignatureError};

const P256: &str = include_str!("vectors/keys/p256.pub.pem");
const P256_SIGNATURE: &str = include_str!("vectors/keys/p256.sig");
const P384: &str = include_str!("vectors/keys/p384.pub.pem");
const RSA: &str = include_str!("vectors/keys/rsa.pub.pem");
const RSA_SIGNATURE: &str = include_str!("vectors/keys/rsa.sig");
const RSA_PKCS1: &str = include_str!("vectors/keys/rsa-pkcs1.pem");
const ED25519: &str = include_str!("vectors/keys/ed25519.pub.pem");

const ECDSA_SCHEME: &str = "ecdsa-sha2-nistp256";
const RSA_SCHEME: &str = "rsassa-pss-sha256";

fn key(keytype: &str, scheme: &str, public: &str) -> PublicKey {
    let value = json!({"keytype": keytype, "scheme": scheme, "keyval": {"public": public}});
    serde_json::from_value(value).unwrap()
}

#[track_caller]
fn assert_verifies_only_what_was_signed(key: &PublicKey, signature: &str) {
    let signature = signature.trim();
    assert!(key.value().is_some());
    assert_eq!(key.verify(b"message", signature), Ok(()));
    assert_eq!(
        key.verify(b"massage", signature),
        Err(SignatureError::Wrong)
    );
    let cut = &signature[..signature.len() - 2];
    assert_eq!(key.verify(b"message", cut), Err(SignatureError::Wrong));
}

#[test]
fn an_ecdsa_signature_of_openssl_verifies() {
    for keytype in ["ecdsa", ECDSA_SCHEME] {
        let key = key(keytype, ECDSA_SCHEME, P256);
        assert_verifies_only_what_was_signed(&key, P256_SIGNATURE);
        assert_eq!(
            key.verify(b"message", RSA_SIGNATURE.trim()),
            Err(SignatureError::Wrong)
        );
    }
}

#[test]
fn an_rsa_signature_of_openssl_verifies() {
    let key = key("rsa", RSA_SCHEME, RSA);
    assert_verifies_only_what_was_signed(&key, RSA_SIGNATURE);
}

#[test]
fn a_key_that_is_not_what_it_says_never_counts() {
    for (keytype, scheme, public, why) in [
        ("ecdsa", ECDSA_SCHEME, P384, "no key on the curve P-256"),
        ("ecdsa", ECDSA_SCHEME, RSA, ""),
        ("ecdsa", ECDSA_SCHEME, ED25519, ""),
        ("ecdsa", ECDSA_SCHEME, RSA_PKCS1, "RSA PUBLIC KEY"),
        ("rsa", RSA_SCHEME, P256, "no RSA key"),
        ("rsa", RSA_SCHEME, ED25519, "no RSA key"),
        // PKCS #1, which is RSA's own form and not the one of TUF.
        ("rsa", RSA_SCHEME, RSA_PKCS1, "RSA PUBLIC KEY"),
        ("rsa", ECDSA_SCHEME, RSA, "is not known"),
        ("ed25519", "ed25519", ED25519, "not hexadecimal"),
    ] {
        let key = key(keytype, scheme, public);
        assert_eq!(key.value(), None, "{keytype} {public}");
        for signature in [P256_SIGNATURE, RSA_SIGNATURE] {
            match key.verify(b"message", signature.trim()) {
                Err(SignatureError::UnusableKey(said)) => assert!(said.contains(why), "{said}"),
                other => panic!("{keytype} {public}: {other:?}"),
            }
        }
    }
}

#[test]
fn keys_of_all_kinds_are_told_apart_and_shown() {
    let keys = [
        key("ecdsa", ECDSA_SCHEME, P256),
        key("rsa", RSA_SCHEME, RSA),
        PublicKey::ed25519(&[7; 32]),
    ];
    let kinds = keys.each_ref().map(PublicKey::kind);
    assert_eq!(
        kinds,
        [
            "ecdsa/ecdsa-sha2-nistp256",
            "rsa/rsassa-pss-sha256",
            "ed25519/ed25519"
        ]
    );
    for (position, one) in keys.iter().enumerate() {
        for other in keys.iter().skip(position + 1) {
            assert_ne!(one.value(), other.value());
            assert_ne!(one.canonical_id(), other.canonical_id());
        }
        // As it was read, so it is written.
        let written: Value = serde_json::to_value(one).unwrap();
        let again: PublicKey = serde_json::from_value(written).unwrap();
        assert_eq!(&again, one);
    }
    // Line ends are the signer's editor's, the value is the key's.
    let windows = key("rsa", RSA_SCHEME, &RSA.replace('\n', "\r\n"));
    assert_eq!(windows.value(), key("rsa", RSA_SCHEME, RSA).value());
}

#[test]
fn a_key_id_is_recognised_by_its_beginning() {
    let id = PublicKey::ed25519(&[7; 32]).canonical_id();
    assert_eq!(id.short().len(), 12);
    assert!(id.as_str().starts_with(&id.short()));
    assert_eq!(id.to_string(), id.as_str());
    // Of an id of another signer, which may be any text, no character is cut in two.
    let other: KeyId = "schlüssel-\u{1f511}\u{1f511}\u{1f511}".parse().unwrap();
    assert_eq!(other.short(), "schlüssel-\u{1f511}\u{1f511}");
    let limits = [0, 1, 256, 257].map(|length| "k".repeat(length).parse::<KeyId>().is_ok());
    assert_eq!(limits, [false, true, true, false]);
}
