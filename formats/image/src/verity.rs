//! dm-verity: whether the data of a disk image are what its root hash says.
//!
//! - The hash tree is computed anew from the data and held against the root hash; the stored tree is not compared, the
//!   kernel does that block by block.
//! - Costs one pass over the data partition and two blocks of memory for each level of the tree.

use std::io::{Read, Seek};

use sha2::{Digest, Sha256};

use crate::InspectError;
use crate::fields::Fields;
use crate::source::Source;

const SUPERBLOCK: usize = 512;
const SHA256: usize = 32;
const BLOCK_SIZES: std::ops::RangeInclusive<u32> = 512..=65_536;

/// A data partition, and the partition with its hash tree.
#[derive(Debug)]
pub(crate) struct Protected<R> {
    pub(crate) data: Source<R>,
    pub(crate) tree: Source<R>,
}

/// The parameters of a hash tree.
#[derive(Debug)]
struct Parameters {
    data_block: u32,
    hash_block: u32,
    data_blocks: u64,
    salt: Vec<u8>,
}

impl<R: Read + Seek> Protected<R> {
    /// The root hash of the data, in lower-case hexadecimal.
    pub(crate) fn root_hash(&self) -> Result<String, InspectError> {
        let parameters = self.parameters()?;
        let mut levels: Vec<Vec<u8>> = Vec::new();
        let mut block = vec![0; parameters.data_block as usize];
        let mut offset = 0;
        for _ in 0..parameters.data_blocks {
            self.data
                .read_paid(offset, &mut block, "a block under dm-verity")?;
            offset += u64::from(parameters.data_block);
            parameters.push(&mut levels, 0, parameters.digest(&block));
        }
        let root = parameters.close(levels);
        Ok(root.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    fn parameters(&self) -> Result<Parameters, InspectError> {
        let bytes: [u8; SUPERBLOCK] = self.tree.array_at(0, "the dm-verity superblock")?;
        let at = |offset: usize| Fields(bytes.get(offset..).unwrap_or_default());
        let algorithm = bytes.get(32..64).unwrap_or_default();
        if !bytes.starts_with(b"verity\0\0") || at(8).u32() != 1 || at(12).u32() != 1 {
            return Err(InspectError::corrupt(
                "the verity partition does not begin with a dm-verity superblock",
            ));
        }
        if algorithm
            .iter()
            .position(|&byte| byte == 0)
            .and_then(|end| algorithm.get(..end))
            != Some(b"sha256")
        {
            let algorithm = String::from_utf8_lossy(algorithm);
            let algorithm = algorithm.trim_end_matches('\0');
            return Err(InspectError::UnsupportedVerity {
                algorithm: algorithm.to_owned(),
            });
        }
        let (data_block, hash_block, data_blocks) = (at(64).u32(), at(68).u32(), at(72).u64());
        for size in [data_block, hash_block] {
            if !BLOCK_SIZES.contains(&size) || !size.is_power_of_two() {
                return Err(InspectError::corrupt(format!(
                    "the dm-verity superblock has blocks of {size} bytes"
                )));
            }
        }
        let needed = data_blocks.saturating_mul(data_block.into());
        if data_blocks == 0 || needed > self.data.length() {
            let what = "the data under dm-verity";
            return Err(InspectError::Truncated {
                what,
                needed,
                length: self.data.length(),
            });
        }
        let salt = bytes
            .get(88..344)
            .and_then(|salt| salt.get(..at(80).u16().into()));
        let salt = salt
            .ok_or_else(|| InspectError::corrupt("the dm-verity salt is too long"))?
            .to_vec();
        Ok(Parameters {
            data_block,
            hash_block,
            data_blocks,
            salt,
        })
    }
}

impl Parameters {
    fn digest(&self, block: &[u8]) -> [u8; SHA256] {
        Sha256::new()
            .chain_update(&self.salt)
            .chain_update(block)
            .finalize()
            .into()
    }

    /// Adds a digest to a level, and the digest of the level's block to the level above once the block is full.
    fn push(&self, levels: &mut Vec<Vec<u8>>, level: usize, digest: [u8; SHA256]) {
        if levels.len() <= level {
            levels.push(Vec::new());
        }
        let Some(block) = levels.get_mut(level) else {
            return;
        };
        // A full block waits for the next digest: if there is none, it is the top.
        if block.len() == self.hash_block as usize {
            let full = self.digest(block);
            block.clear();
            block.extend_from_slice(&digest);
            self.push(levels, level + 1, full);
        } else {
            block.extend_from_slice(&digest);
        }
    }

    /// Closes all levels, lowest first, and answers with the root hash.
    fn close(&self, mut levels: Vec<Vec<u8>>) -> [u8; SHA256] {
        let mut level = 0;
        loop {
            let top = level + 1 == levels.len();
            let mut block = levels
                .get_mut(level)
                .map(std::mem::take)
                .unwrap_or_default();
            // The only digest of all is the root itself: no block is made of it.
            if let (true, Ok(root)) = (top, <[u8; SHA256]>::try_from(block.as_slice())) {
                return root;
            }
            block.resize(self.hash_block as usize, 0);
            let digest = self.digest(&block);
            level += 1;
            self.push(&mut levels, level, digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition: hash each layer whole, until one digest is left.
    fn plainly(parameters: &Parameters, mut layer: Vec<[u8; SHA256]>) -> [u8; SHA256] {
        while layer.len() > 1 {
            let blocks = layer.chunks(parameters.hash_block as usize / SHA256);
            layer = blocks
                .map(|digests| {
                    let mut block = digests.concat();
                    block.resize(parameters.hash_block as usize, 0);
                    parameters.digest(&block)
                })
                .collect();
        }
        layer[0]
    }

    #[test]
    fn the_tree_has_the_same_root_for_every_number_of_blocks() {
        // Sixteen digests a block, so that few blocks make several levels.
        let parameters = Parameters {
            data_block: 512,
            hash_block: 512,
            data_blocks: 0,
            salt: vec![7; 3],
        };
        for count in (1..40).chain([255, 256, 257, 272, 273, 4096, 4097]) {
            let digests: Vec<_> = (0..count)
                .map(|block: u32| parameters.digest(&block.to_le_bytes()))
                .collect();
            let mut levels = Vec::new();
            for digest in &digests {
                parameters.push(&mut levels, 0, *digest);
            }
            assert_eq!(
                parameters.close(levels),
                plainly(&parameters, digests),
                "{count} blocks"
            );
        }
    }
}
