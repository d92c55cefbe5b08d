//! Why something could not be fetched.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::GaveUp;

/// The pause before the first further attempt; each later one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Why something could not be fetched. URLs in messages hold neither passwords nor query parts, which may be secrets.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Requests may not leave this host.
    #[error("{url}: no network may be used")]
    Offline {
        /// What was asked for.
        url: String,
    },
    /// Neither http, https nor file.
    #[error("{url}: only https://, http:// and file:// URLs can be fetched")]
    Scheme {
        /// What was asked for.
        url: String,
    },
    /// The proxy in the settings.
    #[error("proxy = {proxy:?} is not the URL of a proxy")]
    Proxy {
        /// What stands there, without a password.
        proxy: String,
        /// Why.
        source: reqwest::Error,
    },
    /// No HTTP client can be had.
    #[error("the HTTP client can not be set up")]
    Client(#[source] reqwest::Error),
    /// No connection.
    #[error("{url}: no connection")]
    Connect {
        /// What was asked for.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
    /// A connection, but not to whom the certificate should name.
    #[error("{url}: the server's certificate is not accepted")]
    Certificate {
        /// What was asked for.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
    /// No answer in time.
    #[error("{url}: no answer in time")]
    Timeout {
        /// What was asked for.
        url: String,
    },
    /// Too many redirects, or one from https to http.
    #[error("{url}: a redirect was refused")]
    Redirect {
        /// What was asked for.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
    /// There is no such file.
    #[error("{url} is not there")]
    NotFound {
        /// What was asked for.
        url: String,
    },
    /// The server asks to come back later.
    #[error("{url}: the server answers {status} and asks to come back {}", when(*retry_after))]
    Busy {
        /// What was asked for.
        url: String,
        /// 429 or 503.
        status: u16,
        /// When, if it says so.
        retry_after: Option<Duration>,
    },
    /// Another answer than the file.
    #[error("{url}: the server answers {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// The status.
        status: u16,
    },
    /// What came is no HTTP answer, or the connection broke before one came.
    #[error("{url}: the connection broke before the answer was complete")]
    Answer {
        /// What was asked for.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
    /// The body ended early.
    #[error("{url}: the connection broke after {received} bytes")]
    Interrupted {
        /// What was asked for.
        url: String,
        /// Bytes of this answer that came.
        received: u64,
        /// Why.
        source: io::Error,
    },
    /// Less than the server announced.
    #[error("{url} ended after {found} bytes; the server announced {expected}")]
    Short {
        /// What was asked for.
        url: String,
        /// The announced length.
        expected: u64,
        /// What there is.
        found: u64,
    },
    /// More than the caller reads.
    #[error("{url} is longer than the {limit} bytes that are read of it")]
    TooLong {
        /// What was asked for.
        url: String,
        /// The bound.
        limit: u64,
    },
    /// Slower than is waited for, or not complete in time.
    #[error("{url}: {source}")]
    GaveUp {
        /// What was asked for.
        url: String,
        /// Why.
        source: GaveUp,
    },
    /// A part of the file, but not the one that was asked for.
    #[error("{url}: bytes from {asked} on were asked for, and the server sends {said:?}")]
    WrongRange {
        /// What was asked for.
        url: String,
        /// From where on.
        asked: u64,
        /// The Content-Range of the answer.
        said: String,
    },
    /// An encoding that was not asked for, or can not be decoded.
    #[error(
        "{url}: the server sends it encoded as {encoding:?}, which was not asked for or is damaged"
    )]
    Encoded {
        /// What was asked for.
        url: String,
        /// The encoding.
        encoding: String,
    },
    /// A `file://` URL that can not be read.
    #[error("{} can not be read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl FetchError {
    /// Whether it may well work later: the network or the server is at fault, not what was asked for.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Offline { .. }
            | Self::Connect { .. }
            | Self::Certificate { .. }
            | Self::Timeout { .. }
            | Self::Busy { .. }
            | Self::Answer { .. }
            | Self::Interrupted { .. }
            | Self::Short { .. }
            | Self::GaveUp { .. }
            // A catalog whose files arrive out of order, or a portal that wants a login first.
            | Self::NotFound { .. }
            | Self::Redirect { .. }
            | Self::Encoded { .. }
            | Self::Status { .. } => true,
            Self::Scheme { .. }
            | Self::Proxy { .. }
            | Self::Client(_)
            | Self::TooLong { .. }
            | Self::WrongRange { .. }
            | Self::File { .. } => false,
        }
    }

    /// Whether the answer was 403, which some object stores give for what is not there.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Status { status: 403, .. })
    }

    /// The error inside of one that a [`Body`](super::Body) returned while it was read.
    ///
    /// # Errors
    /// The same error, when it is somebody else's.
    pub fn from_io(error: io::Error) -> Result<Self, io::Error> {
        error.downcast()
    }

    /// How long to wait before further attempt number `tried` (from 0); `None` when it would not help.
    pub(super) fn pause_before_retry(&self, tried: u32, longest: Duration) -> Option<Duration> {
        let own = FIRST_PAUSE * 2_u32.saturating_pow(tried);
        match self {
            Self::Connect { .. }
            | Self::Answer { .. }
            | Self::Interrupted { .. }
            | Self::Short { .. } => Some(own),
            // A server that asks for more patience than we have gets none.
            Self::Busy { retry_after, .. } => {
                Some(retry_after.unwrap_or(own)).filter(|pause| *pause <= longest)
            }
            _ => None,
        }
    }

    pub(super) fn gave_up(url: &Url, source: GaveUp) -> Self {
        Self::GaveUp {
            url: shown(url),
            source,
        }
    }

    /// Whether all the time that it had is over, wherever it would be asked for next.
    pub(crate) fn is_too_late(&self) -> bool {
        matches!(
            self,
            Self::GaveUp {
                source: GaveUp::TooLate { .. },
                ..
            }
        )
    }

    pub(super) fn offline(url: &Url) -> Self {
        Self::Offline { url: shown(url) }
    }

    pub(super) fn scheme(url: &Url) -> Self {
        Self::Scheme { url: shown(url) }
    }

    pub(super) fn not_found(url: &Url) -> Self {
        Self::NotFound { url: shown(url) }
    }

    pub(super) fn encoded(url: &Url, encoding: &str) -> Self {
        let encoding = encoding.chars().take(40).collect();
        Self::Encoded {
            url: shown(url),
            encoding,
        }
    }

    /// Sorts what the HTTP client reports before there is an answer.
    pub(super) fn request(url: &Url, source: reqwest::Error) -> Self {
        let url = shown(url);
        // The URL is said already, without its secrets.
        let source = source.without_url();
        if source.is_redirect() {
            Self::Redirect { url, source }
        } else if is_certificate(&source) {
            Self::Certificate { url, source }
        } else if source.is_timeout() {
            Self::Timeout { url }
        } else if source.is_connect() {
            Self::Connect { url, source }
        } else {
            Self::Answer { url, source }
        }
    }
}

