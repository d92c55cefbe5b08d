//! A catalog behind `https://` or `http://`: read only, for `verify` and `--base`.
//!
//! - At most five redirects, and never from https to http.
//! - Bounded in bytes by the caller, and in time here: for a connection, for each piece of a body, and for a whole file.
//! - Nothing that comes is decoded: a body has the bytes that the server stores.

use std::fmt;
use std::io::{self, Read};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::blocking::{Client, Response};
use reqwest::header::ACCEPT_ENCODING;
use reqwest::redirect::{Action, Attempt, Policy};
use sysext_formats::name::url_component;
use url::Url;

use super::{Location, LocationError, Place};

const MAX_REDIRECTS: usize = 5;
const CONNECT: Duration = Duration::from_secs(15);
/// For the answer's header, and for each piece of its body.
const PIECE: Duration = Duration::from_secs(30);
/// For a whole document.
const DOCUMENT: Duration = Duration::from_secs(120);
/// For a whole image: 8 GiB at 2.4 MB/s.
const IMAGE: Duration = Duration::from_secs(3600);

/// Files below a URL, by their path.
pub(crate) struct WebFolder {
    base: Url,
    links: Links,
}

/// A catalog behind a URL.
#[derive(Debug)]
pub struct Web(WebFolder);

impl Web {
    /// The catalog at `base`.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(base: Url) -> Result<Self, LocationError> {
        WebFolder::new(base).map(Self)
    }
}

/// Files at any URL.
#[derive(Debug)]
pub struct Links {
    client: Client,
}

impl Links {
    /// A client for them.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new() -> Result<Self, LocationError> {
        super::tls_provider();
        let builder = || {
            Client::builder()
                .user_agent(concat!("sysext-publish/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(CONNECT)
                .timeout(PIECE)
                .redirect(Policy::custom(follow))
        };
        // A machine without any certificates can still read http://; what is read is signed.
        let client = builder()
            .build()
            .or_else(|_| builder().tls_certs_only([]).build())
            .map_err(LocationError::Client)?;
        Ok(Self { client })
    }

    /// Opens a file of any length, which the caller bounds; `None` when there is none.
    ///
    /// # Errors
    /// For every other failure.
    pub fn open(&self, url: &Url) -> Result<Option<Box<dyn Read + Send>>, LocationError> {
        let response = self.get(url)?;
        Ok(response.map(|response| Box::new(Timed::new(response, IMAGE)) as Box<dyn Read + Send>))
    }

    fn get(&self, url: &Url) -> Result<Option<Response>, LocationError> {
        let response = self
            .client
            .get(url.clone())
            .header(ACCEPT_ENCODING, "identity")
            .send();
        let response = response.map_err(|source| LocationError::Request {
            url: url.to_string(),
            source: source.without_url(),
        })?;
        match response.status() {
            StatusCode::OK => Ok(Some(response)),
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
            status => Err(LocationError::Status {
                url: url.to_string(),
                status: status.as_u16(),
            }),
        }
    }
}

fn follow(attempt: Attempt<'_>) -> Action {
    if attempt.previous().len() > MAX_REDIRECTS {
        return attempt.error(format!("there are more than {MAX_REDIRECTS} redirects"));
    }
    let secure = attempt.previous().iter().any(|url| url.scheme() == "https");
    if secure && attempt.url().scheme() != "https" {
        return attempt.error("it leads from https to something weaker");
    }
    attempt.follow()
}

impl WebFolder {
    /// What is below `base`.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub(crate) fn new(mut base: Url) -> Result<Self, LocationError> {
        base.set_fragment(None);
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        Ok(Self {
            base,
            links: Links::new()?,
        })
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path()));
        url
    }

    /// A file of at most `limit` bytes; `None` where there is none. The path is one that stands in a URL.
    ///
    /// # Errors
    /// When the server fails, or has more.
    pub(crate) fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, LocationError> {
        let url = self.url(path);
        let response = match self.links.get(&url)? {
            Some(response) => response,
            None => return Ok(None),
        };
        let mut bytes = Vec::new();
        Timed::new(response, DOCUMENT)
            .take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|source| LocationError::Stream {
                file: url.to_string(),
                source,
            })?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
            return Err(LocationError::TooLong {
                file: url.to_string(),
                limit,
            });
        }
        Ok(Some(bytes))
    }

    /// A file of any length, which the caller bounds; `None` where there is none.
    ///
    /// # Errors
    /// When the server fails.
    pub(crate) fn open(&self, path: &str) -> Result<Option<Box<dyn Read + Send>>, LocationError> {
        self.links.open(&self.url(path))
    }
}

impl Location for Web {
    fn name(&self) -> String {
        self.0.base.to_string()
    }

    fn read(&self, place: &Place, limit: u64) -> Result<Option<Vec<u8>>, LocationError> {
        self.0.read(&path(place), limit)
    }

    fn open(&self, place: &Place) -> Result<Option<Box<dyn Read + Send>>, LocationError> {
        self.0.open(&path(place))
    }
}

/// The path of a file of a catalog, as it stands in a URL.
fn path(place: &Place) -> String {
    match place.parts() {
        // Metadata names come percent-encoded already.
        (Some(folder), name) if matches!(place, Place::Metadata(_)) => format!("{folder}/{name}"),
        (Some(folder), name) => format!("{folder}/{}", url_component(&name)),
        (None, name) => name,
    }
}

impl fmt::Debug for WebFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebFolder")
            .field("base", &self.base.as_str())
            .finish_non_exhaustive()
    }
}

/// A body that must end in time.
struct Timed<R> {
    inner: R,
    end: Instant,
}

impl<R> Timed<R> {
    fn new(inner: R, patience: Duration) -> Self {
        Self {
            inner,
            end: Instant::now() + patience,
        }
    }
}

impl<R: Read> Read for Timed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if Instant::now() > self.end {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the server is too slow",
            ));
        }
        self.inner.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_lie_below_the_base_whether_it_ends_in_a_slash_or_not() {
        for base in ["https://x.example/cat", "https://x.example/cat/#sha256=00"] {
            let web = WebFolder::new(base.parse().unwrap()).unwrap();
            assert_eq!(
                web.url(&path(&Place::Descriptor)).as_str(),
                "https://x.example/cat/catalog.toml"
            );
            let image = Place::Image("a_1+2_noarch.raw".parse().unwrap());
            assert_eq!(
                web.url(&path(&image)).as_str(),
                "https://x.example/cat/images/a_1%2B2_noarch.raw"
            );
        }
    }
}
