//! Refreshing.

use sysext_formats::limits::Limits;
use sysext_formats::workflow::{Remote, RemoteFile};
use url::Url;

use crate::fetch::{FetchError, Fetcher};

/// One place that serves a catalog's metadata.
#[derive(Debug, Clone)]
pub struct CatalogRemote {
    fetcher: Fetcher,
    metadata: Url,
}

impl CatalogRemote {
    /// A place whose metadata is directly below `metadata`.
    #[must_use]
    pub fn at_metadata(fetcher: Fetcher, metadata: Url) -> Self {
        Self { fetcher, metadata }
    }
}

impl Remote for CatalogRemote {
    type Error = FetchError;

    fn fetch(&mut self, file: &RemoteFile, limit: u64) -> Result<Option<Vec<u8>>, FetchError> {
        let mut url = self.metadata.clone();
        url.set_path(&format!(
            "{}/{}",
            self.metadata.path().trim_end_matches('/'),
            file.url_name()
        ));
        match self.fetcher.metadata(&url, limit) {
            // Object stores answer so for what is not there; it ends the walk of the roots, and nothing else.
            Err(error) if error.is_forbidden() && matches!(file, RemoteFile::Root(_)) => Ok(None),
            result => result,
        }
    }
}
