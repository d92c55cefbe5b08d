//! What an image file is: its extension, version and architecture, and the facts in it.
//!
//! - Name and version come from what was typed, else `IMAGE.json`, else a manifest of mkosi, else the file name; the
//!   architecture from the image's own extension-release, else what was typed, else the files beside, else the file name,
//!   else its programs. [`Candidate::provenance`] says which it was.
//! - The image has the last word: what contradicts its `ARCHITECTURE` or its length is an error that names both sides.
//!   That its extension-release carries another name is for [`lint`](crate::lint), which can say how to mend it.
//! - The image is opened once and everything is read through that handle. Nothing is mounted, run or written.

mod beside;
mod error;
mod file_name;
mod sources;

use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use sysext_formats::catalog::{self, Architecture};
use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::{ExtensionName, FileName};
use sysext_formats::os::Fields;
use sysext_formats::version::Version;
use sysext_image::{Image, ImageFacts, InspectError, Limits};

use self::beside::{Author, Said};
pub use self::error::CandidateError;
pub(crate) use self::file_name::{Contradiction, Named};
use self::sources::Sources;
pub(crate) use self::sources::programs;

/// Bytes of the largest program that is read to learn the architecture of an image that does not say it.
const MAX_PROGRAM: u64 = 64 << 20;

/// How images are called.
pub const SUFFIXES: [&str; 4] = ["raw", "squashfs", "erofs", "img"];

/// Whether a file is called as images are.
#[must_use]
pub fn is_image_name(name: &str) -> bool {
    let suffix = Path::new(name).extension().and_then(|it| it.to_str());
    suffix.is_some_and(|suffix| SUFFIXES.contains(&suffix))
}

/// An image file that could be published.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Where it is.
    pub path: PathBuf,
    /// The extension it is an image of.
    pub extension: ExtensionName,
    /// The extension's version.
    pub version: Version,
    /// The machines it is for.
    pub architecture: Architecture,
    /// The operating system it is for, `ID-VERSION_ID`; `None` where it is for all.
    pub variant: Option<String>,
    /// Its name in a catalog.
    pub file_name: FileName,
    /// What its file system is and holds.
    pub facts: ImageFacts,
    /// The fields of its extension-release; empty where it has none.
    pub extension_release: Fields,
    /// Its length in bytes.
    pub length: u64,
    /// The digest that a file beside it promises.
    pub promise: Option<Promise>,
    /// Where name, version and architecture were found: what, and in which words to say where.
    pub provenance: Vec<(&'static str, String)>,
}

/// A digest that a file beside an image promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// The digest.
    pub sha256: Sha256Digest,
    /// The file.
    pub origin: String,
}

impl Candidate {
    /// Holds the promised digest against the image's own: what is said about other bytes is not said about these.
    ///
    /// # Errors
    /// When they differ.
    pub fn keeps_promise(&self, sha256: Sha256Digest) -> Result<(), CandidateError> {
        match &self.promise {
            Some(promise) if promise.sha256 != sha256 => Err(CandidateError::Disagree {
                path: self.path.clone(),
                what: "the sha256",
                said: promise.sha256.to_string(),
                origin: promise.origin.clone(),
                image: sha256.to_string(),
            }),
            _ => Ok(()),
        }
    }
}

/// What somebody typed, which counts more than what is found.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--name`.
    pub name: Option<ExtensionName>,
    /// `--version`.
    pub version: Option<Version>,
    /// `--arch`.
    pub architecture: Option<Architecture>,
}

/// Reads an image file and what lies beside it; the image itself is for a closer look at the same file.
///
/// # Errors
/// When it is no image, or it is not clear which one.
pub fn read_image(
    path: &Path,
    overrides: &Overrides,
) -> Result<(Candidate, Image<File>), CandidateError> {
    let file = open(path)?;
    examine(path, file, beside::read(path)?, overrides)
}

/// As [`read_image`], as if no fragment of ours lay beside it.
///
/// # Errors
/// As [`read_image`].
pub fn read_undescribed(
    path: &Path,
    overrides: &Overrides,
) -> Result<(Candidate, Image<File>), CandidateError> {
    let file = open(path)?;
    let mut beside = beside::read(path)?;
    beside.retain(|said| said.author != Author::Fragment);
    examine(path, file, beside, overrides)
}

