//! Image readers (`sysext_image`).
//!
//! - Opening the same bytes twice gives the same facts, and needs nothing but the bytes.
//! - Entries are sorted, none twice, none beyond the limits; no component of a path is empty, `.` or `..`.
//! - A file that can be read has exactly the length of its entry, at most the limit; following a link ends in the image.
//! - Checking the hash tree of a disk image never panics, whatever the tree says; where it is said to lie, there is room.
//!
//! A fuzzer does not invent checksums and magic numbers: [`squashfs`], [`erofs`], [`ext4`] and [`gpt`] put them right before
//! they open what is left.

use std::io::Cursor;

use crc::{CRC_32_ISO_HDLC, Crc};
use sysext_image::{EntryKind, Filesystem, Image, ImageFacts, InspectError, Limits};

const LIMITS: Limits = Limits {
    max_entries: 5_000,
    max_metadata: 4 << 20,
    max_file: 1 << 20,
    max_path: 1024,
    max_depth: 32,
};

/// Any bytes, as they are.
pub fn any(data: &[u8]) -> bool {
    let first = facts(data);
    let second = facts(data);
    assert_eq!(first.as_ref().ok(), second.as_ref().ok());
    assert_eq!(first.is_err(), second.is_err());
    first.is_ok()
}

/// As a squashfs image.
pub fn squashfs(data: &[u8]) -> bool {
    stamped(data, 0, b"hsqs", Filesystem::Squashfs)
}

/// As an erofs image.
pub fn erofs(data: &[u8]) -> bool {
    stamped(data, 1024, &[0xe2, 0xe1, 0xf5, 0xe0], Filesystem::Erofs)
}

/// As an ext4 image.
pub fn ext4(data: &[u8]) -> bool {
    stamped(data, 1080, &[0x53, 0xef], Filesystem::Ext4)
}

/// As a disk image with good checksums.
pub fn gpt(data: &[u8]) -> bool {
    let mut disk = data.to_vec();
    if disk.len() < 1024 {
        return false;
    }
    disk[512..520].copy_from_slice(b"EFI PART");
    let number =
        |disk: &[u8], at: usize| u32::from_le_bytes(disk[at..at + 4].try_into().unwrap()) as usize;
    let (count, size) = (number(&disk, 512 + 80), number(&disk, 512 + 84));
    let start = number(&disk, 512 + 72).saturating_mul(512);
    let end = start.saturating_add(count.saturating_mul(size));
    let crc = Crc::<u32>::new(&CRC_32_ISO_HDLC);
    if let Some(table) = disk.get(start..end) {
        let checksum = crc.checksum(table).to_le_bytes();
        disk[512 + 88..512 + 92].copy_from_slice(&checksum);
    }
    let length = number(&disk, 512 + 12);
    if (92..=512).contains(&length) {
        disk[512 + 16..512 + 20].fill(0);
        let checksum = crc.checksum(&disk[512..512 + length]).to_le_bytes();
        disk[512 + 16..512 + 20].copy_from_slice(&checksum);
    }
    any(&disk)
}

fn stamped(data: &[u8], at: usize, magic: &[u8], filesystem: Filesystem) -> bool {
    let mut image = data.to_vec();
    let Some(place) = image.get_mut(at..at + magic.len()) else {
        return false;
    };
    place.copy_from_slice(magic);
    let Ok(facts) = facts(&image) else {
        return false;
    };
    // What begins like another kind of image is that one.
    assert!(facts.filesystem == filesystem || filesystem != Filesystem::Squashfs);
    facts.filesystem == filesystem
}

fn facts(data: &[u8]) -> Result<ImageFacts, InspectError> {
    let mut image = Image::open(Cursor::new(data.to_vec()), data.len() as u64, LIMITS)?;
    let entries = image.entries().to_vec();
    assert!(entries.len() as u64 <= LIMITS.max_entries + 1);
    assert!(entries.windows(2).all(|pair| pair[0].path < pair[1].path));
    for entry in &entries {
        let path = entry.path.as_str();
        assert!(
            path.len() <= LIMITS.max_path && !path.contains('\0'),
            "{path:?}"
        );
        for component in entry.path.components() {
            assert!(!matches!(component, "" | "." | ".."), "{path:?}");
        }
        if let Ok(found) = image.follow(path) {
            assert!(entries.contains(found));
        }
    }
    // Enough of them; each costs as much as opening may.
    for entry in entries
        .iter()
        .filter(|entry| entry.kind == EntryKind::File)
        .take(16)
    {
        if let Ok(bytes) = image.read(entry.path.as_str()) {
            assert_eq!(bytes.len() as u64, entry.size, "{:?}", entry.path);
            assert!(entry.size <= LIMITS.max_file);
        }
    }
    let _ = image.check_verity();
    if let Ok(Some(layout)) = sysext_image::hash_tree(Cursor::new(data), data.len() as u64) {
        assert!(layout.data_end() <= data.len() as u64);
        assert!(layout.tree_end() <= data.len() as u64);
    }
    let facts = image.facts()?;
    assert!(facts.setuid.iter().all(|path| path.starts_with('/')));
    assert!(facts.units.iter().all(|unit| !unit.contains('/')));
    Ok(facts)
}
