//! What the store takes on the disk.

use rustix::fs::{AtFlags, FileType, RawDir, statat};
use sysext_durable::{Dir, Kind};

use super::{Store, StoreError};

/// The unit that file systems count in, whatever their blocks are.
const BLOCK: u64 = 512;
/// Room for the names of an entry's files; one of the longest names takes 280 bytes.
const NAMES: usize = 4 << 10;

impl Store {
    /// Bytes that entries take on the disk, compressed and with holes as they are. Broken ones count,
    /// too; what somebody removes meanwhile does not. No facts are read: this is asked by commands that only look.
    ///
    /// # Errors
    /// When the store itself can not be read.
    pub fn disk_usage(&self) -> Result<u64, StoreError> {
        let entries = self.images.entries()?;
        let directories = entries.iter().filter(|entry| entry.kind == Kind::Directory);
        let mut names = Vec::with_capacity(NAMES);
        Ok(directories
            .filter_map(|entry| self.images.existing_subdir(&entry.name).ok()?)
            .map(|entry| files(&entry, &mut names))
            .sum())
    }
}

/// What the files of a directory take that was just opened.
fn files(directory: &Dir, names: &mut Vec<u8>) -> u64 {
    let mut entries = RawDir::new(directory, names.spare_capacity_mut());
    let mut blocks: u64 = 0;
    while let Some(Ok(entry)) = entries.next() {
        if matches!(entry.file_type(), FileType::Directory) {
            continue;
        }
        if let Ok(stat) = statat(directory, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
            blocks = blocks.saturating_add(u64::try_from(stat.st_blocks).unwrap_or(0));
        }
    }
    blocks.saturating_mul(BLOCK)
}
