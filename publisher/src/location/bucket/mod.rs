//! An object store that speaks S3: Amazon's, R2, Ceph, Garage, SeaweedFS and others.
//!
//! - Every object appears whole. Images wait on this machine until they are published; what a run that was killed has
//!   brought already is not sent again.
//! - One publisher writes at a time ([`lease`]), and the compare-and-swap of `timestamp.json` decides. Numbered documents
//!   and images are made anew, or put in place of exactly the object that was looked at.
//! - A store that ignores conditions is found out, and refused unless the address says `single-writer`; then what was
//!   written is read back, which notices a second writer afterwards.
//! - Credentials, region and endpoint come from the environment (`AWS_…`), as for other programs.
//!
//! Feature `s3`; the crate object_store is named in this folder only.

mod address;
mod arriving;
mod lease;
mod object;
mod requests;
#[cfg(test)]
mod tests;

use std::io::Read;

use object_store::path::Path;
use sysext_formats::digest::Sha256Digest;
use sysext_formats::limits::Limits;
use sysext_formats::name::FileName;
use sysext_formats::workflow::RemoteFile;

pub(super) use self::address::Address;
use self::address::Writers;
use self::arriving::{Arriving, Parts};
use self::lease::{Lease, Turn};
use self::object::{Labels, When, Written};
use self::requests::Requests;
use super::{Exclusive, Incoming, Location, LocationError, Place, Store, Swap};

const LEASE: &str = ".sysext-publish.lease";
/// Bytes of a document that is compared with what is to be in its place.
const MAX_DOCUMENT: u64 = 16 << 20;

/// A catalog in an object store.
#[derive(Debug)]
pub(super) struct Bucket {
    name: String,
    prefix: String,
    requests: Requests,
    turn: Turn,
}

impl Bucket {
    /// The catalog at `address`, in the store that the environment names.
    pub(super) fn open(address: &Address) -> Result<Self, LocationError> {
        Ok(Self::over(address, Requests::of_environment(address)?))
    }

    fn over(address: &Address, requests: Requests) -> Self {
        Self {
            name: address.name(),
            prefix: address.prefix.clone(),
            requests,
            turn: Turn::new(address.writers),
        }
    }

    fn key(&self, place: &Place) -> Path {
        self.key_of(&place.to_string())
    }

    /// Names in places and the prefix are such that they mean the same in a key.
    fn key_of(&self, name: &str) -> Path {
        Path::from_iter(self.prefix.split('/').chain(name.split('/')))
    }

    fn meanwhile(&self, key: &Path) -> LocationError {
        LocationError::Meanwhile(self.requests.url(key))
    }

    /// Writes in place of exactly what was looked at, or anew where there is nothing.
    fn put_numbered(&self, key: &Path, bytes: &[u8], labels: &Labels) -> Result<(), LocationError> {
        if self.turn.writers() == Writers::One {
            return self.put_always(key, bytes, labels);
        }
        let put = |when: &When| self.requests.put(key, bytes.to_vec(), when, labels);
        if let Written::Done(_) = put(&When::Absent)? {
            return Ok(());
        }
        let there = self.requests.get(key, MAX_DOCUMENT)?;
        let when = match there {
            Some((there, _)) if there == bytes => return Ok(()),
            Some((_, about)) => When::Same(about.tag),
            None => When::Absent,
        };
        // A run that failed has left it, and nothing leads there. Whoever lost the lease may not say so.
        match self.turn.is_ours() {
            true if put(&when)? != Written::Refused => Ok(()),
            _ => Err(self.meanwhile(key)),
        }
    }

    fn put_always(&self, key: &Path, bytes: &[u8], labels: &Labels) -> Result<(), LocationError> {
        let written = self
            .requests
            .put(key, bytes.to_vec(), &When::Always, labels)?;
        match written {
            Written::Done(_) => Ok(()),
            Written::Refused => Err(self.meanwhile(key)),
        }
    }

