//! Files of a catalog that lie at URLs of their own, such as the assets of a release.
//!
//! - The index names the URLs (`urls`, FORMAT.md sections 7 and 8). Nothing of such a file is copied to the location.
//! - A [`Found`] has one maker, [`find`]: the file was at every one of its URLs, with the signed length and digest. An
//!   entry whose bytes are neither at the location nor found can not be published.
//! - No URL is followed that [`links`] has not judged: proposals of others name them.
//! - Only `https://` counts; `http://` on the loopback interface does where the catalog itself is tried there.
//! - Bodies are read to one byte more than was promised, within the time that [`Links`] gives them.
//!
//! It uploads nothing: hosts of files have their own tools for that.

use std::io::Read;

use sysext_formats::catalog::{self, Image, Transport};
use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::{FileName, url_component};
use url::Url;

use crate::config::Config;
use crate::content::{self, ContentError};
use crate::location::{Links, LocationError};
use crate::ui::Ui;
use crate::ui::progress::Progress;

/// URLs of one file that are looked at.
const MAX_URLS: usize = 8;

/// Why a file is not elsewhere.
#[derive(Debug, thiserror::Error)]
pub enum ElsewhereError {
    /// A URL that hosts do not follow.
    #[error("{0:?} is no URL that hosts follow: https:// is needed, without a user name")]
    NotALink(String),
    /// Something behind the path.
    #[error("{0} has a query or a fragment: names of files are appended to it")]
    NotAFolder(String),
    /// A name that would not stay what it is.
    #[error(
        "{file} has {character:?} in its name, or at an end of it, which hosts of releases replace: the file would not be at its URL"
    )]
    Renamed {
        /// The file.
        file: FileName,
        /// The first character that does not stay.
        character: char,
    },
    /// More places than anybody needs.
    #[error("{file} has {count} URLs; {MAX_URLS} are the most")]
    TooMany {
        /// The file.
        file: FileName,
        /// How many.
        count: usize,
    },
    /// It is not there.
    #[error("{url} is not there")]
    Missing {
        /// The URL.
        url: String,
    },
    /// Something else is there.
    #[error("{url} is another file")]
    Other {
        /// The URL.
        url: String,
        /// How it differs.
        source: Box<ContentError>,
    },
    /// The server failed.
    #[error(transparent)]
    Location(#[from] LocationError),
}

/// Which URLs count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// `https://` alone.
    Https,
    /// `http://` on the loopback interface, too: the catalog is tried there.
    Trial,
}

impl Rule {
    /// That of a catalog.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let is_tried = |url: &Url| url.scheme() == "http" && catalog::link(url.as_str()).is_some();
        if config.url.iter().all(is_tried) {
            Self::Trial
        } else {
            Self::Https
        }
    }

    fn link(self, text: &str) -> Result<Url, ElsewhereError> {
        catalog::link(text)
            .filter(|url| self == Self::Trial || url.scheme() == "https")
            .ok_or_else(|| ElsewhereError::NotALink(text.chars().take(200).collect()))
    }
}

/// A folder at a URL, such as that of a release's downloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder(Url);

impl Folder {
    /// The folder at this URL.
    ///
    /// # Errors
    /// When it is no URL that hosts follow, or no name can be appended to it.
    pub fn new(url: &Url, rule: Rule) -> Result<Self, ElsewhereError> {
        let url = rule.link(url.as_str())?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(ElsewhereError::NotAFolder(url.into()));
        }
        Ok(Self(url))
    }

    /// The URL of a file in it.
    ///
    /// # Errors
    /// When hosts of releases would give it another name.
    pub fn url_of(&self, file: &FileName) -> Result<String, ElsewhereError> {
        let name = file.as_str();
        let stays = |c: &char| c.is_ascii_alphanumeric() || "._-".contains(*c);
        let ends = name.chars().next().into_iter().chain(name.chars().last());
        let replaced = name.chars().find(|c| !stays(c));
        if let Some(character) = replaced.or_else(|| ends.into_iter().find(|c| *c == '.')) {
            return Err(ElsewhereError::Renamed {
                file: file.clone(),
                character,
            });
        }
        let folder = self.0.as_str().trim_end_matches('/');
        Ok(format!("{folder}/{name}"))
    }
}

/// A file that an index promises.
#[derive(Debug, Clone, Copy)]
pub struct Promised<'a> {
    /// Its name.
    pub file: &'a FileName,
    /// Its length in bytes.
    pub length: u64,
    /// Its digest.
    pub sha256: Sha256Digest,
    /// Where it is, where that is not the catalog.
    pub urls: &'a [String],
}

