//! Patches, there and back.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that panics has failed"
)]

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use proptest::prelude::*;
use sha2::Digest as _;
use sysext_patch::make::{MakeError, make};
use sysext_patch::{PatchError, apply};
use sysext_verity::{Layout, Parameters};

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
    let patch = make(&old, &new, None).unwrap();
    assert!(applied(&old, &patch, new.len()).unwrap() == new);
    // Each of 400 addresses in the table has changed.
    assert!(patch.len() < 400, "{} bytes", patch.len());
}

#[test]
fn the_same_images_give_the_same_patch() {
    let (old, new) = (noise(1, 50_000), noise(1, 40_000));
    assert!(make(&old, &new, None).unwrap() == make(&old, &new, None).unwrap());
}

#[test]
fn images_without_anything_in_common_and_endless_repetition_are_patched() {
    let pattern = b"ab".repeat(100_000);
    let zeros = vec![0; 300_000];
    let images = [noise(1, 20_000), noise(2, 30_000), pattern, zeros, vec![7]];
    for old in &images {
        for new in &images {
            let patch = make(old, new, None).unwrap();
            assert!(applied(old, &patch, new.len()).unwrap() == *new);
        }
    }
    assert!(matches!(make(&[], &[1], None), Err(MakeError::Length(0))));
}

#[test]
fn a_patch_for_other_lengths_or_with_other_bytes_gives_no_more_than_it_may() {
    let old = program(&(0..50).collect::<Vec<_>>(), 0);
    let new = program(&(0..50).rev().collect::<Vec<_>>(), 0);
    let patch = make(&old, &new, None).unwrap();
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

/// The streams of a patch, as they are in the file, and where the lengths of each are in its head.
fn sections(patch: &[u8]) -> Vec<(usize, std::ops::Range<usize>)> {
    let mut start = 88;
    let section = |index: usize| {
        let at = 24 + 16 * index;
        let packed = u64::from_le_bytes(patch[at..at + 8].try_into().unwrap()) as usize;
        start += packed;
        (at, start - packed..start)
    };
    (0..4).map(section).collect()
}

#[test]
fn each_stream_is_used_to_its_end_and_no_further() {
    let old = program(&(0..50).collect::<Vec<_>>(), 0);
    let mut new = program(&(0..50).rev().collect::<Vec<_>>(), 0);
    for at in (1_000..new.len()).step_by(700) {
        new[at] ^= 9;
    }
    new.extend(noise(9, 500));
    let patch = make(&old, &new, None).unwrap();
    for (number, (at, section)) in sections(&patch).into_iter().enumerate() {
        assert!(
            section.len() > 10,
            "stream {number} is too short to show it"
        );
        let replaced = |bytes: &[u8]| {
            let mut wrong = [&patch[..section.start], bytes, &patch[section.end..]].concat();
            wrong[at..at + 8].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
            applied(&old, &wrong, new.len())
        };
        let bytes = &patch[section.clone()];
        assert!(replaced(bytes).unwrap() == new);
        for more in [2, 1000] {
            let result = replaced(&[bytes, vec![0; more].as_slice()].concat());
            assert!(
                matches!(result, Err(PatchError::Stream { .. })),
                "{number}: {more} more"
            );
        }
        for less in [3, 8] {
            let result = replaced(&bytes[..bytes.len() - less]);
            assert!(result.is_err(), "{number}: {less} less");
        }
    }
}

/// Fails from a place on, as a bad disk does.
struct Failing(Cursor<Vec<u8>>, u64);

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.position() >= self.1 {
            return Err(io::Error::other("bad sector"));
        }
        let most = usize::try_from(self.1 - self.0.position()).unwrap();
        let count = buffer.len().min(most);
        self.0.read(&mut buffer[..count])
    }
}

