//! Patches, there and back.

#![expect(clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::io::Cursor;

use proptest::prelude::*;
use sysext_patch::make::{MakeError, make};
use sysext_patch::{PatchError, apply};

fn applied(old: &[u8], patch: &[u8], length: usize) -> Result<Vec<u8>, PatchError> {
    let mut out = Vec::new();
    let (old, old_length) = (Cursor::new(old), old.len() as u64);
    apply(old, old_length, Cursor::new(patch), &mut out, length as u64).map(|()| out)
}

/// Bytes that do not repeat.
fn noise(seed: u32, count: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as u8
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// A program whose functions call each other, in this order; the last bytes are a table of their addresses.
fn program(order: &[u32], address: u64) -> Vec<u8> {
    const HEAD: usize = 120;
    let body = |function: u32| noise(function.wrapping_mul(0x9e37_79b9), 300);
    let place = |function: u32| {
        let before = order.iter().take_while(|it| **it != function).count();
        HEAD + before * 310
    };
    let mut out = vec![0; HEAD];
    for function in order {
        out.extend(body(*function));
        // A call of the next function, whatever its place.
        let next = (function + 1) % order.len() as u32;
        let from = out.len() + 5;
        out.push(0xe8);
        out.extend((place(next) as i32 - from as i32).to_le_bytes());
        out.extend([0x90; 5]);
    }
    while !out.len().is_multiple_of(8) {
        out.push(0);
    }
    for function in 0..order.len() as u32 {
        out.extend((address + place(function) as u64).to_le_bytes());
    }
    let length = out.len() as u64;
    let mut head = b"\x7fELF\x02\x01\x01".to_vec();
    head.resize(64, 0);
    head[18] = 62;
    head[32] = 64;
    head[54] = 56;
    head[56] = 1;
    head.extend(1_u32.to_le_bytes());
    head.extend(5_u32.to_le_bytes());
    for number in [0, address, address, length, length + 4096, 4096] {
        head.extend(number.to_le_bytes());
    }
    out[..HEAD].copy_from_slice(&head);
    out
}

#[test]
fn references_of_code_that_moved_cost_next_to_nothing() {
    let order: Vec<u32> = (0..400).collect();
    let mut moved: Vec<u32> = (200..400).collect();
    moved.extend(0..200);
    let (old, new) = (program(&order, 0x40_0000), program(&moved, 0x40_0000));
    let patch = make(&old, &new).unwrap();
    assert!(applied(&old, &patch, new.len()).unwrap() == new);
    // Each of 400 addresses in the table has changed.
    assert!(patch.len() < 400, "{} bytes", patch.len());
}

#[test]
fn the_same_images_give_the_same_patch() {
    let (old, new) = (noise(1, 50_000), noise(1, 40_000));
    assert!(make(&old, &new).unwrap() == make(&old, &new).unwrap());
}

#[test]
fn images_without_anything_in_common_and_endless_repetition_are_patched() {
    let pattern = b"ab".repeat(100_000);
    let zeros = vec![0; 300_000];
    let images = [noise(1, 20_000), noise(2, 30_000), pattern, zeros, vec![7]];
    for old in &images {
        for new in &images {
            let patch = make(old, new).unwrap();
            assert!(applied(old, &patch, new.len()).unwrap() == *new);
        }
    }
    assert!(matches!(make(&[], &[1]), Err(MakeError::Length(0))));
}

#[test]
fn a_patch_for_other_lengths_or_with_other_bytes_gives_no_more_than_it_may() {
    let old = program(&(0..50).collect::<Vec<_>>(), 0);
    let new = program(&(0..50).rev().collect::<Vec<_>>(), 0);
    let patch = make(&old, &new).unwrap();
    let lengths = applied(&old, &patch, new.len() + 1);
    assert!(matches!(lengths, Err(PatchError::Lengths { .. })));
    for at in 0..patch.len() {
        let mut wrong = patch.clone();
        wrong[at] ^= 0x41;
        if let Ok(out) = applied(&old, &wrong, new.len()) {
            assert_eq!(out.len(), new.len(), "byte {at}");
        }
        assert!(
            applied(&old, &patch[..at], new.len()).is_err(),
            "cut at {at}"
        );
    }
}

#[test]
fn an_old_image_that_is_shorter_than_it_says_is_an_error() {
    let old = noise(3, 10_000);
    let patch = make(&old, &old).unwrap();
    let mut out = Vec::new();
    let short = Cursor::new(&old[..9_000]);
    let result = apply(short, 10_000, Cursor::new(&patch), &mut out, 10_000);
    assert!(matches!(result, Err(PatchError::Old(_))), "{result:?}");
}

/// The vector of FORMAT.md, section 8.
#[test]
fn the_patch_of_the_format_gives_what_it_says() {
    const FORMAT: &str = include_str!("../../FORMAT.md");
    let (_, vector) = FORMAT.split_once("<!-- patch: relink-lzma -->").unwrap();
    let text: String = vector
        .split("```")
        .nth(1)
        .unwrap()
        .split_whitespace()
        .collect();
    let patch = data_encoding::BASE64.decode(text.as_bytes()).unwrap();
    let old: Vec<u8> = (0..600_u32)
        .map(|number| (7 * number * number % 251) as u8)
        .collect();
    let new = applied(&old, &patch, 605).unwrap();
    let mut expected = [&old[300..], b"fresh", &old[..300]].concat();
    expected[50] += 1;
    assert!(new == expected);
    assert!(
        make(&old, &new).unwrap() == patch,
        "FORMAT.md has what another maker made"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_was_cut_copied_and_changed_comes_out(
        seed in any::<u32>(),
        pieces in prop::collection::vec((0_usize..20_000, 1_usize..5_000, any::<bool>()), 1..20),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..200),
    ) {
        let old = noise(seed, 25_000);
        let mut new = Vec::new();
        for (start, length, fresh) in pieces {
            match fresh {
                true => new.extend(noise(start as u32, length / 10 + 1)),
                false => new.extend(&old[start..start + length]),
            }
        }
        for (index, byte) in changes {
            let at = index.index(new.len());
            new[at] = byte;
        }
        let patch = make(&old, &new).unwrap();
        prop_assert!(applied(&old, &patch, new.len()).unwrap() == new);
    }
}
