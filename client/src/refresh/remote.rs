//! A catalog's mirrors as a remote of the TUF workflow.
//!
//! - Documents that are going to be asked for can be fetched [ahead](CatalogRemote::fetch_ahead), several at a time. The
//!   workflow asks for each all the same, one after the other, and gets what came, or why nothing did.
//! - `timestamp.json` is asked for [on a condition](CatalogRemote::ask_if_changed) where this host has the one that this
//!   mirror served last. What a mirror calls unchanged is given to the workflow as if it had come: signatures, versions
//!   and expiry are looked at, and nothing is believed because of a 304.

mod ahead;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use sysext_formats::digest::Sha256Digest;
use sysext_formats::workflow::{Needed, Remote, RemoteFile};
use url::Url;

use self::ahead::Ahead;
use crate::fetch::{Answer, FetchError, Fetcher, Validator};

/// The places that serve a catalog's metadata, of which one is in use. Clones share which one that is.
#[derive(Debug, Clone)]
pub struct CatalogRemote {
    fetcher: Fetcher,
    metadata: Rc<[Url]>,
    current: Rc<Cell<usize>>,
    /// Bytes of documents that were fetched, over all clones.
    fetched: Rc<Cell<u64>>,
    ahead: Rc<RefCell<Ahead>>,
    condition: Rc<RefCell<Option<Known>>>,
    received: Rc<RefCell<Option<Received>>>,
    unchanged: Rc<Cell<bool>>,
}

/// A stored timestamp, and what the mirror in use calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    /// By what the mirror can tell whether it has another one.
    pub(super) validator: Validator,
    /// The timestamp, byte for byte.
    pub(super) bytes: Vec<u8>,
}

/// A timestamp that came whole from the mirror in use, accepted or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Received {
    /// What the mirror calls it, where that can be gone by.
    pub(super) validator: Option<Validator>,
    /// The digest of its bytes.
    pub(super) sha256: Sha256Digest,
}

impl CatalogRemote {
    /// One place whose metadata is directly in the directory `metadata`.
    #[must_use]
    pub fn at_metadata(fetcher: Fetcher, metadata: Url) -> Self {
        Self::of(fetcher, Rc::new([metadata]))
    }

    /// The mirrors of a catalog, by their base URLs.
    pub(super) fn mirrors(fetcher: Fetcher, bases: &[Url]) -> Self {
        let metadata = bases.iter().map(|base| below(base, "metadata")).collect();
        Self::of(fetcher, metadata)
    }

    fn of(fetcher: Fetcher, metadata: Rc<[Url]>) -> Self {
        Self {
            fetcher,
            metadata,
            current: Rc::default(),
            fetched: Rc::default(),
            ahead: Rc::default(),
            condition: Rc::default(),
            received: Rc::default(),
            unchanged: Rc::default(),
        }
    }

    /// Bytes of documents that were fetched so far, and asked for.
    pub(super) fn fetched(&self) -> u64 {
        self.fetched.get()
    }

    pub(super) fn count(&self) -> usize {
        self.metadata.len()
    }

    /// Which mirror is in use.
    pub(super) fn current(&self) -> usize {
        self.current.get()
    }

    pub(super) fn switch_to(&self, mirror: usize) {
        self.current.set(mirror);
    }

    /// The next timestamp is only fetched where the mirror in use has another one than `known`.
    pub(super) fn ask_if_changed(&self, known: Option<Known>) {
        self.condition.replace(known);
        self.received.replace(None);
        self.unchanged.set(false);
    }

    /// Whether the mirror has called the timestamp unchanged since [`ask_if_changed`](Self::ask_if_changed).
    pub(super) fn was_unchanged(&self) -> bool {
        self.unchanged.get()
    }

    /// The timestamp that came whole since [`ask_if_changed`](Self::ask_if_changed).
    pub(super) fn received(&self) -> Option<Received> {
        self.received.borrow().clone()
    }

    /// Fetches documents from the mirror in use, several at a time, for when they are asked for. How they end is told
    /// then.
    pub(super) fn fetch_ahead(&self, needed: &[Needed]) {
        let files = needed.iter().filter_map(|Needed { file, limit }| {
            let url = self.url(file)?;
            Some((url, *limit))
        });
        let files = files.collect();
        self.ahead.borrow_mut().fetch(&self.fetcher, files);
    }

    /// Forgets what was fetched ahead and not asked for.
    pub(super) fn forget_ahead(&self) {
        self.ahead.borrow_mut().clear();
    }

    /// Whether a document was fetched ahead, and is there.
    pub(super) fn is_ahead(&self, file: &RemoteFile) -> bool {
        self.url(file)
            .is_some_and(|url| self.ahead.borrow().has(&url))
    }

    fn url(&self, file: &RemoteFile) -> Option<Url> {
        let metadata = self.metadata.get(self.current.get())?;
        Some(below(metadata, &file.url_name()))
    }

    /// The timestamp: what came, or what was stored where nothing else is there.
    fn timestamp(&self, url: &Url, limit: u64) -> Result<Option<Vec<u8>>, FetchError> {
        let known = self.condition.take();
        let validator = known.as_ref().map(|known| &known.validator);
        Ok(match self.fetcher.document(url, limit, validator)? {
            Answer::Missing => None,
            Answer::Unchanged => {
                self.unchanged.set(true);
                known.map(|known| known.bytes)
            }
            Answer::Document { bytes, validator } => {
                self.received.replace(Some(Received {
                    validator,
                    sha256: Sha256Digest::of(&bytes),
                }));
                Some(bytes)
            }
        })
    }
}

impl Remote for CatalogRemote {
    type Error = FetchError;

    fn fetch(&mut self, file: &RemoteFile, limit: u64) -> Result<Option<Vec<u8>>, FetchError> {
        let Some(url) = self.url(file) else {
            return Ok(None);
        };
        let ahead = self.ahead.borrow_mut().take(&url, limit);
        let result = match (ahead, file) {
            (Some(result), _) => result,
            (None, RemoteFile::Timestamp) => self.timestamp(&url, limit),
            (None, _) => self.fetcher.metadata(&url, limit),
        };
        let came = *file != RemoteFile::Timestamp || !self.unchanged.get();
        if let Ok(Some(bytes)) = &result
            && came
        {
            let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            self.fetched.set(self.fetched.get().saturating_add(length));
        }
        match (result, file) {
            // Object stores answer so for what is not there; it ends the walk of the roots, and nothing else.
            (Err(error), RemoteFile::Root(_)) if error.is_forbidden() => Ok(None),
            (Ok(Some(bytes)), RemoteFile::Root(_)) => {
                // The stored timestamp may be of keys that this root has replaced.
                self.condition.replace(None);
                Ok(Some(bytes))
            }
            (result, _) => result,
        }
    }
}

/// `encoded`, percent-encoded already, in the directory `base`, with or without a slash at its end.
pub(crate) fn below(base: &Url, encoded: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{encoded}", base.path().trim_end_matches('/')));
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_once_and_queries_stay() {
        let url = |base: &str, name| below(&base.parse().unwrap(), name).to_string();
        assert_eq!(url("https://h", "1.root.json"), "https://h/1.root.json");
        assert_eq!(
            url("https://h/a b/?t=1", "x%2Fy"),
            "https://h/a%20b/x%2Fy?t=1"
        );
    }
}
