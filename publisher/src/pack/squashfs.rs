//! Writes squashfs, every block stored as it is.
//!
//! - gzip at level 0 makes every block longer than it was, so the writer stores them all; the compression options are left
//!   out of the image, as the kernel refuses that level there and needs none for gzip. The superblock says then, as that
//!   of `mksquashfs -noI -noD -noF -noX` does, that nothing is compressed.
//! - The writer finds equal files by a 64-bit hash that was not made to withstand anybody. So each file is hashed while it
//!   is read, and the whole image is read back and compared: a crafted file can not put itself in the place of another.
//! - Blocks are read one at a time; a file is open only while it is read.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use backhand::compression::{CompressionOptions, Compressor, Gzip};
use backhand::{
    BackhandError, FilesystemCompressor, FilesystemReader, FilesystemWriter, InnerNode, NodeHeader,
};
use sysext_durable::DurableFile;
use sysext_formats::digest::{Sha256Digest, Sha256Hasher};

use super::PackError;
use super::tree::{Content, Node, Tree};

/// Flags of the superblock: inodes, data, fragments and extended attributes are not compressed, and there are none of the
/// last.
const NOTHING_COMPRESSED: u16 = 0x0001 | 0x0002 | 0x0008 | 0x0100 | 0x0200;

/// Where the flags are in the superblock.
const FLAGS: u64 = 24;

/// Digests of the files that were read, by their path in the image.
type Digests = RefCell<BTreeMap<String, Sha256Digest>>;

/// Writes the image, and compares what is in it.
pub(super) fn write(tree: &Tree, file: &mut DurableFile) -> Result<(), PackError> {
    let digests = Digests::default();
    let mut writer = FilesystemWriter::default();
    writer.set_compressor(stored().map_err(refused)?);
    writer.set_emit_compression_options(false);
    writer.set_root_mode(0o755);
    for (path, node) in tree.nodes() {
        let shown = path.to_string_lossy().into_owned();
        let added = match node {
            Node::Directory => writer.push_dir(path, header(0o755)),
            Node::Link(target) => writer.push_symlink(target, path, header(0o777)),
            Node::File { mode, content } => {
                let reader = Hashed {
                    path: shown,
                    content,
                    open: None,
                    hasher: Sha256Hasher::default(),
                    digests: &digests,
                };
                writer.push_file(reader, path, header(*mode))
            }
        };
        added.map_err(refused)?;
    }
    let (superblock, length) = writer.write(&mut *file).map_err(|error| match error {
        BackhandError::StdIo(error) => PackError::Write(error),
        error => refused(error),
    })?;
    let flags = (superblock.flags | NOTHING_COMPRESSED).to_le_bytes();
    file.seek(SeekFrom::Start(FLAGS))
        .and_then(|_| file.write_all(&flags))
        // Where the last file was there already, the writer went back over it, and its bytes are still behind the end.
        .and_then(|()| file.file().set_len(length))
        .map_err(PackError::Write)?;
    drop(writer);
    compare(tree, &digests.into_inner(), file)
}

fn stored() -> Result<FilesystemCompressor, BackhandError> {
    let options = CompressionOptions::Gzip(Gzip {
        compression_level: 0,
        window_size: 15,
        strategies: 0,
    });
    FilesystemCompressor::new(Compressor::Gzip, Some(options))
}

/// Owned by root, at the beginning of time.
fn header(mode: u16) -> NodeHeader {
    NodeHeader::new(mode, 0, 0, 0)
}

fn refused(error: BackhandError) -> PackError {
    PackError::Writer(format!("{error:?}"))
}

/// A file on its way into the image, opened when its turn comes.
struct Hashed<'a> {
    path: String,
    content: &'a Content,
    open: Option<Box<dyn Read + 'a>>,
    hasher: Sha256Hasher,
    digests: &'a Digests,
}

impl Read for Hashed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.digests.borrow().contains_key(&self.path) {
            return Ok(0);
        }
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("/{}: {error}", self.path));
        let mut file = match self.open.take() {
            Some(file) => file,
            None => self.content.open().map_err(named)?,
        };
        let count = file.read(buffer).map_err(named)?;
        if count == 0 {
            let hasher = std::mem::take(&mut self.hasher);
            self.digests
                .borrow_mut()
                .insert(self.path.clone(), hasher.finish());
        } else {
            self.hasher.update(buffer.get(..count).unwrap_or_default());
            self.open = Some(file);
        }
        Ok(count)
    }
}

/// Reads the image back, and holds every entry against what went in.
fn compare(
    tree: &Tree,
    digests: &BTreeMap<String, Sha256Digest>,
    file: &DurableFile,
) -> Result<(), PackError> {
    let mut handle = file.file().try_clone().map_err(PackError::ReadBack)?;
    handle
        .seek(SeekFrom::Start(0))
        .map_err(PackError::ReadBack)?;
    let image = FilesystemReader::from_reader(BufReader::new(handle)).map_err(refused)?;
    let mut packed = image.files().filter(|node| node.fullpath != Path::new("/"));
    for (path, node) in tree.nodes() {
        let shown = || path.display().to_string();
        let Some(found) = packed.next() else {
            return Err(PackError::Differs(shown()));
        };
        let same = match (node, &found.inner) {
            (Node::Directory, InnerNode::Dir(_)) => true,
            (Node::Link(target), InnerNode::Symlink(link)) => link.link == Path::new(target),
            (Node::File { mode, .. }, InnerNode::File(content)) => {
                let digest = digest(image.file(content).reader()).map_err(PackError::ReadBack)?;
                found.header.permissions == *mode && digests.get(&shown()) == Some(&digest)
            }
            _ => false,
        };
        if !same || found.fullpath != Path::new("/").join(path) {
            return Err(PackError::Differs(shown()));
        }
    }
    match packed.next() {
        None => Ok(()),
        Some(more) => Err(PackError::Differs(more.fullpath.display().to_string())),
    }
}

fn digest(mut content: impl Read) -> io::Result<Sha256Digest> {
    let mut hasher = Sha256Hasher::default();
    let mut buffer = vec![0; 1 << 17];
    loop {
        match content.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(buffer.get(..count).unwrap_or_default()),
        }
    }
}
