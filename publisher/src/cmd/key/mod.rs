//! `key`: makes, shows and changes keys. Secrets are never shown.

pub mod change;
mod list;
mod named;

use std::path::PathBuf;

use serde_json::json;
use sysext_formats::sign::Signer as _;

use crate::context::{Context, Outcome, Verdict};
use crate::failure::Failure;
use crate::signer::{
    KeyRing, KeySource, NewKey, SignerError, new_key_encryption, public_pem, read_public_file,
};

/// What `key` does.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a key: a private file, and a public one beside it
    Generate(Generate),
    /// List the configured keys, and what each may sign
    List,
    /// Show the public half of a key
    Show(Show),
    /// Let one more key sign
    Add(change::Add),
    /// Take a key away, and sign again what only it had signed
    Remove(change::Remove),
    /// Put a key in the place of another, and sign again what only that had signed
    Replace(change::Replace),
    /// Say how many keys must sign
    Threshold(change::SetThreshold),
}

impl Command {
    /// Whether others may have to sign what it does.
    #[must_use]
    pub fn changes_catalog(&self) -> bool {
        match self {
            Self::Generate(_) | Self::List | Self::Show(_) => false,
            Self::Add(_) | Self::Remove(_) | Self::Replace(_) | Self::Threshold(_) => true,
        }
    }
}

/// What `key generate` takes.
#[derive(Debug, clap::Args)]
pub struct Generate {
    /// The private file; the public one has the ending .pub
    file: PathBuf,
    /// Write it without a passphrase
    #[arg(long)]
    unencrypted: bool,
}

/// What `key show` takes.
#[derive(Debug, clap::Args)]
pub struct Show {
    /// A key file, private or public, or a source such as env:VARIABLE
    key: String,
}

/// Runs it.
///
/// # Errors
/// When a key can not be made or read.
pub fn run(context: &Context, command: Command) -> Outcome {
    match command {
        Command::Generate(args) => generate(context, &args),
        Command::List => list::run(context),
        Command::Show(args) => show(context, &args),
        Command::Add(args) => change::add(context, &args),
        Command::Remove(args) => change::remove(context, &args),
        Command::Replace(args) => change::replace(context, &args),
        Command::Threshold(args) => change::threshold(context, &args),
    }
}

fn generate(context: &Context, args: &Generate) -> Outcome {
    let key = NewKey::generate(&args.file)?;
    if let Some(path) = key.exists() {
        return Err(Failure::usage(format!(
            "{} is there already, and is not overwritten",
            path.display()
        )));
    }
    let (file, public) = (&key.path, key.public_path());
    // The key of a dry run is nobody's: its id would say nothing.
    if context.globals.dry_run {
        let document = json!({"changed": true, "dry_run": true, "file": file, "public": public});
        context.ui.data("key generate", &document, || {
            format!("would make {}\n", file.display())
        });
        return Ok(Verdict::Good);
    }
    let encryption = new_key_encryption(context, !args.unencrypted, &file.display().to_string())?;
    key.write(encryption.borrowed())?;
    let id = key.secret.public_key().canonical_id();
    let document = json!({"changed": true, "file": file, "public": public, "id": id});
    context.ui.data("key generate", &document, || {
        format!("{id} {}\n", file.display())
    });
    Ok(Verdict::Good)
}

fn show(context: &Context, args: &Show) -> Outcome {
    let key = match args.key.parse::<KeySource>() {
        Ok(source) => KeyRing::new(context).public_key(&source)?,
        Err(_) => {
            let path = PathBuf::from(&args.key);
            let public = if path.extension().is_some_and(|extension| extension == "pub") {
                path.clone()
            } else {
                path.with_extension("pub")
            };
            match read_public_file(&public)? {
                Some(key) => key,
                None if path == public => return Err(SignerError::Missing(path).into()),
                // Named relative to where the person is, not to the configuration.
                None => {
                    crate::signer::read_key_file(&path, &crate::signer::Passphrases::of(context))?
                        .public_key()
                        .clone()
                }
            }
        }
    };
    let (id, pem) = (key.canonical_id(), public_pem(&key)?);
    context.ui.data(
        "key show",
        &json!({"id": id, "pem": pem, "key": key}),
        || format!("{id}\n{pem}"),
    );
    Ok(Verdict::Good)
}
