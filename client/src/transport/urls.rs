//! Where a file of a catalog may be.

use sysext_formats::catalog::link;
use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::{FileName, url_component};
use url::Url;

/// One place of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The URL.
    pub(super) url: Url,
    /// Where it may be instead, when it is not there: catalogs that serve stock TUF clients only name it so.
    pub(super) hashed: Option<Url>,
}

/// The places of `file`, in the order in which they are tried: the file's own URLs, as far as they are links, then each
/// base.
pub(super) fn places(
    own: &[String],
    bases: &[Url],
    file: &FileName,
    sha256: &Sha256Digest,
) -> Vec<Place> {
    let own = own
        .iter()
        .filter_map(|text| link(text))
        .map(|url| Place { url, hashed: None });
    let bases = bases.iter().map(|base| Place {
        url: below(base, file.as_str()),
        hashed: Some(below(base, &format!("{sha256}.{file}"))),
    });
    own.chain(bases).collect()
}

/// `name` in the directory `base`, with or without a slash at its end; each component is percent-encoded once.
fn below(base: &Url, name: &str) -> Url {
    let mut url = base.clone();
    let path = format!(
        "{}/{}",
        base.path().trim_end_matches('/'),
        url_component(name)
    );
    url.set_path(&path);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_urls_come_first_and_names_are_encoded_once() {
        let bases =
            ["https://a/images", "https://b/some%20where/images/"].map(|url| url.parse().unwrap());
        let own = [
            "https://cdn/x?y=1".to_owned(),
            "http://10.0.0.1/in-clear".into(),
            "file:///etc/shadow".into(),
            "not a url".into(),
        ];
        let sha256 = Sha256Digest::of(b"");
        let file = "k3s_1.0+k3s1_x86-64.raw".parse().unwrap();
        let places = places(&own, &bases, &file, &sha256);
        let urls: Vec<_> = places.iter().map(|place| place.url.as_str()).collect();
        assert_eq!(
            urls,
            [
                "https://cdn/x?y=1",
                "https://a/images/k3s_1.0%2Bk3s1_x86-64.raw",
                "https://b/some%20where/images/k3s_1.0%2Bk3s1_x86-64.raw",
            ]
        );
        assert_eq!(places[0].hashed, None);
        let hashed = places[1].hashed.as_ref().unwrap().as_str();
        assert_eq!(
            hashed,
            format!("https://a/images/{sha256}.k3s_1.0%2Bk3s1_x86-64.raw")
        );
    }
}
