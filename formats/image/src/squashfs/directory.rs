//! Directories: runs of names, each run with the inode block that its entries share.

use std::io::{Read, Seek};

use super::Squashfs;
use super::inode::{DirectoryPlace, Reference};
use super::metadata::Position;
use crate::InspectError;
use crate::fields::Fields;

/// A directory's size counts three bytes for the entries `.` and `..`, which are not stored.
const UNSTORED: u32 = 3;
const MAX_RUN: u32 = 256;
const MAX_NAME: u32 = 256;

/// The entries of one directory, read one at a time.
#[derive(Debug)]
pub(super) struct Directory {
    at: Position,
    /// Bytes that the directory still has.
    left: u32,
    /// Entries that the current run still has.
    run: u32,
    /// Inode block of the current run.
    block: u32,
}

impl Directory {
    pub(super) const fn new(place: DirectoryPlace) -> Self {
        Self {
            at: place.at,
            left: place.size.saturating_sub(UNSTORED),
            run: 0,
            block: 0,
        }
    }

    /// The next name and where its inode is.
    pub(super) fn next<R: Read + Seek>(
        &mut self,
        squashfs: &mut Squashfs<R>,
    ) -> Result<Option<(Vec<u8>, Reference)>, InspectError> {
        if self.run == 0 {
            if self.left == 0 {
                return Ok(None);
            }
            let header: [u8; 12] = squashfs.take_array(&mut self.at)?;
            let mut fields = Fields(&header);
            self.run = fields.u32().saturating_add(1);
            self.block = fields.u32();
            self.shrink(12)?;
            if self.run > MAX_RUN {
                return Err(InspectError::corrupt(format!(
                    "a squashfs directory has a run of {} entries",
                    self.run
                )));
            }
        }
        let entry: [u8; 8] = squashfs.take_array(&mut self.at)?;
        let mut fields = Fields(&entry);
        let (offset, _number, _kind) = (fields.u16(), fields.u16(), fields.u16());
        let length = u32::from(fields.u16()) + 1;
        if length > MAX_NAME {
            return Err(InspectError::corrupt(format!(
                "a squashfs directory has a name of {length} bytes"
            )));
        }
        let mut name = vec![0; length as usize];
        squashfs.take(&mut self.at, &mut name)?;
        self.shrink(8 + length)?;
        self.run -= 1;
        Ok(Some((
            name,
            Reference {
                block: self.block.into(),
                offset,
            },
        )))
    }

    fn shrink(&mut self, bytes: u32) -> Result<(), InspectError> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| {
            InspectError::corrupt("a squashfs directory is longer than its inode says")
        })?;
        Ok(())
    }
}
