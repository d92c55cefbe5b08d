//! Patches between images (`sysext_patch`).
//!
//! - A patch never gives more bytes than the length that is asked for, and succeeds only with all of them.
//! - It gives the same bytes each time, however the old image is read.

use std::io::{Cursor, Read, Result, Seek, SeekFrom};

use sysext_patch::make::pack;
use sysext_patch::{MAGIC, apply};

/// Bytes of a new image, whatever a patch says.
const MOST: u64 = 1 << 20;

/// A patch from [`old`]: as it is; or, since a fuzzer changes nothing behind a compression, what its streams shall unpack to.
pub fn check(data: &[u8]) -> bool {
    match data.split_first_chunk() {
        Some((lengths, streams)) if !data.starts_with(MAGIC) => unpacked(lengths, streams),
        _ => packed(data),
    }
}

/// The streams, and before them the bytes of the new image and of the first three streams.
#[must_use]
pub fn streams(length: u32, [plan, gaps, words, fresh]: [&[u8]; 4]) -> Vec<u8> {
    let numbers = [length as usize, plan.len(), gaps.len(), words.len()];
    let numbers = numbers.map(|number| (number as u32).to_le_bytes());
    [&numbers.concat(), plan, gaps, words, fresh].concat()
}

fn unpacked(lengths: &[u8; 16], streams: &[u8]) -> bool {
    let mut rest = streams;
    let mut numbers = lengths
        .chunks_exact(4)
        .map(|bytes| bytes.try_into().map_or(0, u32::from_le_bytes));
    let length = u64::from(numbers.next().unwrap_or(0)).min(MOST);
    let mut next = |_| {
        let count = numbers.next().unwrap_or(u32::MAX) as usize;
        let (stream, behind) = rest.split_at(count.min(rest.len()));
        rest = behind;
        stream.to_vec()
    };
    let streams: [Vec<u8>; 4] = std::array::from_fn(&mut next);
    packed(&pack(streams, old().len() as u64, length).unwrap())
}

fn packed(data: &[u8]) -> bool {
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
    // Longer than what is read of it at once.
    while image.len() < 70_000 {
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

#[cfg(test)]
mod tests {
    /// A seed that is refused early would lead nowhere.
    #[test]
    fn patches_that_are_made_and_those_of_streams_give_images() {
        let seeds = crate::seeds::of("patch");
        let good = seeds.iter().filter(|seed| super::check(seed)).count();
        // Four that are made and three of streams; the last is a bomb.
        assert_eq!((good, seeds.len()), (7, 8));
    }
}
