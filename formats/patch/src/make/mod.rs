//! Makes patches.
//!
//! - The same images give the same bytes, whatever the machine: one thread, no clock, no randomness.
//! - Memory is bounded by the lengths of the images ([`memory_needed`]), which the caller holds against what it allows.
//! - Time grows with the lengths of the images, whatever is in them: each search compares `search::COMPARED` bytes a step, and
//!   each place of the new image is searched for once.

#![expect(
    clippy::indexing_slicing,
    reason = "loops over images that this machine's user publishes; every index comes from their own lengths"
)]

mod differ;
mod elf;
mod fields;
mod mask;
mod search;
mod write;

pub use self::write::pack;

use std::borrow::Cow;
use std::io::Cursor;

use sysext_verity::Layout;

use crate::plan::Plan;
use crate::shifts::Shifts;
use crate::tree::is_usable;
use crate::{MAX_LENGTH, MAX_MOVES, PatchError};

/// Why there is no patch.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// One of the images is empty, or too long.
    #[error("an image of {0} bytes; patches are between images of 1 to {MAX_LENGTH}")]
    Length(u64),
    /// They have too little in common.
    #[error("it would take more than {MAX_MOVES} moves")]
    Moves,
    /// The compression failed.
    #[error("compressing failed: {0}")]
    Compress(#[source] std::io::Error),
    /// What was made does not give the new image: an error of this program.
    #[error("the patch does not give the new image back")]
    Wrong(#[source] Option<PatchError>),
}

/// Bytes of memory that making a patch takes, at most.
#[must_use]
pub fn memory_needed(old: u64, new: u64) -> u64 {
    // Both images, the new one again without its tree; then both masked and four bytes for each suffix of the old one.
    let searching = old.saturating_mul(6).saturating_add(new.saturating_mul(3));
    // Where nothing is found, all of the new image is in a stream, and again in the patch; buffers grow to twice of that.
    let writing = old.saturating_add(new.saturating_mul(6));
    // And LZMA's own tables.
    searching.max(writing).saturating_add(160 << 20)
}

/// Makes the patch that leads from one image to another, and tries it.
///
/// Where `tree` says where the new image has a hash tree, and it is the one that belongs to the data, it is left out of the
/// patch; any other is in it like all bytes.
///
/// # Errors
/// When the images are too long or have too little in common.
pub fn make(old: &[u8], new: &[u8], tree: Option<&Layout>) -> Result<Vec<u8>, MakeError> {
    for image in [old, new] {
        let length = image.len() as u64;
        if length == 0 || length > MAX_LENGTH {
            return Err(MakeError::Length(length));
        }
    }
    let whole = new;
    let tree = tree.filter(|layout| is_of_its_data(layout, whole));
    let new = tree.map_or(Cow::Borrowed(whole), |layout| {
        let (start, end) = (layout.tree as usize, layout.tree_end() as usize);
        Cow::Owned([&whole[..start], &whole[end..]].concat())
    });
    let new = &*new;
    let (old_programs, new_programs) = (elf::programs(old), elf::programs(new));
    let moves = {
        let old = mask::mask(old, &old_programs);
        let new = mask::mask(new, &new_programs);
        differ::moves(&search::Search::new(&old), &new).ok_or(MakeError::Moves)?
    };
    let shifts = Shifts::new(&moves, u32::try_from(old.len()).unwrap_or(u32::MAX));
    let mut plan = Plan {
        tree: tree.cloned(),
        old: old_programs.places,
        new: new_programs.places,
        fields: fields::none(),
        moves,
    };
    fields::learn(&mut plan, &shifts, old, new);
    let patch =
        write::write(&plan, &shifts, old, new, whole.len() as u64).map_err(MakeError::Compress)?;
    drop((shifts, plan));
    let mut same = Same { rest: whole };
    let applied = crate::apply(
        Cursor::new(old),
        old.len() as u64,
        Cursor::new(&patch),
        &mut same,
        whole.len() as u64,
    );
    match applied {
        Ok(()) if same.rest.is_empty() => Ok(patch),
        Ok(()) => Err(MakeError::Wrong(None)),
        Err(error) => Err(MakeError::Wrong(Some(error))),
    }
}

/// Whether the hash tree that stands there is the one that the data give.
fn is_of_its_data(layout: &Layout, image: &[u8]) -> bool {
    if !is_usable(layout, image.len() as u64) {
        return false;
    }
    let stored = &image[layout.tree as usize..layout.tree_end() as usize];
    layout.tree_of(image).is_some_and(|tree| tree == stored)
}

/// Takes exactly these bytes.
struct Same<'a> {
    rest: &'a [u8],
}

impl std::io::Write for Same<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self.rest.strip_prefix(bytes) {
            Some(rest) => self.rest = rest,
            None => return Err(std::io::Error::other("other bytes")),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
