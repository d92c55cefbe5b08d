//! What this machine remembers of a catalog: the documents it saw last, against a host that goes back in time.
//!
//! ```text
//! $XDG_STATE_HOME/sysext-publish/ID/PIN/
//!   root.json  timestamp.json  snapshot.json     as seen last, byte for byte
//! ```
//!
//! - PIN is the beginning of the digest of the vendor's own `root.json`: another catalog of the same id is another one.
//! - They are read back by the TUF workflow itself, as a host's cached documents are; what does not verify any more
//!   protects nothing and harms nothing.
//! - It also keeps, for one run, every document that was read: a host that refreshed now would have the same.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use sysext_durable::Dir;
use sysext_formats::digest::Sha256Digest;
use sysext_formats::limits::Limits;
use sysext_formats::name::CatalogId;
use sysext_formats::role::MetadataVersion;
use sysext_formats::verify::verify_first_root;
use sysext_formats::workflow::{Cache, CachedFile};

use crate::context::Context;

/// Documents by what they are.
pub type Documents = BTreeMap<CachedFile, Vec<u8>>;

/// A store of documents as the TUF workflow wants one; clones are the same store.
#[derive(Debug, Clone)]
pub struct Memory(Rc<RefCell<Inner>>);

#[derive(Debug)]
struct Inner {
    documents: Documents,
    directory: Option<Dir>,
    keeping: Keeping,
}

/// Whether what is seen is kept for later runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// Where there is a directory.
    Kept,
    /// Not by this run: `--dry-run` changes nothing.
    Forgotten,
}

impl Inner {
    /// Where a document is kept, if it is.
    fn keeper(&self, file: &CachedFile) -> Option<&Dir> {
        let directory = self.directory.as_ref();
        directory.filter(|_| is_remembered(file) && self.keeping == Keeping::Kept)
    }
}

/// Where the memory of a catalog is; `None` where neither `XDG_STATE_HOME` nor `HOME` says.
#[must_use]
pub fn directory(context: &Context, id: &CatalogId, pinned_root: &[u8]) -> Option<PathBuf> {
    let state = match context.variable("XDG_STATE_HOME") {
        Some(state) => PathBuf::from(state),
        None => Path::new(&context.variable("HOME")?).join(".local/state"),
    };
    // The specification of these directories: relative paths are ignored.
    state.is_absolute().then(|| {
        state
            .join("sysext-publish")
            .join(id.as_str())
            .join(Sha256Digest::of(pinned_root).short(16))
    })
}

impl Memory {
    /// For one run only, starting from `root`.
    #[must_use]
    pub fn of_documents(documents: Documents) -> Self {
        Self(Rc::new(RefCell::new(Inner {
            documents,
            directory: None,
            keeping: Keeping::Forgotten,
        })))
    }

    /// Starting from `root`, or from the newer one that was seen last, kept in `directory`.
    ///
    /// # Errors
    /// When the directory can not be made or read.
    pub fn open(
        pinned_root: Vec<u8>,
        directory: Option<Dir>,
        keeping: Keeping,
    ) -> sysext_durable::Result<Self> {
        let mut root = pinned_root;
        if let Some(directory) = &directory
            && let Some(seen) =
                directory.read(&CachedFile::Root.storage_name(), Limits::default().root)?
            && let (Ok(pinned), Ok(later)) = (verify_first_root(&root), verify_first_root(&seen))
            && later.version >= pinned.version
        {
            root = seen;
        }
        Ok(Self(Rc::new(RefCell::new(Inner {
            documents: BTreeMap::from([(CachedFile::Root, root)]),
            directory,
            keeping,
        }))))
    }

    /// Every document of this run.
    #[must_use]
    pub fn documents(&self) -> Documents {
        self.0.borrow().documents.clone()
    }

    /// One document of this run.
    #[must_use]
    pub fn document(&self, file: &CachedFile) -> Option<Vec<u8>> {
        self.0.borrow().documents.get(file).cloned()
    }

    /// Whether this run has read a document.
    #[must_use]
    pub fn has(&self, file: &CachedFile) -> bool {
        self.0.borrow().documents.contains_key(file)
    }

    /// Lets go of a document that no later run needs; one that is remembered stays.
    pub fn forget(&self, file: &CachedFile) {
        if !is_remembered(file) {
            self.0.borrow_mut().documents.remove(file);
        }
    }
}

fn is_remembered(file: &CachedFile) -> bool {
    matches!(
        file,
        CachedFile::Root | CachedFile::Timestamp | CachedFile::Snapshot
    )
}

impl Cache for Memory {
    type Error = sysext_durable::Error;

    fn load(&mut self, file: &CachedFile) -> Result<Option<Vec<u8>>, Self::Error> {
        let inner = &mut *self.0.borrow_mut();
        if let Some(bytes) = inner.documents.get(file) {
            return Ok(Some(bytes.clone()));
        }
        let bytes = match &inner.directory {
            Some(directory) if is_remembered(file) => {
                directory.read(&file.storage_name(), Limits::default().targets)?
            }
            _ => None,
        };
        if let Some(bytes) = &bytes {
            inner.documents.insert(file.clone(), bytes.clone());
        }
        Ok(bytes)
    }

    fn save(
        &mut self,
        file: &CachedFile,
        _: MetadataVersion,
        bytes: &[u8],
    ) -> Result<(), Self::Error> {
        let inner = &mut *self.0.borrow_mut();
        if let Some(directory) = inner.keeper(file) {
            directory.write(&file.storage_name(), bytes, 0o644)?;
        }
        inner.documents.insert(file.clone(), bytes.to_vec());
        Ok(())
    }

    fn remove(&mut self, file: &CachedFile) -> Result<(), Self::Error> {
        let inner = &mut *self.0.borrow_mut();
        if let Some(directory) = inner.keeper(file) {
            directory.remove(&file.storage_name())?;
        }
        inner.documents.remove(file);
        Ok(())
    }
}
