//! The compressions that Linux knows for squashfs, each into a buffer of bounded size.

use std::io::Read;

use super::xz;
use crate::{Filesystem, InspectError};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Xz,
    Lz4,
    Zstd,
}

impl Compression {
    pub(super) fn from_id(id: u16) -> Result<Self, InspectError> {
        let method = match id {
            1 => return Ok(Self::Gzip),
            4 => return Ok(Self::Xz),
            5 => return Ok(Self::Lz4),
            6 => return Ok(Self::Zstd),
            2 => "lzma".to_owned(),
            3 => "lzo".to_owned(),
            _ => format!("method {id}"),
        };
        Err(InspectError::UnsupportedCompression {
            filesystem: Filesystem::Squashfs,
            method,
        })
    }

    /// Decompresses the block `what` at `offset`, which has at most `most` bytes then.
    pub(super) fn decompress(
        self,
        stored: &[u8],
        most: usize,
        what: &'static str,
        offset: u64,
    ) -> Result<Vec<u8>, InspectError> {
        let mut bytes = vec![0; most];
        let length = match self {
            Self::Gzip => gzip(stored, &mut bytes),
            Self::Xz => xz::decompress(stored, &mut bytes),
            Self::Lz4 => lz4_flex::block::decompress_into(stored, &mut bytes).ok(),
            Self::Zstd => zstd(stored, &mut bytes),
        };
        let Some(length) = length else {
            return Err(InspectError::corrupt(format!(
                "{what} at byte {offset} does not decompress to {most} bytes"
            )));
        };
        bytes.truncate(length);
        Ok(bytes)
    }
}

/// A zlib stream.
fn gzip(stored: &[u8], bytes: &mut [u8]) -> Option<usize> {
    miniz_oxide::inflate::decompress_slice_iter_to_slice(
        bytes,
        std::iter::once(stored),
        true,
        false,
    )
    .ok()
}

/// One zstd frame. A block is written as a whole, so its window is never larger than the largest block.
fn zstd(stored: &[u8], bytes: &mut [u8]) -> Option<usize> {
    const MAX_WINDOW: u64 = 1 << 20;
    let mut decoder =
        ruzstd::decoding::StreamingDecoder::new_with_max_window_size(stored, MAX_WINDOW).ok()?;
    fill(&mut decoder, bytes)
}

/// Reads to the end of `decoder`, which must come before the end of `bytes`.
pub(super) fn fill(decoder: &mut impl Read, bytes: &mut [u8]) -> Option<usize> {
    let mut length = 0;
    while let Some(rest) = bytes.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match decoder.read(rest).ok()? {
            0 => return Some(length),
            more => length += more,
        }
    }
    (decoder.read(&mut [0]).ok()? == 0).then_some(length)
}
