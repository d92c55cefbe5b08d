//! `pruned.json`: which files no document of the catalog names any more, and since when.
//!
//! ```json
//! {"schema": 1, "files": {"images/k3s_1.30.1_x86-64.raw": {"since": "2026-11-26T09:00:00Z", "length": 61890560}}}
//! ```
//!
//! - It is not signed. `prune` deletes nothing on its word alone: what a current document names stays, whatever stands here
//!   ([`Named`]). Publications believe it to refuse other bytes, and to leave out what left ([`gone`](super::gone)). Losing
//!   it, or a part of it, means that files stay, and that nobody knows that they were published.
//! - It can name documents under `metadata/` and images of extensions; never a root, a timestamp, `SHA256SUMS`, or anything
//!   elsewhere.
//! - Every publication adds what leaves with it, whatever the reason, before its timestamp is visible.
//! - Bounded in entries and bytes; the longest gone are kept, since their time comes first.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::{ExtensionName, FileName, RoleName};
use sysext_formats::role::{MetadataVersion, Snapshot, Targets};
use sysext_formats::time::UtcTime;
use sysext_formats::workflow::RemoteFile;

use crate::draft::Draft;
use crate::location::{Location, LocationError, Place, Store};

/// The name of the file, below the base.
pub const FILE: &str = "pruned.json";
/// Days that a file stays after nothing names it any more: hosts may have an older index.
pub const GRACE_DAYS: u64 = 30;

const SCHEMA: u64 = 1;
const MAX_BYTES: u64 = 16 << 20;
const MAX_FILES: usize = 50_000;
/// Characters of a path; more than any that this program writes.
const MAX_PATH: usize = 300;

/// What an index says of a file.
#[derive(Debug, Clone, Copy, Default)]
struct Lying {
    /// Its length, where it is known.
    length: u64,
    /// Whether it has URLs of its own.
    elsewhere: bool,
}

/// Files that a publication leaves behind.
#[derive(Debug, Clone)]
pub struct Departed {
    /// Paths below the base.
    files: BTreeMap<String, Lying>,
    /// When.
    since: UtcTime,
}

impl Departed {
    /// What leaves with a draft: entries of indexes with their transports, and documents that get a next version. Roots
    /// never leave.
    #[must_use]
    pub fn of(draft: &Draft, now: UtcTime) -> Self {
        let (before, after) = (&draft.before, &draft.catalog);
        let mut files = BTreeMap::new();
        for name in &draft.touched.indexes {
            files.extend(before.indexes.get(name).map(files_of).unwrap_or_default());
        }
        for index in after.indexes.values() {
            for path in files_of(index).keys() {
                files.remove(path);
            }
        }
        let mut document = |file: RemoteFile| {
            files.insert(Place::Metadata(file).to_string(), Lying::default());
        };
        let old = &before.snapshot;
        if old.version < after.snapshot.version {
            document(RemoteFile::Snapshot(Some(old.version)));
        }
        let listed = |role: &str| old.role(role).map(|listed| listed.version);
        if let Some(version) = listed("targets").filter(|it| *it < after.targets.version) {
            document(RemoteFile::Targets(None, Some(version)));
        }
        let indexes = draft.touched.indexes.iter();
        let indexes = indexes.map(|name| (RoleName::from(name), after.indexes.get(name)));
        let groups = draft.touched.groups.iter();
        let groups = groups.map(|role| (role.clone(), after.groups.get(role)));
        for (role, new) in indexes.chain(groups) {
            let version = listed(role.as_str());
            if let Some(version) = version.filter(|old| new.is_some_and(|new| *old < new.version)) {
                document(RemoteFile::Targets(Some(role), Some(version)));
            }
        }
        Self { files, since: now }
    }
}

/// A file that left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Since when nothing names it.
    pub since: UtcTime,
    /// Its length, where it is an image or a transport.
    #[serde(default)]
    pub length: u64,
    /// Whether it had URLs of its own: then it never was here, and is noted so that nobody puts it back by mistake.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub elsewhere: bool,
}

/// The content of `pruned.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    schema: u64,
    files: BTreeMap<String, Left>,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            schema: SCHEMA,
            files: BTreeMap::new(),
        }
    }
}

/// A record that can not be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The host failed.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// It is not one.
    #[error("{0}")]
    Malformed(String),
}

