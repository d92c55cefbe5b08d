//! Documents that a server compressed on the way: gzip (RFC 1952), decoded within a bound.
//!
//! The checksum at the end is not looked at: what is in a document is signed.

use miniz_oxide::inflate::decompress_to_vec_with_limit;
use url::Url;

use super::FetchError;
use super::error::shown;

const HAS_CRC: u8 = 1 << 1;
const HAS_EXTRA: u8 = 1 << 2;
const HAS_NAME: u8 = 1 << 3;
const HAS_COMMENT: u8 = 1 << 4;
const TRAILER: usize = 8;

/// The decoded document, of at most `limit` bytes.
///
/// # Errors
/// When it is longer, or no gzip member.
pub fn decode(bytes: &[u8], limit: u64, url: &Url) -> Result<Vec<u8>, FetchError> {
    let damaged = || FetchError::encoded(url, "gzip");
    let deflated = deflated(bytes).ok_or_else(damaged)?;
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    decompress_to_vec_with_limit(deflated, most).map_err(|error| {
        if error.status == miniz_oxide::inflate::TINFLStatus::HasMoreOutput {
            FetchError::TooLong {
                url: shown(url),
                limit,
            }
        } else {
            damaged()
        }
    })
}

/// What stands between the header and the trailer of a gzip member.
fn deflated(bytes: &[u8]) -> Option<&[u8]> {
    let (header, mut rest) = bytes.split_at_checked(10)?;
    let &[0x1f, 0x8b, 8, flags, ..] = header else {
        return None;
    };
    if flags & HAS_EXTRA != 0 {
        let (length, after) = rest.split_first_chunk()?;
        rest = after.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    for text in [HAS_NAME, HAS_COMMENT] {
        if flags & text != 0 {
            let end = rest.iter().position(|byte| *byte == 0)?;
            rest = rest.get(end + 1..)?;
        }
    }
    if flags & HAS_CRC != 0 {
        rest = rest.get(2..)?;
    }
    rest.get(..rest.len().checked_sub(TRAILER)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(content: &[u8], flags: u8, fields: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 255];
        bytes.extend(fields);
        bytes.extend(miniz_oxide::deflate::compress_to_vec(content, 6));
        bytes.extend([0; TRAILER]);
        bytes
    }

    fn decode(bytes: &[u8], limit: u64) -> Result<Vec<u8>, FetchError> {
        super::decode(bytes, limit, &"https://host/x".parse().unwrap())
    }

    #[test]
    fn members_with_and_without_optional_fields_are_decoded() {
        assert_eq!(decode(&member(b"text", 0, b""), 4).unwrap(), b"text");
        let fields = b"\x02\0exname\0comment\0cc";
        assert_eq!(
            decode(&member(b"text", 0b1_1110, fields), 9).unwrap(),
            b"text"
        );
    }

    #[test]
    fn a_bomb_stops_at_the_bound() {
        let bomb = member(&vec![0; 1 << 20], 0, b"");
        assert!(bomb.len() < 4096);
        assert!(matches!(
            decode(&bomb, 4096),
            Err(FetchError::TooLong { limit: 4096, .. })
        ));
        assert_eq!(decode(&bomb, 1 << 20).unwrap().len(), 1 << 20);
    }

    #[test]
    fn every_cut_is_an_error() {
        let whole = member(b"some text that is compressed", 0b1000, b"name\0");
        for length in 0..whole.len() - TRAILER {
            assert!(decode(&whole[..length], 100).is_err(), "{length}");
        }
    }
}
