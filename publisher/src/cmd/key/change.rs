//! `key add`, `remove`, `replace`, `threshold`: who may sign what.
//!
//! The new source stands in the configuration before anything is published, and the old one goes afterwards: a run that
//! meets this one finds a key that may sign, whichever of the two was faster.

use sysext_formats::key::KeyId;
use sysext_formats::name::ExtensionName;
use sysext_formats::role::{MetadataVersion, Threshold};

use super::named::{NewKey, ids, keys_of, new_key, resolve, the_only};

use crate::config::edit::{self, Edit};
use crate::config::{Config, Office};
use crate::context::{Context, Outcome, Verdict};
use crate::draft::{Catalog, KeyChange, KeyEdit};
use crate::failure::Failure;
use crate::published::LookUp;
use crate::reconcile::{Attempt, Report};
use crate::recovery;
use crate::session::Session;
use crate::signer::KeySource;

/// What every change takes.
#[derive(Debug, clap::Args)]
pub struct Whose {
    /// Whose keys: root, release, online, or an extension
    #[arg(long = "for", value_name = "ROLE")]
    office: Office,
    /// The old keys are lost and can not sign any more
    #[arg(long)]
    lost: bool,
    /// Of an extension: do not sign its index again; hosts refuse it until whoever has the new key hands one in
    #[arg(long)]
    revoke: bool,
}

/// What `key add` takes.
#[derive(Debug, clap::Args)]
pub struct Add {
    #[command(flatten)]
    whose: Whose,
    /// The new key: file:PATH, env:VARIABLE, cmd:PROGRAM ARGUMENTS, or the .pub file of somebody else's
    #[arg(long, value_name = "SOURCE")]
    key: String,
    /// How many keys must sign from now on
    #[arg(long, value_name = "N")]
    threshold: Option<u64>,
}

/// What `key remove` takes.
#[derive(Debug, clap::Args)]
pub struct Remove {
    #[command(flatten)]
    whose: Whose,
    /// The key: its id or the beginning of it, its source, or its .pub file
    #[arg(value_name = "KEY")]
    old: String,
    /// How many keys must sign from now on
    #[arg(long, value_name = "N")]
    threshold: Option<u64>,
}

/// What `key replace` takes.
#[derive(Debug, clap::Args)]
pub struct Replace {
    #[command(flatten)]
    whose: Whose,
    /// The new key: file:PATH, env:VARIABLE, cmd:PROGRAM ARGUMENTS, or the .pub file of somebody else's
    #[arg(long, value_name = "SOURCE")]
    key: String,
    /// The key that goes, where there are several: its id or the beginning of it, its source, or its .pub file
    #[arg(long, value_name = "KEY")]
    old: Option<String>,
    /// Of the online key: go on from this version of the snapshot, whatever was published after it with a stolen key
    #[arg(long, value_name = "VERSION")]
    snapshot: Option<u64>,
}

/// What `key threshold` takes.
#[derive(Debug, clap::Args)]
pub struct SetThreshold {
    #[command(flatten)]
    whose: Whose,
    /// How many keys must sign from now on
    #[arg(value_name = "N")]
    threshold: u64,
}

/// What shall be done, in words that the published catalog gives a meaning.
struct Wish<'a> {
    whose: &'a Whose,
    new: Option<NewKey>,
    old: Option<&'a str>,
    replace: bool,
    threshold: Option<Threshold>,
    snapshot: Option<MetadataVersion>,
}

/// Adds a key.
///
/// # Errors
/// When it can not be read, or the catalog not be changed.
pub(super) fn add(context: &Context, args: &Add) -> Outcome {
    run(
        context,
        &Wish {
            whose: &args.whose,
            new: Some(new_key(context, &args.key)?),
            old: None,
            replace: false,
            threshold: threshold_of(args.threshold)?,
            snapshot: None,
        },
    )
}

