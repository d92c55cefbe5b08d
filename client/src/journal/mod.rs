//! The journal: what a run was about to do to the links of a root, so that the next one can put it right.
//!
//! `STORE/journal/ROOTID.json` is there exactly while links are being changed. Each root has its own, since roots share
//! the store and a link is one root's.
//!
//! - It is durable before the first link changes, and goes when the last thing is done.
//! - It holds both targets of every link, as texts: nothing else is needed to undo.
//! - Nothing in it is believed that can be checked: names go through their type, and a link is only changed while it
//!   still has one of the two targets, both of which lead into our store. A link of others that made way is put back
//!   only where systemd-sysext looks for extensions, and nothing else stands there now.

mod root_id;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sysext_durable::{Dir, checkpoint, is_left_out};
use sysext_formats::name::ExtensionName;
use sysext_formats::time::UtcTime;

use crate::config::Activation;
use crate::history::{Cause, Quarantined};
use crate::root::{DIRECTORY_MODE, Root, SEARCH_PATH};
use crate::store::{FILE_MODE, Store, StoreError};

pub use self::root_id::{RootId, root_id};

const SCHEMA: u64 = 1;
/// Bytes of a journal: some hundred bytes an extension.
const MAX_LENGTH: u64 = 16 << 20;

/// How far a run had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Links are changing, or what they name was not seen to merge yet: to be undone.
    Switching,
    /// All is done but the record of it: to be finished.
    Done,
}

/// One link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The extension.
    pub name: ExtensionName,
    /// What its link named before; `None` where there was none.
    pub from: Option<PathBuf>,
    /// What it shall name.
    pub to: Option<PathBuf>,
    /// Links of others that make way for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub displaced: Vec<Displaced>,
}

/// A link of somebody else, which makes way for one of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Displaced {
    /// Where it is in the root: directly below a directory in which systemd-sysext looks.
    pub link: PathBuf,
    /// Where it leads.
    pub target: PathBuf,
}

impl Displaced {
    /// The directory that it is in, and its name there; `None` where systemd-sysext looks for no extensions.
    #[must_use]
    pub fn place(&self) -> Option<(&str, &str)> {
        let (directory, name) = (
            self.link.parent()?.to_str()?,
            self.link.file_name()?.to_str()?,
        );
        (SEARCH_PATH.contains(&directory) && !name.starts_with('.')).then_some((directory, name))
    }
}

/// What a run is about to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    schema: u64,
    /// The root whose links these are.
    pub root: RootId,
    /// Which of its directories they are in.
    pub activation: Activation,
    /// When the run began.
    pub time: UtcTime,
    /// What it is for.
    #[serde(default)]
    pub cause: Cause,
    /// The number that its record in the history gets.
    pub transaction: u64,
    /// Whether systemd was to merge the new links, so that undoing them means to merge again.
    pub merge: bool,
    /// How far it had come.
    pub phase: Phase,
    /// The links.
    pub changes: Vec<Change>,
    /// What systemd could not merge, and is to go on skip lists: known once all is done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quarantined: Vec<Quarantined>,
}

