//! What an image is, before anything is done with it: read and linted, once in a run.

use std::collections::btree_map::Entry;
use std::path::Path;

use sysext_formats::plain::one_line;

use super::vet::{judge, refusal};
use super::{Intake, Request};
use crate::arrival::Identity;
use crate::candidate::{self, Candidate};
use crate::failure::Failure;
use crate::lint::{self, Finding};

/// Why an image is not for a catalog.
#[derive(Debug)]
pub enum Unfit {
    /// It is no system extension.
    NoExtension,
    /// It can not be read, or not everything that has to be is said about it: it may not be all there.
    Unreadable(Failure),
    /// It would hurt hosts.
    Refused(Failure),
}

#[derive(Debug, Clone)]
pub(super) struct Prepared {
    pub(super) identity: Identity,
    pub(super) candidate: Candidate,
    pub(super) findings: Vec<Finding>,
    /// Whether it was said what was found.
    told: bool,
}

impl Prepared {
    /// Reads and lints an image.
    pub(super) fn read(path: &Path, request: &Request) -> Result<Self, Failure> {
        // Its identity comes first: what is read afterwards is held against it.
        let identity = Identity::at(path)?;
        let (candidate, mut image) = candidate::read_image(path, &request.overrides)?;
        let findings = lint::check(&candidate, &mut image, &request.channels);
        Ok(Self {
            identity,
            candidate,
            findings,
            told: false,
        })
    }
}

impl Intake<'_> {
    /// Reads and lints an image, which changes nothing and says nothing yet.
    ///
    /// # Errors
    /// When it is no image that may be published.
    pub fn look(&mut self, path: &Path) -> Result<(), Unfit> {
        let Prepared {
            candidate,
            findings,
            ..
        } = match self.read(path) {
            Ok(prepared) => prepared,
            Err(_) if candidate::is_extension(path).is_ok_and(|it| !it) => {
                return Err(Unfit::NoExtension);
            }
            Err(failure) => return Err(Unfit::Unreadable(failure)),
        };
        if candidate.facts.extension_releases.is_empty() {
            return Err(Unfit::NoExtension);
        }
        refusal(candidate, findings).map_or(Ok(()), |failure| Err(Unfit::Refused(failure)))
    }

    /// Reads and lints an image, once in a run.
    pub(super) fn prepare(&mut self, path: &Path) -> Result<Prepared, Failure> {
        let mut prepared = self.read(path)?.clone();
        if !prepared.told {
            self.tell(path, &prepared)?;
            prepared.told = true;
            self.prepared.insert(path.to_owned(), prepared.clone());
        }
        Ok(prepared)
    }

    fn read(&mut self, path: &Path) -> Result<&Prepared, Failure> {
        Ok(match self.prepared.entry(path.to_owned()) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(free) => free.insert(Prepared::read(path, &self.request)?),
        })
    }

    /// Says what an image is, and what was found; refuses one that would hurt.
    fn tell(&self, path: &Path, prepared: &Prepared) -> Result<(), Failure> {
        let candidate = &prepared.candidate;
        judge(self.context, candidate, &prepared.findings)?;
        let origins: Vec<_> = candidate
            .provenance
            .iter()
            .map(|(what, origin)| format!("{what} from {origin}"))
            .collect();
        let line = format!(
            "{}: {} {} {} ({})",
            path.display(),
            candidate.extension,
            candidate.version,
            candidate.architecture,
            origins.join("; ")
        );
        self.context.ui.say(one_line(&line));
        Ok(())
    }
}
