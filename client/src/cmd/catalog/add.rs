//! `catalog add`: the one moment of first trust.
//!
//! - `catalog.toml` at a URL is not signed and vouches for nothing: it says what the catalog is called and where to look.
//!   The fingerprint comes from the admin: with the URL, with `--fingerprint`, with `--trust-file`, or by answering a
//!   question. A descriptor in a local file is the admin's own word, as it would be in `/etc`.
//! - Nothing is written to the configuration before a full refresh has succeeded.
//! - A catalog that is there already stays as it is, but for what was said on the command line.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use serde::Serialize;
use sysext_formats::catalog::Descriptor;
use sysext_formats::digest::{DigestError, Sha256Digest};
use sysext_formats::limits::{Limits, MAX_DESCRIPTOR};
use sysext_formats::name::{CatalogId, ExtensionName, NamePattern};
use sysext_formats::time::UtcTime;
use url::Url;

use super::CatalogError;
use crate::config::Config;
use crate::config::edit::{narrow_catalog, write_catalog};
use crate::fetch::{Fetcher, shown};
use crate::metadata_store::{Known, TrustStore};
use crate::refresh::{FreshCatalog, RefreshProblem, below, refresh_one};
use crate::root::Root;

/// `catalog add`
#[derive(Debug, Clone, Args)]
pub struct AddArgs {
    /// The catalog's URL, with its fingerprint if it is known, or a catalog.toml
    #[arg(value_name = "URL[#sha256=HEX]|FILE")]
    pub source: Source,
    /// What this host calls the catalog; its own id otherwise
    #[arg(long)]
    pub id: Option<CatalogId>,
    /// The digest of the catalog's root, as its vendor publishes it
    #[arg(long, value_name = "HEX", conflicts_with = "trust_file")]
    pub fingerprint: Option<Sha256Digest>,
    /// A file with the fingerprint: the digest itself, the vendor's root.json, or a catalog.toml from a trusted place
    #[arg(long, value_name = "FILE")]
    pub trust_file: Option<PathBuf>,
    /// Which extensions it may provide; what the catalog asks for otherwise
    #[arg(long, value_name = "PATTERN", num_args = 1.., value_delimiter = ',')]
    pub extensions: Option<Vec<NamePattern>>,
}

/// Where a catalog's descriptor is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Below this URL, or at it.
    Url {
        /// The URL, without a fragment.
        url: Url,
        /// The fingerprint that came with it.
        fingerprint: Option<Sha256Digest>,
    },
    /// In a file of this host.
    File(PathBuf),
}

/// A text that is no source of a catalog.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// No URL.
    #[error("{text} is not a URL: {source}")]
    Url {
        /// What it is.
        text: String,
        /// Why not.
        source: url::ParseError,
    },
    /// Something else than a fingerprint after `#`.
    #[error("#{0} is not #sha256=HEX")]
    Fragment(String),
    /// No digest.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        if !text.contains("://") {
            return Ok(Self::File(text.into()));
        }
        let mut url = Url::parse(text).map_err(|source| SourceError::Url {
            text: text.to_owned(),
            source,
        })?;
        let fingerprint = match url.fragment() {
            None => None,
            Some(fragment) => {
                let hex = fragment.strip_prefix("sha256=");
                let hex = hex.ok_or_else(|| SourceError::Fragment(fragment.to_owned()))?;
                Some(hex.to_ascii_lowercase().parse()?)
            }
        };
        url.set_fragment(None);
        Ok(Self::Url { url, fingerprint })
    }
}

/// What somebody is asked who gave no fingerprint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstTrust {
    /// Where the catalog is.
    pub url: String,
    /// What it calls itself.
    pub title: String,
    /// The digest of its root, to be compared with what the vendor says elsewhere.
    pub fingerprint: Sha256Digest,
    /// Which extensions it wants to provide.
    pub extensions: Vec<NamePattern>,
}

/// What [`add`] did.
#[derive(Debug, Clone, Serialize)]
pub struct Added {
    /// The catalog's id on this host.
    pub id: CatalogId,
    /// Whether anything changed.
    pub changed: bool,
    /// What it calls itself.
    pub title: String,
    /// The digest of the root that its trust begins with.
    pub fingerprint: Sha256Digest,
    /// Which extensions it may provide.
    pub extensions: Vec<NamePattern>,
    /// Those that it offers and may provide.
    pub offered: Vec<ExtensionName>,
    /// What somebody should know.
    pub notes: Vec<String>,
}

