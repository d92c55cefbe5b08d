//! Directory handles.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{self as sys, AtFlags, Mode, OFlags};

use crate::{DurableFile, Error, Kind, Result, is_left_out};

/// How temporary files are called; no name of ours starts so.
pub(crate) const TEMPORARY: &str = ".tmp-";

/// An open directory.
#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
    path: PathBuf,
}

impl Dir {
    /// Opens a directory that exists. Symbolic links in `path` are followed: it is the caller's own word.
    ///
    /// # Errors
    /// When there is no such directory, or it can not be opened.
    pub fn open(path: &Path) -> Result<Self> {
        let fd = sys::open(
            path,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        );
        Ok(Self {
            fd: fd.map_err(|error| io("opening", path, error))?,
            path: path.to_owned(),
        })
    }

    /// Opens a directory, or `None` where there is none.
    ///
    /// # Errors
    /// When it can not be opened.
    pub fn open_existing(path: &Path) -> Result<Option<Self>> {
        match Self::open(path) {
            Err(error) if error.io_kind() == Some(io::ErrorKind::NotFound) => Ok(None),
            result => result.map(Some),
        }
    }

    /// Opens the directory of a file that need not be there; the other part of the answer is the file's name.
    ///
    /// # Errors
    /// When the path has no name that can be used, or the directory can not be opened.
    pub fn of_file(path: &Path) -> Result<(Self, String)> {
        let name = name_of(path)?;
        Ok((Self::open(directory_of(path))?, name))
    }

    /// As [`of_file`](Self::of_file); `None` where there is no such directory.
    ///
    /// # Errors
    /// As [`of_file`](Self::of_file).
    pub fn of_existing_file(path: &Path) -> Result<Option<(Self, String)>> {
        let name = name_of(path)?;
        Ok(Self::open_existing(directory_of(path))?.map(|dir| (dir, name)))
    }

    /// Opens a directory and creates what is missing of its path, durably, with permissions `mode` (exactly: the
    /// umask does not count).
    ///
    /// # Errors
    /// When a part can not be created or opened.
    pub fn create_all(path: &Path, mode: u32) -> Result<Self> {
        if let Some(dir) = Self::open_existing(path)? {
            return Ok(dir);
        }
        match (
            path.parent(),
            path.file_name().and_then(|name| name.to_str()),
        ) {
            (Some(_), Some(name)) => {
                Self::create_all(directory_of(path), mode)?.create_subdir(name, mode)
            }
            _ => Self::open(path),
        }
    }

