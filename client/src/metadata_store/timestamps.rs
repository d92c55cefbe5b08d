//! What each mirror calls the stored timestamp, so that it need not send it again.
//!
//! - It is bound to the bytes that came: where another timestamp is stored meanwhile, it says nothing.
//! - A mirror is known by the digest of its URL, without a password: everybody may read this file.
//! - Nothing depends on it. What is missing or damaged costs the next refresh one whole document.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sysext_durable::Error;
use sysext_formats::digest::Sha256Digest;
use sysext_formats::workflow::CachedFile;
use url::Url;

use super::{MetadataStore, limit, readable};
use crate::fetch::Validator;

const FILE: &str = "validators.toml";
/// Bytes of it: some hundred for a mirror.
const MAX_LENGTH: u64 = 64 << 10;

/// By the mirror.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct Validators(BTreeMap<Sha256Digest, Entry>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    /// What the mirror calls it.
    validator: Validator,
    /// The digest of what came from there under that name.
    timestamp: Sha256Digest,
}

impl MetadataStore {
    /// The stored timestamp with what `mirror` calls it, where it came from there.
    ///
    /// # Errors
    /// When the store can not be read.
    pub fn known_timestamp(&self, mirror: &Url) -> Result<Option<(Validator, Vec<u8>)>, Error> {
        let mut known: Validators = self.remembered(FILE, MAX_LENGTH)?;
        let Some(entry) = known.0.remove(&key(mirror)) else {
            return Ok(None);
        };
        let file = CachedFile::Timestamp;
        let stored = readable(&self.dir, &file.storage_name(), limit(&file))?;
        let stored = stored.filter(|bytes| Sha256Digest::of(bytes) == entry.timestamp);
        Ok(stored.map(|bytes| (entry.validator, bytes)))
    }

    /// Remembers what `mirror` calls the accepted timestamp whose digest is `timestamp`. Of `mirrors`, those keep theirs
    /// that have named the same; the others' are forgotten.
    ///
    /// # Errors
    /// When it can not be written.
    pub fn remember_timestamp(
        &self,
        mirrors: &[Url],
        mirror: &Url,
        validator: Option<Validator>,
        timestamp: Sha256Digest,
    ) -> Result<(), Error> {
        let mut known: Validators = self.remembered(FILE, MAX_LENGTH)?;
        let mirrors: Vec<_> = mirrors.iter().map(key).collect();
        known
            .0
            .retain(|key, entry| mirrors.contains(key) && entry.timestamp == timestamp);
        match validator {
            Some(validator) => known.0.insert(
                key(mirror),
                Entry {
                    validator,
                    timestamp,
                },
            ),
            None => known.0.remove(&key(mirror)),
        };
        self.remember(FILE, MAX_LENGTH, &known)
    }
}

fn key(mirror: &Url) -> Sha256Digest {
    let mut url = mirror.clone();
    // A URL that can have neither has neither.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Sha256Digest::of(url.as_str().as_bytes())
}
