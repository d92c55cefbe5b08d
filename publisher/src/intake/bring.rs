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
    /// Makes patches to an image that arrived. What is proposed is uploaded together; otherwise nobody has put patches beside
    /// an image that is elsewhere, and they lie with the catalog.
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
        patch::add(&task, arrival)?;
        if let (Some(place), Some(_)) = (&self.place, &self.context.outbox) {
            name(place, &mut arrival.transports)?;
        }
        Ok(())
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
        let Some(place) = &self.place else {
            return Ok(arrival::bring(
                self.store, path, identity, file, transports, ui,
            )?);
        };
        if self.context.outbox.is_some() {
            return Ok(arrival::bring(
                self.store, path, identity, file, transports, ui,
            )?);
        }
        let (sha256, mut transports) = arrival::measure(path, identity, file, transports, ui)?;
        name(place, &mut transports)?;
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
fn name(place: &Folder, transports: &mut [Transport]) -> Result<(), ElsewhereError> {
    for transport in transports {
        transport.urls = vec![place.url_of(&transport.file)?];
    }
    Ok(())
}
