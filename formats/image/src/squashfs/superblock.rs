//! The first 96 bytes.

use std::io::{Read, Seek};

use super::decompress::Compression;
use super::inode::Reference;
use crate::fields::Fields;
use crate::source::Source;
use crate::{Filesystem, InspectError};

const SIZE: usize = 96;
/// Stands for a table that is not there.
const ABSENT: u64 = u64::MAX;

#[derive(Debug)]
pub(super) struct Superblock {
    pub(super) compression: Compression,
    pub(super) block_size: u32,
    pub(super) bytes_used: u64,
    pub(super) root: Reference,
    pub(super) id_count: u16,
    pub(super) id_table: u64,
    pub(super) inode_table: u64,
    pub(super) directory_table: u64,
    pub(super) fragment_count: u32,
    pub(super) fragment_table: Option<u64>,
}

impl Superblock {
    pub(super) fn read<R: Read + Seek>(source: &Source<R>) -> Result<Self, InspectError> {
        let bytes: [u8; SIZE] = source.array_at(0, "the squashfs superblock")?;
        let mut fields = Fields(&bytes);
        let _magic = fields.u32();
        let _inode_count = fields.u32();
        let _modified = fields.u32();
        let block_size = fields.u32();
        let fragment_count = fields.u32();
        let compression = fields.u16();
        let block_log = fields.u16();
        let _flags = fields.u16();
        let id_count = fields.u16();
        let version = (fields.u16(), fields.u16());
        let root = Reference::from(fields.u64());
        let bytes_used = fields.u64();
        let id_table = fields.u64();
        let _xattr_table = fields.u64();
        let inode_table = fields.u64();
        let directory_table = fields.u64();
        let fragment_table = fields.u64();
        if version != (4, 0) {
            return Err(InspectError::UnsupportedFeature {
                filesystem: Filesystem::Squashfs,
                feature: format!("version {}.{}", version.0, version.1),
            });
        }
        if !(12..=20).contains(&block_log) || block_size != 1 << block_log {
            let what = format!(
                "squashfs block size {block_size} is not a power of two from 4096 to 1048576"
            );
            return Err(InspectError::corrupt(what));
        }
        if bytes_used < SIZE as u64 {
            return Err(InspectError::corrupt(format!(
                "the squashfs says that it has {bytes_used} bytes"
            )));
        }
        Ok(Self {
            compression: Compression::from_id(compression)?,
            block_size,
            bytes_used,
            root,
            id_count,
            id_table,
            inode_table,
            directory_table,
            fragment_count,
            fragment_table: (fragment_table != ABSENT).then_some(fragment_table),
        })
    }
}
