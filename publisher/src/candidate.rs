//! What an image file is: its extension, version and architecture, and the facts in it.
//!
//! - Name and version come from what was typed, else `IMAGE.json`, else a manifest of mkosi, else the file name; the
//!   architecture from the image's own extension-release, else what was typed, else the files beside, else the file name,
//!   else its programs. [`Candidate::provenance`] says which it was.
//! - The image has the last word: what contradicts its `ARCHITECTURE` or its length is an error that names both sides.
//!   That its extension-release carries another name is for [`lint`](crate::lint), which can say how to mend it.
//! - The image is opened once and everything is read through that handle. Nothing is mounted, run or written.

mod beside;
mod file_name;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use sysext_formats::catalog::{self, Architecture};
use sysext_formats::name::{ExtensionName, FileName, NameError};
use sysext_formats::os::{Fields, FieldsError};
use sysext_formats::version::Version;
use sysext_image::{EntryKind, Image, ImageFacts, InspectError, Limits};

use self::beside::Said;
use crate::pack::elf::{self, Program};

/// Bytes of the largest program that is read to learn the architecture of an image that does not say it.
const MAX_PROGRAM: u64 = 64 << 20;

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
    /// Where name, version and architecture were found: what, and in which words to say where.
    pub provenance: Vec<(&'static str, String)>,
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

/// Why an image file is no candidate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CandidateError {
    /// The file can not be opened.
    #[error("cannot open {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something else than a regular file.
    #[error("{} is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// It is no image, or a damaged one.
    #[error("cannot read the image {}", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// Why.
        source: InspectError,
    },
    /// Its extension-release can not be read.
    #[error("extension-release.{name} in {} cannot be read", path.display())]
    Release {
        /// The image.
        path: PathBuf,
        /// The name of the extension-release.
        name: String,
        /// Why.
        source: FieldsError,
    },
    /// A file beside the image can not be read.
    #[error("{} cannot be read: {what}", path.display())]
    Beside {
        /// The file.
        path: PathBuf,
        /// Why.
        what: String,
    },
    /// Nothing says a version.
    #[error("no version is known for {}: neither --version nor a file beside it nor its name says one", .0.display())]
    NoVersion(PathBuf),
    /// Nothing says an architecture.
    #[error("no architecture is known for {}: neither its extension-release nor a file name nor a program in it says one", .0.display())]
    NoArchitecture(PathBuf),
    /// A name, version or architecture that can be none.
    #[error("{found} for {}, says {origin}", path.display())]
    Value {
        /// The image.
        path: PathBuf,
        /// What is wrong with it, with the value.
        found: String,
        /// Who says so.
        origin: String,
    },
    /// Two that must say the same do not.
    #[error("{what} of {} is {said} by {origin}, and {image} by the image", path.display())]
    Disagree {
        /// The image.
        path: PathBuf,
        /// What they are about.
        what: &'static str,
        /// One value.
        said: String,
        /// Who says so.
        origin: String,
        /// The value that the image itself says.
        image: String,
    },
    /// Name, version, operating system and architecture do not make a file name.
    #[error("{} can get no file name in a catalog", path.display())]
    FileName {
        /// The image.
        path: PathBuf,
        /// Why.
        source: NameError,
    },
}

/// Reads an image file and what lies beside it.
///
/// # Errors
/// When it is no image, or it is not clear which one.
pub fn read(path: &Path, overrides: &Overrides) -> Result<Candidate, CandidateError> {
    let file = open(path)?;
    Ok(examine(path, file, beside::read(path)?, overrides)?.0)
}

/// As [`read`], and the image itself, for a closer look at the same file.
///
/// # Errors
/// As [`read`].
pub fn read_image(
    path: &Path,
    overrides: &Overrides,
) -> Result<(Candidate, Image<File>), CandidateError> {
    let file = open(path)?;
    examine(path, file, beside::read(path)?, overrides)
}

/// As [`read_image`], of an open file that will get the name `path`: what lies beside that name is not its own.
///
/// # Errors
/// As [`read`].
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
    let mut sources = Sources {
        path,
        overrides,
        beside,
        provenance: Vec::new(),
    };
    sources.check_length(length)?;
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
    let id = release.get("ID").filter(|id| *id != "_any")?;
    let version = release
        .get("VERSION_ID")
        .or_else(|| release.get("SYSEXT_LEVEL"));
    Some(version.map_or_else(|| id.to_owned(), |version| format!("{id}-{version}")))
}

/// Everything but the image that speaks about an image.
struct Sources<'a> {
    path: &'a Path,
    overrides: &'a Overrides,
    beside: Vec<Said>,
    provenance: Vec<(&'static str, String)>,
}

