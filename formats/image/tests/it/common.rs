//! Images for the tests of this crate.

use std::fs;
use std::io::{Cursor, Read};
use std::path::Path;

use sysext_image::{Image, InspectError, Limits};
use sysext_verity::Layout;

/// Images that hold the tree described in `fixtures/README.md`.
pub(crate) const FIXTURES: [&str; 13] = [
    "squashfs-none.raw",
    "squashfs-gzip.raw",
    "squashfs-xz.raw",
    "squashfs-zstd.raw",
    "squashfs-lz4.raw",
    "erofs-none.raw",
    "erofs-chunks.raw.zst",
    "erofs-lz4.raw",
    "erofs-lzma.raw",
    "erofs-deflate.raw",
    "erofs-zstd.raw",
    "ext4.raw.zst",
    "gpt-usr-verity.raw.zst",
];

/// The bytes of a fixture, unpacked.
pub(crate) fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name);
    let stored = fs::read(path).unwrap();
    if !name.ends_with(".zst") {
        return stored;
    }
    let mut bytes = Vec::new();
    ruzstd::decoding::StreamingDecoder::new(&*stored)
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

/// Opens an image in memory.
pub(crate) fn open(bytes: Vec<u8>, limits: Limits) -> Result<Image<Cursor<Vec<u8>>>, InspectError> {
    let length = bytes.len() as u64;
    Image::open(Cursor::new(bytes), length, limits)
}

/// The hash tree that stands in the image is the one that the data give.
pub(crate) fn assert_is_of_its_data(layout: &Layout, image: &[u8]) {
    let stored = &image[layout.tree as usize..layout.tree_end() as usize];
    assert!(!stored.is_empty() && layout.tree_of(image).unwrap() == stored);
}

/// One partition of a disk image to be made.
#[derive(Clone)]
pub(crate) struct Partition {
    /// As tools print it, without hyphens.
    pub(crate) type_uuid: u128,
    pub(crate) uuid: u128,
    pub(crate) flags: u64,
    pub(crate) label: &'static str,
    pub(crate) content: Vec<u8>,
}

pub(crate) const ROOT_X86_64: u128 = 0x4f68bce3_e8cd_4db1_96e7_fbcaf984b709;
pub(crate) const USR_X86_64: u128 = 0x8484680c_9521_48c6_9c11_b0720656f69e;
pub(crate) const USR_VERITY_X86_64: u128 = 0x77ff5f63_e7b6_4633_acf4_1565b864c0e6;
pub(crate) const ROOT_ARM64: u128 = 0xb921b045_1df0_41c3_af44_4c6f280d3fae;
pub(crate) const LINUX_GENERIC: u128 = 0x0fc63daf_8483_4772_8e79_3d69d8477de4;

impl Partition {
    pub(crate) fn new(type_uuid: u128, content: Vec<u8>) -> Self {
        Self {
            type_uuid,
            uuid: 0x1234,
            flags: 0,
            label: "",
            content,
        }
    }
}

/// A disk image with these partitions and a table of 128 entries.
pub(crate) fn disk(partitions: &[Partition], sector: usize) -> Vec<u8> {
    let mut table = vec![0; 128 * 128];
    let mut content = Vec::new();
    let first = 2 + table.len().div_ceil(sector);
    for (entry, partition) in table.chunks_exact_mut(128).zip(partitions) {
        let start = first + content.len() / sector;
        content.extend_from_slice(&partition.content);
        content.resize(content.len().next_multiple_of(sector), 0);
        let end = first + content.len() / sector - 1;
        entry[..16].copy_from_slice(&mixed_endian(partition.type_uuid));
        entry[16..32].copy_from_slice(&mixed_endian(partition.uuid));
        entry[32..40].copy_from_slice(&(start as u64).to_le_bytes());
        entry[40..48].copy_from_slice(&(end as u64).to_le_bytes());
        entry[48..56].copy_from_slice(&partition.flags.to_le_bytes());
        for (unit, to) in partition
            .label
            .encode_utf16()
            .zip(entry[56..].chunks_exact_mut(2))
        {
            to.copy_from_slice(&unit.to_le_bytes());
        }
    }
    let mut image = vec![0; first * sector];
    image[2 * sector..2 * sector + table.len()].copy_from_slice(&table);
    let header = &mut image[sector..sector + 92];
    header[..8].copy_from_slice(b"EFI PART");
    header[8..16].copy_from_slice(&[0, 0, 1, 0, 92, 0, 0, 0]);
    header[24] = 1;
    header[72] = 2;
    header[80] = 128;
    header[84] = 128;
    image.extend_from_slice(&content);
    seal(&mut image, sector, table.len());
    image
}

/// Makes both checksums of a partition table right again.
pub(crate) fn seal(image: &mut [u8], sector: usize, table: usize) {
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
    let of_table = crc.checksum(&image[2 * sector..2 * sector + table]);
    let header = &mut image[sector..sector + 92];
    header[88..92].copy_from_slice(&of_table.to_le_bytes());
    header[16..20].fill(0);
    let of_header = crc.checksum(header);
    header[16..20].copy_from_slice(&of_header.to_le_bytes());
}

fn mixed_endian(uuid: u128) -> [u8; 16] {
    let mut bytes = uuid.to_be_bytes();
    bytes[..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    bytes
}

/// Most memory that this process has had so far, in bytes.
pub(crate) fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
