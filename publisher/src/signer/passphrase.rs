//! Passphrases: from a file, from a variable, or from whoever sits at the terminal; never from a command line.

use std::cell::RefCell;
use std::io::{BufRead as _, BufReader, IsTerminal as _, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::SignerError;
use crate::context::Context;

/// The variable that holds it.
pub(super) const VARIABLE: &str = "SYSEXT_PUBLISH_PASSPHRASE";

/// Bytes of a passphrase file's first line.
const MAX_PASSPHRASE: u64 = 4096;

/// Where passphrases come from.
#[derive(Debug)]
pub struct Passphrases {
    file: Option<PathBuf>,
    variable: Secret,
    asked: RefCell<Vec<(String, Secret)>>,
}

/// Text that does not show itself.
#[derive(Clone)]
struct Secret(Option<String>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "given" } else { "none" })
    }
}

impl Passphrases {
    /// Those that the command line and the environment offer.
    #[must_use]
    pub fn of(context: &Context) -> Self {
        Self {
            file: context.globals.passphrase_file.clone(),
            variable: Secret(context.variable(VARIABLE)),
            asked: RefCell::default(),
        }
    }

    /// The passphrase of the key in `source_name`; a person is asked once for each.
    ///
    /// # Errors
    /// When there is none and nobody to ask.
    pub fn get(&self, source_name: &str) -> Result<String, SignerError> {
        if let Some(given) = self.given()? {
            return Ok(given);
        }
        let asked = &mut *self.asked.borrow_mut();
        if let Some((_, Secret(Some(known)))) = asked.iter().find(|(name, _)| name == source_name) {
            return Ok(known.clone());
        }
        if !has_terminal() {
            return Err(SignerError::NoPassphrase(source_name.to_owned()));
        }
        let answer = rpassword::prompt_password(format!("Passphrase of {source_name}: "))
            .map_err(SignerError::Terminal)?;
        asked.push((source_name.to_owned(), Secret(Some(answer.clone()))));
        Ok(answer)
    }

    fn given(&self) -> Result<Option<String>, SignerError> {
        let Some(path) = &self.file else {
            return Ok(self.variable.0.clone());
        };
        let failed = |source| {
            SignerError::Read(sysext_durable::Error::Io {
                operation: "reading",
                path: path.clone(),
                source,
            })
        };
        let file = std::fs::File::open(path).map_err(failed)?;
        let about = file.metadata().map_err(failed)?;
        let mode = about.permissions().mode() & 0o7777;
        // A pipe from another program is nobody else's; a file may be.
        if about.is_file() && mode & 0o077 != 0 {
            return Err(SignerError::Permissions {
                path: path.clone(),
                mode,
            });
        }
        let mut line = String::new();
        BufReader::new(file.take(MAX_PASSPHRASE))
            .read_line(&mut line)
            .map_err(failed)?;
        let line = line.trim_end_matches(['\n', '\r']);
        if line.is_empty() {
            return Err(SignerError::EmptyPassphrase(path.clone()));
        }
        Ok(Some(line.to_owned()))
    }
}

/// One passphrase for keys that are about to be made; asked for twice.
///
/// # Errors
/// When there is none and nobody to ask, or the two answers differ.
pub fn passphrase_for_new_keys(
    passphrases: &Passphrases,
    what: &str,
) -> Result<String, SignerError> {
    if let Some(given) = passphrases.given()? {
        return Ok(given);
    }
    if !has_terminal() {
        return Err(SignerError::NoPassphrase(what.to_owned()));
    }
    let ask = |text: String| rpassword::prompt_password(text).map_err(SignerError::Terminal);
    let first = ask(format!("New passphrase for {what}: "))?;
    if first.is_empty() {
        return Err(SignerError::NoPassphrase(what.to_owned()));
    }
    if ask("Once more: ".to_owned())? != first {
        return Err(SignerError::Differ);
    }
    Ok(first)
}

/// rpassword asks the controlling terminal itself; where a person did not start us on one, nobody would answer.
fn has_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}