fn when(retry_after: Option<Duration>) -> String {
    retry_after.map_or_else(
        || "later".to_owned(),
        |wish| format!("in {} s", wish.as_secs()),
    )
}

/// A URL as it stands in messages.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

fn is_certificate(error: &reqwest::Error) -> bool {
    matches!(tls(error), Some(rustls::Error::InvalidCertificate(_)))
}

/// The error of the TLS library behind another, which I/O errors keep within themselves, one in the other.
fn tls<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    let inner = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref);
    error
        .downcast_ref()
        .or_else(|| tls(inner?))
        .or_else(|| tls(error.source()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_keep_the_secrets_of_a_url() {
        let url = "https://me:word@host/path?token=1#f".parse().unwrap();
        assert_eq!(shown(&url), "https://me@host/path");
    }

    #[test]
    fn a_server_may_ask_for_a_pause_but_not_for_ever() {
        let longest = Duration::from_secs(10);
        let busy = |seconds: Option<u64>| FetchError::Busy {
            url: String::new(),
            status: 503,
            retry_after: seconds.map(Duration::from_secs),
        };
        let pause = |error: &FetchError, tried| error.pause_before_retry(tried, longest);
        assert_eq!(pause(&busy(Some(3)), 0), Some(Duration::from_secs(3)));
        assert_eq!(pause(&busy(Some(11)), 0), None);
        assert_eq!(pause(&busy(None), 1), Some(FIRST_PAUSE * 2));
        let missing = FetchError::NotFound { url: String::new() };
        assert_eq!(pause(&missing, 0), None);
    }
}
