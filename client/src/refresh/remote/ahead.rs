//! Documents that are fetched before they are asked for, several at a time: one round trip for many.
//!
//! - Bounded in requests at once, and in bytes: [`MAX_BYTES`] and one document for each request more, since nobody knows
//!   before it comes how long a document is. With the limits of TUF's documents that is 34 MB, from a server that lies.
//! - The first failure of the network ends it: what is left is fetched when it is asked for, where it is known which
//!   mirror is asked next, and how long is waited.
//! - What came is given away once, whatever it is.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use url::Url;

use crate::fetch::{FetchError, Fetcher};

/// Requests to one server at once, where the settings do not say fewer.
const MOST_AT_ONCE: usize = 6;
/// Where this much lies here nothing more is asked for; what is on its way then comes, too.
const MAX_BYTES: u64 = 4_000_000;

type Outcome = Result<Option<Vec<u8>>, FetchError>;

/// What came, and was not asked for yet.
#[derive(Debug, Default)]
pub(super) struct Ahead(BTreeMap<Url, Outcome>);

impl Ahead {
    /// Fetches files, each of at most that many bytes.
    pub(super) fn fetch(&mut self, fetcher: &Fetcher, mut files: Vec<(Url, u64)>) {
        files.retain(|(url, _)| !self.0.contains_key(url));
        let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let held: usize = self.0.values().map(length).sum();
        let held = AtomicU64::new(u64::try_from(held).unwrap_or(u64::MAX));
        let came = Mutex::new(Vec::new());
        let work = || {
            while !failed.load(Ordering::Relaxed) && held.load(Ordering::Relaxed) < MAX_BYTES {
                let Some((url, limit)) = files.get(next.fetch_add(1, Ordering::Relaxed)) else {
                    break;
                };
                let outcome = fetcher.metadata(url, *limit);
                let is_temporary = |error: &FetchError| error.is_temporary();
                failed.fetch_or(outcome.as_ref().is_err_and(is_temporary), Ordering::Relaxed);
                let bytes = u64::try_from(length(&outcome)).unwrap_or(u64::MAX);
                held.fetch_add(bytes, Ordering::Relaxed);
                let mut came = came.lock().unwrap_or_else(PoisonError::into_inner);
                came.push((url.clone(), outcome));
            }
        };
        let threads = fetcher.at_once().min(MOST_AT_ONCE).min(files.len());
        std::thread::scope(|scope| {
            for _ in 0..threads {
                // Where there is no further thread, the rest is fetched when it is asked for.
                let _ = std::thread::Builder::new().spawn_scoped(scope, work);
            }
        });
        self.0
            .extend(came.into_inner().unwrap_or_else(PoisonError::into_inner));
    }

    /// Whether a document is here.
    pub(super) fn has(&self, url: &Url) -> bool {
        matches!(self.0.get(url), Some(Ok(Some(_))))
    }

    /// How the fetch of a file ended, if it was fetched; one that is longer than `limit` was not.
    pub(super) fn take(&mut self, url: &Url, limit: u64) -> Option<Outcome> {
        let outcome = self.0.remove(url)?;
        let bytes = u64::try_from(length(&outcome)).unwrap_or(u64::MAX);
        (bytes <= limit).then_some(outcome)
    }

    /// Forgets what nobody has asked for.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

fn length(outcome: &Outcome) -> usize {
    outcome
        .as_ref()
        .ok()
        .and_then(Option::as_ref)
        .map_or(0, Vec::len)
}
