//! Where the programs of an image lie once they run.
//!
//! A reference holds an address, not a place in the image: each program is given as pieces, with the address that each is
//! loaded at. Two programs may use the same addresses, so a reference means its own program's.

use crate::PatchError;

/// What is loaded of one program, one piece after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Where in the image it begins.
    pub(crate) offset: u32,
    /// Its bytes there.
    pub(crate) bytes: u32,
    /// Its address.
    pub(crate) address: u64,
    /// Its bytes in memory, at least as many: what follows is empty at first.
    pub(crate) memory: u64,
}

impl Piece {
    fn end(self) -> u64 {
        u64::from(self.offset) + u64::from(self.bytes)
    }

    /// The address of a place in the image.
    pub(crate) fn address_of(self, offset: u32) -> u64 {
        self.address
            .wrapping_add(u64::from(offset))
            .wrapping_sub(u64::from(self.offset))
    }
}

/// A place in the image for an address, with what is added behind the piece's last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) offset: u32,
    pub(crate) beyond: u64,
}

/// The programs of one image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Programs {
    /// By offset; they do not overlap.
    pieces: Vec<Piece>,
    /// For each piece, the first and the one behind the last of its program.
    program: Vec<(u32, u32)>,
}

impl Programs {
    /// Adds a program behind the others.
    pub(crate) fn add(&mut self, pieces: &[Piece], length: u64) -> Result<(), PatchError> {
        let first = self.pieces.len();
        for piece in pieces {
            let before = self.pieces.last().map_or(0, |last| last.end());
            if u64::from(piece.offset) < before
                || piece.bytes == 0
                || piece.end() > length
                || piece.memory < u64::from(piece.bytes)
                || piece.address.checked_add(piece.memory).is_none()
            {
                return Err(PatchError::Field("a piece of a program"));
            }
            self.pieces.push(*piece);
        }
        let number = |count| u32::try_from(count).unwrap_or(u32::MAX);
        let range = (number(first), number(self.pieces.len()));
        self.program.resize(self.pieces.len(), range);
        Ok(())
    }

    /// The number of the piece at a place in the image.
    pub(crate) fn at(&self, offset: u32) -> Option<usize> {
        let index = self
            .pieces
            .partition_point(|piece| piece.offset <= offset)
            .checked_sub(1)?;
        let piece = self.pieces.get(index)?;
        (u64::from(offset) < piece.end()).then_some(index)
    }

    /// A piece by its number.
    pub(crate) fn piece(&self, index: usize) -> Option<Piece> {
        self.pieces.get(index).copied()
    }

    /// The first place in a piece, from this one on.
    pub(crate) fn next(&self, offset: u32) -> u64 {
        let index = self.pieces.partition_point(|piece| piece.offset < offset);
        self.pieces
            .get(index)
            .map_or(u64::MAX, |piece| u64::from(piece.offset))
    }

    /// Where the program of a piece has this address.
    pub(crate) fn spot(&self, index: usize, address: u64) -> Option<Spot> {
        let (first, end) = self.program.get(index)?;
        let range = usize::try_from(*first).ok()?..usize::try_from(*end).ok()?;
        self.pieces.get(range)?.iter().find_map(|piece| {
            let inside = address.checked_sub(piece.address)?;
            if inside >= piece.memory {
                return None;
            }
            let last = u64::from(piece.bytes) - 1;
            let offset = u64::from(piece.offset) + inside.min(last);
            Some(Spot {
                offset: u32::try_from(offset).ok()?,
                beyond: inside.saturating_sub(last),
            })
        })
    }

    /// The address of a place in the image.
    pub(crate) fn address(&self, offset: u32) -> Option<u64> {
        Some(self.piece(self.at(offset)?)?.address_of(offset))
    }

    #[cfg(feature = "make")]
    pub(crate) fn groups(&self) -> impl Iterator<Item = &[Piece]> {
        let mut next = 0;
        std::iter::from_fn(move || {
            let (first, end) = *self.program.get(next)?;
            let (first, end) = (usize::try_from(first).ok()?, usize::try_from(end).ok()?);
            next = end;
            self.pieces.get(first..end)
        })
    }
}
