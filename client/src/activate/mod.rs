//! Makes links name other images, all or nothing, and makes systemd merge them.
//!
//! - Every change has a journal that is durable before the first link changes; killed at any point, [`recover`] puts the
//!   links back or writes down what was done.
//! - Each link changes by one atomic rename. Only links into our store are ever touched; whatever else has a name of
//!   ours is somebody else's, and reported.
//! - After a merge it is checked that what should be merged is: the loop device behind it is *our store file*, by device
//!   and inode. When it is not, all links are put back and merged, then the changes are tried one extension at a time:
//!   what fails alone is quarantined, the rest is committed.
//! - Only a [`StagedImage`] can be linked.
//!
//! What it does not do: take the lock ([`Store::lock`], the caller holds it), decide what to link, or remember a
//! quarantine beyond the history: the caller writes it into the desired state.

mod check;
mod links;
mod recover;

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Serialize;
use sysext_formats::name::ExtensionName;
use sysext_formats::time::UtcTime;

use self::links::{Held, LinkDirectory};
pub use self::links::{LinkKind, LinkState, links};
pub use self::recover::{Recovered, recover};
use crate::config::{Activation, RefreshPolicy};
use crate::history::{self, Changed, ImageRef, Quarantined, Transaction};
use crate::journal::{Change, Journal, Phase, root_id};
use crate::root::Root;
use crate::stage::StagedImage;
use crate::store::{LinkTarget, Store, StoreError};
use crate::systemd::{Merger, SystemdError};

/// Where links are changed, and with whom.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    /// The root.
    pub root: &'a Root,
    /// Its store.
    pub store: &'a Store,
    /// Which of its directories holds the links.
    pub activation: Activation,
    /// Who merges.
    pub systemd: &'a dyn Merger,
    /// The time, for the record.
    pub now: UtcTime,
}

impl std::fmt::Debug for Site<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site")
            .field("root", self.root)
            .field("activation", &self.activation)
            .finish_non_exhaustive()
    }
}

/// What one extension's link shall name.
#[derive(Debug, Clone)]
pub struct Switch {
    /// The extension.
    pub name: ExtensionName,
    /// The image; `None` for no link.
    pub to: Option<StagedImage>,
}

/// What became of the switches.
#[derive(Debug, Default, Serialize)]
pub struct Applied {
    /// The transaction's number in the history, where anything changed.
    pub transaction: Option<u64>,
    /// Links that changed.
    pub changed: Vec<Changed>,
    /// Extensions whose links named that already.
    pub unchanged: Vec<ExtensionName>,
    /// Changes that were put back, because systemd could not merge them.
    pub quarantined: Vec<Quarantined>,
    /// Changes that were not made, because something of that name is not ours.
    pub foreign: Vec<Foreign>,
    /// Links that have no effect, because something of that name comes earlier in systemd's search path.
    pub shadowed: Vec<Shadowed>,
    /// Whether it takes effect now.
    pub merge: Merge,
}

/// Whether linked images are merged now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Merge {
    /// systemd was not asked to: at the next boot.
    #[default]
    NotAsked,
    /// They are, and were seen to be.
    Done,
    /// systemd can not be asked here, so at the next boot; in words, why.
    Unavailable(String),
}

/// Something of an extension's name that is not ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Foreign {
    /// The extension.
    pub name: ExtensionName,
    /// What is there.
    pub path: PathBuf,
    /// Where it leads, if it is a link.
    pub target: Option<PathBuf>,
}

/// A link that has no effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shadowed {
    /// The extension.
    pub name: ExtensionName,
    /// What systemd takes instead.
    pub by: PathBuf,
}

/// Why links could not be changed. They are as they were before, unless it says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum ActivateError {
    /// The file system failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Putting links back failed, too: the journal stays, and the next run tries again.
    #[error("{cause}; then the links could not be put back, which the next run tries again")]
    NotPutBack {
        /// What failed first, in words.
        cause: String,
        /// What failed then.
        source: StoreError,
    },
    /// With the links of before systemd can not merge either, so the changes are not to blame.
    #[error(
        "systemd-sysext can not merge, with the new links ({with_new}) nor with the old ones, which were put back"
    )]
    CanNotMerge {
        /// What it said to the new ones.
        with_new: String,
        /// What it said to the old ones.
        source: SystemdError,
    },
    /// An earlier run did not come to its end, and was not recovered.
    #[error("an earlier change of these links did not come to its end and was not recovered")]
    Pending,
}

