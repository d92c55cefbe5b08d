//! dm-verity: whether the data of a disk image are what its root hash says, and where the hash tree lies.
//!
//! - The hash tree is computed anew from the data and held against the root hash; the stored tree is not compared, the
//!   kernel does that block by block.
//! - Costs one pass over the data partition and one block of memory for each level of the tree.

use std::io::{Read, Seek};

use sysext_verity::{Layout, Parameters, SUPERBLOCK, TreeHasher};

use crate::source::Source;
use crate::{InspectError, gpt, probe};

/// Bytes that are read and hashed at once.
const PIECE: u64 = 256 << 10;

/// A data partition, and the partition with its hash tree.
#[derive(Debug)]
pub(crate) struct Protected<R> {
    pub(crate) data: Source<R>,
    pub(crate) tree: Source<R>,
}

impl<R: Read + Seek> Protected<R> {
    /// The root hash of the data, in lower-case hexadecimal.
    pub(crate) fn root_hash(&self) -> Result<String, InspectError> {
        let parameters = self.parameters()?;
        let length = parameters.data_length();
        let mut hasher = TreeHasher::new(parameters);
        let mut buffer = vec![0; PIECE as usize];
        let mut offset = 0;
        while offset < length {
            let count = PIECE.min(length - offset);
            let piece = buffer.get_mut(..count as usize).unwrap_or_default();
            self.data
                .read_paid(offset, piece, "a block under dm-verity")?;
            hasher.update(piece);
            offset += count;
        }
        let root = hasher.finish().root;
        Ok(root.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Where the tree and its data are in the image; `None` when there is no tree for that little data, or the partition
    /// ends before the tree.
    fn layout(&self) -> Result<Option<Layout>, InspectError> {
        let parameters = self.parameters()?;
        let (length, block) = (parameters.tree_length(), parameters.hash_block().into());
        let start = (SUPERBLOCK as u64).next_multiple_of(block);
        let fits = start.saturating_add(length) <= self.tree.length();
        Ok((length > 0 && fits).then(|| Layout {
            parameters,
            data: self.data.start(),
            tree: self.tree.start().saturating_add(start),
        }))
    }

    fn parameters(&self) -> Result<Parameters, InspectError> {
        let superblock: [u8; SUPERBLOCK] = self.tree.array_at(0, "the dm-verity superblock")?;
        let parameters = Parameters::parse(&superblock)?;
        let (needed, length) = (parameters.data_length(), self.data.length());
        if needed > length {
            let what = "the data under dm-verity";
            return Err(InspectError::Truncated {
                what,
                needed,
                length,
            });
        }
        Ok(parameters)
    }
}

/// Where the hash tree of the disk image in the first `length` bytes of `reader` lies, and of which data it is; `None` for
/// an image without one. Nothing is read of its file system.
///
/// # Errors
/// When the image is damaged as far as it was read, or its hash tree is of a kind that is not known here.
pub fn hash_tree<R: Read + Seek>(reader: R, length: u64) -> Result<Option<Layout>, InspectError> {
    let source = Source::new(reader, length, crate::Limits::default().max_metadata);
    let probe::Kind::Gpt(sector) = probe::probe(&source)? else {
        return Ok(None);
    };
    let gpt::Chosen { data, verity, .. } = gpt::choose(&source, sector)?;
    match verity {
        Some(gpt::VerityTree { tree, .. }) => Protected { data, tree }.layout(),
        None => Ok(None),
    }
}
