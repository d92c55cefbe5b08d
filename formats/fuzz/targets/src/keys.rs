//! Keys: as documents list them (`sysext_formats::key`), and as files (`sysext_formats::sign`, `sysext_publish::signer`).
//!
//! - A key that is read and written is the same key. One without a value never verifies anything.
//! - No signature counts but those that were made: of small-order points, of malleable encodings, none.
//! - A secret key file that is read gives a key that comes back from the file it makes. No error shows the file's content.

use std::cell::RefCell;
use std::sync::OnceLock;

use serde::Deserialize as _;
use sysext_formats::json;
use sysext_formats::key::{PublicKey, SignatureError};
use sysext_formats::sign::{SecretKey, Signer as _};
use sysext_publish::signer::read_public_file;

/// What seeds sign.
pub(crate) const MESSAGE: &[u8] = b"message";
/// The passphrase of encrypted seeds.
pub(crate) const PASSPHRASE: &[u8] = b"secret";

/// A key as JSON, a NUL byte, a signature over `message`.
pub fn public(data: &[u8]) -> bool {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let [key, signature] = [(); 2].map(|()| parts.next().unwrap_or_default());
    let Some(value) = json::parse(key).ok() else {
        return false;
    };
    let Ok(key) = PublicKey::deserialize(&value) else {
        return false;
    };
    assert_eq!(serde_json::to_value(&key).unwrap(), value);
    let again = PublicKey::deserialize(&value).unwrap();
    assert_eq!((&again, again.canonical_id()), (&key, key.canonical_id()));
    let signature = String::from_utf8_lossy(signature);
    let verified = key.verify(MESSAGE, &signature);
    let good = verified.is_ok();
    match (key.value(), verified) {
        (None, result) => assert!(
            matches!(
                result,
                Err(SignatureError::UnusableKey(_) | SignatureError::NotHex)
            ),
            "{result:?}"
        ),
        (Some(_), Ok(())) => assert!(
            made().contains(&signature.to_ascii_lowercase()),
            "nobody made this signature: {signature} by {value}"
        ),
        (Some(_), Err(error)) => assert!(!matches!(error, SignatureError::UnusableKey(_))),
    }
    good
}

/// Every signature that was made.
fn made() -> &'static [String] {
    static MADE: OnceLock<Vec<String>> = OnceLock::new();
    MADE.get_or_init(|| {
        crate::seeds::keys()
            .into_iter()
            .map(|(_, signature)| signature)
            .collect()
    })
}

/// A key file.
pub fn file(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else {
        return false;
    };
    let secret = SecretKey::from_pem(text, Some(PASSPHRASE));
    let good = secret.is_ok();
    match secret {
        Ok(key) => {
            let written = key.to_pem(None).unwrap();
            let again = SecretKey::from_pem(&written, None).unwrap();
            assert_eq!(again.public_key(), key.public_key());
            assert_silent(text, &format!("{key:?}"));
        }
        Err(error) => assert_silent(text, &format!("{error} {error:?}")),
    }
    thread_local! {
        static FILE: RefCell<tempfile::NamedTempFile> = RefCell::new(tempfile::NamedTempFile::new().unwrap());
    }
    FILE.with_borrow(|file| {
        std::fs::write(file.path(), data).unwrap();
        match read_public_file(file.path()) {
            Ok(key) => assert!(key.is_some_and(|key| key.value().is_some())),
            Err(error) => assert_silent(text, &error.to_string()),
        }
    });
    good
}

/// No line of the file that could be a secret's is in `shown`. No word of ours is as long.
fn assert_silent(file: &str, shown: &str) {
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
    let body = file
        .lines()
        .filter(|line| line.len() >= 32 && line.bytes().all(is_base64));
    for line in body {
        assert!(!shown.contains(line), "{shown}");
    }
}
