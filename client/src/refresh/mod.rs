//! Fresh catalogs: one pass over all of them, side by side.
//!
//! - Per catalog: the next root, `timestamp.json`, and only when that changed the snapshot, `targets.json` and the
//!   indexes of the extensions that are asked for, several at once. Nothing new costs two requests, whatever the number of
//!   extensions; within half a day no document comes then, from a server that knows conditions.
//! - One catalog's failure never touches another; one extension's index never another's.
//! - Mirrors are tried in order. One that serves older or broken bytes is a note against that mirror, and the next one is
//!   asked; when none is left, the worst of their problems is the catalog's.
//! - Time is read by the caller, once. A clock before the last successful refresh is noted, and that time used instead.
//! - The root that a catalog starts from is pinned by its descriptor; [`metadata_store`](crate::metadata_store) says how
//!   trust goes on from there.
//! - Indexes behind `_GROUP` roles are found like any other, by the one group on their way. The groups' summaries are
//!   read only where a list is asked for ([`Summaries`]).

mod anchor;
mod catalog;
mod groups;
mod index;
mod known;
mod problem;
mod remote;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use sysext_formats::catalog::{CatalogInfo, Descriptor, ExtensionIndex, ExtensionSummary};
use sysext_formats::name::{CatalogId, ExtensionName};
use sysext_formats::time::UtcTime;
use sysext_formats::trust::ExpiryPolicy;
use url::Url;

use self::catalog::Job;
pub use self::problem::{ProblemKind, RefreshProblem};
pub use self::remote::CatalogRemote;
pub(crate) use self::remote::below;
use crate::config::Config;
use crate::fetch::{Fetcher, Network};
use crate::metadata_store::{LastError, Seen, TrustStore};
use crate::root::Root;

/// What is needed of the catalogs besides their top roles.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The extensions whose indexes are, of each catalog.
    pub indexes: BTreeMap<CatalogId, BTreeSet<ExtensionName>>,
    /// The summaries that are.
    pub summaries: Summaries,
}

/// Whose lines about extensions are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Summaries {
    /// Those of `targets.json`, which is read anyway.
    #[default]
    OfTargets,
    /// Those of its groups, too: to list and to search.
    OfGroups,
}

/// A result for each catalog.
pub type Catalogs<T> = BTreeMap<CatalogId, Result<T, RefreshProblem>>;

/// Where metadata may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// From the catalog's mirrors.
    Online,
    /// What is stored must do. Nothing is written.
    CachedOnly,
}

/// A catalog whose metadata passed every check, expiry included, at the time of the refresh.
#[derive(Debug)]
pub struct FreshCatalog {
    /// Its id on this host.
    pub id: CatalogId,
    /// How this host knows it.
    pub descriptor: Descriptor,
    /// What it says about itself.
    pub info: CatalogInfo,
    /// The extensions of [`info`](Self::info) that nothing was ever published of: those who were given their names
    /// have not signed anything yet.
    pub unpublished: BTreeSet<ExtensionName>,
    /// Groups whose lines were asked for and could not be read.
    pub unread_groups: usize,
    /// What a list of its extensions lacks, in words.
    pub not_listed: Vec<String>,
    /// Where the catalog has moved to, by its own signed word: these are tried first.
    pub moved_to: Vec<Url>,
    /// The indexes that were asked for.
    pub indexes: BTreeMap<ExtensionName, Result<ExtensionIndex, RefreshProblem>>,
    /// Since when this host knows the images of those indexes.
    pub seen: Seen,
    /// When the indexes that could be read expire.
    pub index_expires: BTreeMap<ExtensionName, UtcTime>,
    /// The directories of its images, in the order in which they are tried.
    pub image_bases: Vec<Url>,
    /// When the first of its top roles expires.
    pub expires: UtcTime,
    /// When it was last refreshed in full.
    pub refreshed: Option<UtcTime>,
    /// What somebody should know: mirrors that failed, a clock that is wrong.
    pub notes: Vec<String>,
}

impl FreshCatalog {
    /// Whether it has this extension, by its table of contents or by an index that was read, and may provide it.
    #[must_use]
    pub fn offers(&self, name: &ExtensionName) -> bool {
        let listed = self.info.extensions.contains_key(name)
            || matches!(self.indexes.get(name), Some(Ok(_)));
        listed && self.descriptor.may_provide(name)
    }

