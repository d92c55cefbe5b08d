//! Whether bytes are those that an index promises.
//!
//! Readers are read to one byte more than promised at most.

use std::fs::File;
use std::io::{self, Read, Seek as _, Write};

use sysext_formats::catalog::{Image, Transport};
use sysext_formats::digest::{Sha256Digest, Sha256Hasher};
use sysext_formats::limits::MAX_ZSTD_WINDOW_LOG;
use sysext_formats::name::FileName;

/// Bytes that are others than promised.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// They can not be read, or not be decoded.
    #[error("{file}: {source}")]
    Read {
        /// The file.
        file: FileName,
        /// Why.
        source: io::Error,
    },
    /// Fewer, or more.
    #[error("{file} has {}{found} bytes, {promised} were promised", if *more { "more than " } else { "" })]
    Length {
        /// The file.
        file: FileName,
        /// What is there.
        found: u64,
        /// Whether there is more than that.
        more: bool,
        /// What was promised.
        promised: u64,
    },
    /// Other bytes.
    #[error("{file} has the sha256 {found}, {promised} was promised")]
    Digest {
        /// The file.
        file: FileName,
        /// What is there.
        found: Sha256Digest,
        /// What was promised.
        promised: Sha256Digest,
    },
    /// A patch from an image that its index does not have.
    #[error("{0} starts from an image that is not in the index: no host can use it")]
    NoBase(FileName),
    /// A transport that decodes to something else.
    #[error("decoded, {0}")]
    Decoded(Box<Self>),
}

/// Checks the bytes of an image.
///
/// # Errors
/// When they are others.
pub fn check_image(reader: impl Read, image: &Image) -> Result<(), ContentError> {
    compare(&image.file, reader, image.length, image.sha256)
}

/// Checks the bytes of a transport of the kind `zstd`, and those that it decodes to.
///
/// # Errors
/// When they are others.
pub fn check_zstd(
    reader: impl Read,
    transport: &Transport,
    image: &Image,
) -> Result<(), ContentError> {
    let file = &transport.file;
    let broken = |source| ContentError::Read {
        file: file.clone(),
        source,
    };
    let mut packed = HashingReader::new(reader.take(transport.length.saturating_add(1)));
    {
        let mut decoder = zstd::stream::read::Decoder::new(&mut packed)
            .map_err(broken)?
            .single_frame();
        decoder
            .window_log_max(MAX_ZSTD_WINDOW_LOG)
            .map_err(broken)?;
        compare(file, &mut decoder, image.length, image.sha256)
            .map_err(|error| ContentError::Decoded(Box::new(error)))?;
    }
    // What stands behind the frame belongs to the file, too.
    io::copy(&mut packed, &mut io::sink()).map_err(broken)?;
    packed.check(file, transport.length, transport.sha256)
}

/// The image that a patch starts from.
///
/// # Errors
/// When it is none of these.
pub fn base<'a>(transport: &Transport, images: &'a [Image]) -> Result<&'a Image, ContentError> {
    let is_base = |image: &&Image| Some(image.sha256) == transport.from;
    images
        .iter()
        .find(is_base)
        .ok_or_else(|| ContentError::NoBase(transport.file.clone()))
}

/// Checks the bytes of a patch, and those that it makes of the image that it starts from, whose bytes `old` has.
///
/// # Errors
/// When they are others.
pub fn check_patch(
    reader: impl Read,
    transport: &Transport,
    (old, base): (&File, &Image),
    image: &Image,
) -> Result<(), ContentError> {
    let file = &transport.file;
    let broken = |source| ContentError::Read {
        file: file.clone(),
        source,
    };
    let promised = (transport.length, transport.sha256);
    let patch = copy(
        file,
        reader,
        promised,
        tempfile::tempfile().map_err(broken)?,
    )?;
    let mut out = HashingReader::new(io::sink());
    sysext_patch::apply(old, base.length, patch, &mut out, image.length)
        .map_err(|error| broken(io::Error::other(error)))?;
    out.check(file, image.length, image.sha256)
        .map_err(|error| ContentError::Decoded(Box::new(error)))
}

/// Copies the bytes of an image into a file, and checks them.
///
/// # Errors
/// When they are others, or can not be written.
pub fn copy_image(reader: impl Read, image: &Image, into: File) -> Result<File, ContentError> {
    copy(&image.file, reader, (image.length, image.sha256), into)
}

fn copy(
    file: &FileName,
    reader: impl Read,
    (length, sha256): (u64, Sha256Digest),
    mut into: File,
) -> Result<File, ContentError> {
    let broken = |source| ContentError::Read {
        file: file.clone(),
        source,
    };
    let mut hashing = HashingReader::new(reader.take(length.saturating_add(1)));
    io::copy(&mut hashing, &mut into).map_err(broken)?;
    hashing.check(file, length, sha256)?;
    into.rewind().map_err(broken)?;
    Ok(into)
}

/// Checks the bytes of a file of any kind.
///
/// # Errors
/// When they are others.
pub fn compare(
    file: &FileName,
    reader: impl Read,
    length: u64,
    sha256: Sha256Digest,
) -> Result<(), ContentError> {
    let mut hashing = HashingReader::new(reader.take(length.saturating_add(1)));
    io::copy(&mut hashing, &mut io::sink()).map_err(|source| ContentError::Read {
        file: file.clone(),
        source,
    })?;
    hashing.check(file, length, sha256)
}

/// A reader that hashes and counts what is read from it.
#[derive(Debug)]
pub(crate) struct HashingReader<R> {
    inner: R,
    hasher: Sha256Hasher,
    length: u64,
}

impl<R> HashingReader<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self {
            inner,
            hasher: Sha256Hasher::default(),
            length: 0,
        }
    }

    /// The digest of what was read.
    pub(crate) fn finish(self) -> Sha256Digest {
        self.hasher.finish()
    }

    fn check(self, file: &FileName, length: u64, sha256: Sha256Digest) -> Result<(), ContentError> {
        if self.length != length {
            return Err(ContentError::Length {
                file: file.clone(),
                found: self.length.min(length),
                more: self.length > length,
                promised: length,
            });
        }
        let found = self.hasher.finish();
        if found != sha256 {
            return Err(ContentError::Digest {
                file: file.clone(),
                found,
                promised: sha256,
            });
        }
        Ok(())
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        self.length += u64::try_from(count).unwrap_or(u64::MAX);
        Ok(count)
    }
}

impl<W: Write> Write for HashingReader<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(bytes.get(..count).unwrap_or_default());
        self.length += u64::try_from(count).unwrap_or(u64::MAX);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
