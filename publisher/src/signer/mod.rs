//! Who signs: where keys are, and which of them may sign what.
//!
//! - Secrets are in a file, in a variable, or with a program that never hands them out. They are never on a command line,
//!   never inside the published tree, and never in a message.
//! - A role is signed by those of the configured keys that its delegator names, until its threshold is reached. A key
//!   that may not sign the role is never asked for its passphrase where its public half is known.
//! - There is no prompt without a terminal.

mod command;
mod documents;
mod generate;
mod keyring;
mod passphrase;
mod pem;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

pub(crate) use self::command::{answer, without_secrets};
pub use self::documents::{Configured, DraftSignError, Roster, SignedDraft};
pub use self::generate::{
    Encryption, NewKey, NewKeyEncryption, create, new_key_encryption, public_pem,
};
pub use self::keyring::{AtHand, KeyRing, Signers};
pub use self::passphrase::{Passphrases, passphrase_for_new_keys};
pub use self::pem::{read_key_file, read_public_file};

/// Where a key is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeySource {
    /// `file:PATH`: PKCS#8 PEM, relative to the configuration.
    File(PathBuf),
    /// `env:VARIABLE`: the PEM text itself.
    Variable(String),
    /// `cmd:PROGRAM ARGUMENTS`: gets the message on stdin, returns the raw signature on stdout.
    Command(String),
}

/// A text that is no key source.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: write file:PATH, env:VARIABLE or cmd:PROGRAM ARGUMENTS", self.what())]
pub struct KeySourceError {
    /// What was typed, where it is the name of a key file: whoever pasted a key here must not find it in a log.
    path: Option<String>,
}

impl KeySourceError {
    fn what(&self) -> String {
        match &self.path {
            Some(path) => format!("{path:?} is not a key source; is file:{path} meant?"),
            None => "this is not a key source".to_owned(),
        }
    }
}

impl FromStr for KeySource {
    type Err = KeySourceError;

    fn from_str(text: &str) -> Result<Self, KeySourceError> {
        match text.split_once(':') {
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(("env", name)) if !name.is_empty() => Ok(Self::Variable(name.to_owned())),
            Some(("cmd", command)) if !command.trim().is_empty() => {
                Ok(Self::Command(command.to_owned()))
            }
            _ => {
                let is_path = text.len() <= 200
                    && [".pem", ".pub", ".key"]
                        .iter()
                        .any(|end| text.ends_with(end));
                Err(KeySourceError {
                    path: is_path.then(|| text.to_owned()),
                })
            }
        }
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Variable(name) => write!(f, "env:{name}"),
            Self::Command(command) => write!(f, "cmd:{command}"),
        }
    }
}

/// Why a key can not be used or does not sign.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// A key file can not be read.
    #[error(transparent)]
    Read(#[from] sysext_durable::Error),
    /// There is no such file.
    #[error("the key file {} is not there", .0.display())]
    Missing(PathBuf),
    /// Others can read a secret.
    #[error("{} can be read by others (mode {mode:04o})", path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The key's text can not be used.
    #[error("the key in {source_name}: {source}")]
    Key {
        /// Where it is.
        source_name: String,
        /// What is wrong.
        source: sysext_formats::sign::KeyFileError,
    },
    /// Not text, or not a public key.
    #[error("{} is not an ed25519 public key in PEM", .0.display())]
    NotPublic(PathBuf),
    /// A passphrase is needed, and there is no way to ask for it.
    #[error("{0} needs a passphrase, and there is no terminal to ask for it")]
    NoPassphrase(String),
    /// The file with the passphrase is empty.
    #[error("{} holds no passphrase in its first line", .0.display())]
    EmptyPassphrase(PathBuf),
    /// The terminal failed.
    #[error("the terminal can not be asked for a passphrase")]
    Terminal(#[source] std::io::Error),
    /// Two passphrases that should be the same.
    #[error("the two passphrases differ")]
    Differ,
    /// None of the configured sources is there.
    #[error("no key for {role} is there: {} configured{}", tried.len(), list(tried))]
    NoneThere {
        /// What was to be signed.
        role: String,
        /// The configured sources, each with why it is not there.
        tried: Vec<(KeySource, String)>,
    },
    /// Keys are there, but they may not sign the role.
    #[error("{role} needs the signatures of {threshold} of the keys {}; found{}", allowed.join(", "), list(tried))]
    WrongKeys {
        /// What was to be signed.
        role: String,
        /// The threshold.
        threshold: u64,
        /// Beginnings of the ids of the keys that may sign.
        allowed: Vec<String>,
        /// The configured sources, each with what is there.
        tried: Vec<(KeySource, String)>,
    },
    /// The public half of a command's key is not known.
    #[error("the public key of {0} is not known")]
    NoPublicHalf(KeySource),
}

fn list(tried: &[(KeySource, String)]) -> String {
    let lines = tried
        .iter()
        .map(|(source, why)| format!("\n  {source}: {why}"));
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_say_where_a_key_is_and_never_are_the_key() {
        for text in ["file:keys/a.pem", "env:KEY", "cmd:kms sign --key a"] {
            assert_eq!(text.parse::<KeySource>().unwrap().to_string(), text);
        }
        for bad in ["", "file:", "env:", "cmd: ", "keys/a.pem", "pkcs11:x"] {
            assert!(bad.parse::<KeySource>().is_err(), "{bad}");
        }
        let pasted = "-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n-----END PRIVATE KEY-----\n";
        let error = pasted.parse::<KeySource>().unwrap_err().to_string();
        assert!(
            !error.contains("MC4") && !error.contains("BEGIN"),
            "{error}"
        );
        let seed = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
        let error = seed.parse::<KeySource>().unwrap_err().to_string();
        assert!(!error.contains("nWGx"), "{error}");
    }
}