    /// The path it was opened by, for messages and for programs that are told about a file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of `name` in it, for messages and for programs that are told about a file.
    ///
    /// # Errors
    /// When `name` is not one component.
    pub fn path_of(&self, name: &str) -> Result<PathBuf> {
        if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
            return Err(Error::Name {
                dir: self.path.clone(),
                name: name.chars().take(80).collect(),
            });
        }
        Ok(self.path.join(name))
    }

    /// Opens a directory in it.
    ///
    /// # Errors
    /// When there is none, or it is a symbolic link.
    pub fn subdir(&self, name: &str) -> Result<Self> {
        let path = self.path_of(name)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = sys::openat(&self.fd, name, flags, Mode::empty())
            .map_err(|error| io("opening", &path, error))?;
        Ok(Self { fd, path })
    }

    /// Opens a directory in it, or `None` where there is none.
    ///
    /// # Errors
    /// When it can not be opened, or is a symbolic link.
    pub fn existing_subdir(&self, name: &str) -> Result<Option<Self>> {
        absent_is_none(self.subdir(name))
    }

    /// Opens a directory in it, created with permissions `mode` when it is missing.
    ///
    /// # Errors
    /// When it can not be created or opened.
    pub fn create_subdir(&self, name: &str, mode: u32) -> Result<Self> {
        let path = self.path_of(name)?;
        match sys::mkdirat(&self.fd, name, Mode::from_raw_mode(mode)) {
            Ok(()) => {
                let dir = self.subdir(name)?;
                sys::fchmod(&dir.fd, Mode::from_raw_mode(mode))
                    .map_err(|error| io("creating", &path, error))?;
                self.sync()?;
                Ok(dir)
            }
            Err(rustix::io::Errno::EXIST) => self.subdir(name),
            Err(error) => Err(io("creating", &path, error)),
        }
    }

    /// Opens a regular file for reading; `None` where there is nothing of that name.
    ///
    /// # Errors
    /// When it can not be opened, or is no regular file (a symbolic link is none).
    pub fn open_file(&self, name: &str) -> Result<Option<File>> {
        Ok(self.open_measured(name)?.map(|(file, _)| file))
    }

    /// A regular file with its length.
    fn open_measured(&self, name: &str) -> Result<Option<(File, u64)>> {
        let path = self.path_of(name)?;
        // NONBLOCK: a FIFO in its place must not hang the opener.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match sys::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(rustix::io::Errno::LOOP) => return Err(Error::NotAFile(path)),
            Err(error) => return Err(io("opening", &path, error)),
        };
        let metadata = file.metadata().map_err(|source| Error::Io {
            operation: "reading",
            path: path.clone(),
            source,
        })?;
        if metadata.is_file() {
            Ok(Some((file, metadata.len())))
        } else {
            Err(Error::NotAFile(path))
        }
    }

    /// The content of a regular file of at most `limit` bytes; `None` where there is nothing of that name.
    ///
    /// # Errors
    /// When it can not be read, is longer, or is no regular file.
    pub fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let Some((file, length)) = self.open_measured(name)? else {
            return Ok(None);
        };
        let path = self.path_of(name)?;
        let failed = |source| Error::Io {
            operation: "reading",
            path: path.clone(),
            source,
        };
        // One more than there should be, so that the end is seen without growing. A file that grows meanwhile is read on.
        let expected = length.min(limit).saturating_add(1);
        let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or(0));
        file.take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
            return Err(Error::TooLong {
                path,
                length,
                limit,
            });
        }
        Ok(Some(bytes))
    }

    /// Replaces a file durably and atomically.
    ///
    /// # Errors
    /// When it fails; the old file is still there then.
    pub fn write(&self, name: &str, bytes: &[u8], mode: u32) -> Result<()> {
        let mut file = self.writer(name, mode)?;
        let path = self.path_of(name)?;
        file.write_all(bytes).map_err(|source| Error::Io {
            operation: "writing",
            path,
            source,
        })?;
        file.commit()
    }

    /// Starts to replace a file; nothing is seen of it before [`DurableFile::commit`].
    ///
    /// # Errors
    /// When the temporary file can not be created.
    pub fn writer(&self, name: &str, mode: u32) -> Result<DurableFile> {
        self.path_of(name)?;
        DurableFile::create(self.try_clone()?, name, &temporary_name()?, mode)
    }

    /// Renames within it, durably; what has the new name is replaced.
    ///
    /// # Errors
    /// When it fails.
    pub fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.path_of(from)?;
        let path = self.path_of(to)?;
        sys::renameat(&self.fd, from, &self.fd, to)
            .map_err(|error| io("renaming to", &path, error))?;
        self.sync()
    }

    /// Moves a file to another directory of the same file system, durably; what has the name there is replaced. The
    /// content is not synced: that is for whoever wrote it.
    ///
    /// # Errors
    /// When it fails.
    pub fn move_to(&self, from: &str, to: &Self, name: &str) -> Result<()> {
        self.path_of(from)?;
        let path = to.path_of(name)?;
        sys::renameat(&self.fd, from, &to.fd, name)
            .map_err(|error| io("moving to", &path, error))?;
        to.sync()?;
        self.sync()
    }

    /// Opens a file for reading and for adding to its end, created with permissions `mode` when it is missing. What is
    /// written is neither durable nor atomic: for downloads that may be cut off and go on later.
    ///
    /// # Errors
    /// When it can not be opened, or is no regular file (a symbolic link is none).
    pub fn append(&self, name: &str, mode: u32) -> Result<File> {
        let path = self.path_of(name)?;
        let flags = OFlags::RDWR
            | OFlags::APPEND
            | OFlags::CREATE
            | OFlags::NOFOLLOW
            | OFlags::NONBLOCK
            | OFlags::CLOEXEC;
        let file = match sys::openat(&self.fd, name, flags, Mode::from_raw_mode(mode)) {
            Ok(fd) => File::from(fd),
            Err(rustix::io::Errno::LOOP | rustix::io::Errno::NXIO) => {
                return Err(Error::NotAFile(path));
            }
            Err(error) => return Err(io("opening", &path, error)),
        };
        let metadata = file.metadata().map_err(|source| Error::Io {
            operation: "reading",
            path: path.clone(),
            source,
        })?;
        if metadata.is_file() {
            Ok(file)
        } else {
            Err(Error::NotAFile(path))
        }
    }

    /// Removes a file or link durably; that it is not there is no error.
    ///
    /// # Errors
    /// When it fails.
    pub fn remove(&self, name: &str) -> Result<()> {
        let path = self.path_of(name)?;
        match sys::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) => self.sync(),
            Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(io("removing", &path, error)),
        }
    }

    /// Removes a directory in it with all that it holds; that it is not there is no error. Never follows a link.
    ///
    /// # Errors
    /// When a part can not be removed.
    pub fn remove_tree(&self, name: &str) -> Result<()> {
        let Some(dir) = self.existing_subdir(name)? else {
            return Ok(());
        };
        for entry in dir.entries()? {
            match entry.kind {
                Kind::Directory => dir.remove_tree(&entry.name)?,
                _ => dir.remove(&entry.name)?,
            }
        }
        sys::unlinkat(&self.fd, name, AtFlags::REMOVEDIR)
            .map_err(|error| io("removing", &dir.path, error))?;
        self.sync()
    }

    /// Makes renames and removals in it durable.
    ///
    /// # Errors
    /// When the file system fails.
    pub fn sync(&self) -> Result<()> {
        if is_left_out("directory-sync") {
            return Ok(());
        }
        sys::fsync(&self.fd).map_err(|error| io("syncing", &self.path, error))
    }

    /// A second handle of the same directory.
    ///
    /// # Errors
    /// When the process has no more descriptors.
    pub fn try_clone(&self) -> Result<Self> {
        let fd = self.fd.try_clone().map_err(|source| Error::Io {
            operation: "opening",
            path: self.path.clone(),
            source,
        })?;
        Ok(Self {
            fd,
            path: self.path.clone(),
        })
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn absent_is_none<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Err(error) if error.io_kind() == Some(io::ErrorKind::NotFound) => Ok(None),
        result => result.map(Some),
    }
}

