//! Signing again what would expire, without any other change.

use sysext_formats::name::{ExtensionName, RoleName};

use super::{DraftError, Editor, Table};

impl Editor {
    /// Signs freshness again: the timestamp, and the snapshot once half of its time is over.
    pub fn renew_freshness(&mut self) {
        self.renewed.timestamp = true;
        self.renewed.snapshot |= self.snapshot_is_due();
    }

    /// Whether half of the snapshot's time is over.
    pub(super) fn snapshot_is_due(&self) -> bool {
        let left = self.catalog.snapshot.expires.since(self.now);
        left <= self.policy.expires.snapshot.duration() / 2
    }

    /// Signs an index again.
    ///
    /// # Errors
    /// When it was not handed in.
    pub fn renew_index(&mut self, name: &ExtensionName) -> Result<(), DraftError> {
        self.touch_index(name).map(drop)
    }

    /// Signs the table of contents again.
    ///
    /// # Errors
    /// When its version can not be counted up.
    pub fn renew_targets(&mut self) -> Result<(), DraftError> {
        self.touch_targets().map(drop)
    }

    /// Signs a group again.
    ///
    /// # Errors
    /// When it was not handed in.
    pub fn renew_group(&mut self, role: &RoleName) -> Result<(), DraftError> {
        self.touch_table(&Table::Group(role.clone())).map(drop)
    }

    /// Signs the root again, with the same keys.
    ///
    /// # Errors
    /// When its version can not be counted up.
    pub fn renew_root(&mut self) -> Result<(), DraftError> {
        self.touch_root().map(drop)
    }
}
