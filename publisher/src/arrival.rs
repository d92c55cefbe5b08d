//! Bringing an image to the host: one pass over its bytes for the digest, the copy and the transports.
//!
//! - What arrives has no name that a reader could find before it is published; dropped before, it vanishes.
//! - A file that changes while it is read is noticed: its identity, size and times are looked at before the first byte
//!   that says anything about the image, and after the last.
//! - A transport that is not smaller than the image is dropped.
//! - What is written is hashed as it is written, so that the self-check need not read it again.
//! - A new file is at the location, or was found at URLs of its own ([`elsewhere`](crate::elsewhere)): there is no third
//!   way into an [`Arrival`].

mod pass;

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use sysext_formats::catalog::{Image, Transport};
use sysext_formats::digest::{Sha256Digest, Sha256Hasher};
use sysext_formats::limits::MAX_IMAGE;
use sysext_formats::name::{FileName, NameError};

use self::pass::{Hashed, HashingWriter, copy, pass};
use crate::config::{Config, TransportChoice};
use crate::elsewhere::{Found, Promised};
use crate::location::{Incoming, LocationError, Place, Store};
use crate::parallel;
use crate::ui::Ui;

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
    /// How many threads make it.
    pub threads: u32,
}

impl Transports {
    /// Those that are configured, at `level` where that is said.
    #[must_use]
    pub fn of(config: &Config, level: Option<i32>) -> Self {
        let zstd = config.transports.contains(&TransportChoice::Zstd);
        Self {
            zstd: zstd.then_some(level.unwrap_or(config.zstd_level)),
            threads: u32::try_from(parallel::cores()).unwrap_or(1),
        }
    }

    /// The same, made for so many images at once.
    #[must_use]
    pub fn sharing(self, images: usize) -> Self {
        let images = u32::try_from(images).unwrap_or(u32::MAX).max(1);
        Self {
            threads: (self.threads / images).max(1),
            ..self
        }
    }
}

/// A file at the location that was written whole, and is on its way to a name. Its digest is that of every byte that the
/// host was given for it.
#[derive(Debug)]
pub(crate) struct Brought {
    incoming: Box<dyn Incoming>,
    sha256: Sha256Digest,
}

impl Brought {
    /// For tests: a file of these bytes.
    #[cfg(test)]
    pub(crate) fn of(mut incoming: Box<dyn Incoming>, bytes: &[u8]) -> Self {
        incoming.write_all(bytes).unwrap();
        Self {
            incoming,
            sha256: Sha256Digest::of(bytes),
        }
    }

    /// What was written.
    pub(crate) fn sha256(&self) -> Sha256Digest {
        self.sha256
    }
}

impl From<Hashed<Box<dyn Incoming>>> for Brought {
    fn from(hashed: Hashed<Box<dyn Incoming>>) -> Self {
        Self {
            incoming: hashed.inner,
            sha256: hashed.sha256,
        }
    }
}

/// Where the bytes of a new file are.
#[derive(Debug)]
pub(crate) enum Bytes {
    /// At the location, on their way to a name.
    Incoming(Brought),
    /// At URLs of their own.
    Elsewhere(Found),
}

impl Bytes {
    fn publish(&mut self) -> Result<(), LocationError> {
        match self {
            Self::Incoming(brought) => brought.incoming.publish(brought.sha256),
            Self::Elsewhere(_) => Ok(()),
        }
    }
}

/// An image whose bytes are at the host, or at URLs of their own, with nobody led to them yet.
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
    pub(crate) image: Bytes,
    pub(crate) transport_files: Vec<Bytes>,
}

impl Arrival {
    /// Gives the image and its transports their names.
    ///
    /// # Errors
    /// When the host fails.
    pub fn publish(&mut self) -> Result<(), LocationError> {
        self.image.publish()?;
        self.transport_files.iter_mut().try_for_each(Bytes::publish)
    }

