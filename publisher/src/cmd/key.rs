//! `key`: makes and shows keys. Secrets are never shown.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::json;
use sysext_formats::key::{KeyId, PublicKey};
use sysext_formats::sign::Signer as _;

use crate::context::{Context, Outcome, Verdict};
use crate::draft::Catalog;
use crate::failure::{Failure, Kind};
use crate::session::Session;
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
        Command::List => list(context),
        Command::Show(args) => show(context, &args),
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
    let id = key.secret.public_key().canonical_id();
    if !context.globals.dry_run {
        let encryption =
            new_key_encryption(context, !args.unencrypted, &args.file.display().to_string())?;
        key.write(encryption.borrowed())?;
    }
    let document =
        json!({"changed": true, "file": key.path, "public": key.public_path(), "id": id});
    context.ui.data("key generate", &document, || {
        format!("{} {}\n", id, key.path.display())
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

#[derive(Serialize)]
struct Listed {
    source: String,
    id: Option<KeyId>,
    state: String,
    /// What it may sign.
    signs: Vec<String>,
}

fn list(context: &Context) -> Outcome {
    let session = Session::open(context)?;
    let base = session.base(context)?;
    let published = session.published(context, base.as_ref())?;
    let catalog = published
        .catalog()
        .ok_or_else(|| Failure::new(Kind::Unverified, "targets.json is not there"))?;
    let keys = &session.config.keys;
    let own = session
        .config
        .extension
        .values()
        .flat_map(|extension| &extension.key);
    let mut sources: Vec<_> = keys
        .root
        .iter()
        .chain(&keys.release)
        .chain(&keys.online)
        .chain(own)
        .collect();
    let mut seen = std::collections::BTreeSet::new();
    sources.retain(|source| seen.insert(*source));
    let mut listed: Vec<_> = sources
        .into_iter()
        .map(|source| {
            let (key, state) = session.ring.describe(source);
            let id = key.as_ref().map(PublicKey::canonical_id);
            Listed {
                source: source.to_string(),
                signs: id
                    .as_ref()
                    .map(|id| signs(&catalog, id))
                    .unwrap_or_default(),
                id,
                state,
            }
        })
        .collect();
    // Keys of the catalog that the configuration has no source for.
    let delegated = catalog
        .targets
        .delegations
        .iter()
        .flat_map(|delegations| delegations.keys.keys());
    let known: Vec<_> = listed.iter().filter_map(|entry| entry.id.clone()).collect();
    let mut others: Vec<_> = catalog
        .root
        .keys
        .keys()
        .chain(delegated)
        .filter(|id| !known.contains(id))
        .collect();
    others.sort();
    others.dedup();
    listed.extend(others.into_iter().map(|id| Listed {
        source: "-".to_owned(),
        signs: signs(&catalog, id),
        id: Some(id.clone()),
        state: "not configured, or not there".to_owned(),
    }));
    context.ui.data("key list", &json!({"keys": listed}), || {
        listed.iter().map(line).collect()
    });
    Ok(Verdict::Good)
}

/// The roles that a key may sign.
fn signs(catalog: &Catalog, id: &KeyId) -> Vec<String> {
    let roles = &catalog.root.roles;
    let top = [
        ("root", &roles.root),
        ("targets", &roles.targets),
        ("snapshot", &roles.snapshot),
        ("timestamp", &roles.timestamp),
    ];
    let top = top
        .into_iter()
        .filter(|(_, keys)| keys.keyids.contains(id))
        .map(|(name, _)| name.to_owned());
    let of_key = |name: &sysext_formats::name::ExtensionName| {
        catalog
            .index_keys(name)
            .is_some_and(|keys| keys.keyids.contains(id))
    };
    top.chain(
        catalog
            .extensions()
            .filter(of_key)
            .map(|name| name.to_string()),
    )
    .collect()
}

fn line(entry: &Listed) -> String {
    const SHOWN: usize = 8;
    let id = entry
        .id
        .as_ref()
        .map_or_else(|| "-".to_owned(), KeyId::short);
    let mut signs: Vec<_> = entry.signs.iter().take(SHOWN).cloned().collect();
    if entry.signs.len() > SHOWN {
        signs.push(format!("and {} more", entry.signs.len() - SHOWN));
    }
    let signs = if signs.is_empty() {
        "-".to_owned()
    } else {
        signs.join(", ")
    };
    format!(
        "{id:<12}  {:<32}  {signs} ({})\n",
        entry.source, entry.state
    )
}