/// Trusts a catalog from now on. `ask` is asked only when nobody gave a fingerprint; `None` means that nobody can answer.
///
/// # Errors
/// When the catalog can not be had, is not to be trusted, or can not be written down.
pub fn add(
    root: &Root,
    config: &Config,
    fetcher: &Fetcher,
    now: UtcTime,
    request: &AddArgs,
    ask: impl FnOnce(&FirstTrust) -> Option<bool>,
) -> Result<Added, CatalogError> {
    let given = given_fingerprint(request)?;
    let (mut descriptor, given) = match &request.source {
        Source::Url { url, .. } => (published(fetcher, url)?, given),
        Source::File(path) => {
            let descriptor = parse(&path.display().to_string(), &read(path, MAX_DESCRIPTOR)?)?;
            let own = descriptor.root_sha256;
            (descriptor, one_of(given, own)?)
        }
    };
    if let Some(id) = &request.id {
        descriptor.id = id.clone();
    }
    if let Some(extensions) = &request.extensions {
        descriptor.extensions.clone_from(extensions);
    }
    let pin = match given {
        Some(pin) => pin,
        None => asked(fetcher, &descriptor, ask)?,
    };
    descriptor.root_sha256 = Some(pin);
    let trust = TrustStore::new(root);
    if let Some(present) = config.catalogs.get(&descriptor.id) {
        let same = present.descriptor.root_sha256 == Some(pin)
            || matches!(trust.find(&descriptor.id, pin)?, Known::Trusted(_));
        if !same {
            let catalog = descriptor.id;
            return Err(RefreshProblem::OtherRoot {
                catalog,
                pinned: pin,
            }
            .into());
        }
        return kept(root, &present.descriptor, fetcher, now, request);
    }
    let is_new = matches!(trust.find(&descriptor.id, pin)?, Known::Nothing);
    let fresh = refresh_one(root, &descriptor, fetcher, now);
    let written = fresh
        .map_err(CatalogError::from)
        .and_then(|fresh| Ok((write_catalog(root, &descriptor)?, fresh)));
    match written {
        Ok((changed, fresh)) => Ok(added(&descriptor, pin, changed, fresh)),
        Err(error) => {
            // Trust that the configuration does not name would stand in the way of the next try.
            if is_new {
                let _ = trust.forget(&descriptor.id);
            }
            Err(error)
        }
    }
}

/// A catalog that is there already: only what was said explicitly counts.
fn kept(
    root: &Root,
    present: &Descriptor,
    fetcher: &Fetcher,
    now: UtcTime,
    request: &AddArgs,
) -> Result<Added, CatalogError> {
    let mut descriptor = present.clone();
    let mut changed = false;
    if let Some(extensions) = &request.extensions {
        changed = narrow_catalog(root, &descriptor.id, extensions)?;
        descriptor.extensions.clone_from(extensions);
    }
    let fresh = refresh_one(root, &descriptor, fetcher, now)?;
    let pin = descriptor
        .root_sha256
        .ok_or_else(|| RefreshProblem::NoFingerprint(descriptor.id.clone()))?;
    Ok(added(&descriptor, pin, changed, fresh))
}

fn added(
    descriptor: &Descriptor,
    fingerprint: Sha256Digest,
    changed: bool,
    fresh: FreshCatalog,
) -> Added {
    Added {
        id: descriptor.id.clone(),
        changed,
        title: descriptor.title.clone(),
        fingerprint,
        extensions: descriptor.extensions.clone(),
        offered: fresh.offered().map(|(name, _)| name.clone()).collect(),
        notes: fresh.notes,
    }
}

