//! `catalog add | list | show | remove | narrow`: who may provide what on this host.
//!
//! - The functions here decide and do; they return what happened and print nothing.
//! - Adding a catalog is the one moment of first trust: see [`add`].
//! - All of them are idempotent and say whether anything changed.

mod add;
mod error;
mod run;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;
use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::{CatalogId, ExtensionName, NamePattern};
use sysext_formats::time::UtcTime;

pub use self::add::{AddArgs, Added, FirstTrust, Source, SourceError, add};
pub use self::error::CatalogError;
use crate::config::edit::{narrow_catalog, remove_catalog};
use crate::config::{Catalog, Config};
use crate::metadata_store::TrustStore;
use crate::refresh::{CachedCatalog, RefreshProblem, Summaries, Wanted, cached};
use crate::root::Root;

/// `catalog`
#[derive(Debug, Args)]
pub struct CatalogArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: CatalogCommand,
}

/// `catalog …`
#[derive(Debug, Subcommand)]
pub enum CatalogCommand {
    /// Trust a catalog from now on
    Add(AddArgs),
    /// Show the catalogs of this host
    List,
    /// Show one catalog and what it offers
    Show {
        /// The catalog
        id: CatalogId,
    },
    /// Forget a catalog; what is installed from it keeps running
    Remove {
        /// The catalog
        id: CatalogId,
    },
    /// Say which extensions a catalog may provide
    Narrow {
        /// The catalog
        id: CatalogId,
        /// Names of extensions, each with at most one *
        #[arg(required = true, value_name = "PATTERN")]
        patterns: Vec<NamePattern>,
    },
}

/// A catalog in a list.
#[derive(Debug, Clone, Serialize)]
pub struct CatalogRow {
    /// Its id on this host.
    pub id: CatalogId,
    /// What it calls itself.
    pub title: String,
    /// Where it is.
    pub urls: Vec<String>,
    /// Which extensions it may provide.
    pub extensions: Vec<NamePattern>,
    /// The digest of the root that its trust began with.
    pub fingerprint: Option<Sha256Digest>,
    /// The file that describes it.
    pub file: PathBuf,
    /// When it was last refreshed in full.
    pub refreshed: Option<UtcTime>,
    /// Until when it is fresh.
    pub fresh_until: Option<UtcTime>,
    /// Whether it has expired.
    pub overdue: bool,
    /// How many extensions it offers and may provide.
    pub offers: usize,
    /// What went wrong since the last refresh, or why nothing is known of it.
    pub problem: Option<String>,
}

/// One catalog with what it offers.
#[derive(Debug, Clone, Serialize)]
pub struct CatalogDetails {
    /// What a list says about it.
    #[serde(flatten)]
    pub row: CatalogRow,
    /// The extensions it offers and may provide, with their summaries.
    pub offered: BTreeMap<ExtensionName, String>,
    /// The extensions of this host that come from it.
    pub used_by: Vec<ExtensionName>,
}

/// What [`remove`] or [`narrow`] did.
#[derive(Debug, Clone, Serialize)]
pub struct Changed {
    /// The catalog.
    pub id: CatalogId,
    /// Whether anything changed.
    pub changed: bool,
    /// Extensions of this host that get no updates any more because of it.
    pub affected: Vec<ExtensionName>,
}

/// The catalogs of this host, from what is stored: no network, no root rights.
#[must_use]
pub fn list(root: &Root, config: &Config, now: UtcTime) -> Vec<CatalogRow> {
    let mut seen = cached(root, config, now, &listed());
    let rows = config.catalogs.values().map(|catalog| {
        let seen = seen.remove(&catalog.descriptor.id);
        row(catalog, seen.as_ref())
    });
    rows.collect()
}

/// One catalog of this host, from what is stored.
///
/// # Errors
/// When there is no such catalog.
pub fn show(
    root: &Root,
    config: &Config,
    now: UtcTime,
    id: &CatalogId,
) -> Result<CatalogDetails, CatalogError> {
    let unknown = || CatalogError::Unknown(id.clone());
    let catalog = config.catalogs.get(id).ok_or_else(unknown)?;
    let seen = cached(root, config, now, &listed()).remove(id);
    let offered = seen.iter().flatten();
    let offered = offered.flat_map(|seen| seen.catalog.offered());
    Ok(CatalogDetails {
        row: row(catalog, seen.as_ref()),
        offered: offered
            .map(|(name, about)| (name.clone(), about.summary.clone()))
            .collect(),
        used_by: users(config, id).into_iter().collect(),
    })
}

/// Forgets a catalog and all that is trusted of it. What is installed stays and runs.
///
/// # Errors
/// When the files can not be changed.
pub fn remove(root: &Root, config: &Config, id: &CatalogId) -> Result<Changed, CatalogError> {
    // The configuration first: a run that is cut off in between leaves trust that nothing names.
    let removed = remove_catalog(root, id)?;
    let forgotten = TrustStore::new(root).forget(id)?;
    Ok(Changed {
        id: id.clone(),
        changed: removed || forgotten,
        affected: users(config, id).into_iter().collect(),
    })
}

/// Says which extensions a catalog may provide.
///
/// # Errors
/// When there is no such catalog, or the files can not be changed.
pub fn narrow(
    root: &Root,
    config: &Config,
    id: &CatalogId,
    patterns: &[NamePattern],
) -> Result<Changed, CatalogError> {
    if !config.catalogs.contains_key(id) {
        return Err(CatalogError::Unknown(id.clone()));
    }
    let outside = |name: &ExtensionName| !patterns.iter().any(|pattern| pattern.matches(name));
    Ok(Changed {
        id: id.clone(),
        changed: narrow_catalog(root, id, patterns)?,
        affected: users(config, id).into_iter().filter(outside).collect(),
    })
}

/// The extensions that are bound to a catalog.
fn users(config: &Config, id: &CatalogId) -> BTreeSet<ExtensionName> {
    let extensions = config.extensions.values();
    let users = extensions.filter(|extension| extension.wish.catalog.as_ref() == Some(id));
    users.map(|extension| extension.name.clone()).collect()
}

fn listed() -> Wanted {
    Wanted {
        summaries: Summaries::OfGroups,
        ..Wanted::default()
    }
}

fn row(catalog: &Catalog, seen: Option<&Result<CachedCatalog, RefreshProblem>>) -> CatalogRow {
    let descriptor = &catalog.descriptor;
    let mut row = CatalogRow {
        id: descriptor.id.clone(),
        title: descriptor.title.clone(),
        urls: descriptor.url.iter().map(crate::fetch::shown).collect(),
        extensions: descriptor.extensions.clone(),
        fingerprint: descriptor.root_sha256,
        file: catalog.file.clone(),
        refreshed: None,
        fresh_until: None,
        overdue: false,
        offers: 0,
        problem: None,
    };
    match seen {
        Some(Ok(seen)) => {
            row.refreshed = seen.catalog.refreshed;
            row.fresh_until = Some(seen.catalog.expires);
            row.overdue = seen.overdue;
            row.offers = seen.catalog.offered().count();
            let error = seen.error.as_ref().map(|error| error.message.clone());
            row.problem = error.or_else(|| seen.catalog.not_listed.first().cloned());
            if !seen.catalog.info.title.is_empty() {
                row.title.clone_from(&seen.catalog.info.title);
            }
        }
        Some(Err(problem)) => row.problem = Some(problem.in_one_line()),
        None => {}
    }
    row
}
