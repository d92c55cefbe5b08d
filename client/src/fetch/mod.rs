//! Bytes from elsewhere: `https://`, `http://` and `file://`, always bounded in length and time.
//!
//! - [`Fetcher::metadata`] reads a whole small document: at most `limit` bytes, within one deadline, with a few
//!   retries where the network rather than the document is at fault.
//! - [`Fetcher::open`] begins a long body that the caller reads as it comes, from the start or from a
//!   [`ResumePoint`]. There is no deadline, but a [slowest rate](RateGuard).
//! - At most [`MAX_REDIRECTS`] redirects, and never from https to http. Encodings that were not asked for are refused,
//!   so a body has the length that was announced.
//! - TLS is rustls with ring and the host's own certificates; they are loaded when the first request needs them.
//!
//! What it does not do: believe anything. Digests and signatures are the caller's business.

mod body;
mod error;
mod file;
mod gzip;
mod http;
mod range;
mod rate;

use std::io::Read as _;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use url::Url;

pub use self::body::Body;
pub use self::error::FetchError;
pub(crate) use self::error::shown;
pub use self::range::ResumePoint;
pub use self::rate::{RateGuard, TooSlow};
use crate::config::{MinRate, Settings};

/// Redirects that are followed for one request.
pub const MAX_REDIRECTS: usize = 5;

/// Whether requests may leave this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// They may.
    Online,
    /// They may not; `file://` URLs still work.
    Offline,
}

/// How long to wait for what.
#[derive(Debug, Clone)]
pub struct Patience {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For a whole document, retries included.
    pub metadata: Duration,
    /// Further attempts where the network is at fault.
    pub retries: u32,
    /// The longest pause that a server may ask for (`Retry-After`).
    pub longest_pause: Duration,
    /// How to pause: `std::thread::sleep`, or nothing in tests.
    pub pause: fn(Duration),
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            metadata: Duration::from_secs(60),
            retries: 2,
            longest_pause: Duration::from_secs(10),
            pause: std::thread::sleep,
        }
    }
}

/// Fetches. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Fetcher(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    network: Network,
    patience: Patience,
    rate: MinRate,
    proxy: Option<reqwest::Proxy>,
    client: OnceLock<reqwest::blocking::Client>,
}

impl Fetcher {
    /// A fetcher for a host with these settings.
    ///
    /// # Errors
    /// When the proxy in the settings is not one.
    pub fn new(settings: &Settings, network: Network) -> Result<Self, FetchError> {
        Self::with_patience(settings, network, Patience::default())
    }

    /// As [`new`](Self::new), with another patience.
    ///
    /// # Errors
    /// When the proxy in the settings is not one.
    pub fn with_patience(
        settings: &Settings,
        network: Network,
        patience: Patience,
    ) -> Result<Self, FetchError> {
        Ok(Self(Arc::new(Inner {
            network,
            patience,
            rate: settings.min_rate,
            proxy: http::proxy(&settings.proxy)?,
            client: OnceLock::new(),
        })))
    }

    /// Whether requests may leave this host.
    #[must_use]
    pub fn network(&self) -> Network {
        self.0.network
    }

    /// Fetches a document of at most `limit` bytes; `None` when there is none (404).
    ///
    /// # Errors
    /// For everything else, a longer body included.
    pub fn metadata(&self, url: &Url, limit: u64) -> Result<Option<Vec<u8>>, FetchError> {
        if url.scheme() == "file" {
            return match file::open(url, None, self.0.rate)? {
                Some(body) => bounded(body, limit).map(Some),
                None => Ok(None),
            };
        }
        let deadline = Instant::now() + self.0.patience.metadata;
        self.patiently(Some(deadline), || {
            let Some(response) = self.request(url, http::Ask::Document(deadline))? else {
                return Ok(None);
            };
            let encoding = http::encoding(&response);
            let bytes = bounded(http::document(response, url, self.0.rate), limit)?;
            match encoding.as_deref() {
                None => Ok(Some(bytes)),
                Some("gzip") => gzip::decode(&bytes, limit, url).map(Some),
                Some(other) => Err(FetchError::encoded(url, other)),
            }
        })
    }

    /// Begins to read a file of any length; the caller bounds it. Where the server does not go on from `resume`,
    /// [`Body::start`] is 0.
    ///
    /// # Errors
    /// When there is no such file, or it can not be fetched.
    pub fn open(&self, url: &Url, resume: Option<&ResumePoint>) -> Result<Body, FetchError> {
        let missing = || FetchError::not_found(url);
        if url.scheme() == "file" {
            return file::open(url, resume, self.0.rate)?.ok_or_else(missing);
        }
        self.patiently(None, || {
            let response = self.request(url, http::Ask::Body(resume))?;
            let response = match (response, resume) {
                // Nothing is left from there on, or the server can not: from the start, then.
                (Some(response), Some(_)) if http::is_not_satisfiable(&response) => {
                    drop(response);
                    self.request(url, http::Ask::Body(None))?
                }
                (response, _) => response,
            };
            http::body(response.ok_or_else(missing)?, url, resume, self.0.rate)
        })
    }

    fn request(
        &self,
        url: &Url,
        ask: http::Ask<'_>,
    ) -> Result<Option<reqwest::blocking::Response>, FetchError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(FetchError::scheme(url));
        }
        if self.0.network == Network::Offline {
            return Err(FetchError::offline(url));
        }
        http::send(self.client()?, url, ask)
    }

    fn client(&self) -> Result<&reqwest::blocking::Client, FetchError> {
        if let Some(client) = self.0.client.get() {
            return Ok(client);
        }
        // Two threads may both build one; the first stays.
        let client = http::client(&self.0.patience, self.0.rate, self.0.proxy.clone())?;
        Ok(self.0.client.get_or_init(|| client))
    }

    fn patiently<T>(
        &self,
        deadline: Option<Instant>,
        mut attempt: impl FnMut() -> Result<T, FetchError>,
    ) -> Result<T, FetchError> {
        let patience = &self.0.patience;
        let mut tried = 0;
        loop {
            let error = match attempt() {
                Err(error) if tried < patience.retries => error,
                result => return result,
            };
            let Some(pause) = error.pause_before_retry(tried, patience.longest_pause) else {
                return Err(error);
            };
            if deadline.is_some_and(|deadline| Instant::now() + pause >= deadline) {
                return Err(error);
            }
            (patience.pause)(pause);
            tried += 1;
        }
    }
}

fn bounded(mut body: Body, limit: u64) -> Result<Vec<u8>, FetchError> {
    if body.length().is_some_and(|length| length > limit) {
        return Err(body.too_long(limit));
    }
    let mut bytes = Vec::new();
    body.by_ref()
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| body.failed(error))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        return Err(body.too_long(limit));
    }
    Ok(bytes)
}
