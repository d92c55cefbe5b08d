//! Works out what the addresses in a move have become.
//!
//! A move is walked from its first byte to its last. At each place where an address may stand, its target is looked up in
//! the old image, what stands there is followed into the new one, and the field gets the address that it has there. A field
//! that was changed is not looked at again.

use crate::address::Piece;
use crate::plan::{Move, Plan};
use crate::shifts::Shifts;

/// Bytes that have to be seen to decide about one place, unless the move ends.
pub(crate) const AHEAD: usize = 8;

/// A field that is an address.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Field {
    /// Its value in the new image; eight bytes.
    Absolute(u64),
    /// The same with four, counted from its end.
    Relative(u32),
}

/// A walk over one move.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    plan: &'a Plan,
    shifts: &'a Shifts,
    shift: i32,
    /// The two bytes before, as they are in the old image.
    context: u16,
    /// The piece that was last, with its number.
    piece: Option<(usize, Piece)>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(plan: &'a Plan, shifts: &'a Shifts, item: Move) -> Self {
        Self {
            plan,
            shifts,
            shift: item.shift(),
            context: 0,
            piece: None,
        }
    }

    /// Walks over bytes that stand at `place` in the old image; answers how many are done. Less than [`AHEAD`] are left
    /// over, none when the move ends with them.
    pub(crate) fn go(&mut self, bytes: &mut [u8], place: u32, is_end: bool) -> usize {
        let mut done = 0;
        while let Some(rest) = bytes.get_mut(done..) {
            if rest.is_empty() || (rest.len() < AHEAD && !is_end) {
                break;
            }
            let here = place.saturating_add(u32::try_from(done).unwrap_or(u32::MAX));
            let Some((index, piece)) = self.enter(here) else {
                // Nothing is an address until the next piece.
                let until = self.plan.old.next(here).saturating_sub(u64::from(here));
                let until = usize::try_from(until).unwrap_or(usize::MAX).max(1);
                let far = if is_end {
                    rest.len()
                } else {
                    rest.len() - (AHEAD - 1)
                };
                let count = until.min(far);
                self.pass(rest.get(..count).unwrap_or_default());
                done += count;
                continue;
            };
            let end = u64::from(piece.offset) + u64::from(piece.bytes) - u64::from(here);
            let end = usize::try_from(end).unwrap_or(usize::MAX);
            done += self.inside(rest, here, (index, piece), is_end, end);
        }
        done
    }

    /// The piece at a place.
    fn enter(&mut self, here: u32) -> Option<(usize, Piece)> {
        let holds = |(_, piece): &(usize, Piece)| {
            here.checked_sub(piece.offset)
                .is_some_and(|inside| inside < piece.bytes)
        };
        if !self.piece.as_ref().is_some_and(holds) {
            let index = self.plan.old.at(here);
            self.piece = index.and_then(|index| Some((index, self.plan.old.piece(index)?)));
        }
        self.piece
    }

    /// Walks over bytes within one piece; `end` is how many of it there are.
    fn inside(
        &mut self,
        bytes: &mut [u8],
        here: u32,
        (index, piece): (usize, Piece),
        is_end: bool,
        end: usize,
    ) -> usize {
        let mut done = 0;
        let mut address = piece.address_of(here);
        while done < end {
            let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) else {
                break;
            };
            if rest.len() < AHEAD && !is_end {
                break;
            }
            let at = here.wrapping_add(done as u32);
            let width = match self.field(rest, (address, at, index), self.context) {
                Some(Field::Absolute(value)) => self.put(rest, &value.to_le_bytes()),
                Some(Field::Relative(value)) => self.put(rest, &value.to_le_bytes()),
                None => 0,
            };
            if width > 0 {
                done += width;
                address = address.wrapping_add(width as u64);
                continue;
            }
            let byte = rest.first().copied().unwrap_or_default();
            self.context = self.context << 8 | u16::from(byte);
            done += 1;
            address = address.wrapping_add(1);
        }
        done
    }

    /// The field that begins with these bytes, if one does: at this address, place in the old image and piece, behind the two
    /// bytes of `context`.
    pub(crate) fn field(
        &self,
        bytes: &[u8],
        (address, at, index): (u64, u32, usize),
        context: u16,
    ) -> Option<Field> {
        let fields = &self.plan.fields;
        if fields.is_absolute(address)
            && let Some(field) = self.absolute(bytes, index)
        {
            return Some(field);
        }
        if fields.is_relative(address, context) {
            return self.relative(bytes, address, at, index);
        }
        None
    }

    /// What an absolute address here becomes.
    fn absolute(&self, bytes: &[u8], index: usize) -> Option<Field> {
        let value = u64::from_le_bytes(*bytes.first_chunk()?);
        Some(Field::Absolute(self.follow(index, value)?))
    }

    /// What a relative address here becomes; `at` is its place in the old image.
    fn relative(&self, bytes: &[u8], address: u64, at: u32, index: usize) -> Option<Field> {
        let value = i32::from_le_bytes(*bytes.first_chunk()?);
        let target = address
            .wrapping_add(4)
            .wrapping_add_signed(i64::from(value));
        let target = self.follow(index, target)?;
        let from = self.plan.new.address(at.wrapping_add_signed(self.shift))?;
        let value = target.wrapping_sub(from).wrapping_sub(4);
        Some(Field::Relative((value & u64::from(u32::MAX)) as u32))
    }

    /// The new address of what has this one in the program of a piece.
    fn follow(&self, index: usize, address: u64) -> Option<u64> {
        let spot = self.plan.old.spot(index, address)?;
        let there = spot.offset.wrapping_add_signed(self.shifts.at(spot.offset));
        Some(self.plan.new.address(there)?.wrapping_add(spot.beyond))
    }

    /// Writes a field; answers its width.
    fn put(&mut self, bytes: &mut [u8], field: &[u8]) -> usize {
        let Some(place) = bytes.get_mut(..field.len()) else {
            return 0;
        };
        self.pass(place);
        place.copy_from_slice(field);
        field.len()
    }

    /// Remembers the last two of these.
    fn pass(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().skip(bytes.len().saturating_sub(2)) {
            self.context = self.context << 8 | u16::from(*byte);
        }
    }
}
