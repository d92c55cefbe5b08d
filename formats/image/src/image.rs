//! An opened image: what kind it is, what it holds, and the content of its files.

use std::fmt;
use std::io::{Read, Seek};

use crate::gpt::{self, Chosen, VerityTree};
use crate::listing::Listing;
use crate::probe::{Kind, probe};
use crate::resolve::{position, resolve};
use crate::source::Source;
use crate::verity::Protected;
use crate::volume::{self, Place, Volume};
use crate::{Entry, EntryKind, InspectError, Limits};

/// What the file system is wrapped in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Container {
    /// Nothing: the file is the file system.
    None,
    /// A disk image with a GUID partition table.
    Gpt,
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Gpt => "gpt",
        })
    }
}

/// The file system of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Filesystem {
    /// Squashfs 4.0.
    Squashfs,
    /// The enhanced read-only file system.
    Erofs,
    /// ext4, or its ancestors ext2 and ext3.
    Ext4,
}

impl fmt::Display for Filesystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Squashfs => "squashfs",
            Self::Erofs => "erofs",
            Self::Ext4 => "ext4",
        })
    }
}

/// The dm-verity protection that a disk image says it has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Verity {
    /// Root hash of the hash tree, in lower-case hexadecimal. By the discoverable partitions specification these are the
    /// UUIDs of the data and of the verity partition, one after the other.
    pub root_hash: String,
    /// Whether there is a partition with a signature of the root hash. The signature is not checked here.
    pub signed: bool,
}

/// An opened image.
///
/// - Opening reads all metadata: an `Image` exists only for a file system that could be walked from its root to every entry.
pub struct Image<R> {
    source: Source<R>,
    limits: Limits,
    container: Container,
    verity: Option<(Verity, Protected<R>)>,
    filesystem: Filesystem,
    /// The directory of the extension that is the file system's root.
    prefix: &'static str,
    volume: Box<dyn Volume>,
    compressed: bool,
    entries: Vec<Entry>,
    /// For the entry of the same index, what `volume` finds it by.
    nodes: Vec<u64>,
}

impl<R: Read + Seek + Send + 'static> Image<R> {
    /// Opens the image in the first `length` bytes of `reader` and lists everything it holds.
    ///
    /// # Errors
    /// When the image is none, is damaged, or would cost more than `limits`.
    pub fn open(reader: R, length: u64, limits: Limits) -> Result<Self, InspectError> {
        let source = Source::new(reader, length, limits.max_metadata);
        let (container, chosen, filesystem) = match probe(&source)? {
            Kind::Filesystem(filesystem) => (
                Container::None,
                Chosen {
                    data: source.clone(),
                    prefix: "",
                    verity: None,
                },
                filesystem,
            ),
            Kind::Gpt(sector) => {
                let chosen = gpt::choose(&source, sector)?;
                match probe(&chosen.data)? {
                    Kind::Filesystem(filesystem) => (Container::Gpt, chosen, filesystem),
                    Kind::Gpt(_) => {
                        return Err(InspectError::corrupt("a partition holds a partition table"));
                    }
                }
            }
        };
        let Chosen {
            data,
            prefix,
            verity,
        } = chosen;
        let mut volume = volume::open(filesystem, data.clone())?;
        let mut listing = Listing::new(&limits, prefix, volume.root()?)?;
        let compressed = volume.list(&mut listing, prefix, &limits)?;
        let (entries, nodes) = listing.finish()?;
        let verity = verity.map(|VerityTree { verity, tree }| (verity, Protected { data, tree }));
        Ok(Self {
            source,
            limits,
            container,
            filesystem,
            verity,
            prefix,
            volume,
            compressed,
            entries,
            nodes,
        })
    }

    /// A new operation begins: it may cost as much as opening did.
    pub(crate) fn refill(&self) {
        self.source.refill();
    }

    /// What the file system is wrapped in.
    pub fn container(&self) -> Container {
        self.container
    }

    /// The file system.
    pub fn filesystem(&self) -> Filesystem {
        self.filesystem
    }

    /// Whether the content of any file is stored compressed. Compressed metadata alone does not count.
    pub fn compressed(&self) -> bool {
        self.compressed
    }

    /// The dm-verity protection, if the image has any.
    pub fn verity(&self) -> Option<&Verity> {
        self.verity.as_ref().map(|(verity, _)| verity)
    }

    /// Reads all data under dm-verity, however many they are, and holds them against the root hash. An image without
    /// dm-verity has nothing to be held against.
    ///
    /// # Errors
    /// [`InspectError::VerityMismatch`], and when the hash tree's parameters can not be read.
    pub fn check_verity(&self) -> Result<(), InspectError> {
        let Some((verity, protected)) = &self.verity else {
            return Ok(());
        };
        self.refill();
        let computed = protected.root_hash()?;
        if computed != verity.root_hash {
            return Err(InspectError::VerityMismatch {
                declared: verity.root_hash.clone(),
                computed,
            });
        }
        Ok(())
    }

    /// Everything in the image but its root directory, sorted by path.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry at exactly this path; links are not followed.
    pub fn entry(&self, path: &str) -> Option<&Entry> {
        position(&self.entries, path).and_then(|index| self.entries.get(index))
    }

    /// The entry that `path` leads to once all symbolic links are followed, inside the image only.
    ///
    /// # Errors
    /// [`InspectError::NotFound`] and [`InspectError::TooManyLinks`].
    pub fn follow(&self, path: &str) -> Result<&Entry, InspectError> {
        let found = resolve(&self.entries, path)?;
        self.entry(&found).ok_or_else(|| InspectError::NotFound {
            path: path.to_owned(),
        })
    }

    /// The content of a regular file. Symbolic links are followed, inside the image only.
    ///
    /// # Errors
    /// When there is no such file, it is larger than [`Limits::max_file`], or its data are damaged.
    pub fn read(&mut self, path: &str) -> Result<Vec<u8>, InspectError> {
        self.refill();
        self.read_on(path)
    }

    /// The same, with what is left of the budget.
    pub(crate) fn read_on(&mut self, path: &str) -> Result<Vec<u8>, InspectError> {
        let found = resolve(&self.entries, path)?;
        let at = position(&self.entries, &found)
            .and_then(|at| self.entries.get(at).zip(self.nodes.get(at)));
        let Some((entry, &node)) = at else {
            return Err(InspectError::NotFound {
                path: path.to_owned(),
            });
        };
        if entry.kind != EntryKind::File {
            return Err(InspectError::NotAFile {
                path: path.to_owned(),
                kind: entry.kind.clone(),
            });
        }
        if entry.size > self.limits.max_file {
            let (size, limit) = (entry.size, self.limits.max_file);
            return Err(InspectError::FileTooLarge {
                path: path.to_owned(),
                size,
                limit,
            });
        }
        let path = entry.path.as_str();
        let path = path
            .strip_prefix(self.prefix)
            .unwrap_or(path)
            .trim_start_matches('/');
        self.source.spend(entry.size)?;
        self.volume.read(&Place {
            path,
            node,
            size: entry.size,
        })
    }
}

impl<R> fmt::Debug for Image<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image")
            .field("source", &self.source)
            .field("container", &self.container)
            .field("entries", &self.entries.len())
            .finish_non_exhaustive()
    }
}
