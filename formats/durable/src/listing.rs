//! What is in a directory.

use rustix::fs::{self as sys, AtFlags};

use crate::dir::{TEMPORARY, io};
use crate::{Dir, Result};

/// Something in a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// Anything else.
    Other,
}

impl From<sys::FileType> for Kind {
    fn from(found: sys::FileType) -> Self {
        match found {
            sys::FileType::RegularFile => Self::File,
            sys::FileType::Directory => Self::Directory,
            sys::FileType::Symlink => Self::Link,
            _ => Self::Other,
        }
    }
}

impl Dir {
    /// What is in it, sorted by name. Names that are not UTF-8 are none of ours and left out.
    ///
    /// # Errors
    /// When it can not be read.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        let failed = |error| io("reading", self.path(), error);
        let mut entries = Vec::new();
        for entry in sys::Dir::read_from(self).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            if matches!(name, "." | "..") {
                continue;
            }
            // Most file systems tell it with the name.
            let kind = match entry.file_type() {
                sys::FileType::Unknown => self.kind(name)?.unwrap_or(Kind::Other),
                known => Kind::from(known),
            };
            entries.push(Entry {
                name: name.to_owned(),
                kind,
            });
        }
        entries.sort();
        Ok(entries)
    }

    /// What `name` is; `None` where there is nothing. A link is a link, whatever it points to.
    ///
    /// # Errors
    /// When it can not be looked at.
    pub fn kind(&self, name: &str) -> Result<Option<Kind>> {
        let path = self.path_of(name)?;
        match sys::statat(self, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(sys::FileType::from_raw_mode(stat.st_mode).into())),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(io("looking at", &path, error)),
        }
    }

    /// Removes temporary files that crashed writers left. Only under a lock that keeps writers out.
    ///
    /// # Errors
    /// When one can not be removed.
    pub fn sweep(&self) -> Result<()> {
        let left = self
            .entries()?
            .into_iter()
            .filter(|entry| entry.name.starts_with(TEMPORARY));
        left.map(|entry| entry.name)
            .try_for_each(|name| self.remove(&name))
    }
}
