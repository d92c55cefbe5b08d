//! Damaged and hostile images end in an error, soon, and within bounded memory.

use std::io::Write;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use sysext_image::{EntryKind, InspectError, Limits};

use crate::common::{
    FIXTURES, Partition, ROOT_X86_64, USR_VERITY_X86_64, disk, fixture, open, peak_memory, seal,
};
use crate::maker::{Content, Maker};

/// No image below takes longer, on a machine that is busy with other tests.
const SOON: Duration = Duration::from_secs(20);
/// Nor does the whole test process ever need more memory than this.
const MEMORY: u64 = 1 << 30;

/// Opens an image and reads what there is; any result is fine, as long as there is one.
fn exercise(bytes: Vec<u8>, limits: Limits) -> Result<(), InspectError> {
    let begin = Instant::now();
    let result = open(bytes, limits).and_then(|mut image| {
        let files = image
            .entries()
            .iter()
            .filter(|entry| entry.kind == EntryKind::File);
        let paths: Vec<String> = files.map(|entry| entry.path.to_string()).take(20).collect();
        for path in paths {
            let _either_way = image.read(&path);
        }
        image.facts().map(drop)
    });
    assert!(begin.elapsed() < SOON, "took {:?}", begin.elapsed());
    result
}

/// The fixtures, and a disk image that is small enough to be changed again and again.
static IMAGES: LazyLock<Vec<(&str, Vec<u8>)>> = LazyLock::new(|| {
    let names = FIXTURES.into_iter().filter(|name| !name.starts_with("gpt"));
    let mut images: Vec<_> = names.map(|name| (name, fixture(name))).collect();
    images.push((
        "gpt",
        disk(
            &[Partition::new(ROOT_X86_64, fixture("squashfs-none.raw"))],
            512,
        ),
    ));
    images
});

#[test]
fn every_truncation_ends_in_an_error_that_says_so() {
    for (name, bytes) in &*IMAGES {
        for length in (0..bytes.len()).step_by(512) {
            let cut = bytes[..length].to_vec();
            match exercise(cut, Limits::default()) {
                Err(InspectError::Truncated { needed, .. }) => {
                    assert!(needed > length as u64 || *name == "gpt", "{name}")
                }
                Err(InspectError::NotAnImage { .. }) => {
                    assert!(length < 1082, "{name} cut to {length}")
                }
                // What was cut off is never looked at: padding, blocks of files, the checks of an unused structure.
                Ok(()) | Err(InspectError::Corrupt { .. }) if !name.starts_with("squashfs") => {}
                other => panic!("{name} cut to {length}: {other:?}"),
            }
        }
    }
}

#[test]
fn every_changed_byte_ends_in_some_result() {
    for (name, bytes) in &*IMAGES {
        let mut refused = 0;
        for position in 0..bytes.len().min(4096) {
            let mut changed = bytes.clone();
            changed[position] ^= 0xff;
            refused += u32::from(exercise(changed, Limits::default()).is_err());
        }
        assert!(refused > 10, "{name}: only {refused} changes were noticed");
    }
    assert!(peak_memory() < MEMORY, "{} bytes of memory", peak_memory());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn many_changed_numbers_end_in_some_result(
        image in 0..FIXTURES.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(&[1_usize, 2, 4, 8][..]), any::<u64>(), 0_u32..64), 1..8),
    ) {
        let mut bytes = IMAGES[image].1.clone();
        for (position, width, value, shift) in changes {
            let position = position.index(bytes.len());
            let width = width.min(bytes.len() - position);
            bytes[position..position + width].copy_from_slice(&(value >> shift).to_le_bytes()[..width]);
        }
        let _either_way = exercise(bytes, Limits::default());
    }
}

#[test]
fn a_good_hand_made_image_is_read() {
    let mut maker = Maker::default();
    let file = maker.file(Content::Stored(b"hello".to_vec()));
    let usr = maker.dir(&[(b"hello", file)]);
    let root = maker.dir(&[(b"usr", usr)]);
    let mut image = open(maker.finish(root), Limits::default()).unwrap();
    assert_eq!(image.read("usr/hello").unwrap(), b"hello");
}

