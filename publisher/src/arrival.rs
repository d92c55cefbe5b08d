//! Bringing an image to the host: one pass over its bytes for the digest, the copy and the transports.
//!
//! - What arrives has no name that a reader could find before it is published; dropped before, it vanishes.
//! - A file that changes while it is read is noticed: its identity, size and times are looked at before the first byte
//!   that says anything about the image, and after the last.
//! - A transport that is not smaller than the image is dropped.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use sysext_formats::catalog::{Image, Transport, TransportKind};
use sysext_formats::digest::{Sha256Digest, Sha256Hasher};
use sysext_formats::limits::{MAX_IMAGE, WRITTEN_ZSTD_WINDOW_LOG};
use sysext_formats::name::{FileName, NameError};
use sysext_formats::role::Extra;

use crate::config::{Config, TransportChoice};
use crate::location::{Incoming, LocationError, Place, Store};
use crate::ui::Ui;
use crate::ui::progress::Progress;

const PIECE: usize = 1 << 20;

/// Why an image did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum ArrivalError {
    /// The image can not be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The image.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody writes to the image.
    #[error("{} changed while it was being read", .0.display())]
    Changed(PathBuf),
    /// Longer than a host takes.
    #[error("{} has {length} bytes; {MAX_IMAGE} are the most an image may have", path.display())]
    TooLong {
        /// The image.
        path: PathBuf,
        /// Its length.
        length: u64,
    },
    /// The copy or the transport can not be written.
    #[error("{file} can not be written: {source}")]
    Write {
        /// The file at the host.
        file: FileName,
        /// Why.
        source: io::Error,
    },
    /// The name of a transport is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The host failed.
    #[error(transparent)]
    Location(#[from] LocationError),
}

/// What a file is as long as nobody touches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// Device and inode.
    pub inode: (u64, u64),
    /// Its length in bytes.
    pub length: u64,
    /// When its content changed, in seconds and nanoseconds.
    pub modified: (i64, i64),
    /// When anything about it changed.
    pub changed: (i64, i64),
}

impl Identity {
    /// That of an open file.
    ///
    /// # Errors
    /// When it can not be looked at.
    pub fn of(file: &File) -> io::Result<Self> {
        file.metadata().map(|about| Self::of_metadata(&about))
    }

    /// That of the file at `path`.
    ///
    /// # Errors
    /// When it can not be looked at.
    pub fn at(path: &Path) -> Result<Self, ArrivalError> {
        let about = std::fs::metadata(path).map_err(|source| ArrivalError::Read {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self::of_metadata(&about))
    }

    fn of_metadata(about: &std::fs::Metadata) -> Self {
        Self {
            inode: (about.dev(), about.ino()),
            length: about.size(),
            modified: (about.mtime(), about.mtime_nsec()),
            changed: (about.ctime(), about.ctime_nsec()),
        }
    }
}

/// Which transports are made of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transports {
    /// The zstd level of the full one; none is made without.
    pub zstd: Option<i32>,
}

impl Transports {
    /// Those that are configured, at `level` where that is said.
    #[must_use]
    pub fn of(config: &Config, level: Option<i32>) -> Self {
        let zstd = config.transports.contains(&TransportChoice::Zstd);
        Self {
            zstd: zstd.then_some(level.unwrap_or(config.zstd_level)),
        }
    }
}

/// An image whose bytes are at the host, with nobody led to them yet.
#[derive(Debug)]
pub struct Arrival {
    /// Its name.
    pub file: FileName,
    /// Its length in bytes.
    pub length: u64,
    /// Its digest.
    pub sha256: Sha256Digest,
    /// Its transports.
    pub transports: Vec<Transport>,
    pub(crate) image: Box<dyn Incoming>,
    pub(crate) transport_files: Vec<Box<dyn Incoming>>,
}

impl Arrival {
    /// Gives the image and its transports their names.
    ///
    /// # Errors
    /// When the host fails.
    pub fn publish(&mut self) -> Result<(), LocationError> {
        self.image.publish()?;
        self.transport_files
            .iter_mut()
            .try_for_each(|file| file.publish())
    }
}

