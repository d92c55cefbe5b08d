//! ext4, and ext3 and ext2 as far as that reader goes (no holes in files without extents), read with the crate ext4-view.
//!
//! The crate has no unsafe code and checks what it reads. It allocates by three numbers of the image, so those are looked
//! at first: how many block groups there are, how large an inode is, and how long a file or link is.
//!
//! - The whole file system lies inside the image: one that says it is larger was cut off.
//! - Directories are found by their path, and it can not be seen which inode a path is. A cycle of directories ends at the
//!   depth limit; directories that are merely in several places are listed in each.
//! - A journal that was not played back is read as if it had been; encrypted directories are refused.

use std::collections::HashSet;
use std::error::Error;
use std::io::{Read, Seek};

use ext4_view::{Ext4Error, Ext4Read, FileType};

use crate::fields::Fields;
use crate::listing::{Attributes, Listing, target, target_length};
use crate::source::Source;
use crate::volume::{Place, Volume};
use crate::{EntryKind, Filesystem, InspectError, Limits};

const SUPERBLOCK: u64 = 1024;

/// An ext4 file system. It is opened anew for each operation, since the crate's own handle stays in one thread.
#[derive(Debug)]
pub(crate) struct Ext4<R> {
    source: Source<R>,
}

impl<R: Read + Seek + Send + 'static> Ext4<R> {
    pub(crate) fn open(source: Source<R>) -> Result<Self, InspectError> {
        let length = check_superblock(&source)?;
        Ok(Self {
            source: source.window(0, length, "the ext4 file system")?,
        })
    }

    fn load(&self) -> Result<ext4_view::Ext4, InspectError> {
        ext4_view::Ext4::load(Box::new(Backing {
            source: self.source.clone(),
            seen: HashSet::new(),
        }))
        .map_err(refused)
    }
}

impl<R: Read + Seek + Send + 'static> Volume for Ext4<R> {
    fn root(&mut self) -> Result<Attributes, InspectError> {
        Ok(attributes(&self.load()?.metadata("/").map_err(refused)?))
    }

    fn list(
        &mut self,
        listing: &mut Listing,
        prefix: &str,
        limits: &Limits,
    ) -> Result<bool, InspectError> {
        let ext4 = self.load()?;
        let mut todo = vec![(ext4_view::PathBuf::new("/"), prefix.to_owned())];
        while let Some((directory, parent)) = todo.pop() {
            for entry in ext4.read_dir(&directory).map_err(refused)? {
                let entry = entry.map_err(refused)?;
                let name = entry.file_name();
                if name == "." || name == ".." {
                    continue;
                }
                // Names come from blocks that the crate keeps, too.
                self.source.spend(name.as_ref().len() as u64)?;
                let metadata = entry.metadata().map_err(refused)?;
                let attributes = attributes(&metadata);
                let kind = match metadata.file_type() {
                    FileType::Regular => EntryKind::File,
                    FileType::Directory => EntryKind::Dir,
                    FileType::Symlink => {
                        target_length(attributes.size, limits)?;
                        target(ext4.read_link(&entry.path()).map_err(refused)?.as_ref())?
                    }
                    FileType::CharacterDevice => EntryKind::Char,
                    FileType::BlockDevice => EntryKind::Block,
                    FileType::Fifo => EntryKind::Fifo,
                    FileType::Socket => EntryKind::Socket,
                };
                let is_dir = kind == EntryKind::Dir;
                let path =
                    listing.add(&self.source, &parent, name.as_ref(), kind, attributes, 0)?;
                if is_dir {
                    self.source.spend(2 * path.as_str().len() as u64)?;
                    todo.push((entry.path(), path.as_str().to_owned()));
                }
            }
        }
        Ok(false)
    }

    fn read(&mut self, file: &Place<'_>) -> Result<Vec<u8>, InspectError> {
        let ext4 = self.load()?;
        let path = format!("/{}", file.path);
        if ext4.symlink_metadata(&path).map_err(refused)?.len() != file.size {
            return Err(InspectError::corrupt(
                "an ext4 file changed while it was read",
            ));
        }
        ext4.read(&path).map_err(refused)
    }
}

