//! Taking image files into a catalog: what `add` and `sync` do alike.

mod bring;
mod gone;
mod image;
mod prepared;
mod read_ahead;
mod there;
mod vet;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use sysext_formats::catalog::{self, Custom, ExtensionIndex, Image, Rollout, SCHEMA};
use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::{Channel, ExtensionName, FileName};
use sysext_formats::plain::one_line;
use sysext_formats::role::Extra;
use sysext_formats::time::UtcTime;
use sysext_formats::version::Version;
use url::Url;

pub use self::image::facts;
use self::image::revised;
use self::prepared::Prepared;
pub use self::prepared::Unfit;
pub use self::vet::vet;
use crate::arrival::{self, Identity};
use crate::candidate::{Candidate, Overrides};
use crate::context::Context;
use crate::draft::{DraftError, Standing};
use crate::elsewhere::{Folder, Rule};
use crate::failure::{Failure, Kind};
use crate::known_files::KnownFiles;
use crate::location::Store;
use crate::reconcile::Attempt;
use crate::session::Session;
use crate::words::Hours;

/// Revisions of one version that are tried.
const MAX_REVISIONS: u32 = 1_000;

/// What is said about images when they are published.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Their channels.
    pub channels: Vec<Channel>,
    /// Whether somebody asked for those channels.
    pub channels_asked: bool,
    /// Advisories that they fix.
    pub fixes: Vec<String>,
    /// Where to read more.
    pub links: Option<catalog::Links>,
    /// Over how many hours hosts take them.
    pub rollout_hours: Option<Hours>,
    /// What counts more than what the images say.
    pub overrides: Overrides,
    /// Whether other bytes of a published version become its next revision.
    pub revision: bool,
    /// Where the images and their transports are, or are going to be, instead of at the location.
    pub at: Option<Url>,
    /// The zstd level of transports, where it is not the configured one.
    pub zstd_level: Option<i32>,
    /// Whether an index that keys which may not sign it any more have signed is begun again.
    pub anew: bool,
}

/// One run's images.
#[derive(Debug)]
pub struct Intake<'a> {
    context: &'a Context,
    store: &'a dyn Store,
    request: Request,
    /// The folder of `request.at`.
    place: Option<Folder>,
    /// What was read already, in an attempt before.
    prepared: BTreeMap<PathBuf, Prepared>,
    /// Of which images it was said what was asked in vain.
    told: BTreeSet<PathBuf>,
    known: KnownFiles,
    /// What was left out, because it was pruned.
    pruned: BTreeSet<PathBuf>,
}

impl<'a> Intake<'a> {
    /// Images for the catalog of `session`, to `store`.
    ///
    /// # Errors
    /// When hosts would not follow the URL below which the images are.
    pub fn new(
        context: &'a Context,
        session: &Session,
        store: &'a dyn Store,
        request: Request,
    ) -> Result<Self, Failure> {
        let place = request.at.as_ref();
        let place = place.map(|url| Folder::new(url, Rule::of(&session.config)));
        Ok(Self {
            context,
            store,
            place: place.transpose()?,
            request,
            prepared: BTreeMap::new(),
            told: BTreeSet::new(),
            known: KnownFiles::load(session.memory_directory()),
            pruned: BTreeSet::new(),
        })
    }

    /// Takes one image: it becomes part of the draft, unless it is published already.
    ///
    /// # Errors
    /// When it is no image that may be published, or conflicts with what is.
    pub fn take(&mut self, path: &Path, attempt: &mut Attempt<'_, '_>) -> Result<(), Failure> {
        let Prepared {
            identity,
            candidate,
            ..
        } = self.prepare(path)?;
        self.load(&candidate.extension, attempt)?;
        describe(&candidate.extension, attempt)?;
        for revision in 0..=MAX_REVISIONS {
            let (file, version) = revised(&candidate, revision)?;
            let (name, length) = (&candidate.extension, candidate.length);
            let standing = attempt.editor.standing(name, &file, &version, length);
            let conflict = match standing {
                Ok(Standing::New) => match self
                    .conflict_with_gone(path, identity, &file, attempt)?
                {
                    Some(conflict) => conflict,
                    None => return self.add(path, identity, &candidate, (file, version), attempt),
                },
                Ok(Standing::Named(there)) => {
                    let offered = self.digest(path, identity)?;
                    candidate.keeps_promise(offered)?;
                    if offered == there {
                        self.is_published(path, name, there, attempt)?;
                        return Ok(());
                    }
                    DraftError::OtherBytes {
                        file,
                        published: there,
                        offered,
                    }
                }
                Err(error) => error,
            };
            if !(self.request.revision && conflict.is_conflict()) {
                return Err(Failure::from(conflict).during(one_line(&format!(
                    "{} can not be published",
                    path.display()
                ))));
            }
        }
        Err(Failure::new(
            Kind::Conflict,
            format!(
                "{} has {MAX_REVISIONS} revisions already",
                candidate.file_name
            ),
        ))
    }

