//! The files that are served: a map that tests change, over a directory or nothing.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

/// The files of a server.
///
/// Files that are put stand before those of the directory, removed ones hide them; the directory itself is never
/// written.
#[derive(Debug, Default)]
pub struct Tree {
    changes: Mutex<BTreeMap<String, Option<ServedFile>>>,
    below: Option<PathBuf>,
}

impl From<BTreeMap<String, Vec<u8>>> for Tree {
    fn from(files: BTreeMap<String, Vec<u8>>) -> Self {
        let tree = Self::default();
        for (path, bytes) in files {
            tree.put(&path, bytes);
        }
        tree
    }
}

impl From<&Path> for Tree {
    fn from(directory: &Path) -> Self {
        Self {
            changes: Mutex::default(),
            below: Some(directory.to_owned()),
        }
    }
}

impl Tree {
    pub(super) fn put(&self, path: &str, bytes: Vec<u8>) {
        self.change(path, Some(ServedFile::in_memory(bytes)));
    }

    pub(super) fn remove(&self, path: &str) {
        self.change(path, None);
    }

    fn change(&self, path: &str, file: Option<ServedFile>) {
        let path = path.trim_start_matches('/').to_owned();
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes.insert(path, file);
    }

    pub(super) fn open(&self, path: &str) -> Option<ServedFile> {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = changes.get(path) {
            return file.clone();
        }
        drop(changes);
        let path = Path::new(path);
        let plain = |part| matches!(part, Component::Normal(_));
        if path.components().all(plain) {
            ServedFile::on_disk(&self.below.as_ref()?.join(path)).ok()
        } else {
            None
        }
    }
}

/// One file, as it was when it was asked for.
#[derive(Debug, Clone)]
pub(super) struct ServedFile {
    content: Content,
    pub(super) length: u64,
    pub(super) etag: String,
    pub(super) last_modified: String,
}

#[derive(Debug, Clone)]
enum Content {
    Memory(Arc<[u8]>),
    Disk(Arc<File>),
}

impl ServedFile {
    pub(super) fn in_memory(bytes: Vec<u8>) -> Self {
        let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes)[..16]);
        Self {
            length: bytes.len() as u64,
            content: Content::Memory(bytes.into()),
            etag: format!("\"{digest}\""),
            last_modified: http_date(Timestamp::now()),
        }
    }

    fn on_disk(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        // As common servers do it: no reading of the file, and another tag whenever it was written.
        let (inode, nanoseconds) = (about.ino(), about.mtime_nsec());
        let modified = Timestamp::from_second(about.mtime()).unwrap_or(Timestamp::UNIX_EPOCH);
        Ok(Self {
            content: Content::Disk(Arc::new(file)),
            length: about.len(),
            etag: format!(
                "\"{inode:x}-{:x}-{:x}.{nanoseconds:x}\"",
                about.len(),
                about.mtime()
            ),
            last_modified: http_date(modified),
        })
    }

    /// Reads `length` bytes from `start`.
    pub(super) fn reader(&self, start: u64, length: u64) -> io::Result<Box<dyn Read + '_>> {
        match &self.content {
            Content::Memory(bytes) => {
                let rest = &bytes[usize::try_from(start).unwrap().min(bytes.len())..];
                Ok(Box::new(rest.take(length)))
            }
            Content::Disk(file) => {
                // The handle belongs to this request alone, so its position does too.
                let mut file = file.as_ref();
                file.seek(SeekFrom::Start(start))?;
                Ok(Box::new(file.take(length)))
            }
        }
    }
}

fn http_date(time: Timestamp) -> String {
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(tree: &Tree, path: &str) -> Option<String> {
        let file = tree.open(path)?;
        let mut text = String::new();
        let mut reader = file.reader(0, file.length).unwrap();
        reader.read_to_string(&mut text).unwrap();
        Some(text)
    }

    #[test]
    fn changes_stand_before_the_directory_and_nothing_leaves_it() {
        let directory = tempfile::tempdir().unwrap();
        let served = directory.path().join("served");
        std::fs::create_dir(&served).unwrap();
        std::fs::write(directory.path().join("outside"), "secret").unwrap();
        std::fs::write(served.join("a"), "disk a").unwrap();
        std::fs::write(served.join("b"), "disk b").unwrap();
        let tree = Tree::from(served.as_path());
        tree.put("/b", b"memory b".to_vec());
        tree.remove("c");
        assert_eq!(content(&tree, "a").as_deref(), Some("disk a"));
        assert_eq!(content(&tree, "b").as_deref(), Some("memory b"));
        for path in ["c", "../outside", "/etc/passwd", "a/../../outside", "", "."] {
            assert_eq!(content(&tree, path), None, "{path}");
        }
        tree.remove("a");
        assert_eq!(content(&tree, "a"), None);
    }

    #[test]
    fn dates_are_those_of_the_standard() {
        let time = Timestamp::from_second(784_111_777).unwrap();
        assert_eq!(http_date(time), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
