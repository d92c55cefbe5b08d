//! `status`: what runs, what is linked, what waits; and what to do next.

mod found;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use sysext_formats::name::{CatalogId, ExtensionName};
use sysext_formats::time::UtcTime;
use sysext_formats::version::Version;

use self::found::{Merged, Place};
use crate::activate::{LinkKind, Outdated};
use crate::cli::Global;
use crate::config::{Activation, Wish};
use crate::failure::{Failure, Kind};
use crate::refresh::RefreshProblem;
use crate::select::{Decision, Offer, Patience, select};
use crate::session::{Catalogs, Session};
use crate::store::StoredImage;
use crate::ui::plain::one_line;
use crate::ui::{self, Table, Ui};

/// `status`
#[derive(Debug, Args)]
pub struct Status {}

#[derive(Debug, Serialize)]
struct Report {
    host: String,
    activation: Activation,
    extensions: Vec<ExtensionStatus>,
    catalogs: Vec<CatalogStatus>,
    foreign: Vec<String>,
    store_bytes: u64,
}

#[derive(Debug, Serialize)]
struct ExtensionStatus {
    name: ExtensionName,
    linked: Option<Version>,
    merged: Option<bool>,
    update: Option<Version>,
    notes: Vec<String>,
    /// What still runs out of an image that was replaced.
    outdated: Vec<Outdated>,
    shadowed: bool,
    blocked: bool,
}

#[derive(Debug, Serialize)]
struct CatalogStatus {
    id: CatalogId,
    fresh_until: Option<UtcTime>,
    refreshed: Option<UtcTime>,
    /// Where it has moved to, by its own signed word: tried before what the configuration says.
    moved_to: Vec<String>,
    problem: Option<String>,
}

impl Status {
    /// Prints the status; exit 5 where something foreign shadows a link of ours, or is in its place.
    ///
    /// # Errors
    /// When the configuration or the links can not be read.
    pub fn run(self, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
        print(&Session::open(global, ui)?)
    }
}

fn print(session: &Session) -> Result<ExitCode, Failure> {
    let report = Report::make(session)?;
    session.ui.data("status", &report, || report.text());
    let without_effect = |extension: &ExtensionStatus| extension.shadowed || extension.blocked;
    Ok(if report.extensions.iter().any(without_effect) {
        Kind::Partial.into()
    } else {
        ExitCode::SUCCESS
    })
}

/// What the program says when it is called without a command: the status and what to do next.
///
/// # Errors
/// As [`Status::run`].
pub fn overview(global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
    let session = Session::open(global, ui)?;
    let code = print(&session)?;
    let next = match (
        session.config.catalogs.is_empty(),
        session.config.extensions.is_empty(),
    ) {
        (true, _) => "trust a first catalog: sysext-fetch catalog add URL#sha256=HEX",
        (false, true) => "find an extension: sysext-fetch search, then sysext-fetch install NAME",
        (false, false) => {
            "sysext-fetch update brings everything up to date; sysext-fetch --help shows all commands"
        }
    };
    ui.say(format_args!("Next: {next}"));
    Ok(code)
}

fn name(activation: Activation) -> &'static str {
    match activation {
        Activation::Etc => "etc",
        Activation::Boot => "boot",
    }
}

fn directory(activation: Activation) -> &'static str {
    match activation {
        Activation::Etc => "/etc/extensions",
        Activation::Boot => "/run/extensions",
    }
}