impl<'a> From<&'a Image> for Promised<'a> {
    fn from(image: &'a Image) -> Self {
        Self {
            file: &image.file,
            length: image.length,
            sha256: image.sha256,
            urls: &image.urls,
        }
    }
}

impl<'a> From<&'a Transport> for Promised<'a> {
    fn from(transport: &'a Transport) -> Self {
        Self {
            file: &transport.file,
            length: transport.length,
            sha256: transport.sha256,
            urls: &transport.urls,
        }
    }
}

/// A file that was at all of its URLs, byte for byte.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    length: u64,
    sha256: Sha256Digest,
    urls: Vec<String>,
}

impl Found {
    /// Whether it is what an index promises, at all the places that it names.
    #[must_use]
    pub fn is(&self, promised: &Promised<'_>) -> bool {
        (self.length, self.sha256, self.urls.as_slice())
            == (promised.length, promised.sha256, promised.urls)
    }
}

/// The URLs of a file, judged before any of them is followed: who wrote them may be somebody else.
///
/// # Errors
/// When there are too many, or one is none that hosts follow.
pub fn links(promised: &Promised<'_>, rule: Rule) -> Result<Vec<Url>, ElsewhereError> {
    let Promised { file, urls, .. } = promised;
    if urls.len() > MAX_URLS {
        return Err(ElsewhereError::TooMany {
            file: (*file).clone(),
            count: urls.len(),
        });
    }
    urls.iter().map(|text| rule.link(text)).collect()
}

/// Looks at a file at each of its URLs.
///
/// # Errors
/// When it is missing at one of them, or other bytes are there; when it has none.
pub fn find(
    links: &Links,
    promised: Promised<'_>,
    rule: Rule,
    ui: &Ui,
) -> Result<Found, ElsewhereError> {
    let Promised {
        file,
        length,
        sha256,
        urls,
    } = promised;
    let judged = self::links(&promised, rule)?;
    if judged.is_empty() {
        return Err(ElsewhereError::NotALink(String::new()));
    }
    for url in judged {
        let body = open(links, file, length, &url, ui)?;
        content::compare(file, body, length, sha256).map_err(|error| match error {
            ContentError::Read { source, .. } => LocationError::Stream {
                file: url.to_string(),
                source,
            }
            .into(),
            other => ElsewhereError::Other {
                url: url.into(),
                source: Box::new(other),
            },
        })?;
    }
    Ok(Found {
        length,
        sha256,
        urls: urls.to_vec(),
    })
}

/// The URL of a file in the folder that `images-url` names.
#[must_use]
pub fn below(folder: &Url, file: &FileName) -> Url {
    let mut url = folder.clone();
    let path = folder.path().trim_end_matches('/');
    url.set_path(&format!("{path}/{}", url_component(file.as_str())));
    url
}

/// Opens a file at a URL of its own.
///
/// # Errors
/// When it is not there, or the server fails.
pub fn open(
    links: &Links,
    file: &FileName,
    length: u64,
    url: &Url,
    ui: &Ui,
) -> Result<Progress<Box<dyn Read + Send>>, ElsewhereError> {
    let body = links.open(url)?.ok_or_else(|| ElsewhereError::Missing {
        url: url.to_string(),
    })?;
    Ok(Progress::new(ui, file.as_str(), length, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(url: &str, rule: Rule) -> Result<Folder, String> {
        Folder::new(&url.parse().unwrap(), rule).map_err(|error| error.to_string())
    }

    #[test]
    fn names_are_appended_and_none_that_would_not_stay() {
        for base in ["https://x.example/r/v1", "https://x.example/r/v1/"] {
            let folder = folder(base, Rule::Https).unwrap();
            let url = |name: &str| {
                let url = folder.url_of(&name.parse().unwrap());
                url.map_err(|error| error.to_string())
            };
            assert_eq!(
                url("a_1.0-1_x86-64.raw.zst").unwrap(),
                "https://x.example/r/v1/a_1.0-1_x86-64.raw.zst"
            );
            assert!(url("a_1+2_noarch.raw").unwrap_err().contains("'+'"));
        }
    }

    #[test]
    fn only_what_hosts_follow_is_a_folder() {
        for bad in [
            "http://x.example/",
            "https://u@x.example/",
            "file:///tmp/",
            "http://127.0.0.1:1/",
        ] {
            assert!(folder(bad, Rule::Https).unwrap_err().contains(bad), "{bad}");
        }
        folder("http://127.0.0.1:1/", Rule::Trial).unwrap();
        assert!(folder("http://x.example/", Rule::Trial).is_err());
        for bad in ["https://x.example/?a", "https://x.example/#a"] {
            assert!(folder(bad, Rule::Https).unwrap_err().contains("query"));
        }
    }
}
