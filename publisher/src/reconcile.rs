//! Changing a catalog: read what is published, change it, publish, and start over when somebody else was faster.
//!
//! - Each attempt sees what is published then, and the configuration as it is then: a run that changes keys writes the new
//!   source into it before it publishes, so whoever loses against it finds the key that may sign now.
//! - Under `propose` the draft goes into a proposal instead, and nothing is published.

use std::time::Duration;

use serde::Serialize;
use sysext_formats::catalog::ExtensionInfo;
use sysext_formats::digest::Sha256Digest;
use sysext_formats::limits::Limits;
use sysext_formats::name::ExtensionName;
use sysext_formats::role::MetadataVersion;
use sysext_formats::workflow::{Cache as _, CachedFile, RemoteFile};

use crate::config::Config;
use crate::context::Context;
use crate::draft::{Change, DraftError, Editor};
use crate::failure::{Failure, Kind};
use crate::location::{Location, LocationError, Place, Store};
use crate::memory::Memory;
use crate::proposal::{self, Proposed};
use crate::prune::gone::Gone;
use crate::prune::record::Departed;
use crate::published::{LookUp, Published, PublishedError};
use crate::selfcheck::{self, Before};
use crate::session::Session;
use crate::signer::{Configured, KeyRing, SignedDraft};
use crate::staged::{Arrivals, StagedTree};
use crate::sysupdate::sums;
use crate::upload::{self, UploadError, Uploaded};

/// How often a run starts over when somebody else was faster.
pub(crate) const ATTEMPTS: u32 = 5;

/// What a run did.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Whether something was published or proposed, or would have been.
    pub changed: bool,
    /// Whether nothing was published because nothing was to be.
    pub dry_run: bool,
    /// What is new.
    pub changes: Vec<Change>,
    /// Where it was proposed, instead of being published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proposed: Option<Proposed>,
}

impl Report {
    /// Whether hosts see something new now.
    #[must_use]
    pub fn is_published(&self) -> bool {
        self.changed && !self.dry_run && self.proposed.is_none()
    }

    /// For people; `nothing` says why nothing was to be done.
    #[must_use]
    pub fn text(&self, nothing: &str) -> String {
        let mut text: String = self
            .changes
            .iter()
            .map(|change| format!("{change}\n"))
            .collect();
        match (self.changed, self.dry_run, &self.proposed) {
            (false, _, _) => return format!("nothing to do: {nothing}\n"),
            (true, true, _) => text.push_str("nothing was published (--dry-run)\n"),
            (true, false, None) => text.push_str("published\n"),
            (true, false, Some(proposed)) => text.push_str(&proposed.to_string()),
        }
        text
    }
}

/// One attempt at a change.
#[derive(Debug)]
pub struct Attempt<'a, 'p> {
    /// The configuration as it is now.
    pub config: &'a Config,
    /// The keys that it names.
    pub ring: &'a KeyRing,
    /// What is published now.
    pub published: &'a mut Published<'p>,
    /// Takes the change.
    pub editor: &'a mut Editor,
    /// What has left the catalog.
    pub gone: &'a Gone<'p>,
    /// The images at hand, which stay from attempt to attempt.
    pub arrivals: &'a mut Arrivals,
}

impl Attempt<'_, '_> {
    /// Hands the index of an extension to the editor: the published one, or an empty one where nothing is published yet.
    ///
    /// # Errors
    /// When there is no such extension, or its index can not be gone on from.
    pub fn load(&mut self, name: &ExtensionName) -> Result<(), Failure> {
        if self.editor.has_index(name) {
            return Ok(());
        }
        self.load_group(name)?;
        match self.look_up(name)? {
            LookUp::Index(index) => self.editor.load_index(name, index),
            LookUp::Unpublished => self.editor.begin_index(name, ExtensionInfo::default())?,
            LookUp::Disowned(error) => {
                return Err(Failure::of(Kind::Unverified, &error)
                    .during(format!("what is published of {name} can not be gone on from"))
                    .hint("its keys have changed since; --anew begins it again, and lists only what is added then"));
            }
        }
        Ok(())
    }

    /// As [`load`](Self::load), and where keys that may not sign it any more have signed what is published, an empty index:
    /// nothing that they have signed is gone on from.
    ///
    /// # Errors
    /// When there is no such extension, or its index is wrong otherwise.
    pub fn load_anew(&mut self, name: &ExtensionName) -> Result<(), Failure> {
        if self.editor.has_index(name) {
            return Ok(());
        }
        self.load_group(name)?;
        match self.look_up(name)? {
            LookUp::Disowned(_) => Ok(self.editor.begin_index(name, ExtensionInfo::default())?),
            LookUp::Index(_) | LookUp::Unpublished => self.load(name),
        }
    }

