//! Everything but the image that speaks about an image, in the order in which it is believed.

use std::fs::File;
use std::path::Path;

use sysext_formats::catalog::Architecture;
use sysext_formats::digest::DigestError;
use sysext_formats::name::ExtensionName;
use sysext_formats::os::Fields;
use sysext_formats::version::Version;
use sysext_image::{EntryKind, Image, InspectError};

use super::beside::Said;
use super::{CandidateError, Overrides, Promise, file_name};
use crate::pack::elf::{self, Program};

/// Everything but the image that speaks about an image.
pub(super) struct Sources<'a> {
    path: &'a Path,
    overrides: &'a Overrides,
    beside: Vec<Said>,
    pub(super) provenance: Vec<(&'static str, String)>,
}

impl<'a> Sources<'a> {
    pub(super) fn new(path: &'a Path, overrides: &'a Overrides, beside: Vec<Said>) -> Self {
        Self {
            path,
            overrides,
            beside,
            provenance: Vec::new(),
        }
    }

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
    pub(super) fn check_length(&self, length: u64) -> Result<(), CandidateError> {
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

    /// The digest that a file beside the image promises: that of the image it was made for.
    pub(super) fn promise(&self) -> Result<Option<Promise>, CandidateError> {
        let promised = |said: &Said| Some((said.sha256.clone()?, said.path.clone()));
        let Some((sha256, path)) = self.beside.iter().find_map(promised) else {
            return Ok(None);
        };
        let origin = path.display().to_string();
        let sha256 = sha256
            .parse()
            .map_err(|error: DigestError| CandidateError::Beside {
                path,
                what: error.to_string(),
            })?;
        Ok(Some(Promise { sha256, origin }))
    }

    pub(super) fn extension(&mut self) -> Result<ExtensionName, CandidateError> {
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

    pub(super) fn version(
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

    pub(super) fn architecture(
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
