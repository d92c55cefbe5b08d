//! Key files.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use ed25519_dalek::VerifyingKey;
use ed25519_dalek::pkcs8::DecodePublicKey as _;
use sysext_formats::key::PublicKey;
use sysext_formats::sign::{KeyFileError, SecretKey};

use super::{Passphrases, SignerError};

/// Bytes of a key file; encrypted ed25519 keys have some 400.
const MAX_KEY_FILE: u64 = 16 << 10;

/// The text of a private key file that nobody else can read; `None` when there is none.
pub(super) fn read_secret_text(path: &Path) -> Result<Option<String>, SignerError> {
    let Some(file) = open(path)? else {
        return Ok(None);
    };
    let failed = |source| SignerError::Read(read_error(path, source));
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(SignerError::Permissions {
            path: path.to_owned(),
            mode,
        });
    }
    let mut text = String::new();
    file.take(MAX_KEY_FILE)
        .read_to_string(&mut text)
        .map_err(failed)?;
    Ok(Some(text))
}

/// Reads a private key file.
///
/// # Errors
/// When it is missing, others can read it, it is none, or its passphrase is not to be had.
pub fn read_key_file(path: &Path, passphrases: &Passphrases) -> Result<SecretKey, SignerError> {
    let text = read_secret_text(path)?.ok_or_else(|| SignerError::Missing(path.to_owned()))?;
    decode(&text, &path.display().to_string(), passphrases)
}

/// The key of a PEM text, decrypted where it is encrypted.
pub(super) fn decode(
    text: &str,
    source_name: &str,
    passphrases: &Passphrases,
) -> Result<SecretKey, SignerError> {
    let passphrase = if SecretKey::is_encrypted(text) {
        Some(passphrases.get(source_name)?)
    } else {
        None
    };
    let bytes = passphrase.as_ref().map(|passphrase| passphrase.as_bytes());
    SecretKey::from_pem(text, bytes).map_err(|source| SignerError::Key {
        source_name: source_name.to_owned(),
        source,
    })
}

/// Reads a public key file; `None` when there is none.
///
/// # Errors
/// When it can not be read, or is none.
pub fn read_public_file(path: &Path) -> Result<Option<PublicKey>, SignerError> {
    let Some(file) = open(path)? else {
        return Ok(None);
    };
    let not = || SignerError::NotPublic(path.to_owned());
    let mut text = String::new();
    file.take(MAX_KEY_FILE)
        .read_to_string(&mut text)
        .map_err(|_| not())?;
    let key = VerifyingKey::from_public_key_pem(text.trim_start()).map_err(|_| not())?;
    Ok(Some(PublicKey::ed25519(key.as_bytes())))
}

fn open(path: &Path) -> Result<Option<std::fs::File>, SignerError> {
    match std::fs::File::open(path) {
        Ok(file) => match file.metadata() {
            Ok(about) if about.is_file() => Ok(Some(file)),
            Ok(_) => Err(sysext_durable::Error::NotAFile(path.to_owned()).into()),
            Err(source) => Err(read_error(path, source).into()),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(read_error(path, source).into()),
    }
}

fn read_error(path: &Path, source: std::io::Error) -> sysext_durable::Error {
    sysext_durable::Error::Io {
        operation: "reading",
        path: path.to_owned(),
        source,
    }
}

impl SignerError {
    /// Whether a passphrase was wrong or missing.
    #[must_use]
    pub fn is_wrong_passphrase(&self) -> bool {
        matches!(
            self,
            Self::Key {
                source: KeyFileError::WrongPassphrase,
                ..
            }
        )
    }
}