/// The digest of a local file that nobody touches meanwhile.
///
/// # Errors
/// When it can not be read, or changes.
pub fn hash(path: &Path, identity: Identity, ui: &Ui) -> Result<Sha256Digest, ArrivalError> {
    let mut hasher = Sha256Hasher::default();
    copy(path, identity, ui, |piece| {
        hasher.update(piece);
        Ok(())
    })?;
    Ok(hasher.finish())
}

/// Brings the image at `path` to `store`, under the name `file`.
///
/// # Errors
/// When it can not be read, changes meanwhile, or can not be written.
pub fn bring(
    store: &dyn Store,
    path: &Path,
    identity: Identity,
    file: &FileName,
    transports: Transports,
    ui: &Ui,
) -> Result<Arrival, ArrivalError> {
    let failed = |source| ArrivalError::Write {
        file: file.clone(),
        source,
    };
    let mut image = store.incoming(&Place::Image(file.clone()))?;
    let mut zstd = None;
    if let Some(level) = transports.zstd {
        let name: FileName = format!("{file}.zst").parse()?;
        let incoming = store.incoming(&Place::Image(name.clone()))?;
        let counted = Counted::new(incoming);
        let encoder = encoder(counted, level, identity.length).map_err(failed)?;
        zstd = Some((name, encoder));
    }
    let mut hasher = Sha256Hasher::default();
    copy(path, identity, ui, |piece| {
        hasher.update(piece);
        image.write_all(piece).map_err(failed)?;
        match &mut zstd {
            Some((_, encoder)) => encoder.write_all(piece).map_err(failed),
            None => Ok(()),
        }
    })?;
    image.flush().map_err(failed)?;
    let mut arrival = Arrival {
        file: file.clone(),
        length: identity.length,
        sha256: hasher.finish(),
        transports: Vec::new(),
        image,
        transport_files: Vec::new(),
    };
    if let Some((name, encoder)) = zstd {
        let counted = encoder.finish().map_err(failed)?;
        if counted.length < identity.length {
            arrival.transports.push(Transport {
                kind: TransportKind::Zstd,
                file: name,
                length: counted.length,
                sha256: counted.hasher.finish(),
                from: None,
                extra: Extra::new(),
            });
            arrival.transport_files.push(counted.inner);
        }
    }
    Ok(arrival)
}

/// Brings files that are promised already: an image and its transports from `folder`, each under its name there.
///
/// # Errors
/// When one can not be read or written. Whether the bytes are the promised ones is for the caller to have looked at, and
/// for the self-check to look at again.
pub fn bring_promised(
    store: &dyn Store,
    folder: &Path,
    image: &Image,
    ui: &Ui,
) -> Result<Arrival, ArrivalError> {
    let file = |name: &FileName| -> Result<Box<dyn Incoming>, ArrivalError> {
        let failed = |source| ArrivalError::Write {
            file: name.clone(),
            source,
        };
        let path = folder.join(name.as_str());
        let mut incoming = store.incoming(&Place::Image(name.clone()))?;
        copy(&path, Identity::at(&path)?, ui, |piece| {
            incoming.write_all(piece).map_err(failed)
        })?;
        incoming.flush().map_err(failed)?;
        Ok(incoming)
    };
    let transports = image.transports.iter();
    Ok(Arrival {
        file: image.file.clone(),
        length: image.length,
        sha256: image.sha256,
        transports: image.transports.clone(),
        image: file(&image.file)?,
        transport_files: transports
            .map(|transport| file(&transport.file))
            .collect::<Result<_, _>>()?,
    })
}

/// The same bytes for the same input on every machine: any number of workers from one on gives the same frame.
fn encoder(
    out: Counted,
    level: i32,
    length: u64,
) -> io::Result<zstd::stream::write::Encoder<'static, Counted>> {
    let mut encoder = zstd::stream::write::Encoder::new(out, level)?;
    encoder.set_pledged_src_size(Some(length))?;
    encoder.window_log(WRITTEN_ZSTD_WINDOW_LOG)?;
    let workers = std::thread::available_parallelism().map_or(1, |count| count.get().min(16));
    encoder.multithread(u32::try_from(workers).unwrap_or(1))?;
    Ok(encoder)
}

