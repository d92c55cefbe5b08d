//! Squashfs 4.0, read from its superblock, inode table, directory table and the blocks of single files.
//!
//! An own reader, since the crate that writes our images (backhand) reads them without bounds: it decompresses all of both
//! tables before it looks at an entry, slices a directory by the image's own numbers, and descends without a limit.
//!
//! ```text
//! superblock (96 bytes) · [compressor options] · data blocks, fragments · inode table · directory table
//!   · [fragment table] · [export table] · id table · [xattr table]
//! ```
//!
//! - A table is a chain of metadata blocks of at most 8 KiB, each behind two bytes with its stored length. Each is
//!   decompressed once at most, into a buffer of that size.
//! - Data blocks are decompressed into a buffer of the image's block size (4 KiB to 1 MiB) at most.
//! - A directory inode is entered once: a second way into it makes the image corrupt, so there are no cycles.
//! - Extended attributes, the export table and the compressor's options are not looked at.

mod data;
mod decompress;
mod directory;
mod inode;
mod metadata;
mod superblock;
mod xz;

use std::collections::HashMap;
use std::collections::HashSet;
use std::fmt;
use std::io::{Read, Seek};
use std::sync::Arc;

use self::directory::Directory;
use self::inode::{Body, Reference};
use self::metadata::Block;
use self::superblock::Superblock;
use crate::listing::{Attributes, Listing};
use crate::source::Source;
use crate::volume::{Place, Volume};
use crate::{EntryKind, InspectError, Limits};

/// A squashfs file system.
pub(crate) struct Squashfs<R> {
    source: Source<R>,
    superblock: Superblock,
    /// User and group numbers, which inodes name by their index.
    ids: Vec<u32>,
    /// Metadata blocks by their offset; emptied when the walk is done.
    blocks: HashMap<u64, Arc<Block>>,
}

impl<R: Read + Seek> Squashfs<R> {
    pub(crate) fn open(source: Source<R>) -> Result<Self, InspectError> {
        let superblock = Superblock::read(&source)?;
        let source = source.window(0, superblock.bytes_used, "the squashfs file system")?;
        let mut squashfs = Self {
            source,
            superblock,
            ids: Vec::new(),
            blocks: HashMap::new(),
        };
        squashfs.ids = squashfs.read_ids()?;
        Ok(squashfs)
    }
}

impl<R: Read + Seek + Send> Volume for Squashfs<R> {
    fn root(&mut self) -> Result<Attributes, InspectError> {
        Ok(self.inode(self.superblock.root)?.attributes())
    }

    fn list(
        &mut self,
        listing: &mut Listing,
        prefix: &str,
        limits: &Limits,
    ) -> Result<bool, InspectError> {
        let root = self.inode(self.superblock.root)?;
        let Body::Dir(directory) = root.body else {
            return Err(InspectError::corrupt(
                "the root inode of the squashfs is not a directory",
            ));
        };
        let mut entered = HashSet::from([self.superblock.root]);
        let mut todo = vec![(prefix.to_owned(), directory)];
        let mut compressed = false;
        while let Some((parent, directory)) = todo.pop() {
            let mut entries = Directory::new(directory);
            while let Some((name, reference)) = entries.next(self)? {
                let inode = self.inode(reference)?;
                let attributes = inode.attributes();
                let kind = match &inode.body {
                    Body::Dir(_) => EntryKind::Dir,
                    Body::File(_) => EntryKind::File,
                    Body::Symlink(target) => crate::listing::target(&self.target(target, limits)?)?,
                    Body::Char => EntryKind::Char,
                    Body::Block => EntryKind::Block,
                    Body::Fifo => EntryKind::Fifo,
                    Body::Socket => EntryKind::Socket,
                };
                let path = listing.add(
                    &self.source,
                    &parent,
                    &name,
                    kind,
                    attributes,
                    reference.into(),
                )?;
                match inode.body {
                    Body::Dir(directory) => {
                        if !entered.insert(reference) {
                            return Err(InspectError::corrupt(format!(
                                "the directory {path} is in two places"
                            )));
                        }
                        self.source.spend(path.as_str().len() as u64)?;
                        todo.push((path.as_str().to_owned(), directory));
                    }
                    Body::File(file) if !compressed => compressed = self.is_compressed(file)?,
                    _ => {}
                }
            }
        }
        self.blocks = HashMap::new();
        Ok(compressed)
    }

    fn read(&mut self, file: &Place<'_>) -> Result<Vec<u8>, InspectError> {
        match self.inode(Reference::from(file.node))?.body {
            Body::File(found) if found.size == file.size => self.content(found),
            _ => Err(InspectError::corrupt(
                "a squashfs file changed while it was read",
            )),
        }
    }
}

impl<R> fmt::Debug for Squashfs<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Squashfs")
            .field("superblock", &self.superblock)
            .finish_non_exhaustive()
    }
}