impl From<sysext_durable::Error> for ActivateError {
    fn from(error: sysext_durable::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Switches links, all or nothing, and merges them as `policy` says.
///
/// # Errors
/// When nothing could be changed; see [`ActivateError`] for what is left then.
pub fn apply(
    site: &Site<'_>,
    switches: &[Switch],
    policy: RefreshPolicy,
) -> Result<Applied, ActivateError> {
    if Journal::is_pending(site.store, site.root) {
        return Err(ActivateError::Pending);
    }
    let directory = LinkDirectory::create(site.root, site.activation)?;
    let mut applied = Applied::default();
    let steps = sort(site, &directory, switches, &mut applied)?;
    if steps.is_empty() {
        return Ok(applied);
    }
    let merged_before = match before(site, &directory, policy)? {
        Before::Merge(names) => Some(names),
        Before::Leave(merge) => {
            applied.merge = merge;
            None
        }
    };
    let mut run = Run {
        site,
        directory,
        merged_before,
        journal: journal(site, &steps)?,
    };
    run.journal.merge = run.merged_before.is_some();
    run.journal.write(site.store)?;
    let committed = run.all_or_each(&steps, &mut applied)?;
    run.commit(&committed, &mut applied)?;
    Ok(applied)
}

/// A switch that changes something.
#[derive(Debug)]
struct Step<'a> {
    switch: &'a Switch,
    from: Option<LinkTarget>,
    change: Change,
    /// What systemd takes instead of the new link.
    shadow: Option<PathBuf>,
}

/// Sorts out what changes nothing and what is not ours.
fn sort<'a>(
    site: &Site<'_>,
    directory: &LinkDirectory,
    switches: &'a [Switch],
    applied: &mut Applied,
) -> Result<Vec<Step<'a>>, ActivateError> {
    let mut steps = Vec::new();
    for switch in switches {
        let name = &switch.name;
        let (from, target) = match directory.held(name.as_str())? {
            Held::Nothing => (None, None),
            Held::Ours(link, target) => (Some(link), Some(target)),
            Held::Foreign(target) => {
                applied.foreign.push(Foreign {
                    name: name.clone(),
                    path: directory.path_of(name.as_str()),
                    target,
                });
                continue;
            }
        };
        let to = switch
            .to
            .as_ref()
            .map(|image| site.store.link_target(image.stored()));
        let shadow = to.as_ref().and_then(|_| directory.shadow(name.as_str()));
        if let Some(by) = &shadow {
            applied.shadowed.push(Shadowed {
                name: name.clone(),
                by: by.clone(),
            });
        }
        if to == target {
            applied.unchanged.push(name.clone());
            continue;
        }
        steps.push(Step {
            switch,
            from,
            change: Change {
                name: name.clone(),
                from: target,
                to,
            },
            shadow,
        });
    }
    Ok(steps)
}

enum Before {
    /// These names are merged, and the new links shall be.
    Merge(Vec<String>),
    /// Nothing is merged now.
    Leave(Merge),
}

/// Whether to merge, and what is merged before.
fn before(
    site: &Site<'_>,
    directory: &LinkDirectory,
    policy: RefreshPolicy,
) -> Result<Before, ActivateError> {
    if policy == RefreshPolicy::Never || !site.systemd.can_merge(site.root) {
        return Ok(Before::Leave(Merge::NotAsked));
    }
    let names = match site.systemd.merged() {
        Ok(names) => names,
        Err(error) => {
            let reason = error.to_string();
            return Ok(Before::Leave(Merge::Unavailable(reason)));
        }
    };
    let wanted = match policy {
        RefreshPolicy::Always => true,
        _ => !names.is_empty() || directory.is_empty()?,
    };
    Ok(if wanted {
        Before::Merge(names)
    } else {
        Before::Leave(Merge::NotAsked)
    })
}

fn journal(site: &Site<'_>, steps: &[Step<'_>]) -> Result<Journal, ActivateError> {
    let changes = steps.iter().map(|step| step.change.clone()).collect();
    let number = history::next_number(site.store)?;
    let root = root_id(site.root);
    Ok(Journal::new(
        root,
        site.activation,
        site.now,
        number,
        changes,
    ))
}

/// One transaction while it runs.
struct Run<'a> {
    site: &'a Site<'a>,
    directory: LinkDirectory,
    /// What was merged before, where the new links are to be merged.
    merged_before: Option<Vec<String>>,
    journal: Journal,
}

