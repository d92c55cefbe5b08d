//! What each mirror calls the stored timestamp, so that it need not send it again.
//!
//! - It is bound to the bytes that came: where another timestamp is stored meanwhile, it says nothing.
//! - It is good for [`WHOLE_EACH`] after the timestamp came whole from that mirror, and not past its expiry: whoever made
//!   a server call the old one unchanged, with a tag that never changes or one answer on the way, keeps a host back no
//!   longer than that.
//! - A mirror is known by the digest of its URL, without a password: everybody may read this file.
//! - Nothing depends on it. What is missing or damaged costs the next refresh one whole document.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sysext_durable::Error;
use sysext_formats::digest::Sha256Digest;
use sysext_formats::time::UtcTime;
use sysext_formats::workflow::CachedFile;
use url::Url;

use super::{MetadataStore, limit, readable};
use crate::fetch::Validator;

const FILE: &str = "timestamps.toml";
/// How long a mirror need not send a timestamp again: shorter than the pause of a timer that runs daily with a random
/// delay, so that such a host always gets it whole.
pub const WHOLE_EACH: Duration = Duration::from_secs(12 * 60 * 60);
/// Bytes of it: some hundred for a mirror.
const MAX_LENGTH: u64 = 64 << 10;

/// By the mirror.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct Timestamps(BTreeMap<Sha256Digest, Entry>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    /// What the mirror calls it.
    validator: Validator,
    /// The digest of what came from there under that name.
    timestamp: Sha256Digest,
    /// When it came, by this host's clock.
    came: UtcTime,
    /// When it expires.
    expires: UtcTime,
}

/// A timestamp that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CameWhole {
    /// The digest of its bytes.
    pub sha256: Sha256Digest,
    /// When it came, by this host's clock.
    pub at: UtcTime,
    /// When it expires.
    pub expires: UtcTime,
}

impl MetadataStore {
    /// The stored timestamp with what `mirror` calls it, where it came from there, not long before `now`.
    ///
    /// # Errors
    /// When the store can not be read.
    pub fn known_timestamp(
        &self,
        mirror: &Url,
        now: UtcTime,
    ) -> Result<Option<(Validator, Vec<u8>)>, Error> {
        let mut known: Timestamps = self.remembered(FILE, MAX_LENGTH)?;
        let entry = known.0.remove(&key(mirror));
        let Some(entry) = entry.filter(|entry| entry.is_recent(now)) else {
            return Ok(None);
        };
        let file = CachedFile::Timestamp;
        let stored = readable(&self.dir, &file.storage_name(), limit(&file))?;
        let stored = stored.filter(|bytes| Sha256Digest::of(bytes) == entry.timestamp);
        Ok(stored.map(|bytes| (entry.validator, bytes)))
    }

    /// Remembers what `mirror` calls the accepted timestamp. Of `mirrors`, those keep theirs that have named the same;
    /// the others' are forgotten.
    ///
    /// # Errors
    /// When it can not be written.
    pub fn remember_timestamp(
        &self,
        mirrors: &[Url],
        mirror: &Url,
        validator: Option<Validator>,
        timestamp: CameWhole,
    ) -> Result<(), Error> {
        let mut known: Timestamps = self.remembered(FILE, MAX_LENGTH)?;
        let mirrors: Vec<_> = mirrors.iter().map(key).collect();
        known
            .0
            .retain(|key, entry| mirrors.contains(key) && entry.timestamp == timestamp.sha256);
        match validator {
            Some(validator) => known.0.insert(
                key(mirror),
                Entry {
                    validator,
                    timestamp: timestamp.sha256,
                    came: timestamp.at,
                    expires: timestamp.expires,
                },
            ),
            None => known.0.remove(&key(mirror)),
        };
        self.remember(FILE, MAX_LENGTH, &known)
    }

    /// Forgets what `mirror` calls it: the next one comes whole.
    ///
    /// # Errors
    /// When it can not be written.
    pub fn forget_timestamp(&self, mirror: &Url) -> Result<(), Error> {
        let mut known: Timestamps = self.remembered(FILE, MAX_LENGTH)?;
        known.0.remove(&key(mirror));
        self.remember(FILE, MAX_LENGTH, &known)
    }
}

impl Entry {
    /// Whether it came within the time before `now`, and has not expired. What came in the future is old: a clock was wrong,
    /// and nobody knows for how long.
    fn is_recent(&self, now: UtcTime) -> bool {
        self.came <= now && now.since(self.came) <= WHOLE_EACH && now < self.expires
    }
}

fn key(mirror: &Url) -> Sha256Digest {
    let mut url = mirror.clone();
    // A URL that can have neither has neither.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Sha256Digest::of(url.as_str().as_bytes())
}
