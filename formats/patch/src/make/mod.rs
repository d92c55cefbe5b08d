//! Makes patches.
//!
//! - The same images give the same bytes, whatever the machine: one thread, no clock, no randomness.
//! - Memory is bounded by the lengths of the images ([`memory_needed`]), which the caller holds against what it allows.
//! - Whatever the images are, time is bounded too: each search compares `search::COMPARED` bytes at most.

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

use std::io::Cursor;

use crate::plan::Plan;
use crate::shifts::Shifts;
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
    // Both images, both masked, four bytes for each suffix of the old one; then streams, and LZMA's own tables.
    old.saturating_mul(6)
        .saturating_add(new.saturating_mul(2))
        .saturating_add(160 << 20)
}

/// Makes the patch that leads from one image to another, and tries it.
///
/// # Errors
/// When the images are too long or have too little in common.
pub fn make(old: &[u8], new: &[u8]) -> Result<Vec<u8>, MakeError> {
    for image in [old, new] {
        let length = image.len() as u64;
        if length == 0 || length > MAX_LENGTH {
            return Err(MakeError::Length(length));
        }
    }
    let (old_programs, new_programs) = (elf::programs(old), elf::programs(new));
    let moves = {
        let old = mask::mask(old, &old_programs);
        let new = mask::mask(new, &new_programs);
        differ::moves(&search::Search::new(&old), &new)
    };
    if moves.len() > MAX_MOVES {
        return Err(MakeError::Moves);
    }
    let shifts = Shifts::new(&moves, u32::try_from(old.len()).unwrap_or(u32::MAX));
    let mut plan = Plan {
        old: old_programs.places,
        new: new_programs.places,
        fields: fields::none(),
        moves,
    };
    fields::learn(&mut plan, &shifts, old, new);
    let patch = write::write(&plan, &shifts, old, new).map_err(MakeError::Compress)?;
    drop((shifts, plan));
    let mut same = Same { rest: new };
    let applied = crate::apply(
        Cursor::new(old),
        old.len() as u64,
        Cursor::new(&patch),
        &mut same,
        new.len() as u64,
    );
    match applied {
        Ok(()) if same.rest.is_empty() => Ok(patch),
        Ok(()) => Err(MakeError::Wrong(None)),
        Err(error) => Err(MakeError::Wrong(Some(error))),
    }
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
