//! Images with their references blanked, to be compared: code that only moved is the same then.
//!
//! What is taken for a reference wrongly makes comparing a little worse and nothing else. Code for x86-64 only.

use super::elf::Found;

/// Values of this size are as likely to be something else.
const SMALL: std::ops::Range<i64> = -128..128;

pub(crate) fn mask(image: &[u8], programs: &Found) -> Vec<u8> {
    let mut masked = image.to_vec();
    for piece in &programs.x86 {
        let start = piece.offset as usize;
        let end = start + piece.bytes as usize;
        let code = &image[start..end];
        let Some(index) = programs.places.at(piece.offset) else {
            continue;
        };
        let mut at = 0;
        while let Some(instruction) = code.get(at..at + 8) {
            let skip = reference(instruction);
            if skip > 0
                && let Some(bytes) = code.get(at + skip..at + skip + 4)
            {
                let value = i64::from(i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
                let end = piece.address.wrapping_add((at + skip + 4) as u64);
                let target = end.wrapping_add_signed(value);
                if !SMALL.contains(&value) && programs.places.spot(index, target).is_some() {
                    masked[start + at + skip..start + at + skip + 4].fill(0);
                    at += skip + 4;
                    continue;
                }
            }
            at += 1;
        }
    }
    masked
}

/// Where in what may be an instruction a 32-bit distance stands; 0 when nowhere.
fn reference(bytes: &[u8]) -> usize {
    let is_relative = |mode: u8| mode & 0xc7 == 0x05;
    match (bytes[0], bytes[1]) {
        // call, jmp
        (0xe8 | 0xe9, _) => 1,
        // jcc
        (0x0f, 0x80..=0x8f) => 2,
        // add, sub, xor, cmp, movsxd, test, immediates, mov, lea, calls and jumps through memory
        (
            0x03
            | 0x2b
            | 0x33
            | 0x38..=0x3b
            | 0x63
            | 0x80
            | 0x81
            | 0x83..=0x85
            | 0x88..=0x8b
            | 0x8d
            | 0xc6
            | 0xc7
            | 0xf6
            | 0xf7
            | 0xff,
            mode,
        ) if is_relative(mode) => 2,
        // vectors and extensions
        (
            0x0f,
            0x10
            | 0x11
            | 0x28
            | 0x29
            | 0x2e
            | 0x2f
            | 0x54..=0x5f
            | 0x6e
            | 0x6f
            | 0x7e
            | 0x7f
            | 0xb6
            | 0xb7
            | 0xbe
            | 0xbf
            | 0xd6
            | 0xef,
        ) if is_relative(bytes[2]) => 3,
        _ => 0,
    }
}
