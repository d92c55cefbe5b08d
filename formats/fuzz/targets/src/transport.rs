//! What comes over the network: compressed bodies, and what servers say about them (`sysext_fetch::transport`, `::fetch`).
//!
//! - A zstd frame never gives more bytes than the signed length, writes nothing beyond it, and succeeds only with the
//!   signed digest and nothing behind the frame.
//! - A gzip body gives at most the allowed bytes, and gives what another decoder gives.
//! - A `Content-Range` is taken only when it runs to the end of the file, and says what was read into it.
//! - A `Retry-After` in seconds means that number, or the largest; a date means nothing without the server's own.

use std::io::Read as _;

use sysext_fetch::fetch::{ContentRange, decode_gzip, retry_after};
use sysext_fetch::transport::{DecodeError, decode_zstd};
use sysext_formats::digest::Sha256Digest;

/// A frame; the two bytes before it are the signed length.
pub fn zstd(data: &[u8]) -> bool {
    let Some((length, frame)) = data.split_first_chunk() else {
        return false;
    };
    let length = u64::from(u16::from_le_bytes(*length));
    let mut out = Vec::new();
    let result = decode_zstd(
        frame,
        &mut out,
        length,
        &Sha256Digest::of(b"something else"),
    );
    assert!(
        out.len() as u64 <= length,
        "{} bytes of {length}",
        out.len()
    );
    match result {
        Ok(()) => panic!("the digest was not looked at"),
        Err(DecodeError::Bytes { found, .. }) => {
            assert_eq!((out.len() as u64, found), (length, Sha256Digest::of(&out)));
            let mut again = Vec::new();
            let result = decode_zstd(frame, &mut again, length, &found);
            assert!(
                matches!(
                    result,
                    Ok(()) | Err(DecodeError::Trailing | DecodeError::Frame(_))
                ),
                "{result:?}"
            );
            assert_eq!(again, out);
            result.is_ok()
        }
        Err(DecodeError::Short { found, .. }) => {
            assert!(found < length && found == out.len() as u64);
            false
        }
        Err(_) => false,
    }
}

/// A body.
pub fn gzip(data: &[u8]) -> bool {
    const LIMIT: u64 = 64 << 10;
    let url = "https://host.example/x".parse().unwrap();
    let result = decode_gzip(data, LIMIT, &url);
    if let Ok(decoded) = &result {
        assert!(decoded.len() as u64 <= LIMIT);
        let mut other = Vec::new();
        let mut decoder = flate2::read::GzDecoder::new(data).take(LIMIT + 1);
        // The other one checks the checksum too, after the last byte.
        if decoder.read_to_end(&mut other).is_ok() {
            assert_eq!(*decoded, other);
        } else {
            assert!(decoded.starts_with(&other) || other.starts_with(decoded));
        }
    }
    result.is_ok()
}

/// `Content-Range` or `Retry-After`, and `Date`: two lines.
pub fn headers(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else {
        return false;
    };
    let (field, date) = match text.split_once('\n') {
        Some((field, date)) => (field, Some(date)),
        None => (text, None),
    };
    let range = ContentRange::parse(field);
    if let Some(ContentRange { start, total }) = range {
        // Without a total, the end of the range is not the end of anything.
        let total = total.expect("it runs to the end of the file");
        assert!(start < total, "{field}");
        let written = format!("bytes {start}-{}/{total}", total - 1);
        assert_eq!(
            ContentRange::parse(&written).map(|range| range.start),
            Some(start)
        );
    }
    let wish = retry_after(field, date).map(|wish| wish.as_secs());
    let digits = field.trim();
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        assert_eq!(wish, Some(digits.parse().unwrap_or(u64::MAX)));
    } else if date.is_none() {
        assert_eq!(wish, None, "{field}");
    }
    range.is_some() || wish.is_some()
}
