//! How the bytes of one image come in, with its transports.

use std::path::Path;

use sysext_formats::catalog::Transport;
use sysext_formats::name::FileName;
use sysext_formats::version::Version;

use super::{Intake, Prepared};
use crate::arrival::{self, Arrival, Identity, Transports};
use crate::candidate::Candidate;
use crate::config::Config;
use crate::elsewhere::{self, ElsewhereError, Folder, Promised, Rule};
use crate::failure::Failure;
use crate::location::Links;
use crate::patch;
use crate::reconcile::Attempt;

impl Intake<'_> {
    /// Makes patches to an image that arrived.
    pub(super) fn patch(
        &self,
        (path, identity): (&Path, Identity),
        candidate: &Candidate,
        version: &Version,
        arrival: &mut Arrival,
        attempt: &Attempt<'_, '_>,
    ) -> Result<(), Failure> {
        let local = |file: &FileName| {
            let mut prepared = self.prepared.iter();
            let is_it = |(_, it): &(_, &Prepared)| it.candidate.file_name == *file;
            Some(prepared.find(is_it)?.0.clone())
        };
        let task = patch::Task {
            context: self.context,
            config: attempt.config,
            store: self.store,
            published: attempt.published.source(),
            index: attempt.editor.catalog().indexes.get(&candidate.extension),
            candidate,
            version,
            path,
            identity,
            local: &local,
        };
        Ok(patch::add(&task, arrival)?)
    }

    /// Says of all transports of an image that is proposed that they are elsewhere with it: they are uploaded together. Patches
    /// to an image that was there before have no URL, since nobody has put them beside it: they lie with the catalog.
    pub(super) fn set_urls(&self, arrival: &mut Arrival) -> Result<(), ElsewhereError> {
        match (&self.place, &self.context.outbox) {
            (Some(place), Some(_)) => set_urls(place, &mut arrival.transports),
            _ => Ok(()),
        }
    }

    /// Brings an image to the store, or finds it at its place. What is proposed comes along, to be put there.
    pub(super) fn bring(
        &self,
        path: &Path,
        identity: Identity,
        file: &FileName,
        config: &Config,
    ) -> Result<Arrival, Failure> {
        let transports = Transports::of(config, self.request.zstd_level);
        let ui = &self.context.ui;
        let elsewhere = self.place.as_ref();
        let Some(place) = elsewhere.filter(|_| self.context.outbox.is_none()) else {
            return Ok(arrival::bring(
                self.store, path, identity, file, transports, ui,
            )?);
        };
        let (sha256, mut transports) = arrival::measure(path, identity, file, transports, ui)?;
        set_urls(place, &mut transports)?;
        let image = Promised {
            file,
            length: identity.length,
            sha256,
            urls: &[place.url_of(file)?],
        };
        let links = Links::new()?;
        let rule = Rule::of(config);
        let find = |promised: Promised<'_>| elsewhere::find(&links, promised, rule, ui);
        Ok(Arrival::elsewhere(image, transports, find)?)
    }
}

/// Says of transports that they are in a folder elsewhere.
fn set_urls(place: &Folder, transports: &mut [Transport]) -> Result<(), ElsewhereError> {
    for transport in transports {
        transport.urls = vec![place.url_of(&transport.file)?];
    }
    Ok(())
}
