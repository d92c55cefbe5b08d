//! A file on its way into the worktree.
//!
//! - It is kept outside of the worktree until it is dropped: an attempt that loses a race leaves the worktree as the branch
//!   is, so each attempt puts the file in place anew.

use std::io::{self, Write};

use sysext_durable::{Dir, DurableFile};
use sysext_formats::digest::Sha256Digest;

use crate::location::{Directory, Incoming, LocationError, Place};

/// A file that is linked into the worktree each time it is published.
#[derive(Debug)]
pub(super) struct Arriving {
    /// As long as it is written to.
    file: Option<DurableFile>,
    /// Where it is kept, and under which name.
    kept: (Dir, String),
    /// Where it goes. Its folder is opened each time: git makes and removes folders as it likes.
    to: (Directory, Place),
}

impl Arriving {
    /// Begins the file that is kept in `folder` as `number`, and goes to a place of the worktree.
    pub(super) fn begin(
        folder: &Dir,
        number: u64,
        to: (Directory, Place),
    ) -> Result<Self, LocationError> {
        let kept = number.to_string();
        Ok(Self {
            file: Some(folder.writer(&kept, 0o644)?),
            kept: (folder.try_clone()?, kept),
            to,
        })
    }

    fn open(&mut self) -> io::Result<&mut DurableFile> {
        self.file
            .as_mut()
            .ok_or_else(|| io::Error::other("it is published already"))
    }
}

impl Write for Arriving {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.open()?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.open()?.flush()
    }
}

impl Incoming for Arriving {
    fn publish(&mut self, _: Sha256Digest) -> Result<(), LocationError> {
        if let Some(file) = self.file.take() {
            file.commit()?;
        }
        let ((kept, number), (worktree, place)) = (&self.kept, &self.to);
        let (folder, name) = worktree.folder_made(place)?;
        // Whatever the branch has under this name.
        folder.remove(&name)?;
        folder.hard_link(&name, kept, number)?;
        Ok(())
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        let (folder, name) = &self.kept;
        // The folder goes with the run.
        let _ = folder.remove(name);
    }
}