#[test]
fn a_directory_that_holds_itself_is_corrupt() {
    let mut maker = Maker::default();
    let root = maker.next_inode();
    assert_eq!(maker.dir(&[(b"again", root)]), root);
    let error = exercise(maker.finish(root), Limits::default()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the directory again is in two places"),
        "{error}"
    );
}

#[test]
fn a_directory_in_two_places_is_corrupt() {
    let mut maker = Maker::default();
    let inner = maker.dir(&[]);
    let root = maker.dir(&[(b"a", inner), (b"b", inner)]);
    let error = exercise(maker.finish(root), Limits::default()).unwrap_err();
    assert!(error.to_string().contains("is in two places"), "{error}");
}

#[test]
fn a_chain_of_directories_ends_at_the_limit() {
    let mut maker = Maker::default();
    let mut inner = maker.dir(&[]);
    for _ in 0..200 {
        inner = maker.dir(&[(b"d", inner)]);
    }
    assert!(matches!(
        exercise(maker.finish(inner), Limits::default()),
        Err(InspectError::TooDeep { limit: 128, .. })
    ));
}

#[test]
fn names_that_lead_elsewhere_are_corrupt() {
    for name in [&b".."[..], b".", b"a/b", b"/etc/passwd", b"a\0b"] {
        let mut maker = Maker::default();
        let file = maker.file(Content::Stored(b"x".to_vec()));
        let root = maker.dir(&[(name, file)]);
        let error = exercise(maker.finish(root), Limits::default()).unwrap_err();
        assert!(error.to_string().ends_with("is not a file name"), "{error}");
    }
}

#[test]
fn two_entries_of_one_name_are_corrupt() {
    let mut maker = Maker::default();
    let file = maker.file(Content::Stored(b"x".to_vec()));
    let root = maker.dir(&[(b"same", file), (b"same", file)]);
    let error = exercise(maker.finish(root), Limits::default()).unwrap_err();
    assert!(
        error.to_string().ends_with("two entries called \"same\""),
        "{error}"
    );
}

#[test]
fn many_names_of_one_file_cost_no_more_than_the_limits() {
    let mut maker = Maker::default();
    let file = maker.file(Content::Stored(b"x".to_vec()));
    let names: Vec<Vec<u8>> = (0..3000)
        .map(|number: u32| format!("{number:0250}").into_bytes())
        .collect();
    let entries: Vec<(&[u8], u64)> = names.iter().map(|name| (name.as_slice(), file)).collect();
    let root = maker.dir(&entries);
    let image = maker.finish(root);
    let few = Limits {
        max_entries: 2999,
        ..Limits::default()
    };
    assert!(matches!(
        exercise(image.clone(), few),
        Err(InspectError::TooManyEntries { limit: 2999 })
    ));
    let little = Limits {
        max_metadata: 1 << 20,
        ..Limits::default()
    };
    assert!(matches!(
        exercise(image.clone(), little),
        Err(InspectError::TooMuchMetadata { limit: 1_048_576 })
    ));
    assert_eq!(
        open(image, Limits::default()).unwrap().entries().len(),
        3000
    );
}

#[test]
fn declared_sizes_are_not_believed() {
    for size in [u64::MAX, 1 << 40, (1 << 20) + 1] {
        let mut maker = Maker::default();
        let file = maker.file(Content::Declared(size));
        let root = maker.dir(&[(b"huge", file)]);
        let image = maker.finish(root);
        let error = open(image.clone(), Limits::default())
            .unwrap()
            .read("huge")
            .unwrap_err();
        assert!(
            matches!(
                error,
                InspectError::FileTooLarge {
                    limit: 1_048_576,
                    ..
                }
            ),
            "{error}"
        );
        let limits = Limits {
            max_file: u64::MAX,
            ..Limits::default()
        };
        let error = open(image, limits).unwrap().read("huge").unwrap_err();
        assert!(
            matches!(
                error,
                InspectError::TooMuchMetadata { .. } | InspectError::Corrupt { .. }
            ),
            "{error}"
        );
    }
    assert!(peak_memory() < MEMORY);
}