    /// Whether the object has these bytes now.
    fn has(&self, key: &Path, bytes: &[u8]) -> Result<bool, LocationError> {
        let there = self.requests.get(key, MAX_DOCUMENT)?;
        Ok(there.is_some_and(|(there, _)| there == bytes))
    }
}

impl Location for Bucket {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn read(&self, place: &Place, limit: u64) -> Result<Option<Vec<u8>>, LocationError> {
        let object = self.requests.get(&self.key(place), limit)?;
        Ok(object.map(|(bytes, _)| bytes))
    }

    fn open(&self, place: &Place) -> Result<Option<Box<dyn Read + Send>>, LocationError> {
        let key = self.key(place);
        let about = self.requests.look(&key)?;
        Ok(about.map(|about| {
            let parts = Parts::new(self.requests.clone(), key, about);
            Box::new(parts) as Box<dyn Read + Send>
        }))
    }
}

impl Store for Bucket {
    fn incoming(&self, place: &Place) -> Result<Box<dyn Incoming>, LocationError> {
        let (requests, turn) = (self.requests.clone(), self.turn.clone());
        let arriving = Arriving::new(requests, turn, self.key(place), Labels::of(place))?;
        Ok(Box::new(arriving))
    }

    fn exclusive(&self) -> Result<Option<Exclusive>, LocationError> {
        let Writers::Many { lease } = self.turn.writers() else {
            return Ok(None);
        };
        let lease = Lease::take(&self.requests, self.key_of(LEASE), lease)?;
        self.turn.begin(&lease);
        Ok(Some(Exclusive::holding(lease)))
    }

    fn put_new(&self, place: &Place, bytes: &[u8]) -> Result<bool, LocationError> {
        let (key, labels) = (self.key(place), Labels::of(place));
        if self.turn.writers() == Writers::One {
            if self.requests.look(&key)?.is_some() {
                return Ok(false);
            }
            self.put_always(&key, bytes, &labels)?;
            return Ok(true);
        }
        let put = self
            .requests
            .put(&key, bytes.to_vec(), &When::Absent, &labels)?;
        Ok(put != Written::Refused)
    }

    fn put(&self, place: &Place, bytes: &[u8]) -> Result<(), LocationError> {
        let (key, labels) = (self.key(place), Labels::of(place));
        match place {
            Place::Metadata(_) => self.put_numbered(&key, bytes, &labels),
            _ => self.put_always(&key, bytes, &labels),
        }
    }

    fn remove(&self, place: &Place) -> Result<(), LocationError> {
        self.requests.delete(&self.key(place))
    }

    fn link_hashed(&self, digest: Sha256Digest, name: &FileName) -> Result<(), LocationError> {
        let from = Place::Image(name.clone());
        let to = Place::HashedImage(digest, name.clone());
        let mut labels = Labels::of(&to);
        labels.sha256 = Some(digest);
        self.requests
            .copy(&self.key(&from), &self.key(&to), &labels)
    }

    fn swap_timestamp(
        &self,
        expected: Option<Sha256Digest>,
        bytes: &[u8],
    ) -> Result<Swap, LocationError> {
        let place = Place::Metadata(RemoteFile::Timestamp);
        let (key, labels) = (self.key(&place), Labels::of(&place));
        let there = self.requests.get(&key, Limits::default().timestamp)?;
        let current = there.as_ref().map(|(bytes, _)| Sha256Digest::of(bytes));
        if current != expected || !self.turn.is_ours() {
            return Ok(Swap::Lost);
        }
        let when = match (self.turn.writers(), there) {
            (Writers::One, _) => When::Always,
            (_, Some((_, about))) => When::Same(about.tag),
            (_, None) => When::Absent,
        };
        match self.requests.put(&key, bytes.to_vec(), &when, &labels) {
            // Without conditions a second writer shows afterwards only.
            Ok(Written::Done(_)) if self.turn.writers() != Writers::One => Ok(Swap::Done),
            // Refused, or without an answer: it may have been carried out all the same.
            Ok(_) | Err(_) if self.has(&key, bytes)? => Ok(Swap::Done),
            Ok(_) => Ok(Swap::Lost),
            Err(error) => Err(error),
        }
    }
}
