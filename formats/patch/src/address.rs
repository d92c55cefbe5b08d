//! Where the programs of an image lie once they run.
//!
//! A reference holds an address, not a place in the image: each program is given as pieces, with the address that each is
//! loaded at. Two programs may use the same addresses, so a reference means its own program's.

use crate::PatchError;
use crate::layers::{Layer, layers};

/// What is loaded of one program, one piece after the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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
    /// Their programs, in the same order.
    programs: Vec<Program>,
    /// Which piece has which addresses: those of one program after those of another, by address. Programs may give the same
    /// address to several of their pieces; the first has it.
    ranges: Vec<Range>,
}

/// One program, by the numbers of what is its own.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Program {
    pieces: std::ops::Range<usize>,
    ranges: std::ops::Range<usize>,
}

/// Addresses of one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    start: u64,
    end: u64,
    piece: Piece,
}

impl Programs {
    /// Adds a program behind the others; nothing is added when something is wrong with it.
    pub(crate) fn add(&mut self, pieces: &[Piece], length: u64) -> Result<(), PatchError> {
        let mut before = self.pieces.last().map_or(0, |last| last.end());
        for piece in pieces {
            if u64::from(piece.offset) < before
                || piece.bytes == 0
                || piece.end() > length
                || piece.memory < u64::from(piece.bytes)
                || piece.address.checked_add(piece.memory).is_none()
            {
                return Err(PatchError::Field("a piece of a program"));
            }
            before = piece.end();
        }
        let (first, first_range) = (self.pieces.len(), self.ranges.len());
        self.pieces.extend(pieces);
        let get = |number: u32| pieces.get(number as usize).copied().unwrap_or_default();
        let layer = |number| {
            let piece = get(number);
            Layer {
                start: piece.address,
                end: piece.address.saturating_add(piece.memory),
                weight: 0,
            }
        };
        // What counts does so until the next change.
        let mut open: Option<(u64, u32)> = None;
        layers(
            (0_u32..).zip(pieces).map(|(number, _)| number).collect(),
            layer,
            |end, next| {
                if let Some((start, number)) = open.take() {
                    let piece = get(number);
                    self.ranges.push(Range { start, end, piece });
                }
                open = next.map(|number| (end, number));
            },
        );
        self.programs.push(Program {
            pieces: first..self.pieces.len(),
            ranges: first_range..self.ranges.len(),
        });
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
        let behind = self
            .programs
            .partition_point(|program| program.pieces.end <= index);
        let ranges = self.ranges.get(self.programs.get(behind)?.ranges.clone())?;
        let behind = ranges.partition_point(|range| range.start <= address);
        let range = ranges.get(behind.checked_sub(1)?)?;
        if address >= range.end {
            return None;
        }
        let piece = range.piece;
        let inside = address.checked_sub(piece.address)?;
        let last = u64::from(piece.bytes) - 1;
        Some(Spot {
            offset: piece.offset.saturating_add(inside.min(last) as u32),
            beyond: inside.saturating_sub(last),
        })
    }

    /// The address of a place in the image.
    pub(crate) fn address(&self, offset: u32) -> Option<u64> {
        Some(self.piece(self.at(offset)?)?.address_of(offset))
    }

    #[cfg(feature = "make")]
    pub(crate) fn groups(&self) -> impl Iterator<Item = &[Piece]> {
        let pieces = |program: &Program| self.pieces.get(program.pieces.clone());
        self.programs.iter().filter_map(pieces)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_address_is_that_of_the_first_piece_of_its_program_that_has_it(
            programs in prop::collection::vec(
                prop::collection::vec((1_u32..9, 0_u64..40, 0_u64..20), 0..6),
                0..4,
            ),
        ) {
            let mut offset = 0;
            let programs: Vec<Vec<Piece>> = programs
                .into_iter()
                .map(|pieces| {
                    let pieces = pieces.into_iter().map(|(bytes, address, more)| {
                        offset += bytes;
                        let memory = u64::from(bytes) + more;
                        Piece { offset: offset - bytes, bytes, address, memory }
                    });
                    pieces.collect()
                })
                .collect();
            let mut all = Programs::default();
            for pieces in &programs {
                all.add(pieces, 1_000).unwrap();
            }
            let mut index = 0;
            for pieces in &programs {
                for _ in pieces {
                    for address in 0..80 {
                        let holds = |piece: &&Piece| {
                            (piece.address..piece.address + piece.memory).contains(&address)
                        };
                        let wanted = pieces.iter().find(holds).map(|piece| {
                            let (inside, last) = (address - piece.address, u64::from(piece.bytes) - 1);
                            Spot {
                                offset: piece.offset + inside.min(last) as u32,
                                beyond: inside.saturating_sub(last),
                            }
                        });
                        prop_assert_eq!(all.spot(index, address), wanted, "{} of {}", address, index);
                    }
                    index += 1;
                }
            }
        }
    }

    #[test]
    fn of_a_program_that_is_wrong_nothing_is_kept() {
        let piece = |offset, bytes| Piece {
            offset,
            bytes,
            address: 0,
            memory: bytes.into(),
        };
        let mut all = Programs::default();
        all.add(&[piece(0, 10)], 100).unwrap();
        let before = all.clone();
        assert!(all.add(&[piece(20, 10), piece(25, 10)], 100).is_err());
        assert!(all.add(&[piece(20, 10), piece(95, 10)], 100).is_err());
        assert_eq!(all, before);
    }
}
