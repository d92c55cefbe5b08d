//! Holds what is in an image against what was meant to be in it.
//!
//! - Every path, kind, mode, owner and link target, and the content of every file up to a size. Larger ones in squashfs are
//!   compared where they are written, one block at a time; mkfs.erofs is trusted with those above the bound.
//! - The image is read with the code that hosts read it with, not with the code that wrote it.

use std::fs::File;
use std::io;

use sysext_formats::digest::Sha256Digest;
use sysext_image::{Entry, EntryKind, Image};

use super::PackError;
use super::reading::Digests;
use super::tree::{Node, Tree};

/// Compares all entries, and files of less than `bound` bytes.
pub(super) fn check(
    tree: &Tree,
    digests: &Digests,
    image: &mut Image<File>,
    bound: u64,
) -> Result<(), PackError> {
    let mut expected = 0;
    let mut contents = Vec::new();
    for (path, node) in tree.nodes() {
        let path = path.to_string_lossy();
        expected += 1;
        match image.entry(&path) {
            Some(entry) if same(node, entry) => {
                if entry.kind == EntryKind::File && entry.size < bound {
                    contents.push(path.into_owned());
                }
            }
            _ => return Err(PackError::Differs(path.into_owned())),
        }
    }
    if image.entries().len() != expected {
        return Err(PackError::Differs("".to_owned()));
    }
    for path in contents {
        let bytes = image
            .read(&path)
            .map_err(|error| PackError::ReadBack(io::Error::other(error)))?;
        if digests.get(&path) != Some(Sha256Digest::of(&bytes)) {
            return Err(PackError::Differs(path));
        }
    }
    Ok(())
}

fn same(node: &Node, entry: &Entry) -> bool {
    let kind = match (node, &entry.kind) {
        (Node::Directory, EntryKind::Dir) => entry.mode == 0o755,
        (Node::File { mode, .. }, EntryKind::File) => entry.mode == u32::from(*mode),
        (Node::Link(target), EntryKind::Symlink { target: found }) => target == found,
        _ => false,
    };
    kind && (entry.uid, entry.gid) == (0, 0)
}