    /// Whether somebody is delegated to publish an extension.
    ///
    /// # Errors
    /// When the group that it would be in can not be verified.
    pub fn is_delegated(&mut self, name: &ExtensionName) -> Result<bool, Failure> {
        self.load_group(name)?;
        Ok(self.editor.catalog().index_keys(name).is_some())
    }

    /// Hands the group of an extension to the editor, where there are groups.
    ///
    /// # Errors
    /// When it can not be verified.
    pub fn load_group(&mut self, name: &ExtensionName) -> Result<(), Failure> {
        let catalog = self.editor.catalog();
        if catalog
            .group_of(name)
            .is_none_or(|group| catalog.groups.contains_key(group))
        {
            return Ok(());
        }
        if let Some((role, group)) = self.published.group_of(name)? {
            self.editor.load_group(&role, group);
        }
        Ok(())
    }

    /// Hands every group to the editor.
    ///
    /// # Errors
    /// When one can not be verified.
    pub fn load_groups(&mut self) -> Result<(), Failure> {
        for (role, group) in self.published.groups()? {
            self.editor.load_group(&role, group);
        }
        Ok(())
    }

    /// What is published of an extension.
    ///
    /// # Errors
    /// When there is no such extension, or its index is wrong.
    pub fn look_up(&mut self, name: &ExtensionName) -> Result<LookUp, Failure> {
        self.published
            .look_up(name)
            .map_err(|error| unknown_extension(error, name))
    }

    /// The same, for a pass over all extensions: nothing of it is kept.
    ///
    /// # Errors
    /// As [`look_up`](Self::look_up).
    pub fn peek(&mut self, name: &ExtensionName) -> Result<LookUp, Failure> {
        self.published
            .peek(name)
            .map_err(|error| unknown_extension(error, name))
    }
}

impl Session {
    /// Changes the catalog as `edit` says, and publishes the result, or proposes it. `edit` is called again, with what is
    /// published then, when somebody else was faster; it puts the images it adds into [`Attempt::arrivals`].
    ///
    /// # Errors
    /// When what is published can not be verified, the change may not be made, or it can not be published.
    pub fn reconcile(
        &self,
        context: &Context,
        store: &dyn Store,
        mut edit: impl FnMut(&mut Attempt<'_, '_>) -> Result<(), Failure>,
    ) -> Result<Report, Failure> {
        let base = match (&context.globals.base, &context.outbox) {
            (None, None) => None,
            _ => Some(self.base(context)?),
        };
        let base: &dyn Location = base.as_deref().unwrap_or(store);
        let dry_run = context.globals.dry_run;
        let mut arrivals = Arrivals::new();
        let mut config = self.config.clone();
        for attempt in 1..=ATTEMPTS {
            let expected = upload::timestamp(store)?;
            let mut published = match self.published(context, base) {
                Ok(published) => published,
                // What was read is of two states.
                Err(_) if attempt < ATTEMPTS && upload::timestamp(store)? != expected => continue,
                Err(failure) => return Err(failure),
            };
            let catalog = published
                .catalog()
                .ok_or_else(|| Failure::new(Kind::Unverified, "targets.json is not there"))?;
            let mut editor = Editor::new(catalog, context.now(), config.policy());
            let gone = Gone::new(base);
            edit(&mut Attempt {
                config: &config,
                ring: &self.ring,
                published: &mut published,
                editor: &mut editor,
                gone: &gone,
                arrivals: &mut arrivals,
            })?;
            let Some(draft) = editor.finish()? else {
                return Ok(Report {
                    changed: false,
                    dry_run,
                    changes: Vec::new(),
                    proposed: None,
                });
            };
            // A proposal may be older than what left.
            if let Some(conflict) = gone.conflict_with(&draft)? {
                return Err(conflict.into());
            }
            let mut report = Report {
                changed: true,
                dry_run,
                changes: draft.changes.clone(),
                proposed: None,
            };
            if dry_run {
                return Ok(report);
            }
            let roster = Configured {
                config: &config,
                ring: &self.ring,
            };
            if let Some(outbox) = &context.outbox {
                let proposed = proposal::write(self, outbox, &draft, &roster, base, context)?;
                for arrival in arrivals.values_mut() {
                    arrival.publish()?;
                }
                report.proposed = Some(proposed);
                return Ok(report);
            }
            let (openpgp, now) = (&config.openpgp, context.now());
            let sums = sums::steps(openpgp, &draft, &mut published, store, now)?;
            let signed = match SignedDraft::new(draft, &roster) {
                Ok(signed) => signed,
                Err(error) => {
                    let reread = self.reread(context)?;
                    if attempt == ATTEMPTS || reread == config {
                        return Err(error.into());
                    }
                    // Somebody changes keys just now.
                    config = reread;
                    continue;
                }
            };
            let before = Before {
                first_root: self.pinned_root(),
                published: published.documents(),
                location: Some(base),
                now: context.now(),
            };
            match self.publish(store, signed, &mut arrivals, sums, &before, expected)? {
                Some(uploaded) => {
                    remember(published.memory(), &uploaded, context);
                    return Ok(report);
                }
                None if attempt < ATTEMPTS => {
                    context
                        .ui
                        .say("somebody else has published meanwhile; starting over");
                    std::thread::sleep(jitter(attempt));
                    config = self.reread(context)?;
                }
                None => {}
            }
        }
        Err(UploadError::Lost.into())
    }

