//! The enhanced read-only file system, read with the crate erofs-rs.
//!
//! The crate reads each structure at its offset and bounds what it decompresses (12 MiB for one piece), so it needs no more
//! than a fence around it:
//!
//! - The superblock is looked at first: no blocks above 64 KiB (each directory on the way down holds one), and no features
//!   by which metadata themselves are compressed.
//! - Directories and links are never stored compressed by mkfs.erofs; an image that claims so is refused, since every look
//!   into such a directory would decompress it again.
//! - A directory inode is entered once: a second way into it makes the image corrupt, so there are no cycles.
//! - Images whose data are in further files or devices are refused.

use std::collections::HashSet;
use std::fmt;
use std::future::Future;
use std::io::{Read, Seek};
use std::os::unix::fs::PermissionsExt;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use erofs_rs::r#async::{EroFS, WalkDir};
use erofs_rs::backend::AsyncImage;
use erofs_rs::types::{Inode, Layout};

use crate::fields::Fields;
use crate::listing::{Attributes, Listing, target, target_length};
use crate::source::Source;
use crate::volume::{Place, Volume};
use crate::{EntryKind, Filesystem, InspectError, Limits};

const SUPERBLOCK: u64 = 1024;
/// Base-two logarithms: 512 bytes to 64 KiB, the largest page of any architecture.
const BLOCK_BITS: std::ops::RangeInclusive<u8> = 9..=16;
/// Metadata inside a compressed inode.
const FEATURE_METABOX: u32 = 0x100;
/// What reading a compressed file costs beside its size: its tail may lie in the midst of others' in one piece of 12 MiB.
const TAIL: u64 = 8 << 20;

/// An erofs file system.
pub(crate) struct Erofs<R: Read + Seek + Send> {
    source: Source<R>,
    failure: Failure,
    volume: EroFS<Backing<R>>,
}

/// What a read failed with, beside the text that the crate makes of it.
type Failure = Arc<Mutex<Option<InspectError>>>;

impl<R: Read + Seek + Send> Erofs<R> {
    pub(crate) fn open(source: Source<R>) -> Result<Self, InspectError> {
        check_superblock(&source)?;
        let failure = Failure::default();
        let backing = Backing {
            source: source.clone(),
            failure: Arc::clone(&failure),
        };
        let volume = ready(&failure, EroFS::new(backing))?;
        Ok(Self {
            source,
            failure,
            volume,
        })
    }

    fn root_inode(&self) -> Result<Inode, InspectError> {
        let root = ready(
            &self.failure,
            self.volume
                .get_inode(self.volume.super_block().root_inode_id()),
        )?;
        if root.is_dir() {
            Ok(root)
        } else {
            Err(InspectError::corrupt(
                "the root of the erofs is not a directory",
            ))
        }
    }

    fn step(
        &self,
        walk: &mut WalkDir<'_, Backing<R>>,
    ) -> Result<Option<erofs_rs::WalkDirEntry>, InspectError> {
        ready(&self.failure, async { walk.next_entry().await.transpose() })
    }

    fn kind(&self, inode: &Inode, limits: &Limits) -> Result<EntryKind, InspectError> {
        let kind = inode.file_type();
        Ok(if kind.is_file() {
            EntryKind::File
        } else if kind.is_dir() {
            plain(inode)?;
            EntryKind::Dir
        } else if kind.is_symlink() {
            plain(inode)?;
            target_length(inode.data_size(), limits)?;
            target(ready(&self.failure, self.volume.read_link_inode(*inode))?.as_bytes())?
        } else if kind.is_char_device() {
            EntryKind::Char
        } else if kind.is_block_device() {
            EntryKind::Block
        } else if kind.is_fifo() {
            EntryKind::Fifo
        } else {
            EntryKind::Socket
        })
    }
}

impl<R: Read + Seek + Send> Volume for Erofs<R> {
    fn root(&mut self) -> Result<Attributes, InspectError> {
        Ok(attributes(&self.root_inode()?))
    }

    fn list(
        &mut self,
        listing: &mut Listing,
        prefix: &str,
        limits: &Limits,
    ) -> Result<bool, InspectError> {
        let root = self.root_inode()?;
        plain(&root)?;
        if root.data_size() == 0 {
            return Ok(false);
        }
        let mut entered = HashSet::from([root.id()]);
        // The directories that lead to the entry at hand, by depth.
        let mut parents = vec![prefix.to_owned()];
        let mut compressed = false;
        let mut walk: WalkDir<'_, Backing<R>> = ready(&self.failure, self.volume.walk_dir("/"))?;
        while let Some(found) = self.step(&mut walk)? {
            let inode = found.inode;
            let kind = self.kind(&inode, limits)?;
            parents.truncate(found.depth);
            let parent = parents.last().map_or("", String::as_str);
            let name = found.dir_entry.file_name();
            let path = listing.add(
                &self.source,
                parent,
                name,
                kind,
                attributes(&inode),
                inode.id(),
            )?;
            if inode.is_dir() {
                if !entered.insert(inode.id()) {
                    return Err(InspectError::corrupt(format!(
                        "the directory {path} is in two places"
                    )));
                }
                parents.push(path.as_str().to_owned());
            }
            compressed |= inode.is_file() && inode.data_size() > 0 && is_compressed(&inode);
        }
        Ok(compressed)
    }

