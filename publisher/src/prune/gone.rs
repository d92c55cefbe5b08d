//! What a new image is held against besides the indexes: files that have left them, and that hosts may still ask for.
//!
//! - A name that was published gets no other bytes as long as its file lies there: an older index still names it. The record
//!   is not signed; it is believed only where that refuses something, or leaves it out.
//! - It is read when the first new image needs it. One that can not be read says nothing.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use sysext_formats::digest::{Sha256Digest, Sha256Hasher};
use sysext_formats::limits::MAX_IMAGE;
use sysext_formats::name::{FileName, TargetPath};

use crate::draft::{Draft, DraftError};
use crate::location::{Location, LocationError, Place};
use crate::prune::record::{Record, RecordError};

const PIECE: usize = 1 << 20;

/// The files of a location that left its catalog.
#[derive(Debug)]
pub struct Gone<'a> {
    base: &'a dyn Location,
    files: OnceCell<Files>,
}

#[derive(Debug, Default)]
struct Files {
    names: BTreeSet<FileName>,
    lengths: BTreeSet<u64>,
    digests: BTreeMap<Sha256Digest, BTreeSet<FileName>>,
}

impl<'a> Gone<'a> {
    /// Of this location.
    #[must_use]
    pub fn new(base: &'a dyn Location) -> Self {
        Self {
            base,
            files: OnceCell::new(),
        }
    }

    /// Whether a file of this name has left.
    ///
    /// # Errors
    /// When the host fails.
    pub fn names(&self, file: &FileName) -> Result<bool, LocationError> {
        Ok(self.files()?.names.contains(file))
    }

    /// Whether a file of this length has left: only then it is worth asking for its digest.
    ///
    /// # Errors
    /// When the host fails.
    pub fn has_length(&self, length: u64) -> Result<bool, LocationError> {
        Ok(self.files()?.lengths.contains(&length))
    }

    /// The names under which these bytes have left.
    ///
    /// # Errors
    /// When the host fails.
    pub fn names_of(&self, sha256: Sha256Digest) -> Result<BTreeSet<FileName>, LocationError> {
        let names = self.files()?.digests.get(&sha256).cloned();
        Ok(names.unwrap_or_default())
    }

    /// Why a name can not have these bytes, if it can not.
    ///
    /// # Errors
    /// When the host fails.
    pub fn conflict(
        &self,
        file: &FileName,
        offered: Sha256Digest,
    ) -> Result<Option<DraftError>, LocationError> {
        if !self.names(file)? || self.names_of(offered)?.contains(file) {
            return Ok(None);
        }
        let there = self.digest(file)?.filter(|there| *there != offered);
        Ok(there.map(|there| DraftError::Left {
            file: file.clone(),
            there,
            offered,
        }))
    }

    /// The first conflict of the new images of a draft.
    ///
    /// # Errors
    /// When the host fails.
    pub fn conflict_with(&self, draft: &Draft) -> Result<Option<DraftError>, LocationError> {
        for (file, extension) in &draft.images {
            let index = draft.catalog.indexes.get(extension);
            let target = index.and_then(|index| index.targets.get(&TargetPath::from(file)));
            let Some(offered) = target.and_then(|target| target.hashes.sha256()) else {
                continue;
            };
            if let Some(conflict) = self.conflict(file, offered)? {
                return Ok(Some(conflict));
            }
        }
        Ok(None)
    }

    /// The digest of what lies under a name; `None` where nothing does.
    fn digest(&self, file: &FileName) -> Result<Option<Sha256Digest>, LocationError> {
        let place = Place::Image(file.clone());
        let Some(there) = self.base.open(&place)? else {
            return Ok(None);
        };
        let mut there = there.take(MAX_IMAGE);
        let mut hasher = Sha256Hasher::default();
        let mut buffer = vec![0; PIECE];
        loop {
            let count = match there.read(&mut buffer) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(source) => {
                    let file = place.to_string();
                    return Err(LocationError::Stream { file, source });
                }
                Ok(count) => count,
            };
            match buffer.get(..count) {
                Some(piece) if !piece.is_empty() => hasher.update(piece),
                _ => return Ok(Some(hasher.finish())),
            }
        }
    }

    fn files(&self) -> Result<&Files, LocationError> {
        if let Some(files) = self.files.get() {
            return Ok(files);
        }
        let record = match Record::read(self.base) {
            Ok(record) => record.unwrap_or_default(),
            Err(RecordError::Malformed(_)) => Record::default(),
            Err(RecordError::Location(error)) => return Err(error),
        };
        let mut files = Files::default();
        for (place, left) in record.places() {
            match place {
                Place::Image(name) => {
                    files.names.insert(name);
                    files.lengths.insert(left.length);
                }
                Place::HashedImage(sha256, name) => {
                    files.digests.entry(sha256).or_default().insert(name);
                }
                _ => {}
            }
        }
        Ok(self.files.get_or_init(|| files))
    }
}