/// Whether a file is a system extension: an image that holds an extension-release. Disk images of whole systems are none,
/// and neither are file systems that systemd-sysext does not merge, and images that are too big to be read as one.
///
/// # Errors
/// When it can not be opened, or is an image that is damaged.
pub fn is_extension(path: &Path) -> Result<bool, CandidateError> {
    let file = open(path)?;
    let metadata = file.metadata().map_err(|source| CandidateError::Open {
        path: path.to_owned(),
        source,
    })?;
    if !metadata.is_file() {
        return Err(CandidateError::NotAFile(path.to_owned()));
    }
    let facts = Image::open(file, metadata.len(), Limits::default()).and_then(|mut it| it.facts());
    match facts {
        Ok(facts) => Ok(!facts.extension_releases.is_empty()),
        Err(
            InspectError::NotAnImage { .. }
            | InspectError::UnsupportedCompression { .. }
            | InspectError::UnsupportedFeature { .. }
            | InspectError::Encrypted
            | InspectError::NoUsablePartition { .. }
            | InspectError::SeveralPartitions { .. }
            | InspectError::SeveralArchitectures { .. }
            | InspectError::TooManyEntries { .. }
            | InspectError::TooMuchMetadata { .. },
        ) => Ok(false),
        Err(source) => Err(CandidateError::Image {
            path: path.to_owned(),
            source,
        }),
    }
}

/// As [`read_image`], of an open file that will get the name `path`: what lies beside that name is not its own.
///
/// # Errors
/// As [`read_image`].
pub fn read_open(
    path: &Path,
    file: File,
    overrides: &Overrides,
) -> Result<(Candidate, Image<File>), CandidateError> {
    examine(path, file, Vec::new(), overrides)
}

fn open(path: &Path) -> Result<File, CandidateError> {
    // NONBLOCK: a named pipe in a folder of images must not hang a whole `sync`.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())
        .map(File::from)
        .map_err(|error| CandidateError::Open {
            path: path.to_owned(),
            source: error.into(),
        })
}

fn examine(
    path: &Path,
    file: File,
    beside: Vec<Said>,
    overrides: &Overrides,
) -> Result<(Candidate, Image<File>), CandidateError> {
    let metadata = file.metadata().map_err(|source| CandidateError::Open {
        path: path.to_owned(),
        source,
    })?;
    if !metadata.is_file() {
        return Err(CandidateError::NotAFile(path.to_owned()));
    }
    let refused = |source| CandidateError::Image {
        path: path.to_owned(),
        source,
    };
    let length = metadata.len();
    let limits = Limits {
        max_file: MAX_PROGRAM,
        ..Limits::default()
    };
    let mut image = Image::open(file, length, limits).map_err(refused)?;
    let facts = image.facts().map_err(refused)?;
    let mut sources = Sources::new(path, overrides, beside);
    sources.check_length(length)?;
    let promise = sources.promise()?;
    let extension = sources.extension()?;
    let release = release_of(path, &facts, &extension)?;
    let architecture = sources.architecture(&release, &extension, &mut image)?;
    let variant = variant(&release);
    let version = sources.version(&extension, variant.as_deref())?;
    let file_name =
        catalog::Image::file_name(&extension, &version, variant.as_deref(), &architecture)
            .map_err(|source| CandidateError::FileName {
                path: path.to_owned(),
                source,
            })?;
    let candidate = Candidate {
        path: path.to_owned(),
        extension,
        version,
        architecture,
        variant,
        file_name,
        facts,
        extension_release: release,
        length,
        promise,
        provenance: sources.provenance,
    };
    Ok((candidate, image))
}

/// The fields of the extension-release that hosts would look at, else of the only one there is.
fn release_of(
    path: &Path,
    facts: &ImageFacts,
    extension: &ExtensionName,
) -> Result<Fields, CandidateError> {
    let releases = &facts.extension_releases;
    let only = || releases.first().filter(|_| releases.len() == 1);
    let named = releases
        .iter()
        .find(|release| release.name == extension.as_str());
    let Some(release) = named.or_else(only) else {
        return Ok(Fields::default());
    };
    Fields::parse(&release.bytes).map_err(|source| CandidateError::Release {
        path: path.to_owned(),
        name: release.name.clone(),
        source,
    })
}

/// The operating system that an extension-release binds its image to, as it stands in file names.
#[must_use]
pub fn variant(release: &Fields) -> Option<String> {
    let os = release.bound_to()?;
    let release = os.release().map(|release| format!("-{release}"));
    Some(os.id.to_owned() + &release.unwrap_or_default())
}
