//! Inodes: what an entry is, and where its content lies.

use std::io::{Read, Seek};

use super::Squashfs;
use super::metadata::Position;
use crate::fields::Fields;
use crate::listing::{Attributes, target_length};
use crate::{InspectError, Limits};

/// Where an inode is: offset of its metadata block in the inode table, and its offset in the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Reference {
    pub(super) block: u64,
    pub(super) offset: u16,
}

impl From<u64> for Reference {
    fn from(packed: u64) -> Self {
        // The low 16 bits are the offset; truncation is the point.
        Self {
            block: packed >> 16,
            offset: (packed & 0xffff) as u16,
        }
    }
}

impl From<Reference> for u64 {
    fn from(reference: Reference) -> Self {
        reference.block << 16 | Self::from(reference.offset)
    }
}

#[derive(Debug)]
pub(super) struct Inode {
    mode: u16,
    uid: u32,
    gid: u32,
    pub(super) body: Body,
}

#[derive(Debug)]
pub(super) enum Body {
    Dir(DirectoryPlace),
    File(FilePlace),
    Symlink(LinkPlace),
    Char,
    Block,
    Fifo,
    Socket,
}

/// Where a directory's entries are.
#[derive(Debug, Clone, Copy)]
pub(super) struct DirectoryPlace {
    pub(super) at: Position,
    pub(super) size: u32,
}

/// Where a file's content is.
#[derive(Debug, Clone, Copy)]
pub(super) struct FilePlace {
    pub(super) size: u64,
    /// Offset of the first data block.
    pub(super) start: u64,
    /// Where the list of the data blocks' stored lengths begins.
    pub(super) lengths: Position,
    pub(super) fragment: Option<FragmentPlace>,
}

/// Where the tail of a file is: somewhere in a block shared with other files.
#[derive(Debug, Clone, Copy)]
pub(super) struct FragmentPlace {
    pub(super) index: u32,
    pub(super) offset: u32,
}

/// Where a link's target is.
#[derive(Debug, Clone, Copy)]
pub(super) struct LinkPlace {
    at: Position,
    size: u32,
}

impl Inode {
    pub(super) fn attributes(&self) -> Attributes {
        let size = match &self.body {
            Body::File(file) => file.size,
            Body::Symlink(link) => u64::from(link.size),
            _ => 0,
        };
        Attributes {
            mode: u32::from(self.mode),
            uid: self.uid,
            gid: self.gid,
            size,
        }
    }
}

impl<R: Read + Seek> Squashfs<R> {
    pub(super) fn inode(&mut self, reference: Reference) -> Result<Inode, InspectError> {
        let block = self.superblock.inode_table.saturating_add(reference.block);
        let mut at = Position {
            block,
            offset: usize::from(reference.offset),
        };
        let header: [u8; 16] = self.take_array(&mut at)?;
        let mut fields = Fields(&header);
        let kind = fields.u16();
        let mode = fields.u16();
        let uid = self.id(fields.u16())?;
        let gid = self.id(fields.u16())?;
        let body = self.body(kind, at)?;
        Ok(Inode {
            mode,
            uid,
            gid,
            body,
        })
    }

    fn body(&mut self, kind: u16, mut at: Position) -> Result<Body, InspectError> {
        Ok(match kind {
            1 => {
                let bytes: [u8; 16] = self.take_array(&mut at)?;
                let mut fields = Fields(&bytes);
                let (block, _links, size, offset) =
                    (fields.u32(), fields.u32(), fields.u16(), fields.u16());
                Body::Dir(self.directory_place(block, offset, size.into()))
            }
            8 => {
                let bytes: [u8; 24] = self.take_array(&mut at)?;
                let mut fields = Fields(&bytes);
                let (_links, size, block, _parent) =
                    (fields.u32(), fields.u32(), fields.u32(), fields.u32());
                let (_index_count, offset) = (fields.u16(), fields.u16());
                Body::Dir(self.directory_place(block, offset, size))
            }
            2 => {
                let bytes: [u8; 16] = self.take_array(&mut at)?;
                let mut fields = Fields(&bytes);
                let (start, index, offset, size) =
                    (fields.u32(), fields.u32(), fields.u32(), fields.u32());
                let fragment = fragment_place(index, offset);
                Body::File(FilePlace {
                    size: size.into(),
                    start: start.into(),
                    lengths: at,
                    fragment,
                })
            }
            9 => {
                let bytes: [u8; 40] = self.take_array(&mut at)?;
                let mut fields = Fields(&bytes);
                let (start, size, _sparse) = (fields.u64(), fields.u64(), fields.u64());
                let (_links, index, offset) = (fields.u32(), fields.u32(), fields.u32());
                Body::File(FilePlace {
                    size,
                    start,
                    lengths: at,
                    fragment: fragment_place(index, offset),
                })
            }
            3 | 10 => {
                let bytes: [u8; 8] = self.take_array(&mut at)?;
                let mut fields = Fields(&bytes);
                let (_links, size) = (fields.u32(), fields.u32());
                Body::Symlink(LinkPlace { at, size })
            }
            4 | 11 => Body::Block,
            5 | 12 => Body::Char,
            6 | 13 => Body::Fifo,
            7 | 14 => Body::Socket,
            _ => {
                return Err(InspectError::corrupt(format!(
                    "squashfs inode type {kind} does not exist"
                )));
            }
        })
    }

    /// The bytes of a link's target.
    pub(super) fn target(
        &mut self,
        link: &LinkPlace,
        limits: &Limits,
    ) -> Result<Vec<u8>, InspectError> {
        let mut bytes = vec![0; target_length(link.size.into(), limits)?];
        self.take(&mut link.at.clone(), &mut bytes)?;
        Ok(bytes)
    }

    fn directory_place(&self, block: u32, offset: u16, size: u32) -> DirectoryPlace {
        let block = self.superblock.directory_table.saturating_add(block.into());
        DirectoryPlace {
            at: Position {
                block,
                offset: offset.into(),
            },
            size,
        }
    }

    fn id(&self, index: u16) -> Result<u32, InspectError> {
        self.ids.get(usize::from(index)).copied().ok_or_else(|| {
            InspectError::corrupt(format!(
                "squashfs owner number {index} of {}",
                self.ids.len()
            ))
        })
    }
}

fn fragment_place(index: u32, offset: u32) -> Option<FragmentPlace> {
    (index != u32::MAX).then_some(FragmentPlace { index, offset })
}
