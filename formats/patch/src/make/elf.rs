//! Finds the programs in an image, whatever its file system: 64-bit little-endian ELF files that lie in one stretch.
//!
//! What is found wrongly costs bytes and nothing else.

use crate::MAX_PIECES;
use crate::address::{Piece, Programs};

const MAGIC: &[u8] = b"\x7fELF\x02\x01\x01";
const LOAD: u64 = 1;
const X86_64: u64 = 62;

/// The programs of an image.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) places: Programs,
    /// Pieces with code for x86-64.
    pub(crate) x86: Vec<Piece>,
}

pub(crate) fn programs(image: &[u8]) -> Found {
    let mut found = Found::default();
    let mut pieces = 0;
    let mut from = 0;
    while let Some(at) = next(image, from) {
        from = at + 1;
        let Some(program) = read(image, at) else {
            continue;
        };
        pieces += program.len();
        if pieces > MAX_PIECES {
            break;
        }
        let places: Vec<Piece> = program.iter().map(|(piece, _)| *piece).collect();
        if found.places.add(&places, image.len() as u64).is_err() {
            break;
        }
        found.x86.extend(
            program
                .iter()
                .filter(|(_, code)| *code)
                .map(|(piece, _)| *piece),
        );
        // What lies within one is its own business.
        let end = places
            .last()
            .map_or(0, |piece| u64::from(piece.offset) + u64::from(piece.bytes));
        from = from.max(usize::try_from(end).unwrap_or(usize::MAX));
    }
    found
}

fn next(image: &[u8], mut from: usize) -> Option<usize> {
    loop {
        let rest = image.get(from..)?;
        from += rest.iter().position(|byte| *byte == MAGIC[0])?;
        if image[from..].starts_with(MAGIC) {
            return Some(from);
        }
        from += 1;
    }
}

/// The pieces of the program at this place, and whether each is code for x86-64; `None` when it is no program.
fn read(image: &[u8], at: usize) -> Option<Vec<(Piece, bool)>> {
    let program = image.get(at..)?;
    let field = |offset: usize, width: usize| {
        let bytes = program.get(offset..offset.checked_add(width)?)?;
        let number = bytes
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | u64::from(*byte));
        Some(number)
    };
    let size = |offset, width| usize::try_from(field(offset, width)?).ok();
    let is_x86 = field(18, 2)? == X86_64;
    let (start, width, count) = (size(32, 8)?, size(54, 2)?, size(56, 2)?);
    if width < 56 || count > 64 {
        return None;
    }
    let mut pieces = Vec::new();
    for index in 0..count {
        let head = start.checked_add(index * width)?;
        let (kind, flags) = (field(head, 4)?, field(head.checked_add(4)?, 4)?);
        let (offset, address) = (size(head + 8, 8)?, field(head + 16, 8)?);
        let (bytes, memory) = (field(head + 32, 8)?, field(head + 40, 8)?);
        if kind != LOAD || bytes == 0 {
            continue;
        }
        let piece = Piece {
            offset: u32::try_from(at.checked_add(offset)?).ok()?,
            bytes: u32::try_from(bytes).ok()?,
            address: Some(address).filter(|address| *address < 1 << 62)?,
            memory: memory.clamp(bytes, 1 << 40),
        };
        pieces.push((piece, is_x86 && flags & 1 == 1));
    }
    pieces.sort_by_key(|(piece, _)| piece.offset);
    // Tried apart, so that a bad one spoils nothing.
    let places: Vec<Piece> = pieces.iter().map(|(piece, _)| *piece).collect();
    Programs::default().add(&places, image.len() as u64).ok()?;
    (!pieces.is_empty()).then_some(pieces)
}