    /// An image that is not at the location, with its transports, each as `find` finds it.
    ///
    /// # Errors
    /// When one is not found.
    pub fn elsewhere<E>(
        image: Promised<'_>,
        transports: Vec<Transport>,
        find: impl Fn(Promised<'_>) -> Result<Found, E>,
    ) -> Result<Self, E> {
        let found = find(image)?;
        let files = transports.iter().map(|it| find(it.into()));
        let transport_files = files.map(|found| Ok(Bytes::Elsewhere(found?)));
        Ok(Self {
            file: image.file.clone(),
            length: image.length,
            sha256: image.sha256,
            transport_files: transport_files.collect::<Result<_, E>>()?,
            transports,
            image: Bytes::Elsewhere(found),
        })
    }

    /// Adds a transport of these bytes, which is brought to `store`.
    ///
    /// # Errors
    /// When it can not be written.
    pub fn add_transport(
        &mut self,
        store: &dyn Store,
        transport: Transport,
        bytes: &[u8],
    ) -> Result<(), ArrivalError> {
        let failed = |source| ArrivalError::Write {
            file: transport.file.clone(),
            source,
        };
        let mut incoming =
            HashingWriter::new(store.incoming(&Place::Image(transport.file.clone()))?);
        incoming.write_all(bytes).map_err(failed)?;
        let brought = incoming.finish().map_err(failed)?.into();
        self.transport_files.push(Bytes::Incoming(brought));
        self.transports.push(transport);
        Ok(())
    }

    /// Whether the image is at the location.
    #[must_use]
    pub fn is_at_location(&self) -> bool {
        matches!(self.image, Bytes::Incoming(_))
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
    let open = |name: &FileName| store.incoming(&Place::Image(name.clone()));
    let passed = pass(path, identity, file, transports, open, ui)?;
    let (transports, files): (_, Vec<_>) = passed.transports.into_iter().unzip();
    let arrived = |hashed: Hashed<_>| Bytes::Incoming(hashed.into());
    Ok(Arrival {
        file: file.clone(),
        length: identity.length,
        sha256: passed.image.sha256,
        transports,
        image: arrived(passed.image),
        transport_files: files.into_iter().map(arrived).collect(),
    })
}

/// The digest of the image at `path` and the transports that [`bring`] would make of it, of which nothing is kept.
///
/// # Errors
/// When it can not be read, or changes meanwhile.
pub fn measure(
    path: &Path,
    identity: Identity,
    file: &FileName,
    transports: Transports,
    ui: &Ui,
) -> Result<(Sha256Digest, Vec<Transport>), ArrivalError> {
    let nowhere = |_: &FileName| Ok(io::sink());
    let passed = pass(path, identity, file, transports, nowhere, ui)?;
    let transports = passed.transports.into_iter();
    let transports = transports.map(|(transport, _)| transport).collect();
    Ok((passed.image.sha256, transports))
}

/// Brings files that are promised already: an image and its transports from `folder`, each under its name there. What has
/// URLs of its own is not brought, but looked for there by `find`.
///
/// # Errors
/// When one can not be read, written or found. Whether the bytes are the promised ones is for the caller to have looked at,
/// and for the self-check to look at again.
pub fn bring_promised<E: From<ArrivalError>>(
    store: &dyn Store,
    folder: &Path,
    image: &Image,
    mut find: impl FnMut(Promised<'_>) -> Result<Found, E>,
    ui: &Ui,
) -> Result<Arrival, E> {
    let copied = |name: &FileName| -> Result<Brought, ArrivalError> {
        let failed = |source| ArrivalError::Write {
            file: name.clone(),
            source,
        };
        let path = folder.join(name.as_str());
        let mut incoming = HashingWriter::new(store.incoming(&Place::Image(name.clone()))?);
        copy(&path, Identity::at(&path)?, ui, |piece| {
            incoming.write_all(piece).map_err(failed)
        })?;
        Ok(incoming.finish().map_err(failed)?.into())
    };
    let mut bytes = |promised: Promised<'_>| -> Result<Bytes, E> {
        Ok(if promised.urls.is_empty() {
            Bytes::Incoming(copied(promised.file)?)
        } else {
            Bytes::Elsewhere(find(promised)?)
        })
    };
    let transports = image.transports.iter().map(Promised::from);
    Ok(Arrival {
        file: image.file.clone(),
        length: image.length,
        sha256: image.sha256,
        transports: image.transports.clone(),
        image: bytes(image.into())?,
        transport_files: transports.map(&mut bytes).collect::<Result<_, _>>()?,
    })
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
        let (temp, first) = take(&bytes, "[\"zstd\"]");
        let mut first = first.unwrap();
        assert_eq!(first.sha256, Sha256Digest::of(&bytes));
        first.publish().unwrap();
        let read =
            |name: &str| std::fs::read(temp.path().join("public/images").join(name)).unwrap();
        assert!(read("a_1_noarch.raw") == bytes);
        let packed = read("a_1_noarch.raw.zst");
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
