//! Makes links name other images, all or nothing, and makes systemd merge them.
//!
//! - Every change has a journal that is durable before the first link changes; killed at any point, [`recover`] puts the
//!   links back or writes down what was done.
//! - Each link changes by one atomic rename. Only links into our store are touched; whatever else has a name of ours is
//!   somebody else's, and reported. The one exception are links that a [`Switch`] names as displaced, for `import`.
//! - After a merge it is checked that what should be merged is: the loop device behind it is *our store file*, by device
//!   and inode. When it is not, all links are put back and merged, then the changes are tried one extension at a time:
//!   what fails alone is quarantined, the rest is committed.
//! - What is quarantined is on the extension's skip list before the journal ends, so that no later run merges it again.
//! - Only a [`StagedImage`] can be linked, except by [`relink`], which takes what the store has from an earlier run.
//!
//! What it does not do: take the lock ([`Store::lock`], the caller holds it), or decide what to link.

mod check;
mod displaced;
mod links;
mod moved;
mod outdated;
mod quarantine;
mod recover;
mod run;
mod settle;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use sysext_formats::name::ExtensionName;
use sysext_formats::time::UtcTime;

pub use self::check::running;
use self::links::{Held, LinkDirectory, SearchPath};
pub use self::links::{LinkKind, LinkState, links};
pub use self::moved::move_links;
pub use self::outdated::{Outdated, outdated};
pub use self::quarantine::NotSkipped;
pub use self::recover::{Recovered, recover};
use self::run::{Run, Step};
pub use self::settle::{Settled, settle};
use crate::config::{Activation, Extension, RefreshPolicy};
use crate::history::{self, Cause, Changed, Quarantined};
use crate::journal::{Change, Displaced, Journal, root_id};
use crate::root::Root;
use crate::stage::StagedImage;
use crate::store::{Store, StoreError, StoredImage};
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
    /// The extensions that are configured, with what each skips already.
    pub extensions: &'a BTreeMap<ExtensionName, Extension>,
    /// Who merges.
    pub systemd: &'a dyn Merger,
    /// The time, for the record.
    pub now: UtcTime,
    /// What links are changed for, for the record.
    pub cause: Cause,
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
    /// Links of others that make way for it, and are put back with it when it does not merge.
    pub displaced: Vec<Displaced>,
}

impl Switch {
    /// A switch that touches nothing of others.
    #[must_use]
    pub fn new(name: ExtensionName, to: Option<StagedImage>) -> Self {
        Self {
            name,
            to,
            displaced: Vec::new(),
        }
    }
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
    /// Quarantined versions that could not be put on the skip list.
    #[serde(skip)]
    pub not_skipped: Vec<NotSkipped>,
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

/// Why links could not be changed, or not in full. They are as they were before, unless it says otherwise.
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
    /// The links were switched, but the journal could not say so: as they would be put back by the next run, they were
    /// at once.
    #[error("the new links could not be written down, so the old ones were put back")]
    NotWrittenDown(#[source] StoreError),
    /// The links were switched and hold; only the record of it is missing. The journal stays.
    #[error("the links were changed, but the history could not be written")]
    NotRecorded(#[source] StoreError),
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
    run.journal.cause = site.cause;
    run.journal.merge = run.merged_before.is_some();
    run.journal.write(site.store)?;
    let committed = run.all_or_each(&steps, &mut applied)?;
    run.commit(&committed, &mut applied)?;
    Ok(applied)
}

/// Merges what is linked and does not run yet, as an earlier run left it for the next boot. Links stay as they are.
///
/// # Errors
/// When systemd can not be asked, or does not merge all of it; in words.
pub fn merge_waiting(site: &Site<'_>, policy: RefreshPolicy) -> Result<Merge, String> {
    let words = |error: SystemdError| error.to_string();
    if policy == RefreshPolicy::Never || !site.systemd.can_merge(site.root) {
        return Ok(Merge::NotAsked);
    }
    let Ok(merged) = site.systemd.merged() else {
        return Ok(Merge::NotAsked);
    };
    if policy == RefreshPolicy::IfMerged && merged.is_empty() {
        return Ok(Merge::NotAsked);
    }
    let states = links(site.root, site.activation).map_err(|error| error.to_string())?;
    let effective = states.iter().filter(|state| state.shadowed_by.is_none());
    let linked: Vec<_> = effective
        .filter_map(|state| match &state.kind {
            LinkKind::Ours { sha256, .. } => site.store.find(sha256).ok()?,
            _ => None,
        })
        .collect();
    let running = running(site.systemd, &linked).map_err(words)?;
    if running.len() == linked.len() {
        return Ok(Merge::NotAsked);
    }
    site.systemd.refresh().map_err(words)?;
    let linked: Vec<_> = linked.iter().collect();
    check::check(site.systemd, &linked, std::iter::empty())?;
    Ok(Merge::Done)
}

/// Makes one link name an image, or removes it, without a journal and without a merge: for the boot guard, which does the
/// same anew when it was interrupted, before anything is merged.
///
/// # Errors
/// When the file system fails, or the link is not ours any more.
pub fn relink(
    root: &Root,
    store: &Store,
    activation: Activation,
    name: &ExtensionName,
    image: Option<&StoredImage>,
) -> Result<(), StoreError> {
    let target = image.map(|image| store.link_target(image));
    LinkDirectory::create(root, activation)?.set(name, target.as_deref())
}

/// Removes temporary links that crashed runs left. The caller holds the lock.
///
/// # Errors
/// When one can not be removed.
pub fn sweep(root: &Root, activation: Activation) -> Result<(), StoreError> {
    LinkDirectory::open(root, activation)?.map_or(Ok(()), |directory| directory.sweep())
}

/// Sorts out what changes nothing and what is not ours.
fn sort<'a>(
    site: &Site<'_>,
    directory: &LinkDirectory,
    switches: &'a [Switch],
    applied: &mut Applied,
) -> Result<Vec<Step<'a>>, ActivateError> {
    let search = SearchPath::list(site.root);
    let mut steps = Vec::new();
    for switch in switches {
        let name = &switch.name;
        let (from, target) = match directory.held(name.as_str())? {
            Held::Nothing => (None, None),
            Held::Ours(link, target) => (Some(link), Some(target)),
            Held::Foreign(_) if directory.is_displaced(name.as_str(), &switch.displaced) => {
                (None, None)
            }
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
        let shadow = to
            .as_ref()
            .and_then(|_| search.shadow(directory.path(), name.as_str(), &switch.displaced));
        if let Some(by) = &shadow {
            applied.shadowed.push(Shadowed {
                name: name.clone(),
                by: by.clone(),
            });
        }
        if to == target && switch.displaced.is_empty() {
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
                displaced: switch.displaced.clone(),
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
