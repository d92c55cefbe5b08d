//! A directory: served by a web server as it is, or copied to one afterwards.
//!
//! ```text
//! BASE/
//!   .sysext-publish.lock     held while a publisher puts metadata in place
//!   .sysext-publish.users    held by everybody who has files coming in
//!   catalog.toml  metadata/  images/
//! ```
//!
//! - Every write is durable and atomic (crate `sysext-durable`); permissions do not depend on the umask.
//! - Temporary files that killed publishers left are removed by the next one that is alone.

use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

use sysext_durable::{Dir, DurableFile, Lock, LockKind};
use sysext_formats::digest::Sha256Digest;
use sysext_formats::limits::Limits;
use sysext_formats::name::FileName;
use sysext_formats::workflow::RemoteFile;

use super::{Exclusive, Incoming, Location, LocationError, Place, Store, Swap};

const LOCK: &str = ".sysext-publish.lock";
const USERS: &str = ".sysext-publish.users";
const FILE_MODE: u32 = 0o644;
const DIRECTORY_MODE: u32 = 0o755;
/// Far longer than anybody who holds the lock needs to rename a few files.
const PATIENCE: Duration = Duration::from_secs(60);

/// A catalog in a directory.
#[derive(Debug)]
pub struct Directory {
    base: Dir,
    /// Says that this process has, or may have, files coming in.
    _user: Option<Lock>,
}

impl Directory {
    /// Opens one for reading.
    ///
    /// # Errors
    /// When there is no such directory.
    pub fn open(path: &Path) -> Result<Self, LocationError> {
        let base = Dir::open_existing(path)?
            .ok_or_else(|| LocationError::NoSuchDirectory(path.display().to_string()))?;
        Ok(Self { base, _user: None })
    }