#[test]
fn a_list_of_holes_without_an_end_ends() {
    let mut maker = Maker::default();
    let file = maker.file(Content::Declared(1 << 60));
    maker.zeros(100_000);
    let root = maker.dir(&[(b"huge", file)]);
    let error = exercise(
        maker.finish(root),
        Limits {
            max_metadata: 200_000,
            ..Limits::default()
        },
    )
    .unwrap_err();
    assert!(
        matches!(error, InspectError::TooMuchMetadata { .. }),
        "{error}"
    );
}

#[test]
fn bombs_do_not_go_off() {
    // 64 MiB of zeros in a block that may have 128 KiB, by each method; and in 8 KiB of metadata.
    let zeros = vec![0; 64 << 20];
    let gzip = {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&zeros).unwrap();
        encoder.finish().unwrap()
    };
    let lz4 = {
        // A literal, then one match of 64 MiB with distance 1.
        let mut bytes = vec![0x1f, 0, 1, 0];
        bytes.extend(std::iter::repeat_n(0xff, (64 << 20) / 255));
        bytes.extend([0, 0x50, 1, 2, 3, 4, 5]);
        bytes
    };
    let zstd = {
        // A frame of 512 run-length blocks of 128 KiB.
        let mut bytes = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38];
        for block in 0..512_u32 {
            let header = u32::from(block == 511) | 1 << 1 | (128 << 10) << 3;
            bytes.extend_from_slice(&header.to_le_bytes()[..3]);
            bytes.push(0);
        }
        bytes
    };
    for (id, bomb) in [(1, gzip), (5, lz4), (6, zstd)] {
        let mut maker = Maker::default();
        maker.compression = id;
        let file = maker.file(Content::Compressed(bomb, 131_072));
        let root = maker.dir(&[(b"bomb", file)]);
        let mut image = open(maker.finish(root), Limits::default()).unwrap();
        assert!(image.compressed());
        let error = image.read("bomb").unwrap_err();
        assert!(
            matches!(error, InspectError::Corrupt { .. }),
            "{id}: {error}"
        );
    }
    assert!(peak_memory() < MEMORY);
}

#[test]
fn endless_extension_releases_cost_no_more_than_the_limits() {
    // Holes take no room in the image; each of these files claims 1 MiB of them.
    let mut maker = Maker::default();
    let hole = maker.file(Content::Hole(1 << 20));
    let names: Vec<Vec<u8>> = (0..5000)
        .map(|number| format!("extension-release.{number:05}").into_bytes())
        .collect();
    let entries: Vec<(&[u8], u64)> = names.iter().map(|name| (name.as_slice(), hole)).collect();
    let releases = maker.dir(&entries);
    let lib = maker.dir(&[(b"extension-release.d", releases)]);
    let usr = maker.dir(&[(b"lib", lib)]);
    let root = maker.dir(&[(b"usr", usr)]);
    assert!(matches!(
        exercise(maker.finish(root), Limits::default()),
        Err(InspectError::TooMuchMetadata { .. })
    ));
}

