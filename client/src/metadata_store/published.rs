//! What is trusted, as a catalog publishes it: for a mirror.

use std::collections::BTreeMap;

use serde::Deserialize;
use sysext_durable::Error;
use sysext_formats::name::RoleName;
use sysext_formats::role::MetadataVersion;
use sysext_formats::workflow::{CachedFile, RemoteFile};

use super::{MetadataStore, ROOTS, limit, readable};

/// A document with its name in `metadata/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// As in a URL, percent-encoded.
    pub name: String,
    /// As they were signed.
    pub bytes: Vec<u8>,
}

/// Why a catalog can not be published again.
#[derive(Debug, thiserror::Error)]
pub enum PublishedError {
    /// The store can not be read.
    #[error(transparent)]
    Store(#[from] Error),
    /// A document is not there, or is none any more.
    #[error("its {0} is not in the store")]
    Missing(String),
    /// Names without versions would be replaced under the eyes of readers.
    #[error(
        "its root does not ask for consistent snapshots, so it can not be copied while others read it"
    )]
    NotConsistent,
}

#[derive(Deserialize)]
struct Document {
    signed: Head,
}

/// What of a document decides on names; all else was verified when it came.
#[derive(Deserialize)]
struct Head {
    version: MetadataVersion,
    #[serde(default)]
    consistent_snapshot: bool,
    #[serde(default)]
    meta: BTreeMap<String, Listed>,
}

#[derive(Deserialize)]
struct Listed {
    version: MetadataVersion,
}

impl MetadataStore {
    /// Every document of the newest trusted state that is here, in the order in which a reader may find them:
    /// `timestamp.json` comes last, and nothing it leads to is missing then.
    ///
    /// # Errors
    /// When a top role is not there, or the store can not be read.
    pub fn published(&self) -> Result<Vec<Published>, PublishedError> {
        let mut published = Vec::new();
        let newest = self.anchored.clone();
        let newest = newest.ok_or_else(|| PublishedError::Missing("root.json".to_owned()))?;
        let Some(head) = head(&newest).filter(|head| head.consistent_snapshot) else {
            return Err(PublishedError::NotConsistent);
        };
        if let Some(roots) = self.dir.existing_subdir(ROOTS)? {
            let names = roots.entries()?.into_iter().filter_map(|entry| {
                let number: u64 = entry.name.strip_suffix(".root.json")?.parse().ok()?;
                (number <= head.version.get()).then_some((number, entry.name))
            });
            for (_, name) in names.collect::<BTreeMap<_, _>>() {
                if let Some(bytes) = readable(&roots, &name, limit(&CachedFile::Root))? {
                    published.push(Published { name, bytes });
                }
            }
        }
        let snapshot = self.document(&CachedFile::Snapshot)?;
        let missing = |what: &str| PublishedError::Missing(what.to_owned());
        let snapshot = snapshot.ok_or_else(|| missing("snapshot.json"))?;
        let snapshot_head = self::head(&snapshot).ok_or_else(|| missing("snapshot.json"))?;
        let mut has_targets = false;
        for (listed, Listed { version }) in &snapshot_head.meta {
            let role = listed.strip_suffix(".json").unwrap_or(listed);
            let role = match role {
                "targets" => None,
                role => match role.parse::<RoleName>() {
                    Ok(role) => Some(role),
                    Err(_) => continue,
                },
            };
            // An index that nobody asked for is not here, or is an older one.
            let Some(bytes) = self.document(&CachedFile::Targets(role.clone()))? else {
                continue;
            };
            if self::head(&bytes).is_some_and(|head| head.version == *version) {
                has_targets |= role.is_none();
                let name = RemoteFile::Targets(role, Some(*version)).url_name();
                published.push(Published { name, bytes });
            }
        }
        if !has_targets {
            return Err(missing("targets.json"));
        }
        published.push(Published {
            name: RemoteFile::Snapshot(Some(snapshot_head.version)).url_name(),
            bytes: snapshot,
        });
        let timestamp = self.document(&CachedFile::Timestamp)?;
        published.push(Published {
            name: RemoteFile::Timestamp.url_name(),
            bytes: timestamp.ok_or_else(|| missing("timestamp.json"))?,
        });
        Ok(published)
    }

    fn document(&self, file: &CachedFile) -> Result<Option<Vec<u8>>, Error> {
        readable(&self.dir, &file.storage_name(), limit(file))
    }
}

fn head(bytes: &[u8]) -> Option<Head> {
    let document: Document = serde_json::from_slice(bytes).ok()?;
    Some(document.signed)
}