    /// Opens one for writing.
    ///
    /// # Errors
    /// When there is no such directory, or it can not be written.
    pub fn open_for_writing(path: &Path) -> Result<Self, LocationError> {
        let Self { base, .. } = Self::open(path)?;
        // Nobody else is here: what is called temporary is nobody's.
        match base.lock(USERS, LockKind::Exclusive, Duration::ZERO) {
            Ok(_alone) => {
                base.sweep()?;
                for folder in ["metadata", "images"] {
                    if let Some(folder) = base.existing_subdir(folder)? {
                        folder.sweep()?;
                    }
                }
            }
            Err(sysext_durable::Error::Locked { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let user = base.lock(USERS, LockKind::Shared, PATIENCE)?;
        Ok(Self {
            base,
            _user: Some(user),
        })
    }

    /// Opens one for writing, and makes it where it is missing.
    ///
    /// # Errors
    /// When it can not be made.
    pub fn create(path: &Path) -> Result<Self, LocationError> {
        Dir::create_all(path, DIRECTORY_MODE)?;
        Self::open_for_writing(path)
    }

    /// Writes a file beside the catalog that is none of its own.
    pub(super) fn write_beside(&self, name: &str, bytes: &[u8]) -> Result<(), LocationError> {
        Ok(self.base.write(name, bytes, FILE_MODE)?)
    }

    fn folder(&self, place: &Place) -> Result<(Option<Dir>, String), LocationError> {
        let (folder, name) = place.parts();
        let folder = match folder {
            Some(folder) => self.base.existing_subdir(folder)?,
            None => Some(self.base.try_clone()?),
        };
        Ok((folder, name))
    }

    fn folder_made(&self, place: &Place) -> Result<(Dir, String), LocationError> {
        let (folder, name) = place.parts();
        let folder = match folder {
            Some(folder) => self.base.create_subdir(folder, DIRECTORY_MODE)?,
            None => self.base.try_clone()?,
        };
        Ok((folder, name))
    }
}

impl Location for Directory {
    fn name(&self) -> String {
        self.base.path().display().to_string()
    }

    fn read(&self, place: &Place, limit: u64) -> Result<Option<Vec<u8>>, LocationError> {
        match self.folder(place)? {
            (Some(folder), name) => Ok(folder.read(&name, limit)?),
            (None, _) => Ok(None),
        }
    }

    fn open(&self, place: &Place) -> Result<Option<Box<dyn Read + Send>>, LocationError> {
        match self.folder(place)? {
            (Some(folder), name) => Ok(folder
                .open_file(&name)?
                .map(|file| Box::new(file) as Box<dyn Read + Send>)),
            (None, _) => Ok(None),
        }
    }
}

impl Store for Directory {
    fn incoming(&self, place: &Place) -> Result<Box<dyn Incoming>, LocationError> {
        let (folder, name) = self.folder_made(place)?;
        let file = folder.writer(&name, FILE_MODE)?;
        Ok(Box::new(Arriving { file: Some(file) }))
    }

    fn exclusive(&self) -> Result<Option<Exclusive>, LocationError> {
        let lock = self.base.lock(LOCK, LockKind::Exclusive, PATIENCE)?;
        Ok(Some(Exclusive::holding(lock)))
    }

    fn put_new(&self, place: &Place, bytes: &[u8]) -> Result<bool, LocationError> {
        let (folder, name) = self.folder_made(place)?;
        let mut file = folder.writer(&name, FILE_MODE)?;
        file.write_all(bytes)
            .map_err(|source| LocationError::Stream {
                file: place.to_string(),
                source,
            })?;
        Ok(file.commit_new()?)
    }

    fn put(&self, place: &Place, bytes: &[u8]) -> Result<(), LocationError> {
        let (folder, name) = self.folder_made(place)?;
        Ok(folder.write(&name, bytes, FILE_MODE)?)
    }

    fn remove(&self, place: &Place) -> Result<(), LocationError> {
        match self.folder(place)? {
            (Some(folder), name) => Ok(folder.remove(&name)?),
            (None, _) => Ok(()),
        }
    }

    fn link_hashed(&self, digest: Sha256Digest, name: &FileName) -> Result<(), LocationError> {
        let (folder, plain) = self.folder_made(&Place::Image(name.clone()))?;
        let (_, hashed) = Place::HashedImage(digest, name.clone()).parts();
        // One that is there has the same digest in its name; a run that was killed may have left it on other bytes.
        folder.remove(&hashed)?;
        folder.hard_link(&hashed, &folder, &plain)?;
        Ok(())
    }

    fn swap_timestamp(
        &self,
        expected: Option<Sha256Digest>,
        bytes: &[u8],
    ) -> Result<Swap, LocationError> {
        // Whoever calls this holds the lock of exclusive(), so nobody comes between the look and the rename.
        let place = Place::Metadata(RemoteFile::Timestamp);
        let current = self.read(&place, Limits::default().timestamp)?;
        if current.as_deref().map(Sha256Digest::of) != expected {
            return Ok(Swap::Lost);
        }
        self.put(&place, bytes)?;
        Ok(Swap::Done)
    }
}

/// A file on its way into a directory.
#[derive(Debug)]
struct Arriving {
    file: Option<DurableFile>,
}

impl Arriving {
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

    /// To the disk, by whoever brings it: several are brought at once, and one after another gets its name.
    fn flush(&mut self) -> io::Result<()> {
        self.open()?.settle().map_err(io::Error::other)
    }
}

impl Incoming for Arriving {
    fn publish(&mut self, _: Sha256Digest) -> Result<(), LocationError> {
        match self.file.take() {
            Some(file) => Ok(file.commit()?),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Place {
        Place::Image("k3s_1_x86-64.raw".parse().unwrap())
    }

    #[test]
    fn nothing_is_seen_of_a_file_before_it_is_published() {
        let temp = tempfile::tempdir().unwrap();
        let store = Directory::create(temp.path()).unwrap();
        let mut file = store.incoming(&image()).unwrap();
        file.write_all(b"bytes").unwrap();
        assert_eq!(store.read(&image(), 100).unwrap(), None);
        file.publish(Sha256Digest::of(b"bytes")).unwrap();
        file.publish(Sha256Digest::of(b"bytes")).unwrap();
        assert_eq!(store.read(&image(), 100).unwrap().unwrap(), b"bytes");
    }

    #[test]
    fn the_timestamp_is_swapped_only_from_what_was_read() {
        let temp = tempfile::tempdir().unwrap();
        let store = Directory::create(temp.path()).unwrap();
        let digest = |bytes: &[u8]| Some(Sha256Digest::of(bytes));
        assert_eq!(
            store.swap_timestamp(digest(b"0"), b"1").unwrap(),
            Swap::Lost
        );
        assert_eq!(store.swap_timestamp(None, b"1").unwrap(), Swap::Done);
        assert_eq!(store.swap_timestamp(None, b"2").unwrap(), Swap::Lost);
        assert_eq!(
            store.swap_timestamp(digest(b"1"), b"2").unwrap(),
            Swap::Done
        );
    }

    #[test]
    fn what_a_killed_publisher_left_goes_when_nobody_else_is_here() {
        let temp = tempfile::tempdir().unwrap();
        let first = Directory::create(temp.path()).unwrap();
        let file = first.incoming(&image()).unwrap();
        let left = || {
            std::fs::read_dir(temp.path().join("images"))
                .unwrap()
                .count()
        };
        let second = Directory::open_for_writing(temp.path()).unwrap();
        assert_eq!(left(), 1, "a file of somebody who is here stays");
        drop((first, second));
        // As if killed: its destructor never ran.
        std::mem::forget(file);
        let _third = Directory::open_for_writing(temp.path()).unwrap();
        assert_eq!(left(), 0);
    }
}
