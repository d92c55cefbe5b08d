//! Making keys and signatures: ed25519 only. Behind the feature `sign`, which clients never enable.
//!
//! - A [`SecretKey`] never shows its secret in `Debug`; its file form is PKCS#8 PEM, encrypted with a passphrase
//!   (scrypt, AES-256-CBC) unless the caller says otherwise.
//! - [`Pending`] and [`SignedDocument`] are the only makers of document bytes. They refuse text that is not printable
//!   ASCII, so that every canonical JSON encoder in the world agrees on what was signed.

mod document;
mod encryption;

use std::fmt;

use ed25519_dalek::pkcs8::{EncodePrivateKey as _, KeypairBytes};
use ed25519_dalek::{Signer as _, SigningKey};
use pkcs8::der::pem::PemLabel as _;
use pkcs8::der::{Decode as _, SecretDocument};
use pkcs8::{EncryptedPrivateKeyInfoRef, LineEnding, PrivateKeyInfoRef};

pub use self::document::{Pending, SignError, SignedDocument};
use crate::key::PublicKey;

/// Signs on behalf of one key; where the key is, is the implementor's business.
pub trait Signer {
    /// The public half.
    fn public_key(&self) -> &PublicKey;

    /// The raw signature over `message`.
    ///
    /// # Errors
    /// When the key's holder does not sign, in words for people.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String>;
}

/// A secret ed25519 key in memory.
pub struct SecretKey {
    secret: SigningKey,
    public: PublicKey,
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKey")
            .field("id", &self.public.canonical_id())
            .finish_non_exhaustive()
    }
}

/// A key file that can not be used. Never holds any of its content.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// Not PEM.
    #[error("it is not a PEM file")]
    NotPem,
    /// PEM, but no PKCS#8 private key.
    #[error("it holds a {0:?}, a PRIVATE KEY or ENCRYPTED PRIVATE KEY (PKCS#8) is needed")]
    Label(String),
    /// PKCS#8, but not ed25519.
    #[error("it is not an ed25519 private key")]
    NotEd25519,
    /// Encrypted, and no passphrase was given.
    #[error("it is encrypted and needs a passphrase")]
    NeedsPassphrase,
    /// Encrypted in a way that is not read here, or would not be in bounded time and memory.
    #[error(
        "its encryption can not be read: {0}; `openssl pkcs8 -topk8 -scrypt` writes one that can"
    )]
    Encryption(String),
    /// Another passphrase, or a damaged file.
    #[error("the passphrase is wrong, or the file is damaged")]
    WrongPassphrase,
    /// The kernel gives no random bytes.
    #[error("no random bytes: {0}")]
    Random(getrandom::Error),
    /// The key could not be written as PEM.
    #[error("the key can not be encoded: {0}")]
    Encode(pkcs8::Error),
}

impl SecretKey {
    /// A new key.
    ///
    /// # Errors
    /// When the kernel gives no random bytes.
    pub fn generate() -> Result<Self, KeyFileError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(KeyFileError::Random)?;
        Ok(Self::from_seed(&seed))
    }

    /// The key of a seed.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let secret = SigningKey::from_bytes(seed);
        let public = PublicKey::ed25519(secret.verifying_key().as_bytes());
        Self { secret, public }
    }

    /// Whether a key file asks for a passphrase.
    #[must_use]
    pub fn is_encrypted(pem: &str) -> bool {
        pem.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    }

    /// Reads a PKCS#8 PEM file.
    ///
    /// # Errors
    /// When it is no ed25519 key, or the passphrase is missing or wrong.
    pub fn from_pem(pem: &str, passphrase: Option<&[u8]>) -> Result<Self, KeyFileError> {
        let (label, document) =
            SecretDocument::from_pem(pem.trim_start()).map_err(|_| KeyFileError::NotPem)?;
        let decrypted;
        let plain = match label {
            PrivateKeyInfoRef::PEM_LABEL => &document,
            EncryptedPrivateKeyInfoRef::PEM_LABEL => {
                let passphrase = passphrase.ok_or(KeyFileError::NeedsPassphrase)?;
                decrypted = encryption::decrypt(document.as_bytes(), passphrase)?;
                &decrypted
            }
            other => return Err(KeyFileError::Label(other.to_owned())),
        };
        let info =
            PrivateKeyInfoRef::from_der(plain.as_bytes()).map_err(|_| KeyFileError::NotEd25519)?;
        let secret = SigningKey::try_from(info).map_err(|_| KeyFileError::NotEd25519)?;
        let seed = secret.to_bytes();
        Ok(Self::from_seed(&seed))
    }

    /// The PKCS#8 PEM file, encrypted where a passphrase is given.
    ///
    /// # Errors
    /// When encoding fails, which needs a lack of random bytes or memory.
    pub fn to_pem(
        &self,
        passphrase: Option<&[u8]>,
    ) -> Result<pkcs8::der::zeroize::Zeroizing<String>, KeyFileError> {
        // Without the public half: OpenSSL before 3.2 can not read a key that has it inside.
        let seed = KeypairBytes {
            secret_key: self.secret.to_bytes(),
            public_key: None,
        };
        let pem = match passphrase {
            Some(passphrase) => seed.to_pkcs8_encrypted_pem(passphrase, LineEnding::LF),
            None => seed.to_pkcs8_pem(LineEnding::LF),
        };
        pem.map_err(KeyFileError::Encode)
    }
}

impl Signer for SecretKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        Ok(self.secret.sign(message).to_bytes().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_files_come_back_with_the_right_passphrase_only() {
        let key = SecretKey::generate().unwrap();
        let plain = key.to_pem(None).unwrap();
        assert_eq!(
            SecretKey::from_pem(&plain, None).unwrap().public_key(),
            key.public_key()
        );
        let encrypted = key.to_pem(Some(b"secret")).unwrap();
        assert!(SecretKey::is_encrypted(&encrypted) && !SecretKey::is_encrypted(&plain));
        assert_eq!(
            SecretKey::from_pem(&encrypted, Some(b"secret"))
                .unwrap()
                .public_key(),
            key.public_key()
        );
        assert!(matches!(
            SecretKey::from_pem(&encrypted, Some(b"Secret")),
            Err(KeyFileError::WrongPassphrase)
        ));
        assert!(matches!(
            SecretKey::from_pem(&encrypted, None),
            Err(KeyFileError::NeedsPassphrase)
        ));
        assert!(matches!(
            SecretKey::from_pem("x", None),
            Err(KeyFileError::NotPem)
        ));
        assert!(
            !format!("{key:?}").contains(&data_encoding::HEXLOWER.encode(&key.secret.to_bytes()))
        );
    }
}