impl Run<'_> {
    /// Switches and merges all, or what of it can be merged. Answers with the steps that hold.
    fn all_or_each<'s, 'a>(
        &mut self,
        steps: &'s [Step<'a>],
        applied: &mut Applied,
    ) -> Result<Vec<&'s Step<'a>>, ActivateError> {
        let all: Vec<_> = steps.iter().collect();
        self.switch(&[], &all)?;
        let Some(before) = &self.merged_before else {
            return Ok(all);
        };
        applied.merge = Merge::Done;
        let Err(failure) = self.merge(before, &all) else {
            return Ok(all);
        };
        tracing::warn!(reason = %failure, "the merge failed, all links are put back");
        self.restore(&all, &[], &failure)?;
        if let [only] = all.as_slice() {
            quarantine(only, failure, applied);
            return Ok(Vec::new());
        }
        let mut good: Vec<&Step<'_>> = Vec::new();
        for step in all {
            let before = self.site.systemd.merged().unwrap_or_default();
            self.switch(&good, &[step])?;
            let mut trial = good.clone();
            trial.push(step);
            match self.merge(&before, &trial) {
                Ok(()) => good = trial,
                Err(failure) => {
                    self.restore(&[step], &good, &failure)?;
                    quarantine(step, failure, applied);
                }
            }
        }
        Ok(good)
    }

    /// Switches the links of `steps`, while those of `good` are switched already. Where one fails, all are put back.
    fn switch(&self, good: &[&Step<'_>], steps: &[&Step<'_>]) -> Result<(), ActivateError> {
        for (index, step) in steps.iter().enumerate() {
            if let Err(error) = self
                .directory
                .set(&step.change.name, step.change.to.as_deref())
            {
                let done = steps.get(..index).unwrap_or_default();
                self.put_back(done, &error.to_string())?;
                self.put_back(good, &error.to_string())?;
                self.journal.remove(self.site.store)?;
                return Err(error.into());
            }
        }
        let images = steps
            .iter()
            .filter_map(|step| Some((step, step.switch.to.as_ref()?)));
        let paths = images.flat_map(|(step, image)| {
            let link = self.directory.path_of(step.change.name.as_str());
            [link, image.stored().path.clone()]
        });
        self.site.systemd.relabel(&paths.collect::<Vec<_>>());
        Ok(())
    }

    /// Puts links back and merges what they name. Where that fails too, the changes were not to blame: those in `good`
    /// are put back as well.
    fn restore(
        &self,
        steps: &[&Step<'_>],
        good: &[&Step<'_>],
        cause: &str,
    ) -> Result<(), ActivateError> {
        self.put_back(steps, cause)?;
        let Err(source) = self.site.systemd.refresh() else {
            return Ok(());
        };
        self.put_back(good, cause)?;
        self.journal.remove(self.site.store)?;
        Err(ActivateError::CanNotMerge {
            with_new: cause.to_owned(),
            source,
        })
    }

    fn put_back(&self, steps: &[&Step<'_>], cause: &str) -> Result<(), ActivateError> {
        for step in steps.iter().rev() {
            self.directory
                .set(&step.change.name, step.change.from.as_deref())
                .map_err(|source| ActivateError::NotPutBack {
                    cause: cause.to_owned(),
                    source,
                })?;
        }
        Ok(())
    }

    /// Merges, and sees that what should be merged is; the error is the reason in words.
    fn merge(&self, before: &[String], steps: &[&Step<'_>]) -> Result<(), String> {
        let systemd = self.site.systemd;
        systemd.refresh().map_err(|error| error.to_string())?;
        let images: Vec<_> = steps
            .iter()
            .filter(|step| step.shadow.is_none())
            .filter_map(|step| step.switch.to.as_ref())
            .map(StagedImage::stored)
            .collect();
        let changed: BTreeSet<_> = steps.iter().map(|step| step.change.name.as_str()).collect();
        let kept = before
            .iter()
            .map(String::as_str)
            .filter(|name| !changed.contains(name));
        check::check(systemd, &images, kept)
    }

    /// Writes down what holds, and ends the journal.
    fn commit(&mut self, steps: &[&Step<'_>], applied: &mut Applied) -> Result<(), ActivateError> {
        let store = self.site.store;
        self.journal.changes = steps.iter().map(|step| step.change.clone()).collect();
        self.journal.phase = Phase::Done;
        self.journal.write(store)?;
        applied.changed = steps
            .iter()
            .map(|step| Changed {
                name: step.change.name.clone(),
                from: step
                    .from
                    .as_ref()
                    .map(|link| ImageRef::of_link(link, store)),
                to: step
                    .switch
                    .to
                    .as_ref()
                    .map(|image| ImageRef::of(image.stored())),
            })
            .collect();
        if !steps.is_empty() || !applied.quarantined.is_empty() {
            record(self.site, &self.journal, applied)?;
        }
        Ok(self.journal.remove(store)?)
    }
}

fn record(site: &Site<'_>, journal: &Journal, applied: &mut Applied) -> Result<(), StoreError> {
    let number = journal.transaction;
    let mut transaction = Transaction::new(
        number,
        journal.root.clone(),
        journal.time,
        applied.changed.clone(),
    );
    transaction.quarantined.clone_from(&applied.quarantined);
    transaction.record(site.store)?;
    applied.transaction = Some(number);
    Ok(())
}

fn quarantine(step: &Step<'_>, reason: String, applied: &mut Applied) {
    let image = step.switch.to.as_ref();
    applied.quarantined.push(Quarantined {
        name: step.change.name.clone(),
        version: image.map(|image| image.stored().version().clone()),
        reason,
    });
}
