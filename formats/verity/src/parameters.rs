//! The parameters of a tree, and the superblock that names them.

use std::ops::RangeInclusive;

use crate::DIGEST;

/// Bytes of a superblock.
pub const SUPERBLOCK: usize = 512;
/// Bytes of a salt, at most.
pub const MAX_SALT: usize = 256;
const BLOCK_SIZES: RangeInclusive<u32> = 512..=65_536;

/// What a tree is made with.
///
/// - Blocks have a power of two of bytes, 512 to 65,536; a salt has 256 bytes at most.
/// - There is at least one block of data, and their bytes can be counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters {
    data_block: u32,
    hash_block: u32,
    data_blocks: u64,
    salt: Vec<u8>,
}

/// Why parameters are none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// Other bytes, or another format.
    #[error("it does not begin with a dm-verity superblock")]
    Superblock,
    /// Another hash function.
    #[error("its hash tree uses {0}, only sha256 is known")]
    Algorithm(String),
    /// A size of blocks that the kernel does not have either.
    #[error("the dm-verity superblock has blocks of {0} bytes")]
    BlockSize(u32),
    /// No data, or more than can be counted.
    #[error("the dm-verity superblock is for {0} blocks of data")]
    DataBlocks(u64),
    /// A longer salt than there may be.
    #[error("the dm-verity salt has {0} bytes, {MAX_SALT} are the most")]
    Salt(usize),
}

impl Parameters {
    /// For `data_blocks` blocks of `data_block` bytes, hashed into blocks of `hash_block` bytes.
    ///
    /// # Errors
    /// When one of them is impossible.
    pub fn new(
        data_block: u32,
        hash_block: u32,
        data_blocks: u64,
        salt: &[u8],
    ) -> Result<Self, ParameterError> {
        for size in [data_block, hash_block] {
            if !BLOCK_SIZES.contains(&size) || !size.is_power_of_two() {
                return Err(ParameterError::BlockSize(size));
            }
        }
        let length = data_blocks.checked_mul(data_block.into());
        if length.is_none_or(|length| length == 0 || length > i64::MAX.unsigned_abs()) {
            return Err(ParameterError::DataBlocks(data_blocks));
        }
        if salt.len() > MAX_SALT {
            return Err(ParameterError::Salt(salt.len()));
        }
        Ok(Self {
            data_block,
            hash_block,
            data_blocks,
            salt: salt.to_vec(),
        })
    }

    /// Those that a superblock names.
    ///
    /// # Errors
    /// When it is none, or names some that are not known here.
    pub fn parse(superblock: &[u8; SUPERBLOCK]) -> Result<Self, ParameterError> {
        let number = |offset: usize| {
            let bytes = superblock
                .get(offset..)
                .and_then(|rest| rest.first_chunk::<8>());
            bytes.copied().map_or(0, u64::from_le_bytes)
        };
        let half = |offset: usize| (number(offset) & u64::from(u32::MAX)) as u32;
        if !superblock.starts_with(b"verity\0\0") || half(8) != 1 || half(12) != 1 {
            return Err(ParameterError::Superblock);
        }
        let algorithm = superblock.get(32..64).unwrap_or_default();
        let algorithm = algorithm
            .split(|byte| *byte == 0)
            .next()
            .unwrap_or_default();
        if algorithm != b"sha256" {
            let name = String::from_utf8_lossy(algorithm).into_owned();
            return Err(ParameterError::Algorithm(name));
        }
        let length = usize::from((number(80) & u64::from(u16::MAX)) as u16);
        let salt = superblock.get(88..88 + MAX_SALT).unwrap_or_default();
        let salt = salt.get(..length).ok_or(ParameterError::Salt(length))?;
        Self::new(half(64), half(68), number(72), salt)
    }

    /// Bytes of a block of data.
    #[must_use]
    pub fn data_block(&self) -> u32 {
        self.data_block
    }

    /// Bytes of a block of the tree.
    #[must_use]
    pub fn hash_block(&self) -> u32 {
        self.hash_block
    }

    /// Blocks of data.
    #[must_use]
    pub fn data_blocks(&self) -> u64 {
        self.data_blocks
    }

    /// What is hashed before each block.
    #[must_use]
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// Bytes of all data.
    #[must_use]
    pub fn data_length(&self) -> u64 {
        self.data_blocks.saturating_mul(self.data_block.into())
    }

    /// Bytes of the tree, without a superblock: nothing for one block of data, whose digest is the root hash.
    #[must_use]
    pub fn tree_length(&self) -> u64 {
        let levels = (0..).map(|index| self.level_length(index));
        levels
            .take_while(|length| *length > 0)
            .fold(0, u64::saturating_add)
    }

    /// Bytes of one level, counted from the data: 0 for one that there is not.
    pub(crate) fn level_length(&self, index: usize) -> u64 {
        let digests = u64::from(self.hash_block) / DIGEST as u64;
        let mut blocks = self.data_blocks;
        for _ in 0..=index {
            if blocks <= 1 {
                return 0;
            }
            blocks = blocks.div_ceil(digests);
        }
        blocks.saturating_mul(self.hash_block.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn superblock() -> [u8; SUPERBLOCK] {
        let mut bytes = [0; SUPERBLOCK];
        bytes[..8].copy_from_slice(b"verity\0\0");
        (bytes[8], bytes[12]) = (1, 1);
        bytes[32..38].copy_from_slice(b"sha256");
        bytes[64..68].copy_from_slice(&4096_u32.to_le_bytes());
        bytes[68..72].copy_from_slice(&1024_u32.to_le_bytes());
        bytes[72..80].copy_from_slice(&129_u64.to_le_bytes());
        bytes[80..82].copy_from_slice(&3_u16.to_le_bytes());
        bytes[88..92].copy_from_slice(b"salt");
        bytes
    }

    #[test]
    fn a_superblock_names_the_parameters() {
        let parsed = Parameters::parse(&superblock()).unwrap();
        assert_eq!(parsed, Parameters::new(4096, 1024, 129, b"sal").unwrap());
        assert_eq!(parsed.data_length(), 129 * 4096);
        // 32 digests in a block: five blocks, then one.
        assert_eq!(parsed.tree_length(), 6 * 1024);
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let changed = |offset: usize, bytes: &[u8]| {
            let mut block = superblock();
            block[offset..offset + bytes.len()].copy_from_slice(bytes);
            Parameters::parse(&block).unwrap_err()
        };
        assert_eq!(changed(0, b"V"), ParameterError::Superblock);
        assert_eq!(changed(8, &[2]), ParameterError::Superblock);
        assert_eq!(changed(12, &[0]), ParameterError::Superblock);
        let other = ParameterError::Algorithm("sha512".to_owned());
        assert_eq!(changed(32, b"sha512"), other);
        assert_eq!(changed(64, &[0, 1]), ParameterError::BlockSize(256));
        assert_eq!(changed(68, &[1]), ParameterError::BlockSize(1025));
        assert_eq!(changed(70, &[2]), ParameterError::BlockSize(0x2_0400));
        assert_eq!(changed(72, &[0]), ParameterError::DataBlocks(0));
        assert_eq!(
            changed(72, &[0xff; 8]),
            ParameterError::DataBlocks(u64::MAX)
        );
        assert_eq!(changed(80, &[1, 1]), ParameterError::Salt(257));
    }
}
