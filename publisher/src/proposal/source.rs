//! Where a proposal and its images are: a folder, or the URL of one.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use sysext_durable::Dir;
use sysext_formats::catalog::Image;
use sysext_formats::name::FileName;
use url::Url;

use super::{FILE, MAX_PROPOSAL, Proposal, ProposalError};
use crate::location::{Location as _, LocationError, Place, Web};

/// Where a proposal is.
#[derive(Debug)]
pub struct Source {
    folder: PathBuf,
    file: String,
    web: Option<Fetched>,
}

/// A folder that fills with what is fetched, and goes with this.
#[derive(Debug)]
struct Fetched {
    web: Web,
    images: Dir,
    _folder: tempfile::TempDir,
}

impl Source {
    /// By what a person types: a folder, or a file in it. Signed copies are files.
    #[must_use]
    pub fn of_path(path: &Path) -> Self {
        if path.is_dir() {
            return Self {
                folder: path.to_owned(),
                file: FILE.to_owned(),
                web: None,
            };
        }
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let name = path.file_name().and_then(|name| name.to_str());
        Self {
            folder: parent.to_owned(),
            file: name.unwrap_or_default().to_owned(),
            web: None,
        }
    }

    /// The folder at a URL. Nothing is fetched before it is asked for.
    ///
    /// # Errors
    /// When there is no place for what will be.
    pub fn of_url(mut url: Url) -> Result<Self, ProposalError> {
        let folder = url.path().trim_end_matches(FILE).to_owned();
        url.set_path(&folder);
        let temp =
            tempfile::TempDir::with_prefix("sysext-publish-").map_err(ProposalError::NoPlace)?;
        let images = Dir::create_all(temp.path(), 0o700)?.create_subdir("images", 0o700)?;
        Ok(Self {
            folder: temp.path().to_owned(),
            file: FILE.to_owned(),
            web: Some(Fetched {
                web: Web::new(url)?,
                images,
                _folder: temp,
            }),
        })
    }

    /// The file of the proposal.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        if self.folder == Path::new(".") {
            return PathBuf::from(&self.file);
        }
        self.folder.join(&self.file)
    }

    /// The proposal itself.
    ///
    /// # Errors
    /// When it is not there, or not one.
    pub fn read(&self) -> Result<Proposal, ProposalError> {
        let path = self.path();
        let missing = || ProposalError::Missing(path.clone());
        let bytes = match &self.web {
            Some(fetched) => fetched
                .web
                .read(&Place::Proposal, MAX_PROPOSAL)?
                .ok_or_else(|| ProposalError::NotServed {
                    location: fetched.web.name(),
                    file: FILE.to_owned(),
                })?,
            None => {
                let dir = Dir::open_existing(&self.folder)?.ok_or_else(missing)?;
                dir.read(&self.file, MAX_PROPOSAL)?.ok_or_else(missing)?
            }
        };
        Proposal::parse(&bytes).map_err(|source| ProposalError::Malformed {
            path,
            source: Box::new(source),
        })
    }

    /// Writes the proposal in place.
    ///
    /// # Errors
    /// When it can not be written.
    pub fn write(&self, proposal: &Proposal) -> Result<(), ProposalError> {
        let dir = Dir::create_all(&self.folder, 0o755)?;
        Ok(dir.write(&self.file, &proposal.to_bytes()?, 0o644)?)
    }

    /// The folder in which an image and its transports are now.
    ///
    /// # Errors
    /// When they can not be fetched.
    pub fn images(&self, image: &Image) -> Result<PathBuf, ProposalError> {
        if let Some(fetched) = &self.web {
            fetched.fetch(&image.file, image.length)?;
            for transport in &image.transports {
                fetched.fetch(&transport.file, transport.length)?;
            }
        }
        Ok(self.folder.join("images"))
    }
}

impl Fetched {
    fn fetch(&self, name: &FileName, length: u64) -> Result<(), ProposalError> {
        let place = Place::Image(name.clone());
        let Some(reader) = self.web.open(&place)? else {
            return Err(ProposalError::NotServed {
                location: self.web.name(),
                file: place.to_string(),
            });
        };
        let mut file = self.images.writer(name.as_str(), 0o600)?;
        // One byte more than promised shows that there is more.
        std::io::copy(&mut reader.take(length.saturating_add(1)), &mut file).map_err(|source| {
            LocationError::Stream {
                file: name.to_string(),
                source,
            }
        })?;
        Ok(file.commit()?)
    }
}
