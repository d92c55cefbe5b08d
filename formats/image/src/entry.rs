//! One file, directory or link of an image.

use std::fmt;

use crate::ImagePath;

/// One file, directory or link of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub path: ImagePath,
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits, with setuid (0o4000), setgid (0o2000) and sticky (0o1000).
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes of a file's content, or of a link's target; 0 for everything else.
    pub size: u64,
}

impl Entry {
    /// Whether this is a regular file that runs with its owner's or group's rights.
    #[must_use]
    pub fn is_setuid(&self) -> bool {
        self.kind == EntryKind::File && self.mode & 0o6000 != 0
    }
}

/// What an [`Entry`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Symlink {
        /// Where it leads, as stored; bytes that are not UTF-8 are shown as `\xNN`.
        target: String,
    },
    /// A character device.
    Char,
    /// A block device.
    Block,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

impl fmt::Display for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "file",
            Self::Dir => "directory",
            Self::Symlink { .. } => "symbolic link",
            Self::Char => "character device",
            Self::Block => "block device",
            Self::Fifo => "named pipe",
            Self::Socket => "socket",
        })
    }
}
