//! The plan of a patch: what is known before the first byte is written.
//!
//! ```text
//! number of hash trees, 1 at most; for it: of a block of data and of one of the tree the logarithm, blocks of data,
//!     bytes of the salt, the salt, offset of the data, offset of the tree less the end of the data
//! programs of the old image, then of the new one:
//!     number of programs; for each: number of pieces; for each:
//!         offset less the end of the piece before, bytes, address, bytes in memory less bytes
//! 32768 bytes    which two bytes stand before a relative address: a bit for each (address & 3, second last, last)
//! 1 byte         at which (address & 7) absolute addresses stand: a bit for each
//! number of moves
//! for each move: fresh bytes before it
//! for each move: its bytes
//! for each move: its place in the old image less the end of the move before, signed
//! ```
//!
//! What stands behind the hash tree is about the new image without it.

use std::io::{Read, Seek};

use sysext_verity::Layout;

use crate::address::{Piece, Programs};
use crate::stream::Stream;
use crate::tree;
use crate::{MAX_MOVES, MAX_PIECES, PatchError};

/// Bytes of the contexts of relative addresses.
pub(crate) const CONTEXTS: usize = 4 << 13;

/// Bytes that are taken over from the old image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Move {
    /// Where they stand there.
    pub(crate) old: u32,
    /// Where they stand in the new image.
    pub(crate) new: u32,
    /// How many.
    pub(crate) length: u32,
}

impl Move {
    pub(crate) fn old_end(self) -> u32 {
        self.old.saturating_add(self.length)
    }

    pub(crate) fn new_end(self) -> u32 {
        self.new.saturating_add(self.length)
    }

    /// How far they went.
    pub(crate) fn shift(self) -> i32 {
        self.new.wrapping_sub(self.old).cast_signed()
    }
}

/// Which fields are addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fields {
    pub(crate) contexts: Vec<u8>,
    pub(crate) absolute: u8,
}

impl Fields {
    /// Whether a relative address may stand here, behind these two bytes.
    pub(crate) fn is_relative(&self, address: u64, context: u16) -> bool {
        let bit = Self::context(address, context);
        let byte = self.contexts.get(bit >> 3).copied().unwrap_or_default();
        byte >> (bit & 7) & 1 == 1
    }

    /// Whether an absolute address may stand here.
    pub(crate) fn is_absolute(&self, address: u64) -> bool {
        self.absolute >> (address & 7) & 1 == 1
    }

    /// The number of a context.
    pub(crate) fn context(address: u64, context: u16) -> usize {
        usize::from((address & 3) as u8) << 16 | usize::from(context)
    }
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The hash tree of the new image, which is made of its data.
    pub(crate) tree: Option<Layout>,
    pub(crate) old: Programs,
    pub(crate) new: Programs,
    pub(crate) fields: Fields,
    pub(crate) moves: Vec<Move>,
}

impl Plan {
    pub(crate) fn read<P: Read + Seek>(
        stream: &mut Stream<P>,
        old_length: u64,
        new_length: u64,
    ) -> Result<Self, PatchError> {
        let tree = tree::read(stream, new_length)?;
        let new_length = without(tree.as_ref(), new_length);
        let old = programs(stream, old_length)?;
        let new = programs(stream, new_length)?;
        let mut contexts = vec![0; CONTEXTS];
        stream.read(&mut contexts)?;
        let mut absolute = [0];
        stream.read(&mut absolute)?;
        let [absolute] = absolute;
        let moves = moves(stream, old_length, new_length)?;
        if stream.left() > 0 {
            return Err(PatchError::Field("something behind the plan"));
        }
        Ok(Self {
            tree,
            old,
            new,
            fields: Fields { contexts, absolute },
            moves,
        })
    }
}

/// Bytes of an image without its hash tree.
pub(crate) fn without(tree: Option<&Layout>, length: u64) -> u64 {
    let tree = tree.map_or(0, |tree| tree.parameters.tree_length());
    length.saturating_sub(tree)
}

fn programs<P: Read + Seek>(stream: &mut Stream<P>, length: u64) -> Result<Programs, PatchError> {
    let small =
        |number: u64| u32::try_from(number).map_err(|_| PatchError::Field("a piece of a program"));
    let mut programs = Programs::default();
    let mut end = 0_u64;
    let mut total = 0_u64;
    for _ in 0..bounded(stream.number()?, MAX_PIECES, "the number of programs")? {
        let count = bounded(stream.number()?, MAX_PIECES, "the number of pieces")?;
        total += count;
        bounded(total, MAX_PIECES, "the number of pieces")?;
        let mut pieces = Vec::new();
        for _ in 0..count {
            let offset = small(end.saturating_add(stream.number()?))?;
            let bytes = small(stream.number()?)?;
            let address = stream.number()?;
            let memory = u64::from(bytes).saturating_add(stream.number()?);
            end = u64::from(offset) + u64::from(bytes);
            pieces.push(Piece {
                offset,
                bytes,
                address,
                memory,
            });
        }
        programs.add(&pieces, length)?;
    }
    Ok(programs)
}

fn moves<P: Read + Seek>(
    stream: &mut Stream<P>,
    old_length: u64,
    new_length: u64,
) -> Result<Vec<Move>, PatchError> {
    const WRONG: PatchError = PatchError::Field("a move");
    let count = bounded(stream.number()?, MAX_MOVES, "the number of moves")?;
    let mut moves = Vec::new();
    for _ in 0..count {
        let new = u32::try_from(stream.number()?).map_err(|_| WRONG)?;
        moves.push(Move {
            old: 0,
            new,
            length: 0,
        });
    }
    for item in &mut moves {
        item.length = u32::try_from(stream.number()?).map_err(|_| WRONG)?;
    }
    let (mut place, mut end) = (0_u64, 0_i64);
    for item in &mut moves {
        let old = end.saturating_add(stream.signed()?);
        let new = place + u64::from(item.new);
        place = new + u64::from(item.length);
        item.old = u32::try_from(old).map_err(|_| WRONG)?;
        item.new = u32::try_from(new).map_err(|_| WRONG)?;
        end = old + i64::from(item.length);
        if item.length == 0
            || place > new_length
            || u64::try_from(end).is_ok_and(|end| end > old_length)
        {
            return Err(WRONG);
        }
    }
    Ok(moves)
}

fn bounded(number: u64, most: usize, what: &'static str) -> Result<u64, PatchError> {
    if number > most as u64 {
        return Err(PatchError::Field(what));
    }
    Ok(number)
}