impl Seek for Failing {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

#[test]
fn a_patch_that_can_not_be_read_is_not_called_a_bad_one() {
    let (old, new) = (noise(1, 10_000), noise(2, 10_000));
    let patch = make(&old, &new, None).unwrap();
    let length = new.len() as u64;
    for place in [100, 5_000, patch.len() as u64 - 3] {
        let failing = Failing(Cursor::new(patch.clone()), place);
        let result = apply(
            Cursor::new(&old),
            old.len() as u64,
            failing,
            io::sink(),
            length,
        );
        let error = result.unwrap_err().to_string();
        assert!(error.contains("bad sector"), "{place}: {error}");
    }
}

#[test]
fn an_old_image_that_is_shorter_than_it_says_is_an_error() {
    let old = noise(3, 10_000);
    let patch = make(&old, &old, None).unwrap();
    let mut out = Vec::new();
    let short = Cursor::new(&old[..9_000]);
    let result = apply(short, 10_000, Cursor::new(&patch), &mut out, 10_000);
    assert!(matches!(result, Err(PatchError::Old(_))), "{result:?}");
}

/// An image of `blocks` blocks of data behind a head, with their tree, and where that is.
fn protected(seed: u32, blocks: u64) -> (Vec<u8>, Layout) {
    let parameters = Parameters::new(1024, 512, blocks, b"salt").unwrap();
    let mut image = noise(seed, 3_000 + parameters.data_length() as usize);
    // In the middle, both change; elsewhere nothing does.
    image[..3_000].copy_from_slice(&noise(1, 3_000));
    let layout = Layout {
        tree: image.len() as u64 + 700,
        data: 3_000,
        parameters,
    };
    let tree = layout.tree_of(&image).unwrap();
    image.extend(noise(2, 700));
    image.extend(tree);
    image.extend(noise(3, 500));
    (image, layout)
}

#[test]
fn a_hash_tree_is_made_of_its_data() {
    let (old, _) = protected(4, 300);
    let (mut new, layout) = protected(5, 400);
    let data = layout.data as usize + 5_000;
    new[data..data + 250_000].copy_from_slice(&old[8_001..258_001]);
    let whole = make(&old, &new, Some(&layout)).unwrap();
    // The tree is not that of the data any more.
    assert!(applied(&old, &whole, new.len()).unwrap() == new);
    let tree = layout.tree_of(&new).unwrap();
    new[layout.tree as usize..layout.tree_end() as usize].copy_from_slice(&tree);
    let patch = make(&old, &new, Some(&layout)).unwrap();
    assert!(applied(&old, &patch, new.len()).unwrap() == new);
    // 400 digests, and those above.
    let saved = make(&old, &new, None).unwrap().len() - patch.len();
    assert!(saved > 400 * 32, "{saved} bytes less");

    // Where the image ends with its tree, or the tree would be behind, or before its data.
    let end = layout.tree_end() as usize;
    let patch = make(&old, &new[..end], Some(&layout)).unwrap();
    assert!(applied(&old, &patch, end).unwrap() == new[..end]);
    let cut = &new[..end - 1];
    let patch = make(&old, cut, Some(&layout)).unwrap();
    assert!(applied(&old, &patch, cut.len()).unwrap() == cut);
    let before = Layout {
        data: layout.tree_end(),
        tree: 0,
        parameters: layout.parameters,
    };
    let turned = [tree.as_slice(), &new[layout.data as usize..]].concat();
    let patch = make(&old, &turned, Some(&before)).unwrap();
    assert!(applied(&old, &patch, turned.len()).unwrap() == turned);
}

#[test]
fn what_is_not_the_tree_of_its_data_is_in_the_patch_like_all_bytes() {
    let (new, layout) = protected(5, 40);
    let plain = make(&new, &new, None).unwrap();
    let changes: [&dyn Fn(&mut Layout); 5] = [
        &|layout| layout.tree += 1,
        &|layout| layout.tree = u64::MAX,
        &|layout| layout.data = u64::MAX,
        &|layout| layout.data += 1024,
        &|layout| layout.parameters = Parameters::new(1024, 512, 1, b"").unwrap(),
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut wrong = layout.clone();
        change(&mut wrong);
        let patch = make(&new, &new, Some(&wrong)).unwrap();
        assert!(patch == plain, "change {number}");
    }
    assert!(make(&new, &new, Some(&layout)).unwrap() != plain);
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
    let mut new = [&old[300..], b"fresh", &old, &old[..300]].concat();
    new[50] += 1;
    let layout = Layout {
        parameters: Parameters::new(512, 512, 2, b"salt").unwrap(),
        data: 5,
        tree: 1100,
    };
    let tree = layout.tree_of(&new).unwrap();
    new.splice(1100..1100, tree);
    assert_eq!(new.len(), 1717);
    let made = make(&old, &new, Some(&layout)).unwrap();
    let says = data_encoding::BASE64.encode(&made);
    assert!(
        made == patch,
        "FORMAT.md has what another maker made: {says}"
    );
    assert!(applied(&old, &patch, new.len()).unwrap() == new);
    // So that nobody needs this code to know what comes out.
    let digest = data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(&new));
    assert!(
        FORMAT.contains(&digest),
        "FORMAT.md has another digest: {digest}"
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
        let patch = make(&old, &new, None).unwrap();
        prop_assert!(applied(&old, &patch, new.len()).unwrap() == new);
    }
}
