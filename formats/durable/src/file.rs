//! A file while it is being replaced.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use rustix::fs::{self as sys, AtFlags, Mode, OFlags};

use crate::dir::io;
use crate::{Dir, Error, Result};

/// A temporary file that takes its final name when it is committed, and vanishes when it is dropped before.
#[derive(Debug)]
#[must_use = "nothing is seen of the file before commit()"]
pub struct DurableFile {
    dir: Dir,
    file: File,
    temporary: String,
    name: String,
    committed: bool,
}

impl DurableFile {
    pub(crate) fn create(dir: Dir, name: &str, temporary: &str, mode: u32) -> Result<Self> {
        let path = dir.path_of(temporary)?;
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = sys::openat(&dir, temporary, flags, Mode::from_raw_mode(mode & 0o700))
            .map_err(|error| io("creating", &path, error))?;
        let file = Self {
            dir,
            file: fd.into(),
            temporary: temporary.to_owned(),
            name: name.to_owned(),
            committed: false,
        };
        // The umask must not decide who may read what we publish or install.
        sys::fchmod(&file.file, Mode::from_raw_mode(mode))
            .map_err(|error| io("creating", &path, error))?;
        Ok(file)
    }

    /// Makes the content durable and gives it its name, in place of what had it.
    ///
    /// # Errors
    /// When the file system fails; what had the name still has it then.
    pub fn commit(mut self) -> Result<()> {
        self.sync()?;
        let path = self.dir.path_of(&self.name)?;
        sys::renameat(
            &self.dir,
            self.temporary.as_str(),
            &self.dir,
            self.name.as_str(),
        )
        .map_err(|error| io("renaming to", &path, error))?;
        self.committed = true;
        self.dir.sync()
    }

    /// As [`commit`](Self::commit), unless something has the name already: then the answer is false, and nothing
    /// changes.
    ///
    /// # Errors
    /// When the file system fails.
    pub fn commit_new(self) -> Result<bool> {
        self.sync()?;
        let path = self.dir.path_of(&self.name)?;
        match sys::linkat(
            &self.dir,
            self.temporary.as_str(),
            &self.dir,
            self.name.as_str(),
            AtFlags::empty(),
        ) {
            // The temporary name goes with the drop.
            Ok(()) => self.dir.sync().map(|()| true),
            Err(rustix::io::Errno::EXIST) => Ok(false),
            Err(error) => Err(io("creating", &path, error)),
        }
    }

    /// Makes what was written so far durable, while the writer goes on with something else: less is left for
    /// [`commit`](Self::commit).
    ///
    /// # Errors
    /// When the file system fails.
    pub fn settle(&self) -> Result<()> {
        self.sync()
    }

    /// The file, for reading back what was written.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    fn sync(&self) -> Result<()> {
        let failed = |source| Error::Io {
            operation: "syncing",
            path: self.dir.path().join(&self.name),
            source,
        };
        self.file.sync_all().map_err(failed)
    }
}

impl Write for DurableFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Read for DurableFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl Seek for DurableFile {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.file.seek(position)
    }
}

impl Drop for DurableFile {
    fn drop(&mut self) {
        if !self.committed {
            // The polite path only: after a kill, Dir::sweep does it.
            let _ = sys::unlinkat(&self.dir, self.temporary.as_str(), AtFlags::empty());
        }
    }
}
