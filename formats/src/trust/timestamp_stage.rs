//! 5.4: which snapshot is current.

use super::{Clock, SnapshotStage, TrustError};
use crate::role::{MetadataVersion, Root, Timestamp};
use crate::verify::{Verified, verify};

/// The root is settled; the timestamp is next.
#[derive(Debug)]
pub struct TimestampStage {
    root: Verified<Root>,
    clock: Clock,
    cached: Option<Verified<Timestamp>>,
}

/// What a received timestamp was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampNews {
    /// Newer than the cached one: to be stored.
    Newer,
    /// The version that is cached already: the cached one stays.
    Same,
}

impl TimestampStage {
    pub(super) fn new(root: Verified<Root>, clock: Clock) -> Self {
        Self {
            root,
            clock,
            cached: None,
        }
    }

    /// Takes the cached timestamp, which protects against rollback even when it has expired.
    ///
    /// # Errors
    /// When the current root does not vouch for it; it is then as good as none.
    pub fn load_cached(&mut self, bytes: &[u8]) -> Result<(), TrustError> {
        self.cached = Some(verify(bytes, &self.root.timestamp_authority())?);
        Ok(())
    }

    /// Takes the received timestamp.
    ///
    /// # Errors
    /// When it is not signed (5.4.2), rolled back (5.4.3), or expired (5.4.4).
    pub fn update(mut self, bytes: &[u8]) -> Result<(SnapshotStage, TimestampNews), TrustError> {
        let received = verify::<Timestamp>(bytes, &self.root.timestamp_authority())?;
        let (timestamp, news) = match self.cached.take() {
            // 5.4.3: the same version again is no news, and no error.
            Some(cached) if received.version == cached.version => (cached, TimestampNews::Same),
            Some(cached) => {
                not_older("timestamp", cached.version, received.version)?;
                not_older(
                    "snapshot",
                    cached.meta.snapshot.version,
                    received.meta.snapshot.version,
                )?;
                (received, TimestampNews::Newer)
            }
            None => (received, TimestampNews::Newer),
        };
        Ok((self.settle(timestamp)?, news))
    }

    /// Goes on with the cached timestamp, without a network; `None` when there is none.
    ///
    /// # Errors
    /// When it has expired.
    pub fn offline(mut self) -> Result<Option<SnapshotStage>, TrustError> {
        self.cached
            .take()
            .map(|timestamp| self.settle(timestamp))
            .transpose()
    }

    fn settle(self, timestamp: Verified<Timestamp>) -> Result<SnapshotStage, TrustError> {
        self.clock.check("timestamp", &*timestamp)?;
        Ok(SnapshotStage::new(self.root, timestamp, self.clock))
    }
}

pub(super) fn not_older(
    role: &str,
    trusted: MetadataVersion,
    found: MetadataVersion,
) -> Result<(), TrustError> {
    if found < trusted {
        return Err(TrustError::Rollback {
            role: role.to_owned(),
            trusted,
            found,
        });
    }
    Ok(())
}
