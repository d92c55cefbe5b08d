//! The content of files: data blocks, and the fragment blocks that hold the tails of several files.

use std::io::{Read, Seek};

use super::Squashfs;
use super::inode::FilePlace;
use crate::InspectError;
use crate::fields::Fields;

/// Set in the stored length of a data block that is not compressed.
const STORED: u32 = 1 << 24;

impl<R: Read + Seek> Squashfs<R> {
    /// Whether any block of the file, or of its tail, is compressed.
    pub(super) fn is_compressed(&mut self, file: FilePlace) -> Result<bool, InspectError> {
        let mut lengths = file.lengths;
        for _ in 0..self.whole_blocks(&file) {
            let length = u32::from_le_bytes(self.take_array(&mut lengths)?);
            // A length of zero is a hole.
            if length != 0 && length & STORED == 0 {
                return Ok(true);
            }
        }
        match file.fragment {
            Some(fragment) => Ok(self.fragment(fragment.index)?.1 & STORED == 0),
            None => Ok(false),
        }
    }

    /// The content of a file. The caller has bounded its size.
    pub(super) fn content(&mut self, file: FilePlace) -> Result<Vec<u8>, InspectError> {
        let block_size = u64::from(self.superblock.block_size);
        let mut content = Vec::new();
        let mut lengths = file.lengths;
        let mut start = file.start;
        for _ in 0..self.whole_blocks(&file) {
            let length = u32::from_le_bytes(self.take_array(&mut lengths)?);
            let wanted = (file.size - content.len() as u64).min(block_size) as usize;
            if length == 0 {
                content.resize(content.len() + wanted, 0);
            } else {
                content.extend_from_slice(exactly(&self.data(start, length)?, wanted)?);
            }
            start = start.saturating_add(u64::from(length & !STORED));
        }
        if let Some(fragment) = file.fragment {
            let wanted = (file.size - content.len() as u64) as usize;
            let (start, length) = self.fragment(fragment.index)?;
            let shared = self.data(start, length)?;
            let tail = shared.get(fragment.offset as usize..).unwrap_or_default();
            content.extend_from_slice(exactly(tail, wanted)?);
        }
        Ok(content)
    }

    /// How many blocks the file has of its own.
    fn whole_blocks(&self, file: &FilePlace) -> u64 {
        let block_size = u64::from(self.superblock.block_size);
        if file.fragment.is_some() {
            file.size / block_size
        } else {
            file.size.div_ceil(block_size)
        }
    }

    /// Offset and stored length of a fragment block.
    fn fragment(&mut self, index: u32) -> Result<(u64, u32), InspectError> {
        let table = self
            .superblock
            .fragment_table
            .filter(|_| index < self.superblock.fragment_count);
        let Some(table) = table else {
            return Err(InspectError::corrupt(format!(
                "squashfs fragment {index} of {}",
                self.superblock.fragment_count
            )));
        };
        let mut at = self.lookup(table, index, 16)?;
        let bytes: [u8; 16] = self.take_array(&mut at)?;
        let mut fields = Fields(&bytes);
        Ok((fields.u64(), fields.u32()))
    }

    /// One data block, decompressed.
    fn data(&self, start: u64, length: u32) -> Result<Vec<u8>, InspectError> {
        let stored = length & !STORED;
        if stored == 0 || stored > self.superblock.block_size {
            return Err(InspectError::corrupt(format!(
                "squashfs data block at byte {start} has length {stored}"
            )));
        }
        let mut bytes = vec![0; stored as usize];
        self.source
            .read_at(start, &mut bytes, "a squashfs data block")?;
        if length & STORED != 0 {
            return Ok(bytes);
        }
        let most = self.superblock.block_size as usize;
        self.source.spend(most as u64)?;
        self.superblock
            .compression
            .decompress(&bytes, most, "a squashfs data block", start)
    }
}

/// The first `wanted` bytes of a block.
fn exactly(block: &[u8], wanted: usize) -> Result<&[u8], InspectError> {
    block.get(..wanted).ok_or_else(|| {
        InspectError::corrupt(format!(
            "a squashfs data block has {} bytes, not {wanted}",
            block.len()
        ))
    })
}
