//! The facts about an image that a catalog states and a host checks.

use std::io::{Read, Seek};

use crate::resolve::resolve;
use crate::{Container, Entry, EntryKind, Filesystem, Image, InspectError, Limits, Verity};

/// The facts about an image that a catalog states and a host checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFacts {
    /// What the file system is wrapped in.
    pub container: Container,
    /// The file system.
    pub filesystem: Filesystem,
    /// Whether the content of any file is stored compressed.
    pub compressed: bool,
    /// The dm-verity protection, if the image has any.
    pub verity: Option<Verity>,
    /// The files `usr/lib/extension-release.d/extension-release.*`, sorted by name. Links are followed; what is not a
    /// regular file in the end is left out, as systemd leaves it out.
    pub extension_releases: Vec<ExtensionRelease>,
    /// The same for `etc/extension-release.d`, where configuration extensions have theirs.
    pub confext_releases: Vec<ExtensionRelease>,
    /// Names of the unit files in `usr/lib/systemd/system`, links included, sorted.
    pub units: Vec<String>,
    /// Absolute paths of the regular files with the setuid or setgid bit, sorted.
    pub setuid: Vec<String>,
    /// Whether there is a `usr/lib/os-release`, with which systemd refuses an image as an extension.
    pub has_os_release: bool,
}

/// One extension-release file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtensionRelease {
    /// The part of the file name behind `extension-release.`: the name of the extension.
    pub name: String,
    /// The content.
    pub bytes: Vec<u8>,
}

/// Opens the image in the first `length` bytes of `reader` and gathers its [`ImageFacts`].
///
/// # Errors
/// When the image is none, is damaged, or would cost more than `limits`.
pub fn inspect<R>(reader: R, length: u64, limits: &Limits) -> Result<ImageFacts, InspectError>
where
    R: Read + Seek + Send + 'static,
{
    Image::open(reader, length, *limits)?.facts()
}

impl<R: Read + Seek + Send + 'static> Image<R> {
    /// Gathers the facts about the image.
    ///
    /// # Errors
    /// When an extension-release file can not be read.
    pub fn facts(&mut self) -> Result<ImageFacts, InspectError> {
        self.refill();
        let mut setuid: Vec<_> = self
            .entries()
            .iter()
            .filter(|entry| entry.is_setuid())
            .map(absolute)
            .collect();
        setuid.sort_unstable();
        Ok(ImageFacts {
            container: self.container(),
            filesystem: self.filesystem(),
            compressed: self.compressed(),
            verity: self.verity().cloned(),
            extension_releases: self.releases("usr/lib/extension-release.d")?,
            confext_releases: self.releases("etc/extension-release.d")?,
            units: self.units()?,
            setuid,
            has_os_release: self.exists("usr/lib/os-release")?,
        })
    }

    fn releases(&mut self, directory: &str) -> Result<Vec<ExtensionRelease>, InspectError> {
        let mut names: Vec<String> = Vec::new();
        for entry in self.children(directory)? {
            if let Some(name) = entry.path.file_name().strip_prefix("extension-release.") {
                names.push(name.to_owned());
            }
        }
        let mut releases = Vec::new();
        for name in names {
            match self.read_on(&format!("{directory}/extension-release.{name}")) {
                Ok(bytes) => releases.push(ExtensionRelease { name, bytes }),
                Err(
                    InspectError::NotFound { .. }
                    | InspectError::NotAFile { .. }
                    | InspectError::TooManyLinks { .. },
                ) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(releases)
    }

    fn units(&self) -> Result<Vec<String>, InspectError> {
        let children = self.children("usr/lib/systemd/system")?;
        Ok(children
            .iter()
            .filter(|entry| matches!(entry.kind, EntryKind::File | EntryKind::Symlink { .. }))
            .map(|entry| entry.path.file_name())
            .filter(|name| is_unit(name))
            .map(str::to_owned)
            .collect())
    }

    fn exists(&self, path: &str) -> Result<bool, InspectError> {
        match resolve(self.entries(), path) {
            Ok(_) => Ok(true),
            Err(InspectError::NotFound { .. } | InspectError::TooManyLinks { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What is directly in `directory`, which may be reached through links; nothing when it does not exist.
    fn children(&self, directory: &str) -> Result<Vec<&Entry>, InspectError> {
        let found = match resolve(self.entries(), directory) {
            Ok(found) => format!("{found}/"),
            Err(InspectError::NotFound { .. } | InspectError::TooManyLinks { .. }) => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        let first = self
            .entries()
            .partition_point(|entry| *entry.path.as_str() < *found);
        let below = self
            .entries()
            .iter()
            .skip(first)
            .take_while(|entry| entry.path.as_str().starts_with(&found));
        Ok(below
            .filter(|entry| entry.path.parent().len() + 1 == found.len())
            .collect())
    }
}

fn absolute(entry: &Entry) -> String {
    format!("/{}", entry.path)
}

/// Whether systemd would load a file of this name as a unit.
fn is_unit(name: &str) -> bool {
    const TYPES: [&str; 11] = [
        "service",
        "socket",
        "timer",
        "target",
        "path",
        "mount",
        "automount",
        "swap",
        "slice",
        "scope",
        "device",
    ];
    name.rsplit_once('.')
        .is_some_and(|(stem, suffix)| !stem.is_empty() && TYPES.contains(&suffix))
}

#[cfg(test)]
mod tests {
    use super::is_unit;

    #[test]
    fn units_are_told_by_their_suffix() {
        for name in [
            "k3s.service",
            "a@.service",
            "x.y.timer",
            "dev-sda\\x2d.swap",
        ] {
            assert!(is_unit(name), "{name}");
        }
        for name in [
            ".service",
            "service",
            "README",
            "k3s.service.conf",
            "k3s.Service",
        ] {
            assert!(!is_unit(name), "{name}");
        }
    }
}