#[test]
fn partition_tables_are_not_believed() {
    let part = Partition::new(ROOT_X86_64, fixture("squashfs-zstd.raw"));
    let good = disk(std::slice::from_ref(&part), 512);
    let changed = |at: usize, bytes: &[u8]| {
        let mut image = good.clone();
        image[at..at + bytes.len()].copy_from_slice(bytes);
        seal(&mut image, 512, 128 * 128);
        exercise(image, Limits::default()).unwrap_err()
    };
    for (what, error) in [
        ("entries of 0 bytes", changed(512 + 84, &[0; 4])),
        ("entries of 129 bytes", changed(512 + 84, &[129])),
        ("4294967295 entries", changed(512 + 80, &[255; 4])),
        ("header has 4294967295 bytes", changed(512 + 12, &[255; 4])),
        (
            "partition 1 goes from sector 0",
            changed(1024 + 32, &[0; 8]),
        ),
        (
            "from sector 34 to sector 1",
            changed(1024 + 40, &[1, 0, 0, 0, 0, 0, 0, 0]),
        ),
        (
            "the image is truncated: the partition ends",
            changed(1024 + 40, &[255; 7]),
        ),
        ("the partition table ends", changed(512 + 72, &[255; 8])),
    ] {
        assert!(error.to_string().contains(what), "{what}: {error}");
    }
    let mut image = good.clone();
    image[512 + 60] ^= 1;
    assert!(
        exercise(image, Limits::default())
            .unwrap_err()
            .to_string()
            .contains("header does not match its checksum")
    );
    let mut image = good;
    image[1024 + 90] ^= 1;
    assert!(
        exercise(image, Limits::default())
            .unwrap_err()
            .to_string()
            .contains("table does not match its checksum")
    );

    let nested = disk(
        &[Partition::new(
            ROOT_X86_64,
            disk(std::slice::from_ref(&part), 512),
        )],
        512,
    );
    assert!(
        exercise(nested, Limits::default())
            .unwrap_err()
            .to_string()
            .contains("a partition holds a partition table")
    );
    // A hash tree without the partition that it protects is no protection, and one for root does not protect usr.
    let lonely = disk(
        &[part, Partition::new(USR_VERITY_X86_64, vec![0; 512])],
        512,
    );
    assert_eq!(open(lonely, Limits::default()).unwrap().verity(), None);
}

#[test]
fn ext4_block_groups_are_not_believed() {
    let mut image = fixture("ext4.raw.zst");
    // No checksums, so that the number of blocks can be changed: the upper half, with and without the feature for it.
    image[1024 + 0x65] &= !0x04;
    image[1024 + 0x150] = 5;
    for features in [image[1024 + 0x60] & !0x80, image[1024 + 0x60] | 0x80] {
        image[1024 + 0x60] = features;
        let error = exercise(image.clone(), Limits::default()).unwrap_err();
        assert!(
            matches!(
                error,
                InspectError::Truncated {
                    what: "the ext4 file system",
                    ..
                }
            ),
            "{error}"
        );
    }
    // A block a group.
    let mut image = fixture("ext4.raw.zst");
    image[1024 + 0x65] &= !0x04;
    image[1024 + 0x20..1024 + 0x24].copy_from_slice(&1_u32.to_le_bytes());
    let little = Limits {
        max_metadata: 10_000,
        ..Limits::default()
    };
    assert!(matches!(
        exercise(image, little),
        Err(InspectError::TooMuchMetadata { .. })
    ));
    assert!(peak_memory() < MEMORY, "{} bytes of memory", peak_memory());
}

#[test]
fn an_ext4_directory_cycle_ends_at_the_limit() {
    let mut image = fixture("ext4.raw.zst");
    // Without checksums, which are a feature in the superblock, directories can be changed.
    image[1024 + 0x65] &= !0x04;
    // An entry is its inode, its length, the name's length, the type (2 is a directory), the name. The root is inode 2.
    let entry = image
        .windows(14)
        .position(|window| window[6..] == *b"\x06\x02system")
        .unwrap();
    image[entry..entry + 4].copy_from_slice(&2_u32.to_le_bytes());
    let error = exercise(image, Limits::default()).unwrap_err();
    assert!(matches!(error, InspectError::TooDeep { .. }), "{error}");
}

#[test]
fn an_erofs_directory_cycle_is_corrupt() {
    let image = fixture("erofs-none.raw");
    let root = [image[1024 + 14], image[1024 + 15], 0, 0, 0, 0, 0, 0];
    // An entry is its inode (8 bytes), where its name is (2), and the type (2 is a directory). Lead each back to the root.
    let mut refused = 0;
    for at in 1152..image.len() - 12 {
        if image[at + 2..at + 8] != [0; 6] || image[at + 10..at + 12] != [2, 0] {
            continue;
        }
        let mut image = image.clone();
        image[at..at + 8].copy_from_slice(&root);
        if let Err(error) = exercise(image, Limits::default()) {
            let error = error.to_string();
            refused +=
                u32::from(error.contains("directory cycle") || error.contains("is in two places"));
        }
    }
    assert!(refused >= 5, "{refused} cycles were noticed");
}
