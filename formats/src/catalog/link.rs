//! URLs that a catalog names, as far as a host follows or shows them.
//!
//! What a catalog signs is its vendor's word, not the host's: a link leads to the web over TLS, and nowhere else. Not to a
//! file of the host, not to a service that only the host reaches in clear, and it brings no credentials along. On the
//! loopback interface, where catalogs are tried, `http` does.
//!
//! The text as it was signed stays in its document, so that a publisher writes again what it read.

use url::{Host, Url};

/// Bytes of a link.
const MAX_LINK: usize = 2048;

/// The URL that a catalog names, where a host may follow it.
#[must_use]
pub fn link(text: &str) -> Option<Url> {
    if text.len() > MAX_LINK {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let has_credentials = !url.username().is_empty() || url.password().is_some();
    let is_allowed = match url.scheme() {
        "https" => url.host().is_some(),
        "http" => is_loopback(&url),
        _ => false,
    };
    (is_allowed && !has_credentials).then_some(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The text where it is a link, else none at all.
pub(super) fn link_text(text: &str) -> &str {
    link(text).map_or("", |_| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_is_followed_and_http_on_the_loopback_interface() {
        for good in [
            "https://k3s.io",
            "https://k3s.io:8443/a%20b?c#d",
            "http://127.0.0.1:8000/",
            "http://127.9.9.9/",
            "http://[::1]:1/x",
            "http://localhost/x",
        ] {
            assert!(link(good).is_some(), "{good}");
        }
        let long = format!("https://k3s.io/{}", "x".repeat(MAX_LINK));
        for bad in [
            "",
            "k3s.io",
            "//k3s.io/",
            "http://k3s.io/",
            "http://169.254.169.254/latest/meta-data",
            "http://localhost.example/",
            "http://[::ffff:10.0.0.1]/",
            "https://user@k3s.io/",
            "https://:secret@k3s.io/",
            "file:///etc/shadow",
            "ftp://k3s.io/",
            "javascript:alert(1)",
            "data:text/html,x",
            &long,
        ] {
            assert_eq!(link(bad), None, "{bad}");
        }
    }
}