/// Takes a key away.
///
/// # Errors
/// When there is no such key, or the catalog can not be changed.
pub(super) fn remove(context: &Context, args: &Remove) -> Outcome {
    run(
        context,
        &Wish {
            whose: &args.whose,
            new: None,
            old: Some(&args.old),
            replace: false,
            threshold: threshold_of(args.threshold)?,
            snapshot: None,
        },
    )
}

/// Replaces a key.
///
/// # Errors
/// When there is no such key, or the catalog can not be changed.
pub(super) fn replace(context: &Context, args: &Replace) -> Outcome {
    if args.snapshot.is_some() && args.whose.office != Office::Online {
        return Err(Failure::usage(
            "--snapshot is about the online key, which signs snapshots",
        ));
    }
    let version = |number| {
        MetadataVersion::new(number)
            .ok_or_else(|| Failure::usage("--snapshot 0: versions begin with 1"))
    };
    run(
        context,
        &Wish {
            whose: &args.whose,
            new: Some(new_key(context, &args.key)?),
            old: args.old.as_deref(),
            replace: true,
            threshold: None,
            snapshot: args.snapshot.map(version).transpose()?,
        },
    )
}

/// Sets a threshold.
///
/// # Errors
/// When the keys can not reach it, or the catalog can not be changed.
pub(super) fn threshold(context: &Context, args: &SetThreshold) -> Outcome {
    run(
        context,
        &Wish {
            whose: &args.whose,
            new: None,
            old: None,
            replace: false,
            threshold: threshold_of(Some(args.threshold))?,
            snapshot: None,
        },
    )
}

fn run(context: &Context, wish: &Wish<'_>) -> Outcome {
    let office = &wish.whose.office;
    if wish.whose.revoke && !matches!(office, Office::Extension(_)) {
        return Err(Failure::usage(
            "--revoke is about the keys of an extension: the other roles are signed again at once",
        ));
    }
    let source = wish.new.as_ref().and_then(|new| new.source.clone());
    let there = Config::read(&context.globals.config)?;
    let is_new = |source: &String| {
        let sources = there.sources(office);
        !sources.iter().any(|other| other.to_string() == *source)
    };
    let added: Vec<_> = source
        .filter(is_new)
        .map(|source| Edit::AddSource {
            office: office.clone(),
            source,
        })
        .into_iter()
        .collect();
    let session = Session::open_edited(context, added.clone())?;
    let store = session.store(context)?;
    let config = &context.globals.config;
    if !context.globals.dry_run {
        edit::save(config, &added)?;
    }
    let mut gone = None;
    let report = match wish.snapshot {
        Some(version) => {
            recovery::replace_online_key(context, &session, store.as_ref(), version, |catalog| {
                let change = wish.change(catalog, session_ids(&session))?;
                gone = change.goes().cloned();
                Ok(change)
            })
        }
        None => session.reconcile(context, store.as_ref(), |attempt| {
            match office {
                Office::Extension(name) => attempt.load_group(name)?,
                Office::Online => {}
                // Whoever signs the table of contents signs its groups, too.
                Office::Root | Office::Release => attempt.load_groups()?,
            }
            let release = ids(attempt.ring, &attempt.config.keys.release);
            let change = wish.change(attempt.editor.catalog(), release)?;
            gone = change.goes().cloned();
            load(attempt, &change)?;
            Ok(attempt.editor.edit_keys(&change)?)
        }),
    };
    let report = match report {
        Ok(report) => report,
        Err(failure) => {
            // As it was: the new key may sign nothing.
            if !context.globals.dry_run {
                edit::save(config, &undone(&added))?;
            }
            return Err(failure);
        }
    };
    // A proposal is signed by the old key yet, and nothing may be published of it.
    if let Some(gone) = gone.filter(|_| report.is_published()) {
        edit::save(config, &without(&session, office, &gone))?;
    }
    context.ui.data("key", &report, || {
        let mut text = report.text("the keys are these already");
        text.push_str(&advice(wish, &report));
        text
    });
    Ok(Verdict::Good)
}

