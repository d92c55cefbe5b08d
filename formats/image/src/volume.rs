//! What every file system reader can do.

use std::io::{Read, Seek};

use crate::ext4::Ext4;
use crate::listing::{Attributes, Listing};
use crate::source::Source;
use crate::squashfs::Squashfs;
use crate::{Filesystem, InspectError, Limits, erofs::Erofs};

/// An opened file system.
pub(crate) trait Volume: Send {
    /// Owner and permissions of the root directory.
    fn root(&mut self) -> Result<Attributes, InspectError>;

    /// Lists everything below the root, which is `prefix` in the extension; answers whether any file's content is stored
    /// compressed.
    fn list(
        &mut self,
        listing: &mut Listing,
        prefix: &str,
        limits: &Limits,
    ) -> Result<bool, InspectError>;

    /// The content of a regular file that [`Volume::list`] found. Its size is already bounded.
    fn read(&mut self, file: &Place<'_>) -> Result<Vec<u8>, InspectError>;
}

/// How a file system finds a file again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// Relative to the root of the file system.
    pub(crate) path: &'a str,
    /// What the entry was listed with.
    pub(crate) node: u64,
    pub(crate) size: u64,
}

/// Opens the file system that `source` holds.
pub(crate) fn open<R>(
    filesystem: Filesystem,
    source: Source<R>,
) -> Result<Box<dyn Volume>, InspectError>
where
    R: Read + Seek + Send + 'static,
{
    Ok(match filesystem {
        Filesystem::Squashfs => Box::new(Squashfs::open(source)?),
        Filesystem::Erofs => Box::new(Erofs::open(source)?),
        Filesystem::Ext4 => Box::new(Ext4::open(source)?),
    })
}
