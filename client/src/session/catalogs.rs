//! The catalogs of a command: refreshed, or as they were at their last refresh.

use std::collections::BTreeSet;
use std::time::Duration;

use sysext_formats::name::{CatalogId, ExtensionName};

use super::{Catalogs, Session};
use crate::config::Catalog;
use crate::failure::Failure;
use crate::refresh::{self, CachedCatalog, FreshCatalog, Mode, RefreshProblem, Summaries, Wanted};

/// Older data is said to be old: twice the timer's day.
const STALE: Duration = Duration::from_secs(48 * 3_600);

impl Session {
    /// Refreshes every catalog, with the indexes of `names` from each catalog that may offer them.
    ///
    /// # Errors
    /// When no way to the network can be made; single catalogs fail in the result.
    pub fn refresh(&self, names: &BTreeSet<ExtensionName>) -> Result<Catalogs, Failure> {
        self.refreshed(&self.wanted(names), self.network.into())
    }

    /// The catalogs as they were at their last refresh; expiry counts, so that updates may come of them.
    ///
    /// # Errors
    /// As [`refresh`](Self::refresh).
    pub fn not_refreshed(&self, names: &BTreeSet<ExtensionName>) -> Result<Catalogs, Failure> {
        self.refreshed(&self.wanted(names), Mode::CachedOnly)
    }

    fn refreshed(&self, wanted: &Wanted, mode: Mode) -> Result<Catalogs, Failure> {
        let catalogs = refresh::refresh_all(
            &self.root,
            &self.config,
            &self.fetcher()?,
            self.now,
            wanted,
            mode,
        );
        for note in catalogs
            .values()
            .flatten()
            .flat_map(|catalog| &catalog.notes)
        {
            self.ui.warn(note);
        }
        Ok(catalogs)
    }

    /// The catalogs as they were at their last refresh, to look at: whatever their expiry, without a network.
    #[must_use]
    pub fn cached(&self, names: &BTreeSet<ExtensionName>) -> Catalogs {
        self.cached_of(&self.wanted(names))
    }

    fn cached_of(&self, wanted: &Wanted) -> Catalogs {
        let cached = refresh::cached(&self.root, &self.config, self.now, wanted);
        let with_notes = |cached: CachedCatalog| {
            let CachedCatalog {
                mut catalog,
                overdue,
                error,
            } = cached;
            catalog
                .notes
                .extend(overdue.then(|| format!("overdue since {}", catalog.expires)));
            catalog
                .notes
                .extend(error.map(|error| format!("{} (at {})", error.message, error.time)));
            catalog
        };
        cached
            .into_iter()
            .map(|(id, catalog)| (id, catalog.map(with_notes)))
            .collect()
    }

    /// The catalogs for a command that only looks: as they were at their last refresh, or fresh where an index that is
    /// asked for was never fetched and this process may fetch it.
    ///
    /// # Errors
    /// When no way to the network can be made.
    pub fn look(&self, names: &BTreeSet<ExtensionName>) -> Result<Catalogs, Failure> {
        self.looked_at(&self.every_catalogs_part(names))
    }

    /// The same with what every catalog lists, that of its groups too.
    ///
    /// # Errors
    /// As [`look`](Self::look).
    pub fn look_at_lists(&self) -> Result<Catalogs, Failure> {
        self.looked_at(&Wanted {
            summaries: Summaries::OfGroups,
            ..Wanted::default()
        })
    }

    fn looked_at(&self, wanted: &Wanted) -> Result<Catalogs, Failure> {
        let cached = self.cached_of(wanted);
        let complete = cached.values().all(|catalog| {
            let Ok(catalog) = catalog else { return false };
            let mut indexes = catalog.indexes.values();
            catalog.unread_groups == 0 && indexes.all(is_settled)
        });
        if complete || !self.is_online() {
            return Ok(cached);
        }
        if self.lock.is_none() && !rustix::process::geteuid().is_root() {
            self.ui.warn(
                "this is from the last refresh; with root rights it would be refreshed now (sudo)",
            );
            return Ok(cached);
        }
        self.refreshed(wanted, Mode::Online)
    }

    /// Says how old the data is that a looking command shows, where that matters.
    pub fn say_age(&self, catalogs: &Catalogs) {
        for (id, catalog) in catalogs {
            match catalog {
                Ok(FreshCatalog {
                    refreshed: Some(refreshed),
                    ..
                }) if self.now.since(*refreshed) > STALE => {
                    self.ui.say(format_args!(
                        "\"{id}\" was last refreshed {refreshed}; sysext-fetch update refreshes it"
                    ));
                }
                Ok(_) => {}
                Err(problem) => {
                    let failure = Failure::from(problem);
                    self.ui.complain(
                        &failure.messages.join(": "),
                        failure.hints.first().map(String::as_str),
                    );
                }
            }
        }
    }

    /// Whose indexes are needed: of the catalog that an extension is bound to, or of all.
    fn wanted(&self, names: &BTreeSet<ExtensionName>) -> Wanted {
        let mut wanted = self.every_catalogs_part(names);
        for (id, names) in &mut wanted.indexes {
            names.retain(|name| {
                let extension = self.config.extensions.get(name);
                let bound = extension.and_then(|extension| extension.wish.catalog.as_ref());
                bound.is_none_or(|bound| bound == id)
            });
        }
        wanted
    }

    fn every_catalogs_part(&self, names: &BTreeSet<ExtensionName>) -> Wanted {
        let wanted_of = |(id, catalog): (&CatalogId, &Catalog)| {
            let names = names
                .iter()
                .filter(|name| catalog.descriptor.may_provide(name));
            (id.clone(), names.cloned().collect())
        };
        Wanted {
            indexes: self.config.catalogs.iter().map(wanted_of).collect(),
            summaries: Summaries::OfTargets,
        }
    }
}

/// Whether what is stored says all that there is to say of an index: what it holds, or that there is none.
fn is_settled<T>(index: &Result<T, RefreshProblem>) -> bool {
    match index {
        Ok(_) => true,
        Err(problem) => matches!(
            problem,
            RefreshProblem::NotOffered { .. } | RefreshProblem::NotPublished { .. }
        ),
    }
}