    /// The extensions that it lists and may provide.
    pub fn offered(&self) -> impl Iterator<Item = (&ExtensionName, &ExtensionSummary)> {
        let extensions = self.info.extensions.iter();
        extensions.filter(|(name, _)| self.descriptor.may_provide(name))
    }
}

/// A catalog as it is stored, for commands that only look.
#[derive(Debug)]
pub struct CachedCatalog {
    /// Its content. Signatures were checked, expiry was not.
    pub catalog: FreshCatalog,
    /// Whether it has expired, so that no update may come of it.
    pub overdue: bool,
    /// What went wrong since it was last refreshed.
    pub error: Option<LastError>,
}

/// Refreshes all catalogs of the configuration.
#[must_use]
pub fn refresh_all(
    root: &Root,
    config: &Config,
    fetcher: &Fetcher,
    now: UtcTime,
    wanted: &Wanted,
    mode: Mode,
) -> Catalogs<FreshCatalog> {
    let job = |id: &CatalogId, descriptor: &Descriptor| {
        let none = BTreeSet::new();
        let job = Job {
            root,
            trust: TrustStore::new(root),
            descriptor,
            wanted: wanted.indexes.get(id).unwrap_or(&none),
            summaries: wanted.summaries,
            now,
            expiry: ExpiryPolicy::Enforce,
        };
        match mode {
            Mode::Online => job.online(fetcher),
            Mode::CachedOnly => job.cached(),
        }
    };
    side_by_side(config, config.settings.parallel.into(), job)
}

/// Refreshes one catalog that need not be in the configuration yet.
///
/// # Errors
/// When it can not be refreshed.
pub fn refresh_one(
    root: &Root,
    descriptor: &Descriptor,
    fetcher: &Fetcher,
    now: UtcTime,
) -> Result<FreshCatalog, RefreshProblem> {
    let job = Job {
        root,
        trust: TrustStore::new(root),
        descriptor,
        wanted: &BTreeSet::new(),
        summaries: Summaries::OfTargets,
        now,
        expiry: ExpiryPolicy::Enforce,
    };
    job.online(fetcher)
}

/// What is stored of all catalogs, for commands that look without a network and without root rights.
#[must_use]
pub fn cached(
    root: &Root,
    config: &Config,
    now: UtcTime,
    wanted: &Wanted,
) -> Catalogs<CachedCatalog> {
    side_by_side(config, 1, |id, descriptor| {
        let none = BTreeSet::new();
        let trust = TrustStore::new(root);
        let job = Job {
            root,
            trust: trust.clone(),
            descriptor,
            wanted: wanted.indexes.get(id).unwrap_or(&none),
            summaries: wanted.summaries,
            now,
            expiry: ExpiryPolicy::Ignore,
        };
        let catalog = job.cached()?;
        let state = job.state().map_err(RefreshProblem::Store)?;
        Ok(CachedCatalog {
            overdue: catalog.expires <= now,
            error: state.error,
            catalog,
        })
    })
}

fn side_by_side<T: Send>(
    config: &Config,
    threads: usize,
    work: impl Fn(&CatalogId, &Descriptor) -> Result<T, RefreshProblem> + Sync,
) -> Catalogs<T> {
    let queue = Mutex::new(config.catalogs.iter());
    let next = || queue.lock().ok()?.next();
    let run = || {
        let mut done = Vec::new();
        while let Some((id, catalog)) = next() {
            done.push((id.clone(), work(id, &catalog.descriptor)));
        }
        done
    };
    let threads = threads.clamp(1, config.catalogs.len().max(1));
    if threads == 1 {
        return run().into_iter().collect();
    }
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        let done = workers.into_iter().map(|worker| worker.join());
        done.flat_map(|done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

/// Notes of one refresh, about its mirrors.
#[derive(Debug)]
struct Notes<'a> {
    mirrors: &'a [Url],
    notes: Vec<String>,
}

impl Notes<'_> {
    fn mirror(&mut self, mirror: usize, problem: &RefreshProblem) {
        if let Some(url) = self.mirrors.get(mirror) {
            let url = crate::fetch::shown(url);
            self.notes.push(format!("{url}: {}", problem.in_one_line()));
        }
    }
}

/// The mode that goes with a network.
impl From<Network> for Mode {
    fn from(network: Network) -> Self {
        match network {
            Network::Online => Self::Online,
            Network::Offline => Self::CachedOnly,
        }
    }
}
