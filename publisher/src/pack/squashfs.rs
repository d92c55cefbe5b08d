//! Writes squashfs, every block stored as it is.
//!
//! - gzip at level 0 makes every block longer than it was, so the writer stores them all; the compression options are left
//!   out of the image, as the kernel refuses that level there and needs none for gzip. The superblock says then, as that
//!   of `mksquashfs -noI -noD -noF -noX` does, that nothing is compressed.
//! - The writer finds equal files by a 64-bit hash that was not made to withstand anybody. So each file is hashed while it
//!   is read and compared when the image is read back, and where that finds a difference, nothing is shared: a crafted file
//!   can not put itself in the place of another.
//! - Blocks are read one at a time; a file is open only while it is read.

use std::io::{BufReader, Seek as _, SeekFrom, Write as _};

use backhand::compression::{CompressionOptions, Compressor, Gzip};
use backhand::{
    BackhandError, FilesystemCompressor, FilesystemReader, FilesystemWriter, InnerNode, NodeHeader,
};
use sysext_durable::DurableFile;

use super::PackError;
use super::reading::{Digests, Reading, digest_of};
use super::tree::{Node, Tree};

/// Flags of the superblock: inodes, data, fragments and extended attributes are not compressed, and there are none of the
/// last.
const NOTHING_COMPRESSED: u16 = 0x0001 | 0x0002 | 0x0008 | 0x0100 | 0x0200;

/// Where the flags are in the superblock.
const FLAGS: u64 = 24;

/// Bytes of a block. Smaller files share one with others.
pub(super) const BLOCK: u64 = backhand::DEFAULT_BLOCK_SIZE as u64;

/// Writes the image, and compares the large files in it.
pub(super) fn write(tree: &Tree, file: &mut DurableFile) -> Result<Digests, PackError> {
    match attempt(tree, file, true) {
        // Two files of one hash: then each has its own place.
        Err(PackError::Differs(_)) => {
            file.file().set_len(0).map_err(PackError::Write)?;
            file.seek(SeekFrom::Start(0)).map_err(PackError::Write)?;
            attempt(tree, file, false)
        }
        result => result,
    }
}

/// Writes the image once; `share` lets equal files have one place.
fn attempt(tree: &Tree, file: &mut DurableFile, share: bool) -> Result<Digests, PackError> {
    let digests = Digests::default();
    let mut writer = FilesystemWriter::default();
    writer.set_compressor(stored().map_err(refused)?);
    writer.set_emit_compression_options(false);
    writer.set_no_duplicate_files(share);
    writer.set_root_mode(0o755);
    for (path, node) in tree.nodes() {
        let shown = path.to_string_lossy().into_owned();
        let added = match node {
            Node::Directory => writer.push_dir(path, header(0o755)),
            Node::Link(target) => writer.push_symlink(target, path, header(0o777)),
            Node::File { mode, content } => {
                let reader = Reading::new(shown, content, &digests);
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
    compare_large(&digests, file)?;
    Ok(digests)
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

/// Reads the large files back. They have blocks of their own, so nothing is kept in memory from one to the next; the small
/// ones share blocks, and are compared with everything else that is in the image.
fn compare_large(digests: &Digests, file: &DurableFile) -> Result<(), PackError> {
    let mut handle = file.file().try_clone().map_err(PackError::ReadBack)?;
    handle
        .seek(SeekFrom::Start(0))
        .map_err(PackError::ReadBack)?;
    let image = FilesystemReader::from_reader(BufReader::new(handle)).map_err(refused)?;
    for node in image.files() {
        let InnerNode::File(content) = &node.inner else {
            continue;
        };
        if (content.file_len() as u64) < BLOCK {
            continue;
        }
        let path = node.fullpath.to_string_lossy();
        let path = path.trim_start_matches('/');
        let found = digest_of(image.file(content).reader()).map_err(PackError::ReadBack)?;
        if digests.get(path) != Some(found) {
            return Err(PackError::Differs(path.to_owned()));
        }
    }
    Ok(())
}