impl Record {
    /// Reads the one at a location; `None` where there is none.
    ///
    /// # Errors
    /// When the host fails, or what is there is no record.
    pub fn read(store: &dyn Location) -> Result<Option<Self>, RecordError> {
        let malformed = |why: &dyn std::fmt::Display| RecordError::Malformed(why.to_string());
        let bytes = match store.read(&Place::Pruned, MAX_BYTES) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(None),
            Err(error) if error.is_too_long() => return Err(malformed(&error)),
            Err(error) => return Err(error.into()),
        };
        let record: Self = serde_json::from_slice(&bytes).map_err(|error| malformed(&error))?;
        if record.schema != SCHEMA {
            return Err(malformed(&format_args!(
                "its schema is {}, and this program knows {SCHEMA}",
                record.schema
            )));
        }
        Ok(Some(record))
    }

    /// Writes it in place of the one that is there.
    ///
    /// # Errors
    /// When the host fails.
    pub fn write(&self, store: &dyn Store) -> Result<(), LocationError> {
        let stream = |error: serde_json::Error| LocationError::Stream {
            file: FILE.to_owned(),
            source: error.into(),
        };
        let mut bytes = serde_json::to_vec_pretty(self).map_err(stream)?;
        bytes.push(b'\n');
        store.put(&Place::Pruned, &bytes)
    }

    /// Adds what left; a file that left before, came back and leaves again, counts from now on.
    fn add(&mut self, departed: &Departed) {
        let paths = departed.files.iter();
        for (path, lying) in paths.filter(|(path, _)| place(path).is_some()) {
            let left = Left {
                since: departed.since,
                length: lying.length,
                elsewhere: lying.elsewhere,
            };
            self.files.insert(path.clone(), left);
        }
        if self.files.len() > MAX_FILES {
            let mut files: Vec<_> = std::mem::take(&mut self.files).into_iter().collect();
            files.sort_by_key(|(_, left)| left.since);
            files.truncate(MAX_FILES);
            self.files = files.into_iter().collect();
        }
    }

    /// The files whose time is over, as places that may be deleted where nothing names them. Paths that this program
    /// does not write are none.
    pub fn due(&self, now: UtcTime) -> impl Iterator<Item = (&str, Place, Left)> {
        let grace = Duration::from_secs(GRACE_DAYS * 86_400);
        let files = self.files.iter();
        files
            .filter(move |(_, left)| left.since.plus(grace) <= now)
            .filter_map(|(path, left)| Some((path.as_str(), place(path)?, *left)))
    }

    /// All files that it names and this program writes.
    pub fn places(&self) -> impl Iterator<Item = (Place, Left)> {
        let files = self.files.iter();
        files.filter_map(|(path, left)| Some((place(path)?, *left)))
    }

    /// Forgets a file.
    pub fn forget(&mut self, path: &str) {
        self.files.remove(path);
    }

    /// How many files it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

/// Notes what left. A record that can not be read is begun again: what stood in it stays for ever.
///
/// # Errors
/// When the host fails.
pub fn note(store: &dyn Store, departed: &Departed) -> Result<(), LocationError> {
    if departed.files.is_empty() {
        return Ok(());
    }
    let mut record = match Record::read(store) {
        Ok(record) => record.unwrap_or_default(),
        Err(RecordError::Malformed(_)) => Record::default(),
        Err(RecordError::Location(error)) => return Err(error),
    };
    record.add(departed);
    record.write(store)
}

/// What the current documents name: none of it is ever deleted.
#[derive(Debug)]
pub struct Named {
    snapshot: Snapshot,
    paths: BTreeSet<String>,
    /// Extensions whose index can not be read.
    unread: BTreeSet<ExtensionName>,
}

impl Named {
    /// By this snapshot, which names documents.
    #[must_use]
    pub fn by(snapshot: Snapshot) -> Self {
        Self {
            snapshot,
            paths: BTreeSet::new(),
            unread: BTreeSet::new(),
        }
    }

    /// And by this index.
    pub fn add(&mut self, index: &Targets) {
        self.paths.extend(files_of(index).into_keys());
    }

    /// And by an index that can not be read: every file of its extension.
    pub fn add_unread(&mut self, name: ExtensionName) {
        self.unread.insert(name);
    }

    /// Whether a file must stay. Of documents those that are newer than what is current stay, too: somebody may be about
    /// to publish them.
    #[must_use]
    pub fn names(&self, place: &Place) -> bool {
        let is_current = |role: &str, version: &Option<MetadataVersion>| {
            let listed = self.snapshot.role(role).map(|listed| listed.version);
            listed.is_some_and(|listed| version.is_none_or(|it| it >= listed))
        };
        match place {
            Place::Metadata(RemoteFile::Snapshot(version)) => {
                version.is_none_or(|it| it >= self.snapshot.version)
            }
            Place::Metadata(RemoteFile::Targets(role, version)) => {
                is_current(role.as_ref().map_or("targets", |it| it.as_str()), version)
            }
            Place::Image(name) | Place::HashedImage(_, name) => {
                let extension = name.extension();
                extension.is_none_or(|it| self.unread.contains(&it))
                    || self.paths.contains(&place.to_string())
            }
            _ => true,
        }
    }
}