impl Report {
    fn make(session: &Session) -> Result<Self, Failure> {
        let names: BTreeSet<_> = session.config.extensions.keys().cloned().collect();
        let catalogs = session.cached(&names);
        let linked = session.linked()?;
        let links = session.links()?;
        let Merged { running, outdated } = Merged::find(session, &linked);
        let mut extensions = Vec::new();
        for name in names
            .iter()
            .chain(linked.keys().filter(|name| !names.contains(*name)))
        {
            let image = linked.get(name);
            let place = Place::find(&links, name);
            let wish = session.config.extensions.get(name);
            let is_wanted = wish.is_some_and(|extension| extension.wish.enabled);
            let mut status = ExtensionStatus {
                name: name.clone(),
                linked: image.map(|image| image.version().clone()),
                merged: running
                    .as_ref()
                    .map(|running| image.is_some_and(|image| running.contains(&image.sha256))),
                update: None,
                notes: Vec::new(),
                outdated: Vec::new(),
                shadowed: place.shadowed_by.is_some(),
                blocked: place.is_foreign && is_wanted,
            };
            let shadow = place
                .shadowed_by
                .map(|path| format!("shadowed by {}", path.display()));
            status.notes.extend(shadow);
            let outdated = outdated.iter().filter(|outdated| outdated.name == *name);
            status.outdated = outdated.cloned().collect();
            let hints: BTreeSet<_> = status.outdated.iter().map(Outdated::hint).collect();
            status.notes.extend(hints);
            let blocked = format!(
                "what has its name in {} is not ours: move it away",
                directory(session.activation)
            );
            status.notes.extend(status.blocked.then_some(blocked));
            let missing = if is_wanted {
                "its image is missing: sysext-fetch update fetches it"
            } else {
                "its image is missing: sysext-fetch verify --repair takes the link away"
            };
            status
                .notes
                .extend(place.is_dangling.then(|| missing.to_owned()));
            status.look(session, &catalogs, image);
            extensions.push(status);
        }
        let foreign = links.iter().filter_map(|link| match &link.kind {
            LinkKind::Ours { .. } | LinkKind::Dangling { .. } => None,
            LinkKind::Foreign {
                target: Some(target),
            } => Some(format!("{}, a link to {}", link.name, target.display())),
            LinkKind::Foreign { target: None } => Some(link.name.clone()),
        });
        Ok(Self {
            host: session.host.describe(),
            activation: session.activation,
            extensions,
            catalogs: catalog_states(&catalogs),
            foreign: foreign.collect(),
            store_bytes: disk_usage(session)?,
        })
    }

    fn text(&self) -> String {
        let (activation, directory) = (name(self.activation), directory(self.activation));
        let mut text = format!(
            "{}\nActivation: {activation}, with links in {directory}\n\n",
            self.host
        );
        let mut table = Table::new(&["EXTENSION", "LINKED", "MERGED", "UPDATE", "NOTES"]);
        let dash = |version: &Option<Version>| {
            version
                .as_ref()
                .map_or_else(|| "-".to_owned(), ToString::to_string)
        };
        for extension in &self.extensions {
            let merged = match extension.merged {
                Some(true) => "yes",
                Some(false) => "no",
                None => "-",
            };
            let (linked, update) = (dash(&extension.linked), dash(&extension.update));
            table.row([
                extension.name.to_string(),
                linked,
                merged.to_owned(),
                update,
                extension.notes.join("; "),
            ]);
        }
        text.push_str(&if table.is_empty() {
            "No extension is installed.\n".to_owned()
        } else {
            table.to_string()
        });
        let mut table = Table::new(&["CATALOG", "REFRESHED", "FRESH UNTIL", "PROBLEM"]);
        let dash = |time: &Option<UtcTime>| {
            time.as_ref()
                .map_or_else(|| "-".to_owned(), ToString::to_string)
        };
        for catalog in &self.catalogs {
            let problem = catalog.problem.clone().unwrap_or_default();
            table.row([
                catalog.id.to_string(),
                dash(&catalog.refreshed),
                dash(&catalog.fresh_until),
                problem,
            ]);
        }
        if !table.is_empty() {
            let _ = write!(text, "\n{table}");
        }
        for catalog in self.catalogs.iter().filter(|it| !it.moved_to.is_empty()) {
            let urls = one_line(&catalog.moved_to.join(", "));
            let _ = writeln!(
                text,
                "{} has moved, by its own signed word, to {urls}",
                catalog.id
            );
        }
        for foreign in &self.foreign {
            let _ = writeln!(text, "not ours, left alone: {}", one_line(foreign));
        }
        let _ = writeln!(text, "\nImages on disk: {}", ui::bytes(self.store_bytes));
        text
    }
}

