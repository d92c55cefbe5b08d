//! Bytes from elsewhere: `https://`, `http://` and `file://`, always bounded in length and time.
//!
//! - [`Fetcher::metadata`] reads a whole small document: at most `limit` bytes, with a few retries where the network
//!   rather than the document is at fault.
//! - [`Fetcher::document`] does so on a condition: nothing comes where the server still has what a [`Validator`] names.
//! - [`Fetcher::open`] begins a long body that the caller reads as it comes, from the start or from a
//!   [`ResumePoint`].
//! - Either has a [slowest rate and a deadline](Pace). A server that asks to come back later is asked again when it
//!   says, up to [`Patience::longest_pause`].
//! - At most [`MAX_REDIRECTS`] redirects, and never from https to http. Encodings that were not asked for are refused,
//!   so a body has the length that was announced.
//! - TLS is rustls with ring and the host's own certificates; they are loaded when the first request needs them.
//! - Connections are used again, also after answers that are no file: the short text that comes with these is read,
//!   for a second at most. Where a server at https:// has HTTP/2, all requests share one connection.
//!
//! What it does not do: believe anything. Digests and signatures are the caller's business.

mod body;
mod error;
mod file;
mod gzip;
mod http;
mod pace;
mod range;
mod retry;
mod validator;

use std::io::Read as _;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use url::Url;

pub use self::body::Body;
pub use self::error::FetchError;
pub(crate) use self::error::shown;
pub use self::gzip::decode as decode_gzip;
pub use self::pace::{GaveUp, Pace};
pub use self::range::{ContentRange, ResumePoint};
pub use self::retry::after as retry_after;
pub use self::validator::Validator;
use crate::config::Settings;

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
            retries: 2,
            longest_pause: Duration::from_secs(10),
            pause: std::thread::sleep,
        }
    }
}

/// What came of a request for a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// There is none (404).
    Missing,
    /// The server has the one that was named (304).
    Unchanged,
    /// It.
    Document {
        /// Its bytes.
        bytes: Vec<u8>,
        /// By what the server can tell later whether it still has this one.
        validator: Option<Validator>,
    },
}

/// Fetches. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Fetcher(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    network: Network,
    patience: Patience,
    settings: Settings,
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
            settings: settings.clone(),
            proxy: http::proxy(&settings.proxy)?,
            client: OnceLock::new(),
        })))
    }

    /// Whether requests may leave this host.
    #[must_use]
    pub fn network(&self) -> Network {
        self.0.network
    }

    /// The time of an image begins; it is given to each [`open`](Self::open) of it.
    #[must_use]
    pub fn begin(&self) -> Pace {
        Pace::of_image(&self.0.settings, Instant::now())
    }

    /// How many requests there may be at once.
    #[must_use]
    pub fn at_once(&self) -> usize {
        self.0.settings.parallel.max(1).into()
    }

    /// Fetches a document of at most `limit` bytes; `None` when there is none (404).
    ///
    /// # Errors
    /// For everything else, a longer body included.
    pub fn metadata(&self, url: &Url, limit: u64) -> Result<Option<Vec<u8>>, FetchError> {
        match self.document(url, limit, None)? {
            Answer::Document { bytes, .. } => Ok(Some(bytes)),
            // Nothing was named that could be unchanged.
            Answer::Missing | Answer::Unchanged => Ok(None),
        }
    }

    /// Fetches a document of at most `limit` bytes, unless the server still has the one that `known` names.
    ///
    /// # Errors
    /// For every other answer, a longer body and a 304 that nobody asked for included.
    pub fn document(
        &self,
        url: &Url,
        limit: u64,
        known: Option<&Validator>,
    ) -> Result<Answer, FetchError> {
        let pace = Pace::of_metadata(&self.0.settings, Instant::now());
        if url.scheme() == "file" {
            let Some(body) = file::open(url, None, &pace)? else {
                return Ok(Answer::Missing);
            };
            return Ok(Answer::Document {
                bytes: bounded(body, limit)?,
                validator: None,
            });
        }
        self.patiently(url, &pace, |left| {
            let Some(response) = self.request(url, http::Ask::Document(left, known))? else {
                return Ok(Answer::Missing);
            };
            if http::is_unchanged(&response) {
                return Ok(Answer::Unchanged);
            }
            let encoding = http::encoding(&response);
            let validator = http::validator(&response);
            let bytes = bounded(http::document(response, url, &pace), limit)?;
            let bytes = match encoding.as_deref() {
                None => bytes,
                Some("gzip") => gzip::decode(&bytes, limit, url)?,
                Some(other) => return Err(FetchError::encoded(url, other)),
            };
            Ok(Answer::Document { bytes, validator })
        })
    }

    /// Begins to read a file of any length; the caller bounds it. Where the server does not go on from `resume`,
    /// [`Body::start`] is 0. The deadline is that of `pace`.
    ///
    /// # Errors
    /// When there is no such file, or it can not be fetched.
    pub fn open(
        &self,
        url: &Url,
        resume: Option<&ResumePoint>,
        pace: &Pace,
    ) -> Result<Body, FetchError> {
        let missing = || FetchError::not_found(url);
        if url.scheme() == "file" {
            return file::open(url, resume, pace)?.ok_or_else(missing);
        }
        self.patiently(url, pace, |_| {
            let response = self.request(url, http::Ask::Body(resume))?;
            let response = match (response, resume) {
                // Nothing is left from there on, or the server can not: from the start, then.
                (Some(response), Some(_)) if http::is_not_satisfiable(&response) => {
                    drop(response);
                    self.request(url, http::Ask::Body(None))?
                }
                (response, _) => response,
            };
            http::body(response.ok_or_else(missing)?, url, resume, pace)
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
        let client = http::client(
            &self.0.patience,
            self.0.settings.min_rate,
            self.0.proxy.clone(),
        )?;
        Ok(self.0.client.get_or_init(|| client))
    }

    /// Attempts until it works, no further attempt would help, or the time is over.
    fn patiently<T>(
        &self,
        url: &Url,
        pace: &Pace,
        mut attempt: impl FnMut(Duration) -> Result<T, FetchError>,
    ) -> Result<T, FetchError> {
        let patience = &self.0.patience;
        let left = || {
            pace.left(Instant::now())
                .map_err(|source| FetchError::gave_up(url, source))
        };
        let mut tried = 0;
        loop {
            let error = match attempt(left()?) {
                // It ended because all the time is over: that says which setting it was.
                Err(FetchError::Timeout { url }) => {
                    left()?;
                    return Err(FetchError::Timeout { url });
                }
                Err(error) if tried < patience.retries => error,
                result => return result,
            };
            let Some(pause) = error.pause_before_retry(tried, patience.longest_pause) else {
                return Err(error);
            };
            if !left().is_ok_and(|left| left > pause) {
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