impl Sources<'_> {
    fn file_name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// The first of the files beside the image that says something.
    fn beside(&self, what: impl Fn(&Said) -> Option<&String>) -> Option<(String, String)> {
        self.beside.iter().find_map(|said| {
            let origin = said.path.file_name().unwrap_or_default();
            what(said).map(|value| (value.clone(), origin.to_string_lossy().into_owned()))
        })
    }

    fn value<T>(&self, text: &str, origin: &str) -> Result<T, CandidateError>
    where
        T: std::str::FromStr<Err: std::fmt::Display>,
    {
        text.parse().map_err(|error: T::Err| CandidateError::Value {
            path: self.path.to_owned(),
            found: error.to_string(),
            origin: origin.to_owned(),
        })
    }

    /// Takes down where a value was found, in words.
    fn note(&mut self, what: &'static str, origin: impl Into<String>) {
        self.provenance.push((what, origin.into()));
    }

    /// A fragment that was made for another image of the same name is worse than none.
    fn check_length(&self, length: u64) -> Result<(), CandidateError> {
        let other = |said: &&Said| said.length.is_some_and(|said| said != length);
        match self.beside.iter().find(other) {
            None => Ok(()),
            Some(said) => Err(CandidateError::Disagree {
                path: self.path.to_owned(),
                what: "the length",
                said: said.length.unwrap_or_default().to_string(),
                origin: said.path.display().to_string(),
                image: length.to_string(),
            }),
        }
    }

    fn extension(&mut self) -> Result<ExtensionName, CandidateError> {
        if let Some(name) = self.overrides.name.clone() {
            self.note("name", "--name");
            return Ok(name);
        }
        let (text, origin) = self.beside(|said| said.name.as_ref()).unwrap_or_else(|| {
            let file_name = self.file_name();
            let parts = file_name::read(&file_name, None, &[]);
            (
                parts.name.unwrap_or_default(),
                format!("its file name {file_name}"),
            )
        });
        let name = self.value(&text, &origin)?;
        self.note("name", origin);
        Ok(name)
    }

    fn version(
        &mut self,
        extension: &ExtensionName,
        variant: Option<&str>,
    ) -> Result<Version, CandidateError> {
        if let Some(version) = self.overrides.version.clone() {
            self.note("version", "--version");
            return Ok(version);
        }
        // The variant as it is, and as it stands in file names of ours.
        let variants: Vec<String> = variant
            .iter()
            .flat_map(|variant| [(*variant).to_owned(), variant.replace('+', ".")])
            .collect();
        let file_name = self.file_name();
        let parts = file_name::read(&file_name, Some(extension.as_str()), &variants);
        let (text, origin) = match self.beside(|said| said.version.as_ref()) {
            Some(found) => found,
            None => match parts.version {
                Some(version) => (version, format!("its file name {file_name}")),
                None => return Err(CandidateError::NoVersion(self.path.to_owned())),
            },
        };
        let version = self.value(&text, &origin)?;
        self.note("version", origin);
        Ok(version)
    }

    fn architecture(
        &mut self,
        release: &Fields,
        extension: &ExtensionName,
        image: &mut Image<File>,
    ) -> Result<Architecture, CandidateError> {
        let typed = self.overrides.architecture.as_ref();
        let typed = typed.map(|architecture| (architecture.to_string(), "--arch".to_owned()));
        let file_name = self.file_name();
        let said = typed
            .or_else(|| self.beside(|said| said.architecture.as_ref()))
            .or_else(|| {
                let parts = file_name::read(&file_name, Some(extension.as_str()), &[]);
                let origin = format!("its file name {file_name}");
                parts
                    .architecture
                    .map(|architecture| (architecture, origin))
            });
        // The image's own word, in whichever spelling: a wrong one is for the lint to name.
        if let Some(own) = release.get("ARCHITECTURE") {
            let own = elf::systemd_name(own).unwrap_or(own);
            if let Some((said, origin)) = said
                && elf::systemd_name(&said).unwrap_or(&said) != own
            {
                return Err(CandidateError::Disagree {
                    path: self.path.to_owned(),
                    what: "the architecture",
                    said,
                    origin,
                    image: own.to_owned(),
                });
            }
            let origin = "ARCHITECTURE in its extension-release";
            let architecture = self.value(own, origin)?;
            self.note("architecture", origin);
            return Ok(architecture);
        }
        let (text, origin) = match said {
            Some((said, origin)) => (
                elf::systemd_name(&said).map_or(said.clone(), str::to_owned),
                origin,
            ),
            None => self.of_programs(image)?,
        };
        let architecture = self.value(&text, &origin)?;
        self.note("architecture", origin);
        Ok(architecture)
    }

    /// What the programs in the image are for; every machine where there are none.
    fn of_programs(&self, image: &mut Image<File>) -> Result<(String, String), CandidateError> {
        let mut skipped = false;
        for path in programs(image) {
            match image.read(&path) {
                Ok(bytes) => {
                    if let Some(architecture) =
                        Program::read(bytes.as_slice()).and_then(|program| program.architecture)
                    {
                        return Ok((architecture.to_owned(), format!("the program /{path}")));
                    }
                }
                Err(InspectError::FileTooLarge { .. }) => skipped = true,
                Err(source) => {
                    return Err(CandidateError::Image {
                        path: self.path.to_owned(),
                        source,
                    });
                }
            }
        }
        if skipped {
            return Err(CandidateError::NoArchitecture(self.path.to_owned()));
        }
        Ok(("_any".to_owned(), "that it holds no program".to_owned()))
    }
}

/// Paths of the executable files, the smallest first: any of them tells the architecture.
pub(crate) fn programs(image: &Image<File>) -> Vec<String> {
    let executable = |kind: &EntryKind, mode: u32| *kind == EntryKind::File && mode & 0o111 != 0;
    let mut found: Vec<(u64, String)> = image
        .entries()
        .iter()
        .filter(|entry| executable(&entry.kind, entry.mode))
        .map(|entry| (entry.size, entry.path.to_string()))
        .collect();
    found.sort_unstable();
    found.into_iter().map(|(_, path)| path).collect()
}
