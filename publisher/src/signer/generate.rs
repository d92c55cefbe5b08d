//! Making keys: the private half for its owner's eyes only, the public half beside it.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use data_encoding::HEXLOWER;
use ed25519_dalek::VerifyingKey;
use ed25519_dalek::pkcs8::EncodePublicKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use sysext_durable::Dir;
use sysext_formats::key::PublicKey;
use sysext_formats::sign::{SecretKey, Signer as _};

use super::{Passphrases, passphrase_for_new_keys};
use crate::context::Context;
use crate::failure::{Failure, Kind};

/// Whether a key file asks for a passphrase.
#[derive(Clone, Copy)]
pub enum Encryption<'a> {
    /// It does, for this one.
    Passphrase(&'a str),
    /// It does not.
    None,
}

impl std::fmt::Debug for Encryption<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Passphrase(_) => "Passphrase",
            Self::None => "None",
        })
    }
}

/// Whether keys that are about to be made ask for a passphrase, decided.
pub struct NewKeyEncryption(Option<String>);

impl std::fmt::Debug for NewKeyEncryption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() {
            "Passphrase"
        } else {
            "None"
        })
    }
}

impl NewKeyEncryption {
    /// As [`NewKey::write`] takes it.
    #[must_use]
    pub fn borrowed(&self) -> Encryption<'_> {
        self.0
            .as_deref()
            .map_or(Encryption::None, Encryption::Passphrase)
    }
}

/// Gets a passphrase for keys that are about to be made, where they shall have one.
///
/// # Errors
/// When there is none and nobody to ask.
pub fn new_key_encryption(
    context: &Context,
    encrypted: bool,
    what: &str,
) -> Result<NewKeyEncryption, Failure> {
    if !encrypted {
        return Ok(NewKeyEncryption(None));
    }
    let passphrase = passphrase_for_new_keys(&Passphrases::of(context), what).map_err(|error| {
        Failure::from(error).hint("--unencrypted writes them without a passphrase")
    })?;
    Ok(NewKeyEncryption(Some(passphrase)))
}

/// A key that was made and is not written yet.
#[derive(Debug)]
pub struct NewKey {
    /// The key.
    pub secret: Rc<SecretKey>,
    /// Where it shall be.
    pub path: PathBuf,
}

impl NewKey {
    /// Makes a key.
    ///
    /// # Errors
    /// When the kernel gives no random bytes.
    pub fn generate(path: &Path) -> Result<Self, Failure> {
        let secret = SecretKey::generate().map_err(|error| Failure::of(Kind::Failed, &error))?;
        Ok(Self {
            secret: Rc::new(secret),
            path: path.to_owned(),
        })
    }

    /// The file of the public half.
    #[must_use]
    pub fn public_path(&self) -> PathBuf {
        self.path.with_extension("pub")
    }

    /// Whether one of its files is there already.
    #[must_use]
    pub fn exists(&self) -> Option<PathBuf> {
        [self.path.clone(), self.public_path()]
            .into_iter()
            .find(|path| path.symlink_metadata().is_ok())
    }

    /// Writes both files, neither of which may be there.
    ///
    /// # Errors
    /// When one is there, or can not be written.
    pub fn write(&self, encryption: Encryption<'_>) -> Result<(), Failure> {
        let passphrase = match encryption {
            Encryption::Passphrase(passphrase) => Some(passphrase.as_bytes()),
            Encryption::None => None,
        };
        let pem = self
            .secret
            .to_pem(passphrase)
            .map_err(|error| Failure::of(Kind::Failed, &error))?;
        create(&self.path, pem.as_bytes(), 0o600)?;
        create(
            &self.public_path(),
            public_pem(self.secret.public_key())?.as_bytes(),
            0o644,
        )
    }
}

/// A public key as a PEM file, as OpenSSL writes it.
///
/// # Errors
/// When it is not an ed25519 key.
pub fn public_pem(key: &PublicKey) -> Result<String, Failure> {
    let not = || {
        Failure::new(
            Kind::Failed,
            format!("a {} key can not be written as PEM", key.kind()),
        )
    };
    let json = serde_json::to_value(key).map_err(|_| not())?;
    let text = json
        .pointer("/keyval/public")
        .and_then(serde_json::Value::as_str)
        .ok_or_else(not)?;
    let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| not())?;
    let value: [u8; 32] = bytes.try_into().map_err(|_| not())?;
    let key = VerifyingKey::from_bytes(&value).map_err(|_| not())?;
    key.to_public_key_pem(LineEnding::LF).map_err(|_| not())
}

/// Writes a file that must not be there; folders on the way are made, for their owner's eyes only around a secret.
///
/// # Errors
/// When it is there, or can not be written.
pub fn create(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name
        .ok_or_else(|| Failure::usage(format!("{} is not the name of a file", path.display())))?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let directory = Dir::create_all(parent, if mode == 0o600 { 0o700 } else { 0o755 })?;
    let mut file = directory.writer(name, mode)?;
    std::io::Write::write_all(&mut file, bytes).map_err(|error| {
        Failure::of(Kind::Failed, &error).during(format!("writing {} failed", path.display()))
    })?;
    if file.commit_new()? {
        Ok(())
    } else {
        Err(Failure::usage(format!(
            "{} is there already, and is not overwritten",
            path.display()
        )))
    }
}