pub(crate) fn temporary_name() -> Result<String> {
    let number = getrandom::u64().map_err(|error| Error::Io {
        operation: "naming a temporary file in",
        path: PathBuf::from("."),
        source: io::Error::other(error),
    })?;
    Ok(format!("{TEMPORARY}{number:016x}"))
}

pub(crate) fn io(operation: &'static str, path: &Path, error: rustix::io::Errno) -> Error {
    Error::Io {
        operation,
        path: path.to_owned(),
        source: error.into(),
    }
}

/// The directory that a path is in: its parent, or where that is not said, the one that this process is in.
#[must_use]
pub fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn name_of(path: &Path) -> Result<String> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).ok_or_else(|| Error::Name {
        dir: directory_of(path).to_owned(),
        name: path.to_string_lossy().chars().take(80).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Entry;
    use std::os::unix::fs::PermissionsExt as _;

    fn scratch() -> (tempfile::TempDir, Dir) {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        (temp, dir)
    }

    #[test]
    fn a_write_replaces_the_whole_file_with_the_mode_asked_for() {
        let (temp, dir) = scratch();
        dir.write("a", b"one", 0o600).unwrap();
        dir.write("a", b"two", 0o644).unwrap();
        assert_eq!(dir.read("a", 3).unwrap().unwrap(), b"two");
        assert_eq!(
            std::fs::metadata(temp.path().join("a"))
                .unwrap()
                .permissions()
                .mode()
                & 0o7777,
            0o644
        );
        assert_eq!(
            dir.entries().unwrap(),
            [Entry {
                name: "a".into(),
                kind: Kind::File
            }]
        );
        assert!(matches!(
            dir.read("a", 2),
            Err(Error::TooLong {
                length: 3,
                limit: 2,
                ..
            })
        ));
        assert_eq!(dir.read("b", 2).unwrap(), None);
    }

    #[test]
    fn an_abandoned_write_leaves_the_old_file_and_nothing_else() {
        let (_temp, dir) = scratch();
        dir.write("a", b"one", 0o600).unwrap();
        let mut writer = dir.writer("a", 0o600).unwrap();
        writer.write_all(b"two").unwrap();
        drop(writer);
        assert_eq!(dir.read("a", 9).unwrap().unwrap(), b"one");
        assert_eq!(dir.entries().unwrap().len(), 1);
    }

    #[test]
    fn links_lead_nowhere() {
        let (temp, dir) = scratch();
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "x").unwrap();
        std::os::unix::fs::symlink(outside.path(), temp.path().join("dir")).unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret"), temp.path().join("file"))
            .unwrap();
        assert!(dir.subdir("dir").is_err());
        assert!(matches!(dir.open_file("file"), Err(Error::NotAFile(_))));
        dir.write("file", b"mine", 0o600).unwrap();
        assert_eq!(std::fs::read(outside.path().join("secret")).unwrap(), b"x");
        dir.create_subdir("tree", 0o755)
            .unwrap()
            .symlink("out", outside.path())
            .unwrap();
        dir.remove_tree("tree").unwrap();
        assert!(outside.path().join("secret").exists());
    }

    #[test]
    fn names_are_one_component() {
        let (_temp, dir) = scratch();
        for name in ["", ".", "..", "a/b", "/a", "a\0"] {
            assert!(
                matches!(dir.write(name, b"", 0o600), Err(Error::Name { .. })),
                "{name:?}"
            );
        }
    }

    #[test]
    fn a_file_is_in_its_directory_whether_that_is_said_or_not() {
        for (path, directory) in [
            ("a", "."),
            ("./a", "."),
            ("b/a", "b"),
            ("/a", "/"),
            ("/", "."),
        ] {
            assert_eq!(directory_of(Path::new(path)), Path::new(directory));
        }
        let (temp, dir) = scratch();
        dir.write("a", b"one", 0o600).unwrap();
        let (same, name) = Dir::of_file(&temp.path().join("a")).unwrap();
        assert_eq!(same.read(&name, 9).unwrap().unwrap(), b"one");
        let absent = temp.path().join("absent/a");
        assert!(Dir::of_existing_file(&absent).unwrap().is_none());
        assert!(Dir::of_file(&absent).is_err());
        for nameless in ["/", "..", ""] {
            let refused = Dir::of_existing_file(Path::new(nameless));
            assert!(matches!(refused, Err(Error::Name { .. })), "{nameless:?}");
        }
    }

    #[test]
    fn a_link_is_replaced_in_one_step() {
        let (_temp, dir) = scratch();
        dir.symlink("l", Path::new("/one")).unwrap();
        dir.symlink("l", Path::new("/two")).unwrap();
        assert_eq!(dir.read_link("l").unwrap().unwrap(), Path::new("/two"));
        dir.remove("l").unwrap();
        assert_eq!(dir.read_link("l").unwrap(), None);
    }

    #[test]
    fn missing_directories_are_created_whatever_the_umask() {
        let (temp, _dir) = scratch();
        let path = temp.path().join("a/b/c");
        Dir::create_all(&path, 0o755).unwrap();
        assert_eq!(
            std::fs::metadata(path).unwrap().permissions().mode() & 0o7777,
            0o755
        );
    }

    #[test]
    fn a_file_grows_at_its_end_and_moves_whole() {
        let (_temp, dir) = scratch();
        let to = dir.create_subdir("to", 0o755).unwrap();
        for piece in ["one ", "two"] {
            let mut file = dir.append("part", 0o644).unwrap();
            file.write_all(piece.as_bytes()).unwrap();
        }
        dir.move_to("part", &to, "whole").unwrap();
        assert_eq!(to.read("whole", 100).unwrap().unwrap(), b"one two");
        assert_eq!(dir.read("part", 100).unwrap(), None);
        dir.symlink("part", Path::new("to/whole")).unwrap();
        assert!(matches!(dir.append("part", 0o644), Err(Error::NotAFile(_))));
        assert!(dir.move_to("absent", &to, "../x").is_err());
    }
}
