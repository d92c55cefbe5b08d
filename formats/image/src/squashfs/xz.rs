//! The `.xz` container around one LZMA2 stream, as squashfs blocks use it.
//!
//! - The dictionary that the stream declares is not believed: it is never larger than the block that comes out, since no
//!   match can reach behind its beginning. So a block of a few bytes can not ask for gigabytes.
//! - One stream with one block, after at most one branch filter. Checksums are not compared: who cares whether the image is
//!   what was published compares its digest.

use std::io::Read;

use lzma_rust2::Lzma2Reader;
use lzma_rust2::filter::bcj::BcjReader;

use super::decompress::fill;

const MAGIC: &[u8] = b"\xfd7zXZ\0";
const STREAM_HEADER: usize = 12;
const LZMA2: u64 = 0x21;

/// Decompresses into `bytes`; answers with the length, or nothing when `stored` is not such a stream.
pub(super) fn decompress(stored: &[u8], bytes: &mut [u8]) -> Option<usize> {
    let rest = stored
        .starts_with(MAGIC)
        .then(|| stored.get(STREAM_HEADER..))??;
    let header_length = (usize::from(*rest.first()?) + 1) * 4;
    let (header, data) = rest.split_at_checked(header_length)?;
    let branch = branch_filter(header.get(1..)?)?;
    let dictionary = u32::try_from(bytes.len())
        .ok()?
        .max(lzma_rust2::DICT_SIZE_MIN);
    let lzma2 = Lzma2Reader::new(data, dictionary, None);
    match branch {
        None => fill(&mut { lzma2 }, bytes),
        Some(id) => fill(&mut unfilter(lzma2, id)?, bytes),
    }
}

/// The branch filter that a block header declares before LZMA2, if any.
fn branch_filter(header: &[u8]) -> Option<Option<u64>> {
    let (&flags, mut rest) = header.split_first()?;
    if flags & 0x3c != 0 {
        return None;
    }
    for declared in [0x40, 0x80] {
        if flags & declared != 0 {
            let _size = number(&mut rest)?;
        }
    }
    let mut branch = None;
    for _ in 0..flags & 3 {
        let id = number(&mut rest)?;
        // Squashfs begins every block at position 0, and has one filter at most.
        if branch.replace(id).is_some() || number(&mut rest)? != 0 {
            return None;
        }
    }
    (number(&mut rest)? == LZMA2 && number(&mut rest)? == 1).then_some(branch)
}

fn unfilter<'a>(lzma2: Lzma2Reader<&'a [u8]>, id: u64) -> Option<Box<dyn Read + 'a>> {
    Some(match id {
        4 => Box::new(BcjReader::new_x86(lzma2, 0)),
        5 => Box::new(BcjReader::new_ppc(lzma2, 0)),
        6 => Box::new(BcjReader::new_ia64(lzma2, 0)),
        7 => Box::new(BcjReader::new_arm(lzma2, 0)),
        8 => Box::new(BcjReader::new_arm_thumb(lzma2, 0)),
        9 => Box::new(BcjReader::new_sparc(lzma2, 0)),
        10 => Box::new(BcjReader::new_arm64(lzma2, 0)),
        11 => Box::new(BcjReader::new_riscv(lzma2, 0)),
        _ => return None,
    })
}

/// A number of seven bits a byte, lowest first.
fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let (&byte, later) = rest.split_first()?;
        *rest = later;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
