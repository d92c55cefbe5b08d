//! Second names of files: symbolic and hard links.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{self as sys, AtFlags};

use crate::dir::{io, temporary_name};
use crate::{Dir, Result};

impl Dir {
    /// Puts a symbolic link in place of whatever has that name, atomically.
    ///
    /// # Errors
    /// When it fails; what was there before still is then.
    pub fn symlink(&self, name: &str, target: &Path) -> Result<()> {
        let path = self.path_of(name)?;
        let temporary = temporary_name()?;
        let linked = sys::symlinkat(target, self, temporary.as_str())
            .and_then(|()| sys::renameat(self, temporary.as_str(), self, name));
        if let Err(error) = linked {
            let _ = sys::unlinkat(self, temporary.as_str(), AtFlags::empty());
            return Err(io("linking", &path, error));
        }
        self.sync()
    }

    /// Makes a second name for a file of `from`, which must not exist yet; the answer is false where it does.
    ///
    /// # Errors
    /// When it fails otherwise.
    pub fn hard_link(&self, name: &str, from: &Self, original: &str) -> Result<bool> {
        let path = self.path_of(name)?;
        from.path_of(original)?;
        match sys::linkat(from, original, self, name, AtFlags::empty()) {
            Ok(()) => self.sync().map(|()| true),
            Err(rustix::io::Errno::EXIST) => Ok(false),
            Err(error) => Err(io("linking", &path, error)),
        }
    }

    /// The target of a symbolic link; `None` where there is nothing, or something else.
    ///
    /// # Errors
    /// When it can not be read.
    pub fn read_link(&self, name: &str) -> Result<Option<PathBuf>> {
        let path = self.path_of(name)?;
        match sys::readlinkat(self, name, Vec::new()) {
            Ok(target) => Ok(Some(PathBuf::from(OsStr::from_bytes(target.as_bytes())))),
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::INVAL) => Ok(None),
            Err(error) => Err(io("reading", &path, error)),
        }
    }
}
