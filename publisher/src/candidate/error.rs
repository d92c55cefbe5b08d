//! Why an image file is no candidate.

use std::io;
use std::path::PathBuf;

use sysext_formats::name::NameError;
use sysext_formats::os::FieldsError;
use sysext_image::InspectError;

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
