//! The OpenPGP signature of an OBS project, verified by gpgv.
//!
//! - The keys are the vendor's own file; nothing of a keyring at home, of a trust database or of a key server counts. A
//!   repository also serves its key, which nobody asks for.
//! - Good is what gpgv says is good and valid, and nothing else: every signature that it saw, with a key that has neither
//!   expired nor been revoked. Its exit code must agree.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use data_encoding::BASE64;
use sysext_durable::Dir;

use crate::signer::without_secrets;

/// Bytes of a keyring; a key of a project has 2 kB.
const MAX_KEYRING: u64 = 4 << 20;

/// Why a list is not believed.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// The keyring can not be used.
    #[error("the keyring {} can not be used: {reason}", path.display())]
    Keyring {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// gpgv is not there.
    #[error("gpgv can not be started")]
    NoGpgv(#[source] std::io::Error),
    /// A file for gpgv can not be written.
    #[error(transparent)]
    Disk(#[from] sysext_durable::Error),
    /// The signature is one of other bytes.
    #[error("the signature of SHA256SUMS does not match it; it names the key {0}")]
    Bad(String),
    /// Somebody else has signed.
    #[error("SHA256SUMS is signed by the key {0}, which is not in the keyring")]
    Stranger(String),
    /// The key or the signature is over.
    #[error("SHA256SUMS is signed by the key {key}, and {what}")]
    Over {
        /// The key.
        key: String,
        /// What is over.
        what: &'static str,
    },
    /// gpgv has seen no signature.
    #[error("gpgv finds no good signature: {0}")]
    None(String),
}

/// The keys of a vendor's file.
#[derive(Debug)]
pub struct Keyring {
    bytes: Vec<u8>,
}

impl Keyring {
    /// Reads a file of public keys, binary or armored.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(path: &Path) -> Result<Self, SignatureError> {
        let refused = |reason: String| SignatureError::Keyring {
            path: path.to_owned(),
            reason,
        };
        let file = Dir::of_existing_file(path).map_err(|error| refused(error.to_string()))?;
        let (directory, name) = file.ok_or_else(|| refused("it is not there".to_owned()))?;
        let bytes = directory
            .read(&name, MAX_KEYRING)
            .map_err(|error| refused(error.to_string()))?
            .ok_or_else(|| refused("it is not there".to_owned()))?;
        let bytes = if bytes.first().is_some_and(|first| first & 0x80 != 0) {
            bytes
        } else {
            dearmored(&bytes)
                .ok_or_else(|| refused("it is neither binary nor armored keys".to_owned()))?
        };
        Ok(Self { bytes })
    }

    /// Verifies a detached signature of `list`, with files in `scratch`; the answer is the fingerprint of the key.
    ///
    /// # Errors
    /// When there is any doubt.
    pub fn verify(
        &self,
        list: &[u8],
        signature: &[u8],
        scratch: &Dir,
    ) -> Result<String, SignatureError> {
        for (name, bytes) in [
            ("keyring.gpg", self.bytes.as_slice()),
            ("SHA256SUMS", list),
            ("signature", signature),
        ] {
            scratch.write(name, bytes, 0o600)?;
        }
        let directory = std::path::absolute(scratch.path()).unwrap_or(scratch.path().to_owned());
        let mut command = Command::new("gpgv");
        without_secrets(&mut command);
        let output = command
            .arg("--homedir")
            .arg(&directory)
            .args(["--status-fd", "1", "--keyring"])
            .arg(directory.join("keyring.gpg"))
            .args(["signature", "SHA256SUMS"])
            .current_dir(&directory)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .output()
            .map_err(SignatureError::NoGpgv)?;
        let status = String::from_utf8_lossy(&output.stdout);
        let said = String::from_utf8_lossy(&output.stderr);
        let key = judge(&status, said.trim())?;
        if output.status.success() {
            Ok(key)
        } else {
            Err(SignatureError::None(said.trim().to_owned()))
        }
    }
}

/// What the status lines of gpgv mean.
fn judge(status: &str, said: &str) -> Result<String, SignatureError> {
    let (mut good, mut valid) = (false, None);
    for line in status.lines() {
        let Some(line) = line.strip_prefix("[GNUPG:] ") else {
            continue;
        };
        let mut words = line.split(' ');
        let word = words.next().unwrap_or_default();
        let key = words.next().unwrap_or_default().to_owned();
        let over = |what| {
            let key = key.clone();
            Err(SignatureError::Over { key, what })
        };
        match word {
            "GOODSIG" => good = true,
            "VALIDSIG" => valid = Some(key),
            "BADSIG" => return Err(SignatureError::Bad(key)),
            "NO_PUBKEY" => return Err(SignatureError::Stranger(key)),
            "EXPSIG" => return over("the signature has expired"),
            "EXPKEYSIG" => return over("that key has expired: fetch the prolonged one"),
            "REVKEYSIG" => return over("that key has been revoked"),
            // ERRSIG says the same as NO_PUBKEY, which comes after it, or that gpgv can not check it.
            "ERRSIG" if !status.contains("NO_PUBKEY") => {
                return Err(SignatureError::None(said.to_owned()));
            }
            _ => {}
        }
    }
    match valid {
        Some(key) if good => Ok(key),
        _ => Err(SignatureError::None(said.to_owned())),
    }
}

/// The packets of an armored text (RFC 9580 section 6); gpgv itself finds out whether they are keys.
fn dearmored(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let mut packets = Vec::new();
    let mut blocks = text.split("-----BEGIN PGP PUBLIC KEY BLOCK-----").skip(1);
    let mut block = blocks.next()?;
    loop {
        let (body, _) = block.split_once("-----END PGP PUBLIC KEY BLOCK-----")?;
        let base64: String = body
            .lines()
            .map(str::trim)
            .skip(1)
            // Headers, and the checksum.
            .filter(|line| !line.contains(": ") && !line.starts_with('='))
            .collect();
        packets.extend(BASE64.decode(base64.as_bytes()).ok()?);
        match blocks.next() {
            Some(next) => block = next,
            None => return Some(packets),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_good_and_valid_is_good() {
        let good = "[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG AB x\n[GNUPG:] VALIDSIG FFAB 2026\n";
        assert_eq!(judge(good, "").unwrap(), "FFAB");
        let refused = |status: &str| judge(status, "said").unwrap_err().to_string();
        assert!(refused("").contains("no good signature: said"));
        assert!(refused("[GNUPG:] GOODSIG AB x\n").contains("no good signature"));
        assert!(refused("GOODSIG AB\nVALIDSIG AB\n").contains("no good signature"));
        for (line, wanted) in [
            ("BADSIG AB x", "does not match it; it names the key AB"),
            (
                "ERRSIG AB 22 10\n[GNUPG:] NO_PUBKEY AB",
                "the key AB, which is not in",
            ),
            ("ERRSIG AB 22 10", "no good signature"),
            ("EXPKEYSIG AB x", "that key has expired"),
            ("EXPSIG AB x", "the signature has expired"),
            ("REVKEYSIG AB x", "revoked"),
        ] {
            let text = refused(&format!("{good}[GNUPG:] {line}\n"));
            assert!(text.contains(wanted), "{text}");
        }
    }

    #[test]
    fn armor_is_taken_off_and_anything_else_is_refused() {
        let text = "-----BEGIN PGP PUBLIC KEY BLOCK-----\nVersion: x 1\n\nmDME\nAQID\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n";
        assert_eq!(
            dearmored(text.as_bytes()).unwrap(),
            [0x98, 0x33, 4, 1, 2, 3]
        );
        let two = dearmored(format!("{text}\n{text}").as_bytes()).unwrap();
        assert_eq!(two.len(), 12);
        for text in [
            "",
            "ssh-ed25519 AAAA",
            "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n!\n",
        ] {
            assert!(dearmored(text.as_bytes()).is_none(), "{text}");
        }
    }
}