/// Checks what the crate would believe; answers with the length of the file system.
fn check_superblock<R: Read + Seek>(source: &Source<R>) -> Result<u64, InspectError> {
    const HAS_CHECKSUMS: u32 = 0x400;
    let bytes: [u8; 1024] = source.array_at(SUPERBLOCK, "the ext4 superblock")?;
    let at = |offset: usize| Fields(bytes.get(offset..).unwrap_or_default());
    let blocks_low = at(0x04).u32();
    let first_block = at(0x14).u32();
    let block_bits = at(0x18).u32().saturating_add(10);
    let blocks_per_group = at(0x20).u32();
    let inode_size = at(0x58).u16();
    let read_only = at(0x64).u32();
    // The crate takes the upper half even where the feature for it is off, so it counts here, too.
    let blocks_high = at(0x150).u32();
    if block_bits > 16 {
        return Err(InspectError::corrupt(format!(
            "the ext4 block size is 2^{block_bits}"
        )));
    }
    let least = if read_only & HAS_CHECKSUMS != 0 {
        256
    } else {
        128
    };
    if !inode_size.is_power_of_two()
        || inode_size < least
        || u32::from(inode_size) > 1 << block_bits
    {
        return Err(InspectError::corrupt(format!(
            "the ext4 inodes have {inode_size} bytes"
        )));
    }
    let blocks = u64::from(blocks_high) << 32 | u64::from(blocks_low);
    let length = blocks.saturating_mul(1 << block_bits);
    if length > source.length() {
        return Err(InspectError::Truncated {
            what: "the ext4 file system",
            needed: length,
            length: source.length(),
        });
    }
    // The descriptors of all groups are kept; each takes 32 bytes in the image at least, and costs that much here.
    let groups = blocks
        .saturating_sub(first_block.into())
        .div_ceil(u64::from(blocks_per_group.max(1)));
    source.spend(groups.saturating_mul(32))?;
    Ok(length)
}

fn attributes(metadata: &ext4_view::Metadata) -> Attributes {
    Attributes {
        mode: metadata.mode().into(),
        uid: metadata.uid(),
        gid: metadata.gid(),
        size: metadata.len(),
    }
}

/// The image as the crate sees it.
struct Backing<R> {
    source: Source<R>,
    /// Pages that were read already.
    seen: HashSet<u64>,
}

impl<R: Read + Seek> Ext4Read for Backing<R> {
    /// The crate keeps only a few blocks and reads several at once, so it reads most of them again and again: a page is
    /// paid for in full when it is new, and for the copying when it is not.
    fn read(&mut self, start: u64, buffer: &mut [u8]) -> Result<(), Box<dyn Error + Send + Sync>> {
        const PAGE: u64 = 4096;
        const COPIED: u64 = 64;
        let length = buffer.len() as u64;
        self.source.spend(length / COPIED)?;
        for page in start / PAGE..start.saturating_add(length).div_ceil(PAGE) {
            if self.seen.insert(page) {
                self.source.spend(PAGE)?;
            }
        }
        self.source
            .read_paid(start, buffer, "an ext4 structure")
            .map_err(Into::into)
    }
}

fn refused(error: Ext4Error) -> InspectError {
    match error {
        Ext4Error::Io(cause) => match cause.downcast::<InspectError>() {
            Ok(cause) => *cause,
            Err(other) => InspectError::corrupt(format!("ext4: {other}")),
        },
        Ext4Error::Incompatible(feature) => InspectError::UnsupportedFeature {
            filesystem: Filesystem::Ext4,
            feature: feature.to_string(),
        },
        Ext4Error::Encrypted => InspectError::Encrypted,
        other => InspectError::corrupt(format!("ext4: {other}")),
    }
}