/// Reads a file to its end, piece by piece, and notices when it is not the one that was looked at.
fn copy(
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

/// A file on its way in, with its length and digest so far.
#[derive(Debug)]
struct Counted {
    inner: Box<dyn Incoming>,
    hasher: Sha256Hasher,
    length: u64,
}

impl Counted {
    fn new(inner: Box<dyn Incoming>) -> Self {
        Self {
            inner,
            hasher: Sha256Hasher::default(),
            length: 0,
        }
    }
}

impl Write for Counted {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::location::Directory;
    use crate::ui::Format;

    fn config(transports: &str) -> Config {
        let text = format!(
            "id = \"a\"\nurl = [\"https://a.example\"]\nlocation = \"public\"\ntransports = {transports}\nzstd-level = 3\n\
             [keys]\nrelease = \"env:R\"\nonline = \"env:O\"\n"
        );
        toml::from_str(&text).unwrap()
    }

    fn take(bytes: &[u8], transports: &str) -> (tempfile::TempDir, Result<Arrival, ArrivalError>) {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("image");
        std::fs::write(&path, bytes).unwrap();
        let arrival = take_at(&path, Identity::at(&path).unwrap(), transports);
        (temp, arrival)
    }

    fn take_at(path: &Path, identity: Identity, transports: &str) -> Result<Arrival, ArrivalError> {
        let store = Directory::create(&path.with_file_name("public")).unwrap();
        let file = "a_1_noarch.raw".parse().unwrap();
        let ui = Ui::new(Format::Text, true);
        bring(
            &store,
            path,
            identity,
            &file,
            Transports::of(&config(transports), None),
            &ui,
        )
    }

    #[test]
    fn one_pass_gives_copy_digest_and_transport_the_same_every_time() {
        let bytes: Vec<u8> = (0..3_000_000_u32)
            .flat_map(|number| (number / 7).to_le_bytes())
            .collect();
        let (_temp, first) = take(&bytes, "[\"zstd\"]");
        let mut first = first.unwrap();
        assert_eq!(first.sha256, Sha256Digest::of(&bytes));
        let mut copy = Vec::new();
        first
            .image
            .read_back()
            .unwrap()
            .read_to_end(&mut copy)
            .unwrap();
        assert!(copy == bytes);
        let mut packed = Vec::new();
        first.transport_files[0]
            .read_back()
            .unwrap()
            .read_to_end(&mut packed)
            .unwrap();
        assert_eq!(first.transports[0].sha256, Sha256Digest::of(&packed));
        assert!(zstd::decode_all(packed.as_slice()).unwrap() == bytes);
        let (_temp, second) = take(&bytes, "[\"zstd\"]");
        assert_eq!(second.unwrap().transports, first.transports);
    }

    #[test]
    fn a_transport_that_saves_nothing_is_none() {
        let noise: Vec<u8> = (0..2_000_u32)
            .flat_map(|number| *Sha256Digest::of(&number.to_le_bytes()).as_bytes())
            .collect();
        assert!(take(&noise, "[\"zstd\"]").1.unwrap().transports.is_empty());
        assert!(take(&[0; 10_000], "[]").1.unwrap().transports.is_empty());
    }

    #[test]
    fn a_file_that_is_not_the_one_that_was_looked_at_is_noticed() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("image");
        std::fs::write(&path, [1; 1000]).unwrap();
        let identity = Identity::at(&path).unwrap();
        // As long as before, and put in its place.
        std::fs::write(temp.path().join("other"), [2; 1000]).unwrap();
        std::fs::rename(temp.path().join("other"), &path).unwrap();
        assert!(matches!(
            take_at(&path, identity, "[]"),
            Err(ArrivalError::Changed(_))
        ));
        // Written to between the first and the last byte.
        let identity = Identity::at(&path).unwrap();
        let mut pieces = 0;
        let ui = Ui::new(Format::Text, true);
        let result = copy(&path, identity, &ui, |_| {
            pieces += 1;
            std::fs::write(&path, [3; 2000]).unwrap();
            Ok(())
        });
        assert!(matches!(result, Err(ArrivalError::Changed(_))) && pieces == 1);
        assert_eq!(
            std::fs::read_dir(temp.path().join("public/images")).map_or(0, Iterator::count),
            0
        );
    }
}
