//! Where a catalog lies.
//!
//! - [`Location`] is read: every host's view of a catalog, and the publisher's own.
//! - [`Store`] is written too. Images come in under names that nobody sees until they are complete; a reader is led to
//!   what is new by `timestamp.json` alone, which [`Store::swap_timestamp`] replaces only when it still is what the
//!   writer started from.
//! - What is read is bounded in bytes, and over a network in time.
//!
//! It believes nothing that it reads: that is [`published`](crate::published)'s business.

#[cfg(feature = "s3")]
mod bucket;
mod directory;
mod error;
mod git;
mod https;

use std::fmt;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::FileName;
use sysext_formats::workflow::RemoteFile;
use url::Url;

pub use self::directory::Directory;
pub use self::error::LocationError;
use self::git::Branch;
pub use self::git::Git;
pub(crate) use self::https::WebFolder;
pub use self::https::{Links, Web};

/// A file of a catalog, by what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A signed document, in `metadata/`.
    Metadata(RemoteFile),
    /// An image or a transport, in `images/`.
    Image(FileName),
    /// The name under which stock TUF clients look an image up, in `images/`.
    HashedImage(Sha256Digest, FileName),
    /// What systemd-sysupdate reads, in `images/`.
    Sums(SumsFile),
    /// `catalog.toml`.
    Descriptor,
    /// `index.html`, for people; no program of ours reads it.
    Page,
    /// `proposal.json`, in the folder of a proposal.
    Proposal,
    /// `pruned.json`: what the publisher noted about files that no index names any more. Hosts do not read it.
    Pruned,
}

/// What systemd-sysupdate and importctl read instead of signed metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SumsFile {
    /// The list.
    List,
    /// Its signature, binary: what systemd 257 reads.
    Signature,
    /// The same as a text: what later ones read first.
    Armored,
}

