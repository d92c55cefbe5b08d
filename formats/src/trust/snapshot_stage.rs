//! 5.5: which versions of all targets documents belong together.

use super::timestamp_stage::not_older;
use super::{Clock, TargetsStage, TrustError};
use crate::role::{MetaFile, Root, Snapshot, Timestamp};
use crate::verify::{Verified, verify};

/// Root and timestamp are settled; the snapshot is next.
#[derive(Debug)]
pub struct SnapshotStage {
    root: Verified<Root>,
    timestamp: Verified<Timestamp>,
    clock: Clock,
    cached: Option<Cached>,
}

#[derive(Debug)]
struct Cached {
    snapshot: Verified<Snapshot>,
    /// Whether it is byte for byte the one that the timestamp names.
    current: bool,
}

impl SnapshotStage {
    pub(super) fn new(root: Verified<Root>, timestamp: Verified<Timestamp>, clock: Clock) -> Self {
        Self {
            root,
            timestamp,
            clock,
            cached: None,
        }
    }

    /// The settled root.
    #[must_use]
    pub fn root(&self) -> &Verified<Root> {
        &self.root
    }

    /// The settled timestamp.
    #[must_use]
    pub fn timestamp(&self) -> &Verified<Timestamp> {
        &self.timestamp
    }

    /// What the timestamp says about the snapshot to get.
    #[must_use]
    pub fn wanted(&self) -> &MetaFile {
        &self.timestamp.meta.snapshot
    }

    /// Takes the cached snapshot. An outdated or expired one still protects against rollback; the answer is whether it
    /// is the current one, so that none needs to be fetched.
    ///
    /// # Errors
    /// When the current root does not vouch for it; it is then as good as none.
    pub fn load_cached(&mut self, bytes: &[u8]) -> Result<bool, TrustError> {
        let snapshot = verify::<Snapshot>(bytes, &self.root.snapshot_authority())?;
        let wanted = self.wanted();
        let current = snapshot.version == wanted.version && wanted.check(bytes).is_ok();
        self.cached = Some(Cached { snapshot, current });
        Ok(current)
    }

    /// Takes the received snapshot.
    ///
    /// # Errors
    /// When its bytes are not the promised ones (5.5.2), it is not signed (5.5.3), has another version than promised
    /// (5.5.4), rolls a role back or drops one (5.5.5), or has expired (5.5.6).
    pub fn update(self, bytes: &[u8]) -> Result<TargetsStage, TrustError> {
        let wanted = self.wanted();
        let role = || "snapshot".to_owned();
        wanted.check(bytes).map_err(|source| TrustError::Content {
            role: role(),
            source,
        })?;
        let received = verify::<Snapshot>(bytes, &self.root.snapshot_authority())?;
        if received.version != wanted.version {
            return Err(TrustError::Version {
                role: role(),
                expected: wanted.version,
                found: received.version,
            });
        }
        for (file, trusted) in self.cached.iter().flat_map(|cached| &cached.snapshot.meta) {
            let role = file.strip_suffix(".json").unwrap_or(file);
            match received.meta.get(file) {
                Some(found) => not_older(role, trusted.version, found.version)?,
                None => {
                    return Err(TrustError::Dropped {
                        role: role.to_owned(),
                        trusted: trusted.version,
                    });
                }
            }
        }
        self.settle(received)
    }

    /// Goes on with the cached snapshot, where it is the current one; `None` otherwise.
    ///
    /// # Errors
    /// When it has expired.
    pub fn keep_cached(mut self) -> Result<Option<TargetsStage>, TrustError> {
        match self.cached.take() {
            Some(Cached {
                snapshot,
                current: true,
            }) => self.settle(snapshot).map(Some),
            _ => Ok(None),
        }
    }

    fn settle(self, snapshot: Verified<Snapshot>) -> Result<TargetsStage, TrustError> {
        self.clock.check("snapshot", &*snapshot)?;
        Ok(TargetsStage::new(
            self.root,
            self.timestamp,
            snapshot,
            self.clock,
        ))
    }
}
