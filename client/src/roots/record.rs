//! `STORE/roots/ID.json`: what a root was last given.
//!
//! A snapshot or a deployment is known by its name. Of other hosts, such as those with two slots that take turns, nothing
//! but what it is tells which root runs: there the facts that images are matched against are part of the id.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sysext_durable::{Dir, checkpoint};
use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::ExtensionName;
use sysext_formats::time::UtcTime;

use crate::activate::{LinkKind, links};
use crate::config::Activation;
use crate::history::ImageRef;
use crate::host::HostFacts;
use crate::journal::{RootId, root_id};
use crate::root::{DIRECTORY_MODE, Root};
use crate::store::{FILE_MODE, LinkTarget, Store, StoreError};

const SCHEMA: u64 = 1;
/// Bytes of a record: some hundred an extension.
const MAX_LENGTH: u64 = 16 << 20;

/// What a root was last given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    schema: u64,
    /// Its name.
    id: String,
    /// The root.
    pub root: RootId,
    /// Where it was seen.
    pub directory: PathBuf,
    /// Where its links are.
    pub activation: Activation,
    /// When.
    pub time: UtcTime,
    /// Its images.
    pub images: BTreeMap<ExtensionName, ImageRef>,
}

/// All records of a store.
#[derive(Debug, Default)]
pub struct Records {
    /// Those that can be read.
    pub records: Vec<Record>,
    /// The others: files, with what is wrong with them.
    pub broken: Vec<(PathBuf, String)>,
}

impl Record {
    /// A record of these images.
    #[must_use]
    pub fn new(
        root: &Root,
        activation: Activation,
        time: UtcTime,
        images: BTreeMap<ExtensionName, ImageRef>,
    ) -> Self {
        Self {
            schema: SCHEMA,
            id: record_id(root),
            root: root_id(root),
            directory: root.directory().to_owned(),
            activation,
            time,
            images,
        }
    }

    /// Writes it, in the place of an earlier one of that root; whether anything changed.
    ///
    /// # Errors
    /// When the file system fails.
    pub fn write(&self, store: &Store) -> Result<bool, StoreError> {
        let directory = store.base().create_subdir("roots", DIRECTORY_MODE)?;
        let name = file(&self.id);
        if let Ok(Some(old)) = read(&directory, &name)
            && old.images == self.images
            && old.activation == self.activation
            && old.directory == self.directory
        {
            return Ok(false);
        }
        let bytes = serde_json::to_vec_pretty(self).map_err(|error| StoreError::Broken {
            path: directory.path().join(&name),
            reason: format!("it can not be written: {error}"),
        })?;
        directory.write(&name, &bytes, FILE_MODE)?;
        checkpoint("root-recorded");
        Ok(true)
    }

    /// The record of `root`; one that can not be read counts as none, since the next run writes another.
    #[must_use]
    pub fn of(store: &Store, root: &Root) -> Option<Self> {
        let directory = store.base().existing_subdir("roots").ok()??;
        read(&directory, &file(&record_id(root))).ok()?
    }

    /// Whether it is that of `root` as it is now.
    #[must_use]
    pub fn is_of(&self, root: &Root) -> bool {
        self.id == record_id(root)
    }

    /// Forgets it.
    ///
    /// # Errors
    /// When the file system fails.
    pub fn remove(&self, store: &Store) -> Result<(), StoreError> {
        match store.base().existing_subdir("roots")? {
            Some(directory) => Ok(directory.remove(&file(&self.id))?),
            None => Ok(()),
        }
    }
}

/// Writes down what is linked in `root` now.
///
/// # Errors
/// When the links can not be read, or the record not be written.
pub fn keep_record(
    root: &Root,
    store: &Store,
    activation: Activation,
    time: UtcTime,
) -> Result<(), StoreError> {
    let ours = links(root, activation)?.into_iter().filter_map(|link| {
        let (LinkKind::Ours { sha256, file } | LinkKind::Dangling { sha256, file }) = link.kind
        else {
            return None;
        };
        let target = LinkTarget { sha256, file };
        Some((link.name.parse().ok()?, ImageRef::of_link(&target, store)))
    });
    Record::new(root, activation, time, ours.collect())
        .write(store)
        .map(drop)
}

/// Every record.
///
/// # Errors
/// When they can not be listed.
pub fn records(store: &Store) -> Result<Records, StoreError> {
    let mut records = Records::default();
    let Some(directory) = store.base().existing_subdir("roots")? else {
        return Ok(records);
    };
    for entry in directory.entries()? {
        if !entry.name.ends_with(".json") {
            continue;
        }
        match read(&directory, &entry.name) {
            Ok(Some(record)) => records.records.push(record),
            // Removed meanwhile.
            Ok(None) => {}
            Err(reason) => records
                .broken
                .push((directory.path().join(&entry.name), reason)),
        }
    }
    Ok(records)
}

fn file(id: &str) -> String {
    format!("{id}.json")
}

fn record_id(root: &Root) -> String {
    let id = root_id(root);
    match HostFacts::read(root) {
        Ok(facts) if !id.has_siblings() => {
            let field = |key| facts.host.os_release.get(key).unwrap_or_default();
            let fields = ["ID", "ID_LIKE", "VERSION_ID", "SYSEXT_LEVEL"].map(field);
            let digest = Sha256Digest::of(fields.join("\n").as_bytes());
            format!("{id}-{}", digest.short(16))
        }
        _ => id.to_string(),
    }
}

fn read(directory: &Dir, name: &str) -> Result<Option<Record>, String> {
    let bytes = directory
        .read(name, MAX_LENGTH)
        .map_err(|error| error.to_string())?;
    let Some(bytes) = bytes else { return Ok(None) };
    let record: Record = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    if record.schema != SCHEMA {
        let found = record.schema;
        return Err(format!("its schema is {found}, {SCHEMA} is known"));
    }
    if file(&record.id) != name {
        return Err(format!("it says that it is {}", record.id));
    }
    Ok(Some(record))
}