/// The descriptor that a catalog publishes about itself. The URL that the admin typed comes first in it, and none that is
/// weaker stays.
fn published(fetcher: &Fetcher, url: &Url) -> Result<Descriptor, CatalogError> {
    let (base, place) = match url.path().strip_suffix("/catalog.toml") {
        Some(path) => {
            let mut base = url.clone();
            base.set_path(path);
            (base, url.clone())
        }
        None => (url.clone(), below(url, "catalog.toml")),
    };
    let bytes = fetcher.metadata(&place, MAX_DESCRIPTOR)?;
    let bytes = bytes.ok_or_else(|| CatalogError::NoDescriptor(shown(&place)))?;
    let mut descriptor = parse(&shown(&place), &bytes)?;
    let as_strong = |other: &Url| match base.scheme() {
        "https" => other.scheme() == "https",
        "http" => other.scheme() != "file",
        _ => true,
    };
    let same =
        |other: &Url| other.as_str().trim_end_matches('/') == base.as_str().trim_end_matches('/');
    descriptor
        .url
        .retain(|other| as_strong(other) && !same(other));
    descriptor.images_url = descriptor.images_url.filter(as_strong);
    descriptor.url.insert(0, base);
    descriptor.root_sha256 = None;
    Ok(descriptor)
}

fn parse(place: &str, bytes: &[u8]) -> Result<Descriptor, CatalogError> {
    Descriptor::parse(bytes).map_err(|source| CatalogError::Descriptor {
        place: place.to_owned(),
        source,
    })
}

/// The fingerprint of the root that the catalog shows, when somebody says yes to it.
fn asked(
    fetcher: &Fetcher,
    descriptor: &Descriptor,
    ask: impl FnOnce(&FirstTrust) -> Option<bool>,
) -> Result<Sha256Digest, CatalogError> {
    let first = descriptor.url.first();
    let base = first.ok_or(CatalogError::NoDescriptor(descriptor.id.to_string()))?;
    let place = below(
        base,
        &format!("metadata/{}.root.json", descriptor.root_version),
    );
    let bytes = fetcher.metadata(&place, Limits::default().root)?;
    let bytes = bytes.ok_or_else(|| CatalogError::NoDescriptor(shown(&place)))?;
    let question = FirstTrust {
        url: shown(base),
        title: descriptor.title.clone(),
        fingerprint: Sha256Digest::of(&bytes),
        extensions: descriptor.extensions.clone(),
    };
    match ask(&question) {
        Some(true) => Ok(question.fingerprint),
        Some(false) => Err(CatalogError::Declined),
        None => Err(CatalogError::NeedsFingerprint {
            url: question.url,
            fingerprint: question.fingerprint,
        }),
    }
}

fn given_fingerprint(request: &AddArgs) -> Result<Option<Sha256Digest>, CatalogError> {
    let in_url = match &request.source {
        Source::Url { fingerprint, .. } => *fingerprint,
        Source::File(_) => None,
    };
    let in_file = request.trust_file.as_deref().map(trust_file).transpose()?;
    one_of(one_of(in_url, request.fingerprint)?, in_file)
}

fn one_of(
    one: Option<Sha256Digest>,
    other: Option<Sha256Digest>,
) -> Result<Option<Sha256Digest>, CatalogError> {
    match (one, other) {
        (Some(one), Some(other)) if one != other => {
            Err(CatalogError::TwoFingerprints { one, other })
        }
        (one, other) => Ok(one.or(other)),
    }
}

/// A digest (alone, or as `sha256sum` writes it), a root.json, or a catalog.toml.
fn trust_file(path: &Path) -> Result<Sha256Digest, CatalogError> {
    let bytes = read(path, Limits::default().root)?;
    if bytes.trim_ascii_start().starts_with(b"{") {
        return Ok(Sha256Digest::of(&bytes));
    }
    let text = String::from_utf8_lossy(&bytes);
    let word = text.split_ascii_whitespace().next().unwrap_or_default();
    if let Ok(digest) = word.to_ascii_lowercase().parse() {
        return Ok(digest);
    }
    let descriptor = Descriptor::parse(&bytes).ok();
    let digest = descriptor.and_then(|descriptor| descriptor.root_sha256);
    digest.ok_or_else(|| CatalogError::TrustFile(path.to_owned()))
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, CatalogError> {
    let failed = |source| CatalogError::File {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        return Err(failed(io::Error::other(format!(
            "it has more than {limit} bytes"
        ))));
    }
    Ok(bytes)
}
