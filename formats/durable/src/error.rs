//! What can go wrong: always with the operation and the full path.

use std::io;
use std::path::PathBuf;

/// A failed operation on a directory or a file in it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system call failed.
    #[error("{operation} {}: {source}", path.display())]
    Io {
        /// What was tried, such as `writing`.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A name that is not one path component.
    #[error("{name:?} is not the name of a file in {}", dir.display())]
    Name {
        /// The directory.
        dir: PathBuf,
        /// The name.
        name: String,
    },
    /// A file longer than the caller reads.
    #[error("{} has {length} bytes; {limit} are the most that is read", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its length.
        length: u64,
        /// The bound.
        limit: u64,
    },
    /// Something else than a regular file where one is expected.
    #[error("{} is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// Somebody else holds a lock.
    #[error("{} is locked by {holder}", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// Who holds it, as far as that is known.
        holder: String,
    },
}

impl Error {
    /// The kind of the failed system call, where one failed.
    #[must_use]
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        match self {
            Self::Io { source, .. } => Some(source.kind()),
            _ => None,
        }
    }
}

/// The result of an operation here.
pub type Result<T> = std::result::Result<T, Error>;
