//! A catalog's mirrors as a remote of the TUF workflow.

use std::cell::Cell;
use std::rc::Rc;

use sysext_formats::workflow::{Remote, RemoteFile};
use url::Url;

use crate::fetch::{FetchError, Fetcher};

/// The places that serve a catalog's metadata, of which one is in use. Clones share which one that is.
#[derive(Debug, Clone)]
pub struct CatalogRemote {
    fetcher: Fetcher,
    metadata: Rc<[Url]>,
    current: Rc<Cell<usize>>,
    /// Bytes of documents that were fetched, over all clones.
    fetched: Rc<Cell<u64>>,
}

impl CatalogRemote {
    /// One place whose metadata is directly in the directory `metadata`.
    #[must_use]
    pub fn at_metadata(fetcher: Fetcher, metadata: Url) -> Self {
        Self {
            fetcher,
            metadata: Rc::new([metadata]),
            current: Rc::default(),
            fetched: Rc::default(),
        }
    }

    /// The mirrors of a catalog, by their base URLs.
    pub(super) fn mirrors(fetcher: Fetcher, bases: &[Url]) -> Self {
        Self {
            fetcher,
            metadata: bases.iter().map(|base| below(base, "metadata")).collect(),
            current: Rc::default(),
            fetched: Rc::default(),
        }
    }

    /// Bytes of documents that were fetched so far.
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
}

impl Remote for CatalogRemote {
    type Error = FetchError;

    fn fetch(&mut self, file: &RemoteFile, limit: u64) -> Result<Option<Vec<u8>>, FetchError> {
        let Some(metadata) = self.metadata.get(self.current.get()) else {
            return Ok(None);
        };
        let result = self
            .fetcher
            .metadata(&below(metadata, &file.url_name()), limit);
        if let Ok(Some(bytes)) = &result {
            let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            self.fetched.set(self.fetched.get().saturating_add(length));
        }
        match result {
            // Object stores answer so for what is not there; it ends the walk of the roots, and nothing else.
            Err(error) if error.is_forbidden() && matches!(file, RemoteFile::Root(_)) => Ok(None),
            result => result,
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
