//! 5.3: from a root the host trusts already to the newest one.

use super::{Clock, TimestampStage, TrustError};
use crate::role::{MetadataVersion, Role as _, Root};
use crate::verify::{Verified, verify, verify_first_root};

/// Walking the roots.
#[derive(Debug)]
pub struct RootStage {
    root: Verified<Root>,
    clock: Clock,
}

impl RootStage {
    /// Starts from a root that the host trusts already. It may be expired (5.3.10 looks at the last one only).
    ///
    /// # Errors
    /// When it is no root, or not signed by its own keys.
    pub fn trust(bytes: &[u8], clock: Clock) -> Result<Self, TrustError> {
        Ok(Self {
            root: verify_first_root(bytes)?,
            clock,
        })
    }

    /// The newest root so far.
    #[must_use]
    pub fn root(&self) -> &Verified<Root> {
        &self.root
    }

    /// The version to ask for next; `None` after the last possible one.
    #[must_use]
    pub fn next_version(&self) -> Option<MetadataVersion> {
        self.root.version.next()
    }

    /// Takes the next root and says whether it rotates the keys of timestamp or snapshot. When it does, the cached
    /// timestamp and snapshot must be removed *before* this root is stored (5.3.11): a crash in between must not leave
    /// a host with the new root and the fast-forwarded files of a thief.
    ///
    /// # Errors
    /// When it is not exactly the next version, or not signed by the old *and* the new keys (5.3.4, 5.3.5).
    pub fn update(&mut self, bytes: &[u8]) -> Result<RootNews, TrustError> {
        let next = verify::<Root>(bytes, &self.root.root_authority())?;
        let expected = self.root.version.next().unwrap_or(self.root.version);
        if next.version() != expected || next.version() == self.root.version {
            return Err(TrustError::Version {
                role: "root".to_owned(),
                expected,
                found: next.version(),
            });
        }
        let news = if next.rotates_freshness_keys(&self.root) {
            RootNews::FreshnessKeysRotated
        } else {
            RootNews::Plain
        };
        self.root = next;
        Ok(news)
    }

    /// Ends the walk.
    ///
    /// # Errors
    /// When the last root has expired.
    pub fn finish(self) -> Result<TimestampStage, TrustError> {
        self.clock.check("root", &*self.root)?;
        Ok(TimestampStage::new(self.root, self.clock))
    }
}

/// What a new root means for the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootNews {
    /// Nothing.
    Plain,
    /// Cached timestamp and snapshot must go.
    FreshnessKeysRotated,
}
