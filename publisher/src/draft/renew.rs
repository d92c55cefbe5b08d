//! Signing again what would expire, without any other change.

use sysext_formats::name::ExtensionName;
use sysext_formats::time::UtcTime;

use super::editor::next;
use super::{Change, DraftError, Editor};

impl Editor {
    /// Signs freshness again: the timestamp, and the snapshot once half of its time is over.
    pub fn renew_freshness(&mut self) {
        self.renewed.timestamp = true;
        let left = self.catalog.snapshot.expires.since(self.now);
        self.renewed.snapshot |= left <= self.expires.snapshot.duration() / 2;
    }

    /// Signs an index again.
    ///
    /// # Errors
    /// When it was not handed in.
    pub fn renew_index(&mut self, name: &ExtensionName) -> Result<(), DraftError> {
        let expires = self.touch_index(name)?.expires;
        self.renewal(name.as_str(), expires);
        Ok(())
    }

    /// Signs the table of contents again.
    ///
    /// # Errors
    /// When its version can not be counted up.
    pub fn renew_targets(&mut self) -> Result<(), DraftError> {
        let expires = self.touch_targets()?.expires;
        self.renewal("targets", expires);
        Ok(())
    }

    /// Signs the root again, with the same keys.
    ///
    /// # Errors
    /// When its version can not be counted up.
    pub fn renew_root(&mut self) -> Result<(), DraftError> {
        if !self.touched.root {
            let root = &mut self.catalog.root;
            root.version = next(root.version, "root")?;
            root.expires = self.now.plus(self.expires.root.duration());
            self.touched.root = true;
            let expires = root.expires;
            self.renewal("root", expires);
        }
        Ok(())
    }

    pub(super) fn renewal(&mut self, role: &str, expires: UtcTime) {
        self.changes.push(Change::Renewal {
            role: role.to_owned(),
            expires,
        });
    }
}
