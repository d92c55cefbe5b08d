//! The whole image as one zstd frame.
//!
//! - The frame is decoded piece by piece: memory is its window, which is bounded, and two buffers.
//! - What comes out is hashed while it is written, and never grows past the signed length.

use std::io::{self, BufRead as _, BufReader, Read, Write};

use sysext_durable::checkpoint;
use sysext_formats::catalog::Transport;
use sysext_formats::digest::{Sha256Digest, Sha256Hasher};
use sysext_formats::limits::MAX_ZSTD_WINDOW_LOG;

use super::download::{Wanted, download};
use super::{Attempt, Failed, Fault, Fetched, Job, Method};
use crate::store::{CHUNK, StoreError, io_error};

/// Why a frame does not give the image, though it has the signed digest itself.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not a zstd frame, a damaged one, or one whose window is too large.
    #[error("it can not be decoded with a window of 2^{MAX_ZSTD_WINDOW_LOG} bytes at most: {0}")]
    Frame(#[source] io::Error),
    /// More than the image.
    #[error("it gives more than the {0} bytes of the image")]
    TooLong(u64),
    /// Less than the image.
    #[error("it gives {found} bytes, the image has {expected}")]
    Short {
        /// The signed length.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// Other bytes.
    #[error("it gives bytes whose sha256 is {found}, the image has {expected}")]
    Bytes {
        /// The signed digest.
        expected: Sha256Digest,
        /// What came.
        found: Sha256Digest,
    },
    /// Something behind the frame.
    #[error("something follows behind its frame")]
    Trailing,
    /// The result can not be written: this host's fault, not the frame's.
    #[error("the decoded image can not be written")]
    Write(#[source] io::Error),
}

pub(super) fn fetch(
    job: &Job<'_>,
    transport: &Transport,
    attempts: &mut Vec<Attempt>,
) -> Result<Fetched, Failed> {
    let image = job.image;
    let wanted = Wanted {
        file: &transport.file,
        length: transport.length,
        sha256: &transport.sha256,
        urls: &transport.urls,
        method: Method::Zstd,
    };
    let (mut part, bytes) = download(job, &wanted, attempts)?;
    let mut out = job.store.writer(&image.sha256, &image.file)?;
    match decode(part.reader()?, &mut out, image.length, &image.sha256) {
        Ok(()) => {}
        Err(DecodeError::Write(error)) => {
            let path = job.store.path_of(&image.sha256, &image.file);
            return Err(io_error("writing", path, error).into());
        }
        Err(error) => {
            attempts.push(Attempt {
                what: transport.file.to_string(),
                reason: error.to_string(),
                fault: Fault::Bytes,
            });
            // It is what was signed, and useless: the publisher must mend it.
            part.discard()?;
            return Err(Failed::TryNext);
        }
    }
    out.commit().map_err(StoreError::from)?;
    checkpoint("image-decoded");
    part.discard()?;
    Ok(Fetched {
        method: Method::Zstd,
        bytes,
    })
}

/// Decodes a frame that must give `length` bytes with the digest `sha256`; never writes more than that.
///
/// # Errors
/// When it gives anything else.
pub fn decode(
    frame: impl Read,
    out: &mut impl Write,
    length: u64,
    sha256: &Sha256Digest,
) -> Result<(), DecodeError> {
    let mut decoder = zstd::Decoder::with_buffer(BufReader::with_capacity(CHUNK, frame))
        .map_err(DecodeError::Frame)?
        .single_frame();
    decoder
        .window_log_max(MAX_ZSTD_WINDOW_LOG)
        .map_err(DecodeError::Frame)?;
    let mut hasher = Sha256Hasher::default();
    let mut buffer = vec![0; CHUNK];
    let mut found: u64 = 0;
    loop {
        let count = match decoder.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(DecodeError::Frame(error)),
        };
        found += u64::try_from(count).unwrap_or(u64::MAX);
        if found > length {
            return Err(DecodeError::TooLong(length));
        }
        let bytes = buffer.get(..count).unwrap_or_default();
        hasher.update(bytes);
        out.write_all(bytes).map_err(DecodeError::Write)?;
    }
    if found < length {
        return Err(DecodeError::Short {
            expected: length,
            found,
        });
    }
    let digest = hasher.finish();
    if digest != *sha256 {
        return Err(DecodeError::Bytes {
            expected: *sha256,
            found: digest,
        });
    }
    match decoder.finish().fill_buf() {
        Ok([]) => Ok(()),
        Ok(_) => Err(DecodeError::Trailing),
        Err(error) => Err(DecodeError::Frame(error)),
    }
}
