//! Puts right what a run left that was killed.

use std::path::{Path, PathBuf};

use sysext_formats::name::ExtensionName;

use super::links::{Held, LinkDirectory};
use super::quarantine::{self, NotSkipped};
use super::{ActivateError, Site, displaced};
use crate::history::{Changed, ImageRef, Quarantined, Transaction};
use crate::journal::{Change, Found, Journal, Phase};
use crate::roots::keep_record;
use crate::store::{LinkTarget, parse_link};

/// What was found and done.
#[derive(Debug, Default)]
pub enum Recovered {
    /// The last run came to its end.
    #[default]
    Nothing,
    /// Links were put back.
    Undone {
        /// Those that had changed.
        links: Vec<ExtensionName>,
        /// Those that somebody changed meanwhile: they were left alone.
        left: Vec<ExtensionName>,
        /// Links that are gone, because the image that they named before is gone.
        dropped: Vec<ExtensionName>,
        /// Why systemd could not merge the old links again, where it could not.
        not_merged: Option<String>,
    },
    /// All was done, and is written down now.
    Finished {
        /// The transaction's number.
        transaction: u64,
        /// What systemd could not merge; it is on skip lists now.
        quarantined: Vec<Quarantined>,
        /// What of it could not be put there.
        not_skipped: Vec<NotSkipped>,
    },
    /// The journal can not be read; the links are as they are.
    SetAside {
        /// Where it is now.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Finishes or undoes what the journal of this root says; other roots' journals are theirs. The caller holds the lock.
///
/// # Errors
/// When the file system fails; the journal stays then.
pub fn recover(site: &Site<'_>) -> Result<Recovered, ActivateError> {
    let journal = match Journal::find(site.store, site.root)? {
        Found::Nothing => return Ok(Recovered::Nothing),
        Found::Broken { path, reason } => return Ok(Recovered::SetAside { path, reason }),
        Found::Journal(journal) => journal,
    };
    match journal.phase {
        Phase::Switching => undo(site, &journal),
        Phase::Done => finish(site, &journal),
    }
}

fn undo(site: &Site<'_>, journal: &Journal) -> Result<Recovered, ActivateError> {
    let (mut links, mut left, mut dropped) = (Vec::new(), Vec::new(), Vec::new());
    if let Some(directory) = LinkDirectory::open(site.root, journal.activation)? {
        for change in journal.changes.iter().rev() {
            let undone = match undo_link(site, &directory, change)? {
                Undone::Nothing => None,
                Undone::Link => Some(&mut links),
                Undone::Left => Some(&mut left),
                Undone::Dropped => Some(&mut dropped),
            };
            if let Some(names) = undone {
                names.push(change.name.clone());
            }
        }
    }
    for change in &journal.changes {
        displaced::put_back(site.root, &change.displaced)?;
    }
    // Killed before its last link or behind its merge: nobody knows what is merged now.
    let not_merged = if journal.merge && site.systemd.can_merge(site.root) {
        site.systemd.refresh().err().map(|error| error.to_string())
    } else {
        None
    };
    journal.remove(site.store)?;
    Ok(Recovered::Undone {
        links,
        left,
        dropped,
        not_merged,
    })
}

/// What became of one link.
enum Undone {
    Nothing,
    Link,
    Left,
    Dropped,
}

fn undo_link(
    site: &Site<'_>,
    directory: &LinkDirectory,
    change: &Change,
) -> Result<Undone, ActivateError> {
    let name = &change.name;
    let now = match directory.held(name.as_str())? {
        Held::Nothing => None,
        Held::Ours(_, target) => Some(target),
        Held::Foreign(_) if directory.is_displaced(name.as_str(), &change.displaced) => None,
        Held::Foreign(_) => return Ok(Undone::Left),
    };
    if now == change.from {
        return Ok(Undone::Nothing);
    }
    if now != change.to {
        return Ok(Undone::Left);
    }
    match &change.from {
        Some(target) if is_gone(site, target) => {
            directory.set(name, None)?;
            Ok(Undone::Dropped)
        }
        from => {
            directory.set(name, from.as_deref())?;
            Ok(Undone::Link)
        }
    }
}

fn finish(site: &Site<'_>, journal: &Journal) -> Result<Recovered, ActivateError> {
    let changes = journal
        .changes
        .iter()
        .map(|change| changed(site, change))
        .collect();
    let number = journal.transaction;
    let mut transaction = Transaction::new(number, journal.root.clone(), journal.time, changes);
    transaction.cause = journal.cause;
    transaction.quarantined.clone_from(&journal.quarantined);
    transaction.record(site.store)?;
    keep_record(site.root, site.store, journal.activation, journal.time)?;
    let not_skipped = quarantine::skip_all(site, &journal.quarantined);
    journal.remove(site.store)?;
    Ok(Recovered::Finished {
        transaction: number,
        quarantined: journal.quarantined.clone(),
        not_skipped,
    })
}

fn changed(site: &Site<'_>, change: &Change) -> Changed {
    let image = |target: &Option<PathBuf>| {
        let link = parse_link(site.root, target.as_deref()?)?;
        Some(ImageRef::of_link(&link, site.store))
    };
    Changed {
        name: change.name.clone(),
        from: image(&change.from),
        to: image(&change.to),
    }
}

/// Whether the image that a link named before is not in the store any more.
fn is_gone(site: &Site<'_>, target: &Path) -> bool {
    parse_link(site.root, target)
        .is_none_or(|LinkTarget { sha256, file }| !site.store.path_of(&sha256, &file).is_file())
}
