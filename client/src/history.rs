//! What was done to the links of this host's roots: `STORE/history/NUMBER.json`, one file a transaction.
//!
//! - Numbers grow, over all roots: a transaction is named by its number alone.
//! - A record is for people and for `rollback`; nothing else depends on it. One that can not be read is left out, and
//!   said.
//! - Only the last [`KEPT`] are kept.

use serde::{Deserialize, Serialize};
use sysext_durable::{Dir, checkpoint};
use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::{CatalogId, ExtensionName, FileName};
use sysext_formats::time::UtcTime;
use sysext_formats::version::Version;

use crate::journal::RootId;
use crate::root::DIRECTORY_MODE;
use crate::store::{FILE_MODE, LinkTarget, Store, StoreError, StoredImage};

/// How many transactions are remembered.
pub const KEPT: usize = 500;

const SCHEMA: u64 = 1;
/// Bytes of a record.
const MAX_LENGTH: u64 = 16 << 20;

/// What links were changed for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// To make the host what its configuration says.
    #[default]
    Change,
    /// To put back what was there before.
    Rollback,
    /// To fit the root that booted.
    Boot,
}

/// One change of links.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    schema: u64,
    /// Its number.
    pub number: u64,
    /// The root whose links changed.
    pub root: RootId,
    /// When.
    pub time: UtcTime,
    /// What for.
    #[serde(default)]
    pub cause: Cause,
    /// What changed, by name.
    pub changes: Vec<Changed>,
    /// What was put back, because it could not be merged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quarantined: Vec<Quarantined>,
}

/// One link that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// The extension.
    pub name: ExtensionName,
    /// What its link named before.
    pub from: Option<ImageRef>,
    /// What it names since.
    pub to: Option<ImageRef>,
}

/// An image that a link names or named; what the store knew about it then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRef {
    /// Its digest.
    pub sha256: Sha256Digest,
    /// Its name in the store.
    pub file: FileName,
    /// Its version; `None` where the store did not have it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// The catalog it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalog: Option<CatalogId>,
}

/// A change that was put back, because systemd could not merge with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// The extension.
    pub name: ExtensionName,
    /// The version that is not to be chosen again; `None` where it was the end of a link.
    pub version: Option<Version>,
    /// Why.
    pub reason: String,
}

/// What the history holds.
#[derive(Debug, Default)]
pub struct History {
    /// The transactions, the oldest first.
    pub transactions: Vec<Transaction>,
    /// What can not be read, in words.
    pub broken: Vec<String>,
}

impl ImageRef {
    /// The image in the store.
    #[must_use]
    pub fn of(image: &StoredImage) -> Self {
        Self {
            sha256: image.sha256,
            file: image.file.clone(),
            version: Some(image.version().clone()),
            catalog: Some(image.catalog.clone()),
        }
    }

    /// What a link names, with what the store knows about it.
    #[must_use]
    pub fn of_link(target: &LinkTarget, store: &Store) -> Self {
        match store.find(&target.sha256) {
            Ok(Some(image)) => Self {
                file: target.file.clone(),
                ..Self::of(&image)
            },
            _ => Self {
                sha256: target.sha256,
                file: target.file.clone(),
                version: None,
                catalog: None,
            },
        }
    }
}

impl Transaction {
    /// A record of changes.
    #[must_use]
    pub fn new(number: u64, root: RootId, time: UtcTime, changes: Vec<Changed>) -> Self {
        Self {
            schema: SCHEMA,
            number,
            root,
            time,
            cause: Cause::default(),
            changes,
            quarantined: Vec::new(),
        }
    }

    /// Writes it; one of the same number is replaced, so that an interrupted run can be finished. The caller holds the
    /// lock.
    ///
    /// # Errors
    /// When the file system fails.
    pub fn record(&self, store: &Store) -> Result<(), StoreError> {
        let directory = store.base().create_subdir("history", DIRECTORY_MODE)?;
        // Names, numbers and texts: this can not fail.
        let bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        directory.write(&file(self.number), &bytes, FILE_MODE)?;
        checkpoint("history-written");
        let numbers = numbers(&directory)?;
        let old = numbers.len().saturating_sub(KEPT);
        for number in numbers.into_iter().take(old) {
            directory.remove(&file(number))?;
        }
        Ok(())
    }
}

/// The number of the next transaction. The caller holds the lock.
///
/// # Errors
/// When the history can not be listed.
pub fn next_number(store: &Store) -> Result<u64, StoreError> {
    let last = match store.base().existing_subdir("history")? {
        Some(directory) => numbers(&directory)?.pop(),
        None => None,
    };
    Ok(last.unwrap_or(0).saturating_add(1))
}

/// Reads the history.
///
/// # Errors
/// When it can not be listed.
pub fn read(store: &Store) -> Result<History, StoreError> {
    let mut history = History::default();
    let Some(directory) = store.base().existing_subdir("history")? else {
        return Ok(history);
    };
    for number in numbers(&directory)? {
        match read_one(&directory, number)? {
            Ok(Some(transaction)) => history.transactions.push(transaction),
            // Removed meanwhile: readers take no lock.
            Ok(None) => {}
            Err(reason) => {
                let path = directory.path().join(file(number));
                history.broken.push(format!("{}: {reason}", path.display()));
            }
        }
    }
    Ok(history)
}

/// The inner error is what is wrong with its content.
fn read_one(
    directory: &Dir,
    number: u64,
) -> Result<Result<Option<Transaction>, String>, StoreError> {
    use sysext_durable::Error::{NotAFile, TooLong};
    match directory.read(&file(number), MAX_LENGTH) {
        Ok(None) => Ok(Ok(None)),
        Ok(Some(bytes)) => Ok(parse(&bytes, number).map(Some)),
        Err(error @ (NotAFile(_) | TooLong { .. })) => Ok(Err(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

fn parse(bytes: &[u8], number: u64) -> Result<Transaction, String> {
    let transaction: Transaction =
        serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if transaction.schema != SCHEMA {
        return Err(format!(
            "its schema is {}, {SCHEMA} is known",
            transaction.schema
        ));
    }
    if transaction.number != number {
        return Err(format!("it says that it is number {}", transaction.number));
    }
    Ok(transaction)
}

fn file(number: u64) -> String {
    format!("{number:08}.json")
}

/// All numbers that are used, sorted.
fn numbers(directory: &Dir) -> Result<Vec<u64>, StoreError> {
    let mut numbers: Vec<u64> = directory
        .entries()?
        .iter()
        .filter_map(|entry| entry.name.strip_suffix(".json")?.parse().ok())
        .filter(|number| *number < u64::MAX)
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}
