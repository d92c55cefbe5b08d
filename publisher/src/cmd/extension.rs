//! `extension`: which extensions the catalog holds.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use sysext_formats::catalog::{CatalogInfo, ExtensionIndex, ExtensionInfo};
use sysext_formats::key::{KeyId, PublicKey};
use sysext_formats::name::ExtensionName;
use sysext_formats::sign::Signer as _;

use crate::config::edit::Edit;
use crate::context::{Context, Outcome, Verdict};
use crate::draft::{DraftError, Table};
use crate::failure::{Failure, Kind};
use crate::reconcile::Report;
use crate::session::Session;
use crate::signer::{KeyRing, KeySource, NewKey, new_key_encryption};
use crate::words::line_or_nothing;

/// What `extension` does.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Add an extension, with an empty index
    Add(Add),
    /// List the extensions and who signs them
    List,
}

/// What `extension add` takes.
#[derive(Debug, clap::Args)]
pub struct Add {
    /// Its name
    name: ExtensionName,
    /// Its own key, instead of the release key: file:PATH, env:VARIABLE or cmd:PROGRAM ARGUMENTS
    #[arg(long, value_name = "SOURCE", conflicts_with = "own_key")]
    key: Option<String>,
    /// Make a key of its own, keys/ci/NAME.pem
    #[arg(long)]
    own_key: bool,
    /// Write the key of its own without a passphrase
    #[arg(long, requires = "own_key")]
    unencrypted: bool,
    /// What it is, in one line
    #[arg(long, value_name = "TEXT", value_parser = line_or_nothing)]
    summary: Option<String>,
    /// Its web page
    #[arg(long, value_name = "URL")]
    homepage: Option<String>,
    /// Its licence, as an SPDX expression
    #[arg(long, value_name = "SPDX", value_parser = line_or_nothing)]
    license: Option<String>,
    /// Its documentation
    #[arg(long, value_name = "URL")]
    documentation: Option<String>,
}

/// Runs it.
///
/// # Errors
/// When the catalog can not be read or changed.
pub fn run(context: &Context, command: Command) -> Outcome {
    match command {
        Command::Add(args) => add(context, args),
        Command::List => list(context),
    }
}

fn add(context: &Context, args: Add) -> Outcome {
    let name = &args.name;
    let own = own_key(context, &args)?;
    // The catalog is changed as the new configuration says, and the file only once that is published.
    let edit = Edit::Extension {
        name: name.clone(),
        members: members(&args, own.as_ref().map(|own| &own.source)),
    };
    let session = Session::open_edited(context, vec![edit])?;
    let store = session.store(context)?;
    let report = session.reconcile(context, store.as_ref(), |attempt| {
        let (said, mut info) = (attempt.config.extension(name), ExtensionInfo::default());
        if attempt.is_delegated(name)? {
            attempt.load(name)?;
            if let Some(index) = attempt.editor.catalog().indexes.get(name) {
                let read = ExtensionIndex::read(name, index).map_err(DraftError::from)?;
                info = read.info;
            }
        }
        let key = match own.as_ref().and_then(|own| own.made.clone()) {
            Some(key) => key,
            None => first_there(attempt.ring, &attempt.config.index_sources(name))?,
        };
        let editor = &mut *attempt.editor;
        editor.add_extension(name, &[key], said.info(info))?;
        Ok(editor.set_title(&attempt.config.title)?)
    })?;
    let mut changed = report.changed;
    if !context.globals.dry_run {
        changed |= session.save(context)?;
    }
    let report = Report { changed, ..report };
    context.ui.data("extension add", &report, || {
        report.text("it is there already, and is said to be the same")
    });
    Ok(Verdict::Good)
}

/// An extension's own key.
struct OwnKey {
    source: String,
    /// Its public half, where it was made just now; with `--dry-run` nothing else of it is there.
    made: Option<PublicKey>,
}

/// Its own key, made where that was asked for.
fn own_key(context: &Context, args: &Add) -> Result<Option<OwnKey>, Failure> {
    if let Some(text) = &args.key {
        let source: KeySource = match text.parse() {
            Ok(source) => source,
            Err(error) => {
                let failure = Failure::of(Kind::Usage, &error);
                return Err(if text.ends_with(".pub") {
                    failure
                        .hint("its first, empty index must be signed: the private half is needed")
                } else {
                    failure
                });
            }
        };
        return Ok(Some(OwnKey {
            source: source.to_string(),
            made: None,
        }));
    }
    if !args.own_key {
        return Ok(None);
    }
    let relative = PathBuf::from(format!("keys/ci/{}.pem", args.name));
    let key = NewKey::generate(&context.directory().join(&relative))?;
    let source = format!("file:{}", relative.display());
    if key.exists().is_some() {
        return Ok(Some(OwnKey { source, made: None }));
    }
    if !context.globals.dry_run {
        let what = relative.display().to_string();
        let encryption = new_key_encryption(context, !args.unencrypted, &what)?;
        key.write(encryption.borrowed())?;
        context.ui.say(format_args!("made {what}"));
    }
    let made = Some(key.secret.public_key().clone());
    Ok(Some(OwnKey { source, made }))
}

fn members(args: &Add, own_key: Option<&String>) -> Vec<(&'static str, String)> {
    let texts = [
        ("key", own_key),
        ("summary", args.summary.as_ref()),
        ("homepage", args.homepage.as_ref()),
        ("license", args.license.as_ref()),
        ("documentation", args.documentation.as_ref()),
    ];
    texts
        .into_iter()
        .filter_map(|(member, text)| Some((member, text?.clone())))
        .collect()
}

/// The public half of the first source that is there.
fn first_there(ring: &KeyRing, sources: &[KeySource]) -> Result<PublicKey, Failure> {
    let mut last = Failure::usage("no key is configured for it");
    for source in sources {
        match ring.public_key(source) {
            Ok(key) => return Ok(key),
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

#[derive(Serialize)]
struct Listed {
    name: ExtensionName,
    summary: String,
    keys: Vec<KeyId>,
}

fn list(context: &Context) -> Outcome {
    let session = Session::open(context)?;
    let base = session.base(context)?;
    let mut published = session.published(context, base.as_ref())?;
    let catalog = published.whole_catalog()?;
    let mut summaries = BTreeMap::new();
    for (table, document) in catalog.tables() {
        let role = match &table {
            Table::Top => "targets",
            Table::Group(role) => role.as_str(),
        };
        let info = CatalogInfo::read(role, document).map_err(DraftError::from)?;
        summaries.extend(info.extensions);
    }
    let listed: Vec<_> = catalog
        .extensions()
        .map(|name| Listed {
            summary: summaries
                .get(&name)
                .map(|entry| entry.summary.clone())
                .unwrap_or_default(),
            keys: catalog
                .index_keys(&name)
                .map(|keys| keys.keyids.clone())
                .unwrap_or_default(),
            name,
        })
        .collect();
    context.ui.data(
        "extension list",
        &serde_json::json!({"extensions": listed}),
        || {
            let line = |entry: &Listed| {
                let keys: Vec<_> = entry.keys.iter().map(KeyId::short).collect();
                format!("{:<24} {}  {}", entry.name, keys.join(" "), entry.summary)
                    .trim_end()
                    .to_owned()
                    + "\n"
            };
            listed.iter().map(line).collect()
        },
    );
    Ok(Verdict::Good)
}
