//! A small disk image with one partition: a table of four entries, where tools write 128.

/// systemd's partition type `usr-x86-64`, as it stands in a table.
const USR_X86_64: [u8; 16] = 0x8484680c_9521_48c6_9c11_b0720656f69e_u128.to_be_bytes();
const SECTOR: usize = 512;

/// A disk whose usr partition for x86-64 holds `filesystem`. Its checksums are not set.
pub(crate) fn disk(filesystem: &[u8]) -> Vec<u8> {
    let (table, data) = (2_u64, 3_u64);
    let sectors = filesystem.len().div_ceil(SECTOR) as u64;
    let mut header = vec![0; SECTOR];
    header[..8].copy_from_slice(b"EFI PART");
    header[8..12].copy_from_slice(&0x1_0000_u32.to_le_bytes());
    header[12..16].copy_from_slice(&92_u32.to_le_bytes());
    header[24..32].copy_from_slice(&1_u64.to_le_bytes());
    header[40..48].copy_from_slice(&data.to_le_bytes());
    header[48..56].copy_from_slice(&(data + sectors).to_le_bytes());
    header[72..80].copy_from_slice(&table.to_le_bytes());
    header[80..84].copy_from_slice(&4_u32.to_le_bytes());
    header[84..88].copy_from_slice(&128_u32.to_le_bytes());
    let mut entry = vec![0; SECTOR];
    let [a, b, c, d, e, f, g, h, rest @ ..] = USR_X86_64;
    // The first three fields of a GUID are little-endian there.
    entry[..8].copy_from_slice(&[d, c, b, a, f, e, h, g]);
    entry[8..16].copy_from_slice(&rest);
    entry[16..32].fill(7);
    entry[32..40].copy_from_slice(&data.to_le_bytes());
    entry[40..48].copy_from_slice(&(data + sectors - 1).to_le_bytes());
    let mut disk = [vec![0; SECTOR], header, entry, filesystem.to_vec()].concat();
    disk.resize((data + sectors + 1) as usize * SECTOR, 0);
    disk
}
