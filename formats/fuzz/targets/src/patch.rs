//! Patches between images (`sysext_patch`).
//!
//! - A patch never gives more bytes than the length that is asked for, and succeeds only with all of them.
//! - It gives the same bytes each time, however the old image is read.

use std::io::{Cursor, Read, Result, Seek, SeekFrom};

use sysext_patch::apply;

/// Bytes of a new image, whatever a patch says.
const MOST: u64 = 1 << 20;

/// A patch from [`old`].
pub fn check(data: &[u8]) -> bool {
    let old = old();
    let length = data.get(16..24).and_then(|bytes| bytes.try_into().ok());
    let length = length.map_or(0, u64::from_le_bytes).min(MOST);
    let mut out = Vec::new();
    let old_length = old.len() as u64;
    let result = apply(
        Cursor::new(&old),
        old_length,
        Cursor::new(data),
        &mut out,
        length,
    );
    assert!(
        out.len() as u64 <= length,
        "{} bytes of {length}",
        out.len()
    );
    let mut again = Vec::new();
    let slow = Slow(Cursor::new(old));
    let repeated = apply(slow, old_length, Cursor::new(data), &mut again, length);
    assert_eq!(result.is_ok(), repeated.is_ok());
    assert_eq!(out, again);
    if result.is_ok() {
        assert_eq!(out.len() as u64, length);
    }
    result.is_ok()
}

/// The image that patches start from.
#[must_use]
pub fn old() -> Vec<u8> {
    let mut image = crate::elf::program();
    let mut state: u32 = 1;
    while image.len() < 10_000 {
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        // Calls of places nearby, and something between.
        let distance = (state >> 16) & 0xfff;
        image.extend([
            0xe8,
            distance as u8,
            (distance >> 8) as u8,
            0,
            0,
            (state >> 8) as u8,
        ]);
    }
    image
}

/// Gives a few bytes at a time.
struct Slow(Cursor<Vec<u8>>);

impl Read for Slow {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let few = buffer.len().min(7);
        self.0.read(&mut buffer[..few])
    }
}

impl Seek for Slow {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        self.0.seek(to)
    }
}