/// The files that an index names. It is read without judging: what hosts would ignore is named, too.
fn files_of(index: &Targets) -> BTreeMap<String, Lying> {
    let has_urls = |said: &serde_json::Value| {
        let urls = said.get("urls").and_then(serde_json::Value::as_array);
        urls.is_some_and(|urls| !urls.is_empty())
    };
    let mut files = BTreeMap::new();
    for (path, target) in &index.targets {
        let Ok(file) = path.file_name() else {
            continue;
        };
        let custom = target.custom.as_ref();
        let said = custom.and_then(|custom| custom.get("sysext"));
        let elsewhere = said.is_some_and(has_urls);
        if let Some(digest) = target.hashes.sha256() {
            // Another name of the same file.
            let length = 0;
            let second = Place::HashedImage(digest, file.clone()).to_string();
            files.insert(second, Lying { length, elsewhere });
        }
        let length = target.length;
        files.insert(Place::Image(file).to_string(), Lying { length, elsewhere });
        let transports = said.and_then(|said| said.get("transports")?.as_array());
        for transport in transports.into_iter().flatten() {
            let name = transport.get("file").and_then(|file| file.as_str());
            if let Some(Ok(file)) = name.map(str::parse) {
                let length = transport.get("length").and_then(serde_json::Value::as_u64);
                let lying = Lying {
                    length: length.unwrap_or_default(),
                    elsewhere: has_urls(transport),
                };
                files.insert(Place::Image(file).to_string(), lying);
            }
        }
    }
    files
}

/// Whether a path is the second name of an image, under which stock TUF clients look it up.
#[must_use]
pub fn is_second_name(path: &str) -> bool {
    matches!(place(path), Some(Place::HashedImage(..)))
}

/// What a path of the record is; `None` for everything that is never deleted.
fn place(path: &str) -> Option<Place> {
    let (folder, name) = path.split_once('/').filter(|_| path.len() <= MAX_PATH)?;
    let place = match folder {
        "images" => image(name)?,
        "metadata" => {
            let (version, rest) = name.split_once('.')?;
            let version = MetadataVersion::new(version.parse().ok()?);
            Place::Metadata(match rest.strip_suffix(".json")? {
                "snapshot" => RemoteFile::Snapshot(version),
                "targets" => RemoteFile::Targets(None, version),
                // Neither a root nor a timestamp is the name of a role.
                role => RemoteFile::Targets(Some(role.parse().ok()?), version),
            })
        }
        _ => return None,
    };
    // Only as this program writes it: no leading zero, no other spelling.
    (place.to_string() == path).then_some(place)
}

fn image(name: &str) -> Option<Place> {
    let hashed = name.split_once('.').and_then(|(digest, name)| {
        let digest: Sha256Digest = digest.parse().ok()?;
        Some(Place::HashedImage(digest, name.parse().ok()?))
    });
    let place = match hashed {
        Some(place) => place,
        None => Place::Image(name.parse().ok()?),
    };
    let (Place::Image(name) | Place::HashedImage(_, name)) = &place else {
        return None;
    };
    is_of_an_extension(name).then_some(place)
}

/// `SHA256SUMS` and what else may lie there are not.
fn is_of_an_extension(name: &FileName) -> bool {
    name.extension().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn departed(since: i64, files: impl IntoIterator<Item = String>) -> Departed {
        Departed {
            files: files
                .into_iter()
                .map(|path| (path, Lying::default()))
                .collect(),
            since: UtcTime::from_unix(since),
        }
    }

    #[test]
    fn only_images_and_documents_can_be_named() {
        let hashed = format!("images/{}.hello_1_noarch.raw", Sha256Digest::of(b""));
        for good in [
            "images/hello_1_noarch.raw",
            "images/hello_1_noarch.raw.zst",
            &hashed,
            "metadata/3.snapshot.json",
            "metadata/3.targets.json",
            "metadata/12.hello.json",
            "metadata/1._k.json",
        ] {
            assert_eq!(place(good).unwrap().to_string(), good);
        }
        for bad in [
            "images/SHA256SUMS",
            "images/SHA256SUMS.sha256.asc",
            "images/index.html",
            "images/../catalog.toml",
            "images/a/hello_1.raw",
            "metadata/1.root.json",
            "metadata/timestamp.json",
            "metadata/1.timestamp.json",
            "metadata/01.hello.json",
            "metadata/0.hello.json",
            "metadata/1.../hello.json",
            "metadata/hello.json",
            "catalog.toml",
            "pruned.json",
            "/etc/passwd",
            "",
        ] {
            assert_eq!(place(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_left_again_counts_anew_and_the_longest_gone_are_kept() {
        let mut record = Record::default();
        let path = "images/hello_1_noarch.raw".to_owned();
        record.add(&departed(0, [path.clone()]));
        let day = |days: i64| UtcTime::from_unix(days * 86_400);
        assert_eq!(record.due(day(29)).count(), 0);
        assert_eq!(record.due(day(30)).count(), 1);
        record.add(&departed(86_400, [path]));
        assert_eq!(record.due(day(30)).count(), 0);
        let many = (0..MAX_FILES).map(|number| format!("metadata/{}.hello.json", number + 1));
        record.add(&departed(100 * 86_400, many));
        assert_eq!(record.len(), MAX_FILES);
        assert_eq!(record.due(day(31)).count(), 1, "the oldest one is there");
    }
}
