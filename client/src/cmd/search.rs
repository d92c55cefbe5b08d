//! `search`: the extensions that catalogs offer, from their tables of contents; no index is fetched.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use sysext_formats::name::{CatalogId, ExtensionName};

use crate::cli::Global;
use crate::failure::Failure;
use crate::session::{Catalogs, Session};
use crate::ui::{Table, Ui};

/// What a host without any catalog is told.
const NO_CATALOG: &str =
    "no catalog is configured, so nothing is offered: sysext-fetch catalog add URL#sha256=HEX";

/// `search [WORD]`
#[derive(Debug, Args)]
pub struct Search {
    /// Part of a name or summary; everything where it is left out
    word: Option<String>,
}

/// One line about an extension that a catalog offers.
#[derive(Debug, Serialize)]
pub(super) struct Offered {
    pub(super) name: ExtensionName,
    pub(super) catalog: CatalogId,
    pub(super) summary: String,
    pub(super) installed: bool,
    /// Whether anything was published of it: it can not be installed before.
    pub(super) published: bool,
}

impl Search {
    /// Prints what matches.
    ///
    /// # Errors
    /// When the configuration can not be read.
    pub fn run(self, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
        let session = Session::open(global, ui)?;
        let catalogs = session.look_at_lists()?;
        let word = self.word.unwrap_or_default().to_lowercase();
        let mut found = offered(&session, &catalogs);
        found.retain(|offer| {
            offer.name.as_str().contains(&word) || offer.summary.to_lowercase().contains(&word)
        });
        session.say_age(&catalogs);
        ui.list("search", "extensions", &found, || text(&found));
        Ok(ExitCode::SUCCESS)
    }
}

/// Everything that the catalogs offer and may offer.
pub(super) fn offered(session: &Session, catalogs: &Catalogs) -> Vec<Offered> {
    if session.config.catalogs.is_empty() {
        session.ui.warn(NO_CATALOG);
    }
    let mut offered = Vec::new();
    for (id, catalog) in catalogs {
        let Ok(catalog) = catalog else { continue };
        catalog
            .not_listed
            .iter()
            .for_each(|note| session.ui.warn(note));
        for (name, summary) in catalog
            .info
            .extensions
            .iter()
            .filter(|(name, _)| catalog.offers(name))
        {
            offered.push(Offered {
                name: name.clone(),
                catalog: id.clone(),
                summary: summary.summary.clone(),
                installed: session.config.extensions.contains_key(name),
                published: !catalog.unpublished.contains(name),
            });
        }
    }
    offered.sort_by(|a, b| (&a.name, &a.catalog).cmp(&(&b.name, &b.catalog)));
    offered
}

pub(super) fn text(offered: &[Offered]) -> String {
    let mut table = Table::new(&["", "NAME", "CATALOG", "SUMMARY"]);
    for offer in offered {
        let mark = if offer.installed { "i" } else { "" };
        table.row([
            mark.to_owned(),
            offer.name.to_string(),
            offer.catalog.to_string(),
            if offer.published {
                offer.summary.clone()
            } else {
                format!("{} (nothing published yet)", offer.summary)
            },
        ]);
    }
    if table.is_empty() {
        "Nothing found.\n".to_owned()
    } else {
        table.to_string()
    }
}