impl Wish<'_> {
    /// The change, with the keys that the catalog has.
    fn change(&self, catalog: &Catalog, release: Vec<KeyId>) -> Result<KeyChange, Failure> {
        let office = &self.whose.office;
        let keys = keys_of(catalog, office, &release)?;
        let old = match (self.old, self.replace) {
            (Some(text), _) => Some(resolve(office, text, &keys)?),
            (None, false) => None,
            (None, true) => Some(the_only(office, &keys)?),
        };
        let mut edits = Vec::new();
        match (old, &self.new) {
            (Some(old), Some(new)) => edits.push(KeyEdit::Replace {
                old,
                new: new.public.clone(),
            }),
            (Some(old), None) => edits.push(KeyEdit::Remove(old)),
            (None, Some(new)) => edits.push(KeyEdit::Add(new.public.clone())),
            (None, None) => {}
        }
        if let Some(threshold) = self.threshold {
            // What goes must not leave too few, what comes must be there before it counts.
            let at = if self.new.is_some() { edits.len() } else { 0 };
            edits.insert(at, KeyEdit::Threshold(threshold));
        }
        Ok(KeyChange {
            office: office.clone(),
            edits,
            release,
            lost: self.whose.lost,
            revoke: self.whose.revoke,
        })
    }
}

/// Hands the indexes to the editor that are signed again.
fn load(attempt: &mut Attempt<'_, '_>, change: &KeyChange) -> Result<(), Failure> {
    for name in attempt.editor.signed_again(change) {
        if let LookUp::Index(index) = attempt.look_up(&name)? {
            attempt.editor.load_index(&name, index);
        }
    }
    Ok(())
}

fn threshold_of(number: Option<u64>) -> Result<Option<Threshold>, Failure> {
    let checked = |number| {
        Threshold::new(number).ok_or_else(|| Failure::usage("a threshold of 0: one is the least"))
    };
    number.map(checked).transpose()
}

fn session_ids(session: &Session) -> Vec<KeyId> {
    ids(&session.ring, &session.config.keys.release)
}

fn undone(added: &[Edit]) -> Vec<Edit> {
    let undo = |edit: &Edit| match edit {
        Edit::AddSource { office, source } => Some(Edit::RemoveSource {
            office: office.clone(),
            source: source.clone(),
        }),
        _ => None,
    };
    added.iter().filter_map(undo).collect()
}

/// The configuration without the sources of a key that has gone.
fn without(session: &Session, office: &Office, gone: &KeyId) -> Vec<Edit> {
    let sources = match office {
        Office::Extension(name) => session.config.index_sources(name),
        office => session.config.sources(office),
    };
    let is_gone = |source: &KeySource| {
        let (key, _) = session.ring.describe(source);
        key.is_some_and(|key| key.canonical_id() == *gone)
    };
    let gone = sources.into_iter().filter(is_gone);
    gone.map(|source| Edit::RemoveSource {
        office: office.clone(),
        source: source.to_string(),
    })
    .collect()
}

/// What else there is to do.
fn advice(wish: &Wish<'_>, report: &Report) -> String {
    if !report.is_published() {
        return String::new();
    }
    let mut text = String::new();
    if let Some(new) = &wish.new {
        match &new.source {
            Some(source) if source.starts_with("env:") => {
                text.push_str(&format!("put the new key where {source} comes from\n"));
            }
            _ => {}
        }
    }
    match (&wish.whose.office, wish.whose.revoke) {
        (Office::Extension(name), true) => text.push_str(&awaited(name)),
        (Office::Root, _) => text.push_str(
            "root.json beside the configuration stays: hosts and this machine walk from it to the new root\n",
        ),
        _ => {}
    }
    text
}

fn awaited(name: &ExtensionName) -> String {
    format!(
        "hosts refuse the index of {name} until one that the new key has signed is published: \
         `sysext-publish accept PROPOSAL`, or `add --anew` where the key is here\n"
    )
}