impl ExtensionStatus {
    /// What the last refresh says about it: an update that waits, a withdrawal, a retirement, a hold.
    fn look(&mut self, session: &Session, catalogs: &Catalogs, image: Option<&StoredImage>) {
        let Some(extension) = session.config.extensions.get(&self.name) else {
            self.notes
                .push("nothing asks for it any more; the next update unlinks it".to_owned());
            return;
        };
        let wish = &extension.wish;
        self.notes
            .extend((!wish.enabled).then(|| "disabled".to_owned()));
        self.notes.extend(wish.hold.then(|| "held".to_owned()));
        let offers = catalogs.values().flatten();
        let offers = offers.filter_map(|catalog| Offer::of(catalog, &self.name)?.ok());
        let offers: Vec<_> = offers.collect();
        self.notes.extend(self.unavailable(wish, catalogs));
        for retired in offers
            .iter()
            .filter_map(|offer| offer.index.info.retired.as_ref())
        {
            let successor = retired
                .successor
                .as_ref()
                .map(|name| format!(", successor {name}"))
                .unwrap_or_default();
            self.notes
                .push(format!("retired: {}{successor}", retired.reason));
        }
        if !wish.enabled {
            return;
        }
        let question = session.question(&self.name, wish, image, Patience::Wait);
        let selection = select(&question, &offers);
        self.notes
            .extend(selection.linked_unfit.as_ref().map(ToString::to_string));
        if let Decision::Take { image, .. } = selection.decision {
            self.update = Some(image.version.clone());
        }
    }
}

impl ExtensionStatus {
    /// Why no update can come from the catalogs that it may come from, where theirs can not be used.
    fn unavailable(&self, wish: &Wish, catalogs: &Catalogs) -> Vec<String> {
        let may_come = |id: &CatalogId| wish.catalog.as_ref().is_none_or(|bound| bound == id);
        let catalogs = catalogs.iter().filter(|(id, _)| may_come(id));
        let indexes = catalogs.filter_map(|(id, catalog)| {
            Some((
                id,
                catalog
                    .as_ref()
                    .ok()?
                    .indexes
                    .get(&self.name)?
                    .as_ref()
                    .err()?,
            ))
        });
        indexes
            .filter(|(_, problem)| {
                // Of several catalogs that it may come from, most do not have it.
                wish.catalog.is_some() || !matches!(problem, RefreshProblem::NotOffered { .. })
            })
            .map(|(id, problem)| format!("no update from {id}: {}", problem.in_one_line()))
            .collect()
    }
}

/// What the images really take: holes and compression count for the admin.
fn disk_usage(session: &Session) -> Result<u64, Failure> {
    let Some(store) = session.existing_store() else {
        return Ok(0);
    };
    Ok(store.disk_usage()?)
}

fn catalog_states(catalogs: &Catalogs) -> Vec<CatalogStatus> {
    let states: BTreeMap<_, _> = catalogs.iter().collect();
    states
        .into_iter()
        .map(|(id, catalog)| match catalog {
            Ok(catalog) => CatalogStatus {
                id: id.clone(),
                fresh_until: Some(catalog.expires),
                refreshed: catalog.refreshed,
                moved_to: catalog.moved_to.iter().map(crate::fetch::shown).collect(),
                problem: (!catalog.notes.is_empty()).then(|| catalog.notes.join("; ")),
            },
            Err(problem) => CatalogStatus {
                id: id.clone(),
                fresh_until: None,
                refreshed: None,
                moved_to: Vec::new(),
                problem: Some(problem.to_string()),
            },
        })
        .collect()
}