    fn read(&mut self, place: &Place<'_>) -> Result<Vec<u8>, InspectError> {
        let size = place.size;
        let inode = ready(&self.failure, self.volume.get_inode(place.node))?;
        if inode.data_size() != size {
            return Err(InspectError::corrupt(
                "an erofs file changed while it was read",
            ));
        }
        if is_compressed(&inode) {
            self.source.spend(TAIL)?;
        }
        let mut file = self.volume.open_inode_file(inode).map_err(refused)?;
        let mut content = Vec::new();
        let mut buffer = vec![0; 1 << 16];
        while (content.len() as u64) < size {
            let count = ready(&self.failure, file.read(&mut buffer))?;
            let Some(more) = buffer.get(..count).filter(|more| !more.is_empty()) else {
                let what = format!("an erofs file of {size} bytes has only {}", content.len());
                return Err(InspectError::corrupt(what));
            };
            content.extend_from_slice(more);
        }
        Ok(content)
    }
}

fn check_superblock<R: Read + Seek>(source: &Source<R>) -> Result<(), InspectError> {
    let superblock: [u8; 128] = source.array_at(SUPERBLOCK, "the erofs superblock")?;
    let at = |offset: usize| Fields(superblock.get(offset..).unwrap_or_default());
    let (block_bits, features) = (at(12).u8(), at(80).u32());
    if !BLOCK_BITS.contains(&block_bits) {
        return Err(InspectError::corrupt(format!(
            "the erofs block size is 2^{block_bits}"
        )));
    }
    if features & FEATURE_METABOX != 0 {
        return Err(unsupported("compressed metadata (metabox)"));
    }
    Ok(())
}

fn attributes(inode: &Inode) -> Attributes {
    let mode = inode.permissions().mode();
    Attributes {
        mode,
        uid: inode.uid(),
        gid: inode.gid(),
        size: inode.data_size(),
    }
}

fn is_compressed(inode: &Inode) -> bool {
    matches!(
        inode.layout(),
        Some(Layout::CompressedFull | Layout::CompressedCompact)
    )
}

/// Refuses directories and links that are stored compressed.
fn plain(inode: &Inode) -> Result<(), InspectError> {
    if is_compressed(inode) {
        Err(unsupported("a compressed directory or link"))
    } else {
        Ok(())
    }
}

fn unsupported(feature: &str) -> InspectError {
    InspectError::UnsupportedFeature {
        filesystem: Filesystem::Erofs,
        feature: feature.to_owned(),
    }
}

/// The image as the crate sees it: all reads end at once.
#[derive(Debug)]
struct Backing<R> {
    source: Source<R>,
    failure: Failure,
}

impl<R: Read + Seek + Send> AsyncImage for Backing<R> {
    fn read_exact_at(
        &self,
        buffer: &mut [u8],
        offset: u64,
    ) -> impl Future<Output = erofs_rs::Result<()>> + Send {
        let read = self
            .source
            .read_at(offset, buffer, "an erofs structure")
            .map_err(|error| {
                let text = error.to_string();
                *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                erofs_rs::Error::OutOfBounds(text)
            });
        std::future::ready(read)
    }
}

/// The result of a future that never waits, since [`Backing`] never does.
fn ready<T>(
    failure: &Failure,
    future: impl Future<Output = erofs_rs::Result<T>>,
) -> Result<T, InspectError> {
    let polled = pin!(future).poll(&mut Context::from_waker(Waker::noop()));
    match polled {
        Poll::Ready(Ok(value)) => Ok(value),
        Poll::Ready(Err(error)) => {
            let cause = failure
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            Err(cause.unwrap_or_else(|| refused(error)))
        }
        Poll::Pending => Err(InspectError::corrupt(
            "an erofs structure could not be read at once",
        )),
    }
}

fn refused(error: erofs_rs::Error) -> InspectError {
    match error {
        erofs_rs::Error::NotSupported(feature) => unsupported(&feature),
        other => InspectError::corrupt(format!("erofs: {other}")),
    }
}

impl<R: Read + Seek + Send> fmt::Debug for Erofs<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Erofs")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}