/// A journal that was found.
#[derive(Debug)]
pub enum Found {
    /// None: the last run came to its end.
    Nothing,
    /// One.
    Journal(Journal),
    /// One that can not be read. It was set aside, and the links are as they are.
    Broken {
        /// Where it is now.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl Journal {
    /// A journal of a run that has not changed anything yet.
    #[must_use]
    pub fn new(
        root: RootId,
        activation: Activation,
        time: UtcTime,
        transaction: u64,
        changes: Vec<Change>,
    ) -> Self {
        Self {
            schema: SCHEMA,
            root,
            activation,
            time,
            cause: Cause::default(),
            transaction,
            merge: false,
            phase: Phase::Switching,
            changes,
            quarantined: Vec::new(),
        }
    }

    /// Makes it durable.
    ///
    /// # Errors
    /// When the file system fails.
    pub fn write(&self, store: &Store) -> Result<(), StoreError> {
        if is_left_out("journal") {
            return Ok(());
        }
        let directory = directory(store)?;
        let name = file(&self.root);
        // A store whose path is not UTF-8 can not be named in JSON.
        let bytes = serde_json::to_vec_pretty(self).map_err(|error| StoreError::Broken {
            path: directory.path().join(&name),
            reason: format!("it can not be written: {error}"),
        })?;
        directory.write(&name, &bytes, FILE_MODE)?;
        checkpoint(match self.phase {
            Phase::Switching => "journal-switching",
            Phase::Done => "journal-done",
        });
        Ok(())
    }

    /// Ends it.
    ///
    /// # Errors
    /// When the file system fails.
    pub fn remove(&self, store: &Store) -> Result<(), StoreError> {
        directory(store)?.remove(&file(&self.root))?;
        checkpoint("journal-removed");
        Ok(())
    }

    /// Looks for the journal of `root`. One that can not be read is set aside.
    ///
    /// # Errors
    /// When the file system fails.
    pub fn find(store: &Store, root: &Root) -> Result<Found, StoreError> {
        let root_id = root_id(root);
        let Some(directory) = store.base().existing_subdir("journal")? else {
            return Ok(Found::Nothing);
        };
        let name = file(&root_id);
        let reason = match directory.read(&name, MAX_LENGTH) {
            Ok(None) => return Ok(Found::Nothing),
            Ok(Some(bytes)) => match parse(&bytes, &root_id, root) {
                Ok(journal) => return Ok(Found::Journal(journal)),
                Err(reason) => reason,
            },
            Err(error @ sysext_durable::Error::TooLong { .. }) => error.to_string(),
            Err(error) => return Err(error.into()),
        };
        let aside = format!("{name}.broken");
        directory.rename(&name, &aside)?;
        Ok(Found::Broken {
            path: directory.path().join(aside),
            reason,
        })
    }

    /// Whether a run on `root` did not come to its end; without changing anything.
    #[must_use]
    pub fn is_pending(store: &Store, root: &Root) -> bool {
        let name = file(&root_id(root));
        let directory = store.base().existing_subdir("journal").ok().flatten();
        directory.is_some_and(|directory| directory.kind(&name).is_ok_and(|kind| kind.is_some()))
    }
}

/// A journal that can not be read: its path, and what is wrong with it.
pub type Unreadable = (PathBuf, String);

/// Every journal that is there, whichever root's.
///
/// # Errors
/// When they can not be listed.
pub fn all(store: &Store) -> Result<Vec<Result<Journal, Unreadable>>, StoreError> {
    let Some(directory) = store.base().existing_subdir("journal")? else {
        return Ok(Vec::new());
    };
    let mut journals = Vec::new();
    for entry in directory.entries()? {
        if !entry.name.ends_with(".json") {
            continue;
        }
        let broken = |reason| (directory.path().join(&entry.name), reason);
        journals.push(match directory.read(&entry.name, MAX_LENGTH)? {
            Some(bytes) => {
                serde_json::from_slice(&bytes).map_err(|error| broken(error.to_string()))
            }
            // Ended meanwhile.
            None => continue,
        });
    }
    Ok(journals)
}

fn directory(store: &Store) -> Result<Dir, StoreError> {
    Ok(store.base().create_subdir("journal", DIRECTORY_MODE)?)
}

fn file(root: &RootId) -> String {
    format!("{root}.json")
}

fn parse(bytes: &[u8], root_id: &RootId, root: &Root) -> Result<Journal, String> {
    let journal: Journal = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if journal.schema != SCHEMA {
        return Err(format!(
            "its schema is {}, {SCHEMA} is known",
            journal.schema
        ));
    }
    if journal.root != *root_id {
        return Err(format!(
            "it is of the root {}, not of {root_id}",
            journal.root
        ));
    }
    let targets = journal
        .changes
        .iter()
        .flat_map(|change| [&change.from, &change.to]);
    for target in targets.flatten() {
        if !is_ours(root, target) {
            return Err(format!("{} is not in our store", target.display()));
        }
    }
    let mut displaced = journal.changes.iter().flat_map(|change| &change.displaced);
    if let Some(displaced) = displaced.find(|displaced| displaced.place().is_none()) {
        return Err(format!("{} is no extension", displaced.link.display()));
    }
    Ok(journal)
}

fn is_ours(root: &Root, target: &Path) -> bool {
    crate::store::parse_link(root, target).is_some()
}