    /// The digest of a local file, known or new.
    ///
    /// # Errors
    /// When it can not be read, or changes meanwhile.
    pub fn digest_of(&mut self, path: &Path) -> Result<Sha256Digest, Failure> {
        let identity = Identity::at(path)?;
        self.digest(path, identity)
    }

    /// Keeps what was learnt about local files.
    pub fn remember(&self) {
        if self.context.globals.dry_run {
            return;
        }
        if let Err(error) = self.known.save() {
            self.context.ui.warn(format_args!(
                "digests of local files can not be remembered: {error}"
            ));
        }
    }

    fn load(&self, name: &ExtensionName, attempt: &mut Attempt<'_, '_>) -> Result<(), Failure> {
        if self.request.anew {
            attempt.load_anew(name)
        } else {
            attempt.load(name)
        }
    }

    fn add(
        &mut self,
        path: &Path,
        identity: Identity,
        candidate: &Candidate,
        (file, version): (FileName, Version),
        attempt: &mut Attempt<'_, '_>,
    ) -> Result<(), Failure> {
        let urls = self.place.as_ref().map(|place| place.url_of(&file));
        let urls = Vec::from_iter(urls.transpose()?);
        let (sha256, transports) = if self.context.globals.dry_run {
            (self.digest(path, identity)?, Vec::new())
        } else {
            let mut arrival = match attempt.arrivals.remove(&file) {
                Some(arrival) => arrival,
                None => self.bring(path, identity, &file, attempt.config)?,
            };
            self.known
                .insert(&identity, arrival.sha256, self.context.now());
            self.patch((path, identity), candidate, &version, &mut arrival, attempt)?;
            self.set_urls(&mut arrival)?;
            let said = (arrival.sha256, arrival.transports.clone());
            attempt.arrivals.insert(file.clone(), arrival);
            said
        };
        candidate.keeps_promise(sha256)?;
        let image = Image {
            file,
            length: identity.length,
            sha256,
            custom: Custom {
                schema: SCHEMA,
                class: "sysext".to_owned(),
                version,
                architecture: candidate.architecture.clone(),
                extension_release: candidate.extension_release.clone(),
                channels: self.request.channels.clone(),
                released: self.released(identity),
                image: facts(&candidate.facts),
                transports,
                urls,
                withdrawn: None,
                fixes: self.request.fixes.clone(),
                rollout: self.request.rollout_hours.map(|hours| Rollout {
                    start: self.context.now(),
                    hours: hours.get(),
                }),
                links: self.request.links.clone(),
                extra: Extra::new(),
            },
        };
        Ok(attempt.editor.add_image(&candidate.extension, &image)?)
    }

    fn digest(&mut self, path: &Path, identity: Identity) -> Result<Sha256Digest, Failure> {
        if let Some(digest) = self.known.get(&identity) {
            return Ok(digest);
        }
        let digest = arrival::hash(path, identity, &self.context.ui)?;
        self.known.insert(&identity, digest, self.context.now());
        Ok(digest)
    }

    /// `SOURCE_DATE_EPOCH` where a reproducible build says it, else the image's own time; never in the future.
    fn released(&self, identity: Identity) -> UtcTime {
        let epoch = self
            .context
            .variable("SOURCE_DATE_EPOCH")
            .and_then(|text| text.parse().ok());
        UtcTime::from_unix(epoch.unwrap_or(identity.modified.0)).min(self.context.now())
    }
}

/// Says what the configuration says about an extension. One without a table there keeps what is said about it.
fn describe(name: &ExtensionName, attempt: &mut Attempt<'_, '_>) -> Result<(), Failure> {
    let (config, editor) = (attempt.config, &mut *attempt.editor);
    if let (Some(said), Some(index)) = (
        config.extension.get(name),
        editor.catalog().indexes.get(name),
    ) {
        let info = ExtensionIndex::read(name, index)
            .map_err(DraftError::from)?
            .info;
        editor.describe(name, said.info(info))?;
        // Whoever signs the table of contents repeats it there.
        if !editor.catalog().targets_by_root() && !config.keys.release.is_empty() {
            editor.summarize(name, &said.summary)?;
        }
    }
    Ok(())
}
