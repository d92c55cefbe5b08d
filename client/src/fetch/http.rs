//! Requests over HTTP.

use std::io::Read as _;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use reqwest::blocking::{Client, Response};
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_RANGE, DATE, ETAG, HeaderName, IF_NONE_MATCH,
    IF_RANGE, LAST_MODIFIED, RANGE, RETRY_AFTER,
};
use reqwest::redirect::Policy;
use reqwest::{Proxy, StatusCode, Version};
use url::Url;

use super::error::shown;
use super::range::{self, ContentRange};
use super::{Body, FetchError, MAX_REDIRECTS, Pace, Patience, ResumePoint, Validator, retry};
use crate::config::MinRate;

const USER_AGENT: &str = concat!("sysext-fetch/", env!("CARGO_PKG_VERSION"));

/// Bytes of a page that says why there is no file, and how long they may take: more than that costs more than the new
/// connection that it saves.
const MAX_PAGE: u64 = 64 << 10;
const PAGE_TIME: Duration = Duration::from_secs(1);

/// What a request is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ask<'a> {
    /// A whole document within that time, unless it is the one that is named; it may come compressed.
    Document(Duration, Option<&'a Validator>),
    /// A long body, as it is.
    Body(Option<&'a ResumePoint>),
}

/// The proxy of the settings; the environment's where there is none.
pub(super) fn proxy(text: &str) -> Result<Option<Proxy>, FetchError> {
    if text.is_empty() {
        return Ok(None);
    }
    let proxy = Proxy::all(text).map_err(|source| FetchError::Proxy {
        // A text that is no URL is not known to have its password where a URL has it: all before the host is left out.
        proxy: text
            .rsplit_once('@')
            .map_or_else(|| text.to_owned(), |(_, host)| format!("…@{host}")),
        source,
    })?;
    Ok(Some(proxy.no_proxy(reqwest::NoProxy::from_env())))
}

/// The HTTP client. Where the host has no certificates at all, one that trusts no https server: catalogs at http://
/// work there too, since nothing in them is believed because of TLS.
pub(super) fn client(
    patience: &Patience,
    rate: MinRate,
    proxy: Option<Proxy>,
) -> Result<Client, FetchError> {
    // An error means that there is a provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = || {
        let builder = Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(patience.connect)
            // For the header and for each piece of a body; the rate guard decides about the whole.
            .timeout(rate.window.max(patience.connect))
            .redirect(Policy::custom(follow));
        match &proxy {
            Some(proxy) => builder.proxy(proxy.clone()),
            None => builder,
        }
    };
    let client = builder().build();
    client
        .or_else(|_| builder().tls_certs_only([]).build())
        .map_err(FetchError::Client)
}

fn follow(attempt: reqwest::redirect::Attempt<'_>) -> reqwest::redirect::Action {
    match refusal(attempt.previous(), attempt.url()) {
        None => attempt.follow(),
        Some(reason) => attempt.error(reason),
    }
}

/// Why a redirect is not followed.
fn refusal(previous: &[Url], next: &Url) -> Option<String> {
    if previous.len() > MAX_REDIRECTS {
        return Some(format!("there are more than {MAX_REDIRECTS} redirects"));
    }
    let secure = previous.iter().any(|url| url.scheme() == "https");
    (secure && next.scheme() != "https").then(|| format!("it leads from https to {}", shown(next)))
}

/// Sends a request; `None` when there is no such file.
pub(super) fn send(
    client: &Client,
    url: &Url,
    ask: Ask<'_>,
) -> Result<Option<Response>, FetchError> {
    let request = client.get(url.clone());
    let request = match ask {
        Ask::Document(left, known) => {
            let request = request.header(ACCEPT_ENCODING, "gzip").timeout(left);
            match known {
                Some(tag) => request.header(IF_NONE_MATCH, tag.as_str()),
                None => request,
            }
        }
        Ask::Body(resume) => {
            let request = request.header(ACCEPT_ENCODING, "identity");
            match resume {
                Some(resume) => request
                    .header(RANGE, format!("bytes={}-", resume.offset))
                    .header(IF_RANGE, &resume.validator),
                None => request,
            }
        }
    };
    let response = request
        .send()
        .map_err(|error| FetchError::request(url, error))?;
    let ranged = matches!(ask, Ask::Body(Some(_)));
    let conditional = matches!(ask, Ask::Document(_, Some(_)));
    let (status, retry_after) = (response.status(), retry_after(&response));
    match status {
        StatusCode::OK => return Ok(Some(response)),
        StatusCode::NOT_MODIFIED if conditional => return Ok(Some(response)),
        StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if ranged => {
            return Ok(Some(response));
        }
        _ => read_page(response),
    }
    let shown = || shown(url);
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
        status @ (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) => {
            Err(FetchError::Busy {
                url: shown(),
                status: status.as_u16(),
                retry_after,
            })
        }
        status => Err(FetchError::Status {
            url: shown(),
            status: status.as_u16(),
        }),
    }
}

