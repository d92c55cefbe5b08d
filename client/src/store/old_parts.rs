//! Downloads that nobody went on with.

use std::time::SystemTime;

use sysext_durable::Dir;

use super::{Store, StoreError};

impl Store {
    /// Bytes of downloads that were not gone on with since `time`.
    ///
    /// # Errors
    /// When they can not be listed.
    pub fn old_parts(&self, time: SystemTime) -> Result<u64, StoreError> {
        self.each_old_part(time, |_, _| Ok(()))
    }

    /// Removes downloads that were not gone on with since `time`; how many bytes they had. The caller holds the lock.
    ///
    /// # Errors
    /// When one can not be removed.
    pub fn remove_parts(&self, time: SystemTime) -> Result<u64, StoreError> {
        self.each_old_part(time, |parts, name| Ok(parts.remove(name)?))
    }

    fn each_old_part(
        &self,
        time: SystemTime,
        act: impl Fn(&Dir, &str) -> Result<(), StoreError>,
    ) -> Result<u64, StoreError> {
        let Some(parts) = self.base.existing_subdir("parts")? else {
            return Ok(0);
        };
        let mut bytes = 0;
        for entry in parts.entries()? {
            let path = parts.path().join(&entry.name);
            let old = std::fs::symlink_metadata(&path)
                .ok()
                .filter(|metadata| metadata.modified().is_ok_and(|modified| modified < time));
            if let Some(metadata) = old {
                act(&parts, &entry.name)?;
                bytes += metadata.len();
            }
        }
        Ok(bytes)
    }
}