    /// Puts a signed draft in place, checked as hosts will; `None` when somebody else was faster.
    ///
    /// # Errors
    /// When a host would refuse it, or it can not be uploaded.
    pub fn publish(
        &self,
        store: &dyn Store,
        signed: SignedDraft,
        arrivals: &mut Arrivals,
        sums: Vec<(Place, sums::Step)>,
        before: &Before<'_>,
        expected: Option<Sha256Digest>,
    ) -> Result<Option<Uploaded>, Failure> {
        let root = signed.root_before();
        let departed = Departed::of(&signed.draft, before.now);
        let tree = StagedTree::new(signed, arrivals, &self.descriptor()?)?
            .with_sums(sums)
            .with_departed(departed);
        let publishable = match selfcheck::check(tree, before) {
            Ok(publishable) => publishable,
            // What it was held against is another state by now.
            Err(_) if has_changed(store, expected, root)? => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        match upload::upload(store, publishable, expected, self.config.hashed_names) {
            Ok(uploaded) => Ok(Some(uploaded)),
            Err(UploadError::Lost) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// An extension that the catalog does not have is a wrong name on the command line, not a fault of what is published.
fn unknown_extension(error: PublishedError, name: &ExtensionName) -> Failure {
    match error {
        PublishedError::NoSuchExtension { .. } => DraftError::UnknownExtension(name.clone()).into(),
        error => error.into(),
    }
}

/// Whether somebody has published since the timestamp had this digest and the root this version. Where keys change, the root
/// may come first.
fn has_changed(
    store: &dyn Store,
    timestamp: Option<Sha256Digest>,
    root: MetadataVersion,
) -> Result<bool, LocationError> {
    if upload::timestamp(store)? != timestamp {
        return Ok(true);
    }
    let Some(next) = root.next() else {
        return Ok(false);
    };
    let place = Place::Metadata(RemoteFile::Root(next));
    Ok(store.read(&place, Limits::default().root)?.is_some())
}

/// What was just published was seen. It is published whether that can be remembered or not.
pub(crate) fn remember(mut memory: Memory, uploaded: &Uploaded, context: &Context) {
    for (file, bytes) in &uploaded.documents {
        let (file, version) = match file {
            RemoteFile::Root(version) => (CachedFile::Root, *version),
            RemoteFile::Snapshot(Some(version)) => (CachedFile::Snapshot, *version),
            RemoteFile::Timestamp => (CachedFile::Timestamp, MetadataVersion::ONE),
            RemoteFile::Snapshot(None) | RemoteFile::Targets(..) => continue,
        };
        if let Err(error) = memory.save(&file, version, bytes) {
            context.ui.warn(format_args!(
                "what was published can not be remembered on this machine: {error}"
            ));
        }
    }
}

/// A while that differs from run to run, so that two that met do not meet again.
pub(crate) fn jitter(attempt: u32) -> Duration {
    let mut random = [0; 2];
    // Without random bytes the pauses are the same, and the lock still decides.
    let _ = getrandom::fill(&mut random);
    let share = u64::from(u16::from_le_bytes(random)) * 400 / u64::from(u16::MAX);
    Duration::from_millis(u64::from(attempt) * (50 + share))
}