/// Reads what a server says instead of a file, so that the connection can be used again: one whose answer was not read is
/// closed. HTTP/2 needs no such thing. A thread reads it, since no read of this client ends sooner than its request: one
/// that stalls is left behind, and ends with the time of the request, or with the process.
fn read_page(response: Response) {
    let is_long = |length| length > MAX_PAGE;
    if response.version() == Version::HTTP_2 || response.content_length().is_some_and(is_long) {
        return;
    }
    let end = Instant::now() + PAGE_TIME;
    let (read, is_read) = mpsc::channel();
    let reader = std::thread::Builder::new().spawn(move || {
        let mut page = response.take(MAX_PAGE);
        let mut buffer = [0; 8 << 10];
        // Whatever goes wrong with it, the answer is known.
        while Instant::now() < end && matches!(page.read(&mut buffer), Ok(count) if count > 0) {}
        drop(page);
        let _ = read.send(());
    });
    if reader.is_ok() {
        let _ = is_read.recv_timeout(PAGE_TIME);
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    retry::after(header(response, &RETRY_AFTER)?, header(response, &DATE))
}

/// The encoding of an answer; `None` when it is as it is.
pub(super) fn encoding(response: &Response) -> Option<String> {
    let encoding = header(response, &CONTENT_ENCODING)?
        .trim()
        .to_ascii_lowercase();
    (!matches!(encoding.as_str(), "" | "identity")).then_some(encoding)
}

/// By what a later request can name the document.
pub(super) fn validator(response: &Response) -> Option<Validator> {
    let field = |name| header(response, name);
    Validator::of(field(&ETAG), field(&LAST_MODIFIED), field(&DATE))
}

pub(super) fn is_unchanged(response: &Response) -> bool {
    response.status() == StatusCode::NOT_MODIFIED
}

pub(super) fn is_not_satisfiable(response: &Response) -> bool {
    response.status() == StatusCode::RANGE_NOT_SATISFIABLE
}

/// The body of a document; an announced length is that of the encoded bytes.
pub(super) fn document(response: Response, url: &Url, pace: &Pace) -> Body {
    let length = response.content_length();
    let mut body = Body::new(Box::new(response), shown(url), pace);
    body.length = length;
    body
}

/// The body of a file.
pub(super) fn body(
    response: Response,
    url: &Url,
    resume: Option<&ResumePoint>,
    pace: &Pace,
) -> Result<Body, FetchError> {
    if let Some(encoding) = encoding(&response) {
        return Err(FetchError::encoded(url, &encoding));
    }
    let (start, length) = match resume {
        Some(resume) if response.status() == StatusCode::PARTIAL_CONTENT => {
            let said = header(&response, &CONTENT_RANGE).unwrap_or_default();
            let range = ContentRange::parse(said).filter(|range| {
                let rest = range.total.map(|total| total - range.start);
                range.start == resume.offset
                    && response
                        .content_length()
                        .is_none_or(|sent| rest == Some(sent))
            });
            let range = range.ok_or_else(|| FetchError::WrongRange {
                url: shown(url),
                asked: resume.offset,
                said: said.chars().take(80).collect(),
            })?;
            (range.start, range.total)
        }
        _ => (0, response.content_length()),
    };
    let validator = range::validator(header(&response, &ETAG), header(&response, &LAST_MODIFIED));
    let mut body = Body::new(Box::new(response), shown(url), pace);
    (body.start, body.length, body.validator) = (start, length, validator);
    Ok(body)
}

fn header<'a>(response: &'a Response, name: &HeaderName) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(texts: &[&str]) -> Vec<Url> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_redirect_never_leads_from_https_to_anything_weaker() {
        let refused = |previous: &[&str], next: &str| {
            refusal(&urls(previous), &next.parse().unwrap()).is_some()
        };
        assert!(refused(&["https://a/"], "http://a/"));
        assert!(refused(&["https://a/"], "file:///etc/passwd"));
        assert!(refused(&["https://a/", "https://b/"], "http://c/"));
        assert!(!refused(&["http://a/"], "http://b/"));
        assert!(!refused(&["http://a/"], "https://a/"));
        assert!(!refused(&["https://a/"], "https://cdn/"));
    }

    #[test]
    fn five_redirects_are_followed() {
        let previous = urls(&["http://a/"; 6]);
        let next = "http://a/".parse().unwrap();
        assert_eq!(refusal(&previous[..5], &next), None);
        assert!(refusal(&previous, &next).is_some());
    }
}
