//! One pass over the bytes of an image.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::Path;

use sysext_formats::catalog::{Transport, TransportKind};
use sysext_formats::digest::{Sha256Digest, Sha256Hasher};
use sysext_formats::limits::{MAX_IMAGE, WRITTEN_ZSTD_WINDOW_LOG};
use sysext_formats::name::FileName;
use sysext_formats::role::Extra;

use super::{ArrivalError, Identity, Transports};
use crate::location::LocationError;
use crate::ui::Ui;
use crate::ui::progress::Progress;

const PIECE: usize = 1 << 20;

/// What one pass over an image gave.
pub(super) struct Passed<W> {
    pub(super) image: Hashed<W>,
    pub(super) transports: Vec<(Transport, Hashed<W>)>,
}

/// Reads the image once: into `image`, and into a transport's file where one is made.
pub(super) fn pass<W: Write>(
    path: &Path,
    identity: Identity,
    file: &FileName,
    transports: Transports,
    open: impl Fn(&FileName) -> Result<W, LocationError>,
    ui: &Ui,
) -> Result<Passed<W>, ArrivalError> {
    let failed = |source| ArrivalError::Write {
        file: file.clone(),
        source,
    };
    let mut image = Hashing::new(open(file)?);
    let mut zstd = None;
    if let Some(level) = transports.zstd {
        let name: FileName = format!("{file}.zst").parse()?;
        let out = Hashing::new(open(&name)?);
        let encoder = encoder(out, level, transports.threads, identity.length);
        let encoder = encoder.map_err(failed)?;
        zstd = Some((name, encoder));
    }
    copy(path, identity, ui, |piece| {
        image.write_all(piece).map_err(failed)?;
        match &mut zstd {
            Some((_, encoder)) => encoder.write_all(piece).map_err(failed),
            None => Ok(()),
        }
    })?;
    let mut passed = Passed {
        image: image.finish().map_err(failed)?,
        transports: Vec::new(),
    };
    if let Some((name, encoder)) = zstd {
        let frame = encoder.finish().and_then(Hashing::finish);
        let frame = frame.map_err(failed)?;
        if frame.length < identity.length {
            let transport = Transport {
                kind: TransportKind::Zstd,
                file: name,
                length: frame.length,
                sha256: frame.sha256,
                from: None,
                urls: Vec::new(),
                extra: Extra::new(),
            };
            passed.transports.push((transport, frame));
        }
    }
    Ok(passed)
}

/// The same bytes for the same input on every machine: any number of workers from one on gives the same frame.
fn encoder<W: Write>(
    out: Hashing<W>,
    level: i32,
    threads: u32,
    length: u64,
) -> io::Result<zstd::stream::write::Encoder<'static, Hashing<W>>> {
    let mut encoder = zstd::stream::write::Encoder::new(out, level)?;
    encoder.set_pledged_src_size(Some(length))?;
    encoder.window_log(WRITTEN_ZSTD_WINDOW_LOG)?;
    encoder.multithread(threads)?;
    Ok(encoder)
}

/// Reads a file to its end, piece by piece, and notices when it is not the one that was looked at.
pub(super) fn copy(
    path: &Path,
    identity: Identity,
    ui: &Ui,
    mut take: impl FnMut(&[u8]) -> Result<(), ArrivalError>,
) -> Result<(), ArrivalError> {
    let read = |source| ArrivalError::Read {
        path: path.to_owned(),
        source,
    };
    let changed = || ArrivalError::Changed(path.to_owned());
    if identity.length > MAX_IMAGE {
        return Err(ArrivalError::TooLong {
            path: path.to_owned(),
            length: identity.length,
        });
    }
    let file = File::open(path).map_err(read)?;
    if Identity::of(&file).map_err(read)? != identity {
        return Err(changed());
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut reader = Progress::new(ui, &name, identity.length, (&file).take(identity.length));
    let mut buffer = vec![0; PIECE];
    let mut total = 0_u64;
    loop {
        let count = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(read(error)),
        };
        total += u64::try_from(count).unwrap_or(u64::MAX);
        take(buffer.get(..count).unwrap_or_default())?;
    }
    drop(reader);
    if total != identity.length || Identity::of(&file).map_err(read)? != identity {
        return Err(changed());
    }
    Ok(())
}

/// A file on its way in, with its length and digest so far: nothing gets into it around them.
#[derive(Debug)]
pub(super) struct Hashing<W> {
    inner: W,
    hasher: Sha256Hasher,
    length: u64,
}

/// A file that was written whole, and what was written.
#[derive(Debug)]
pub(super) struct Hashed<W> {
    pub(super) inner: W,
    pub(super) sha256: Sha256Digest,
    pub(super) length: u64,
}

impl<W: Write> Hashing<W> {
    pub(super) fn new(inner: W) -> Self {
        Self {
            inner,
            hasher: Sha256Hasher::default(),
            length: 0,
        }
    }

    /// Once all of it is written.
    pub(super) fn finish(mut self) -> io::Result<Hashed<W>> {
        self.inner.flush()?;
        Ok(Hashed {
            inner: self.inner,
            sha256: self.hasher.finish(),
            length: self.length,
        })
    }
}

impl<W: Write> Write for Hashing<W> {
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