impl Place {
    /// The folder below the base, if any, and the name in it. Names are such that they mean the same in a URL.
    #[must_use]
    pub fn parts(&self) -> (Option<&'static str>, String) {
        match self {
            Self::Metadata(file) => (Some("metadata"), file.url_name()),
            Self::Image(name) => (Some("images"), name.to_string()),
            Self::HashedImage(digest, name) => (Some("images"), format!("{digest}.{name}")),
            Self::Sums(file) => {
                let name = match file {
                    SumsFile::List => "SHA256SUMS",
                    SumsFile::Signature => "SHA256SUMS.gpg",
                    SumsFile::Armored => "SHA256SUMS.sha256.asc",
                };
                (Some("images"), name.to_owned())
            }
            Self::Descriptor => (None, "catalog.toml".to_owned()),
            Self::Page => (None, "index.html".to_owned()),
            Self::Proposal => (None, crate::proposal::FILE.to_owned()),
            Self::Pruned => (None, crate::pruned::FILE.to_owned()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parts() {
            (Some(folder), name) => write!(f, "{folder}/{name}"),
            (None, name) => f.write_str(&name),
        }
    }
}

/// A catalog that can be read.
pub trait Location: fmt::Debug {
    /// What to call it in messages.
    fn name(&self) -> String;

    /// A file of at most `limit` bytes; `None` when there is none.
    ///
    /// # Errors
    /// For every other failure, a longer file included.
    fn read(&self, place: &Place, limit: u64) -> Result<Option<Vec<u8>>, LocationError>;

    /// Opens a file of any length, which the caller bounds; `None` when there is none.
    ///
    /// # Errors
    /// For every other failure.
    fn open(&self, place: &Place) -> Result<Option<Box<dyn Read + Send>>, LocationError>;
}

/// A catalog that can be written.
pub trait Store: Location + Sync {
    /// Begins a file that gets its name when it is complete.
    ///
    /// # Errors
    /// When the host fails.
    fn incoming(&self, place: &Place) -> Result<Box<dyn Incoming>, LocationError>;

    /// Keeps other publishers out until the guard is dropped, where the host can do that. Elsewhere
    /// [`swap_timestamp`](Self::swap_timestamp) alone decides.
    ///
    /// # Errors
    /// When somebody else does not end.
    fn exclusive(&self) -> Result<Option<Exclusive>, LocationError>;

    /// Writes a file that must not be there yet; the answer is false where it is.
    ///
    /// # Errors
    /// When the host fails.
    fn put_new(&self, place: &Place, bytes: &[u8]) -> Result<bool, LocationError>;

    /// Writes a file in place of what is there.
    ///
    /// # Errors
    /// When the host fails.
    fn put(&self, place: &Place, bytes: &[u8]) -> Result<(), LocationError>;

    /// Removes a file; that it is not there is no error.
    ///
    /// # Errors
    /// When the host fails.
    fn remove(&self, place: &Place) -> Result<(), LocationError>;

    /// Makes visible what was written or removed and no new timestamp came after: for hosts that show nothing before it
    /// is handed in as a whole.
    ///
    /// # Errors
    /// When the host fails.
    fn finish(&self) -> Result<Swap, LocationError> {
        Ok(Swap::Done)
    }

    /// Gives a published image its second name.
    ///
    /// # Errors
    /// When the host fails.
    fn link_hashed(&self, digest: Sha256Digest, name: &FileName) -> Result<(), LocationError>;

    /// Replaces `timestamp.json` when it still has this digest (`None`: when there is none).
    ///
    /// # Errors
    /// When the host fails.
    fn swap_timestamp(
        &self,
        expected: Option<Sha256Digest>,
        bytes: &[u8],
    ) -> Result<Swap, LocationError>;
}

/// How a compare-and-swap ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Swap {
    /// The new bytes are there.
    Done,
    /// Somebody else was faster; nothing was changed.
    Lost,
}

/// Keeps other publishers out while it lives.
#[derive(Debug)]
#[must_use = "others are let in when this is dropped"]
pub struct Exclusive {
    _guard: Box<dyn fmt::Debug>,
}

impl Exclusive {
    /// For as long as `guard` lives.
    fn holding(guard: impl fmt::Debug + 'static) -> Self {
        Self {
            _guard: Box::new(guard),
        }
    }
}

/// A file on its way in: nobody sees it before it is published, and it vanishes when it is dropped before.
pub trait Incoming: Write + fmt::Debug + Send {
    /// Gives it its name, in place of what a run that failed may have left there. Once it has it, nothing happens. The
    /// caller knows the digest of all that it has written.
    ///
    /// # Errors
    /// When the host fails.
    fn publish(&mut self, sha256: Sha256Digest) -> Result<(), LocationError>;
}

/// What a text names: something to read.
///
/// # Errors
/// When it names nothing that can be read.
pub fn open(text: &str, relative_to: &Path) -> Result<Box<dyn Location>, LocationError> {
    match parse(text)? {
        Parsed::Web(url) => Ok(Box::new(Web::new(url)?)),
        Parsed::Bucket(address) => Ok(Box::new(bucket(&address)?)),
        Parsed::Git(branch) => Ok(Box::new(Git::open(&branch, relative_to, Branch::There)?)),
        Parsed::Directory(path) => Ok(Box::new(Directory::open(&beside(relative_to, path))?)),
    }
}

/// What a text names: something to write.
///
/// # Errors
/// When it names nothing that can be written, or it is not there.
pub fn open_store(text: &str, relative_to: &Path) -> Result<Box<dyn Store>, LocationError> {
    match parse(text)? {
        Parsed::Web(url) => Err(LocationError::ReadOnly(url.to_string())),
        Parsed::Bucket(address) => Ok(Box::new(bucket(&address)?)),
        Parsed::Git(branch) => Ok(Box::new(Git::open(&branch, relative_to, Branch::There)?)),
        Parsed::Directory(path) => Ok(Box::new(Directory::open_for_writing(&beside(
            relative_to,
            path,
        ))?)),
    }
}

/// As [`open_store`], for a run that only looks: a directory is not touched, not even by a lock.
///
/// # Errors
/// As [`open_store`].
pub fn look_into_store(text: &str, relative_to: &Path) -> Result<Box<dyn Store>, LocationError> {
    match parse(text)? {
        Parsed::Directory(path) => Ok(Box::new(Directory::open(&beside(relative_to, path))?)),
        _ => open_store(text, relative_to),
    }
}

/// What a text names: a directory or a branch that is made where it is missing.
///
/// # Errors
/// When it names something else, or the directory can not be made.
pub fn create_store(text: &str, relative_to: &Path) -> Result<Box<dyn Store>, LocationError> {
    match parse(text)? {
        Parsed::Web(url) => Err(LocationError::ReadOnly(url.to_string())),
        Parsed::Bucket(address) => Ok(Box::new(bucket(&address)?)),
        Parsed::Git(branch) => Ok(Box::new(Git::open(&branch, relative_to, Branch::Maybe)?)),
        Parsed::Directory(path) => Ok(Box::new(Directory::create(&beside(relative_to, path))?)),
    }
}

/// `.` is not worth a word in messages.
fn beside(directory: &Path, path: PathBuf) -> PathBuf {
    if directory == Path::new(".") {
        path
    } else {
        directory.join(path)
    }
}

enum Parsed {
    Directory(PathBuf),
    Git(String),
    Bucket(String),
    Web(Url),
}

#[cfg(feature = "s3")]
fn bucket(address: &str) -> Result<bucket::Bucket, LocationError> {
    let text = || format!("s3://{}", address.chars().take(120).collect::<String>());
    let address = bucket::Address::parse(address);
    bucket::Bucket::open(&address.ok_or_else(|| LocationError::NotALocation(text()))?)
}

#[cfg(not(feature = "s3"))]
fn bucket(address: &str) -> Result<Directory, LocationError> {
    Err(LocationError::NotBuiltIn(format!("s3://{address}")))
}

/// Makes sure that TLS knows whose code computes for it.
fn tls_provider() {
    static PROVIDER: std::sync::Once = std::sync::Once::new();
    PROVIDER.call_once(|| {
        // An error means that there is a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

fn parse(text: &str) -> Result<Parsed, LocationError> {
    let not = || LocationError::NotALocation(text.chars().take(120).collect());
    match text.split_once(':') {
        Some(("git", branch)) if is_branch(branch) => Ok(Parsed::Git(branch.to_owned())),
        Some(("s3", address)) if address.starts_with("//") => {
            Ok(Parsed::Bucket(address.trim_start_matches("//").to_owned()))
        }
        // A relative path may hold a colon, but not as the first of two words that look like a scheme.
        Some((scheme, _))
            if scheme.len() > 1 && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) =>
        {
            let url: Url = text.parse().map_err(|_| not())?;
            match url.scheme() {
                "http" | "https" if url.query().is_none() => Ok(Parsed::Web(url)),
                "file" => url
                    .to_file_path()
                    .map(Parsed::Directory)
                    .map_err(|()| not()),
                _ => Err(not()),
            }
        }
        _ if text.is_empty() => Err(not()),
        _ => Ok(Parsed::Directory(text.into())),
    }
}

/// Stricter than git, so that it is never an option, a range or another reference.
fn is_branch(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(is_plain)
        && !name.contains("..")
        && !name.ends_with(['/', '.'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_a_directory_or_a_url() {
        assert!(
            matches!(parse("public"), Ok(Parsed::Directory(path)) if path == Path::new("public"))
        );
        assert!(matches!(parse("/srv/a:b"), Ok(Parsed::Directory(_))));
        assert!(
            matches!(parse("file:///srv/x"), Ok(Parsed::Directory(path)) if path == Path::new("/srv/x"))
        );
        assert!(matches!(parse("https://x/y"), Ok(Parsed::Web(_))));
        assert!(matches!(parse("git:gh-pages"), Ok(Parsed::Git(branch)) if branch == "gh-pages"));
        for bad in [
            "",
            "s3:bucket/x",
            "git:",
            "git:--upload-pack=x",
            "git:a..b",
            "git:a b",
            "ftp://x/",
            "https://x/?a=b",
        ] {
            assert!(
                matches!(parse(bad), Err(LocationError::NotALocation(_))),
                "{bad}"
            );
        }
    }

    #[test]
    fn places_are_where_the_format_says() {
        let name: FileName = "k3s_1_x86-64.raw".parse().unwrap();
        let digest = Sha256Digest::of(b"");
        assert_eq!(
            Place::Metadata(RemoteFile::Timestamp).to_string(),
            "metadata/timestamp.json"
        );
        assert_eq!(
            Place::Image(name.clone()).to_string(),
            "images/k3s_1_x86-64.raw"
        );
        assert_eq!(
            Place::HashedImage(digest, name).to_string(),
            format!("images/{digest}.k3s_1_x86-64.raw")
        );
        assert_eq!(Place::Descriptor.to_string(), "catalog.toml");
    }
}
