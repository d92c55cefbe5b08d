//! Tables: chains of metadata blocks.

use std::io::{Read, Seek};
use std::sync::Arc;

use super::Squashfs;
use crate::InspectError;
use crate::fields::Fields;

/// Bytes of a metadata block once it is decompressed.
const MAX_BLOCK: usize = 8192;
/// Set in the stored length of a block that is not compressed.
const STORED: u16 = 1 << 15;
/// What keeping one more block costs beside its bytes.
const OVERHEAD: u64 = 128;

/// One metadata block, decompressed.
#[derive(Debug)]
pub(super) struct Block {
    bytes: Vec<u8>,
    /// Where the block behind it is.
    next: u64,
}

/// A place in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    /// Offset of the metadata block in the file system.
    pub(super) block: u64,
    /// Offset in the decompressed block.
    pub(super) offset: usize,
}

impl<R: Read + Seek> Squashfs<R> {
    /// Fills `buffer` from `position` on and moves it behind what was read.
    pub(super) fn take(
        &mut self,
        position: &mut Position,
        buffer: &mut [u8],
    ) -> Result<(), InspectError> {
        // Paid for although the blocks are in memory: reading the same bytes over and over must end, too.
        self.source.spend(buffer.len() as u64)?;
        let mut filled = 0;
        loop {
            let block = self.block(position.block)?;
            let available = block.bytes.get(position.offset..).unwrap_or_default();
            let rest = buffer.get_mut(filled..).unwrap_or_default();
            let count = available.len().min(rest.len());
            for (to, from) in rest.iter_mut().zip(available) {
                *to = *from;
            }
            position.offset += count;
            filled += count;
            if filled == buffer.len() {
                return Ok(());
            }
            if position.offset > block.bytes.len() || block.bytes.is_empty() {
                return Err(InspectError::corrupt(format!(
                    "a squashfs table ends early at byte {}",
                    position.block
                )));
            }
            *position = Position {
                block: block.next,
                offset: 0,
            };
        }
    }

    /// `N` bytes from `position` on.
    pub(super) fn take_array<const N: usize>(
        &mut self,
        position: &mut Position,
    ) -> Result<[u8; N], InspectError> {
        let mut bytes = [0; N];
        self.take(position, &mut bytes)?;
        Ok(bytes)
    }

    /// The user and group numbers.
    pub(super) fn read_ids(&mut self) -> Result<Vec<u32>, InspectError> {
        let mut ids = Vec::new();
        for index in 0..u32::from(self.superblock.id_count) {
            let mut position = self.lookup(self.superblock.id_table, index, 4)?;
            ids.push(u32::from_le_bytes(self.take_array(&mut position)?));
        }
        Ok(ids)
    }

    /// Where entry `index` of a table is that is reached through a list of its blocks; entries have `size` bytes.
    pub(super) fn lookup(
        &mut self,
        list: u64,
        index: u32,
        size: usize,
    ) -> Result<Position, InspectError> {
        let per_block = MAX_BLOCK / size;
        let index = index as usize;
        let pointer = list.saturating_add((index / per_block) as u64 * 8);
        let block = u64::from_le_bytes(self.source.array_at(pointer, "a squashfs table")?);
        Ok(Position {
            block,
            offset: index % per_block * size,
        })
    }

    fn block(&mut self, offset: u64) -> Result<Arc<Block>, InspectError> {
        if let Some(block) = self.blocks.get(&offset) {
            return Ok(Arc::clone(block));
        }
        let header = Fields(
            &self
                .source
                .array_at::<2>(offset, "a squashfs metadata block")?,
        )
        .u16();
        let length = usize::from(header & !STORED);
        if length == 0 || length > MAX_BLOCK {
            return Err(InspectError::corrupt(format!(
                "squashfs metadata block at byte {offset} has length {length}"
            )));
        }
        let mut stored = vec![0; length];
        let start = offset.saturating_add(2);
        self.source
            .read_at(start, &mut stored, "a squashfs metadata block")?;
        let bytes = if header & STORED == 0 {
            self.source.spend(MAX_BLOCK as u64)?;
            self.superblock.compression.decompress(
                &stored,
                MAX_BLOCK,
                "a squashfs metadata block",
                offset,
            )?
        } else {
            stored
        };
        self.source.spend(OVERHEAD)?;
        let block = Arc::new(Block {
            bytes,
            next: start.saturating_add(length as u64),
        });
        self.blocks.insert(offset, Arc::clone(&block));
        Ok(block)
    }
}
