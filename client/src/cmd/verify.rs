//! `verify`: hash every image in the store again and compare with what its catalog signed.

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::ExtensionName;

use crate::activate::LinkKind;
use crate::cli::Global;
use crate::failure::{Failure, Kind};
use crate::plan::{Action, Plan, UnlinkReason};
use crate::reconcile::{self, Caller, Options, Outcome};
use crate::session::Session;
use crate::store::Store;
use crate::ui::{Table, Ui};

/// `verify`
#[derive(Debug, Args)]
pub struct Verify {
    /// Remove images that are not what was signed, and fetch again what is linked and wanted
    #[arg(long)]
    repair: bool,
}

#[derive(Debug, Serialize)]
struct Checked {
    image: String,
    ok: bool,
    problem: Option<String>,
}

/// What was found, and what was done about it.
#[derive(Debug, Serialize)]
struct Report {
    changed: bool,
    images: Vec<Checked>,
    repaired: Option<Outcome>,
}

impl Verify {
    /// Verifies.
    ///
    /// # Errors
    /// When the store can not be read, or a repair fails.
    pub fn run(self, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
        let open = if self.repair {
            Session::open_to_change
        } else {
            Session::open
        };
        let session = open(global, ui)?;
        let found = Found::look(&session)?;
        let is_good = found.images.iter().all(|checked| checked.ok);
        let repaired = if is_good || !self.repair {
            None
        } else {
            Some(repair(&session, &found)?)
        };
        let report = Report {
            // What is broken was taken away, even where nothing could be fetched in its place.
            changed: repaired
                .as_ref()
                .is_some_and(|outcome| outcome.changed || !found.bad.is_empty()),
            images: found.images,
            repaired,
        };
        if let Some(outcome) = &report.repaired {
            reconcile::report_problems(&session, &outcome.problems);
        }
        ui.data("verify", &report, || report.text());
        match &report.repaired {
            Some(outcome) => Ok(outcome.exit_code()),
            None if is_good => Ok(ExitCode::SUCCESS),
            None => {
                ui.complain(
                    "an image is missing, or is not what its catalog signed",
                    Some("sysext-fetch verify --repair"),
                );
                Ok(Kind::Trust.into())
            }
        }
    }
}

/// What is there, and what is not as it should be.
#[derive(Debug, Default)]
struct Found {
    images: Vec<Checked>,
    /// Entries of the store that are not what their name says.
    bad: BTreeSet<Sha256Digest>,
    /// Extensions whose link leads to one of them, or nowhere.
    concerned: BTreeSet<ExtensionName>,
}

impl Found {
    fn look(session: &Session) -> Result<Self, Failure> {
        let mut found = Self::default();
        let store = session.existing_store();
        let contents = store.map(Store::images).transpose()?.unwrap_or_default();
        for image in &contents.images {
            let problem = store.and_then(|store| store.verify(image).err());
            let problem = problem.map(|error| error.to_string());
            found.bad.extend(problem.is_some().then_some(image.sha256));
            let what = format!("{} {}", image.extension, image.version());
            found.push(what, problem);
        }
        for broken in contents.broken {
            found.bad.insert(broken.sha256);
            found.push(broken.sha256.short(16), Some(broken.reason));
        }
        for link in session.links()? {
            match link.kind {
                LinkKind::Ours { sha256, .. } if found.bad.contains(&sha256) => {
                    found.concerned.extend(link.name.parse());
                }
                LinkKind::Dangling { .. } => {
                    found.concerned.extend(link.name.parse());
                    let problem = "it is linked, and its image is missing".to_owned();
                    found.push(link.name, Some(problem));
                }
                LinkKind::Ours { .. } | LinkKind::Foreign { .. } => {}
            }
        }
        Ok(found)
    }

    fn push(&mut self, image: String, problem: Option<String>) {
        self.images.push(Checked {
            image,
            ok: problem.is_none(),
            problem,
        });
    }
}

/// What is broken goes, and what is linked comes back. Extensions that are in order stay as they are, and so does what
/// an unreadable file may want.
fn repair(session: &Session, found: &Found) -> Result<Outcome, Failure> {
    let config = &session.config;
    let unknown = found
        .concerned
        .iter()
        .any(|name| config.unreadable.contains(name));
    if let Some(problem) = config.problems.first()
        && !found.concerned.is_empty()
        && (unknown || config.unlisted)
    {
        // Nobody knows what to put in the place of the damaged image, so it stays until that is known.
        return Err(Failure::usage(problem.to_string()).hint("mend that file, then repair again"));
    }
    for sha256 in &found.bad {
        session.store()?.remove(sha256)?;
    }
    let config = &session.config;
    let is_wanted = |name: &&ExtensionName| {
        let extension = config.extensions.get(*name);
        extension.is_some_and(|extension| extension.wish.enabled)
    };
    let names: BTreeSet<_> = found.concerned.iter().filter(is_wanted).cloned().collect();
    // Without a name all would be meant.
    let mut planned = if names.is_empty() {
        Plan::default().into()
    } else {
        reconcile::plan(session, &Options::typed(names.clone()))?
    };
    for name in found.concerned.difference(&names) {
        if config.extensions.contains_key(name) {
            planned.plan.unlink(name, None, UnlinkReason::Disabled);
        } else if config.unlisted || config.unreadable.contains(name) {
            planned.plan.unchanged.push(name.clone());
        } else {
            planned.plan.unlink(name, None, UnlinkReason::NotWanted);
        }
    }
    let staged = reconcile::stage_all(session, planned)?;
    reconcile::activate(session, staged, Caller::Person)
}

impl Report {
    fn text(&self) -> String {
        let mut text = text(&self.images);
        for step in self.repaired.iter().flat_map(|outcome| &outcome.steps) {
            let what = match step.action {
                Action::Unlink => "is not wanted, and its link was taken away",
                _ => "was fetched again",
            };
            text.push_str(&format!("{} {what}\n", step.name));
        }
        text
    }
}

fn text(checked: &[Checked]) -> String {
    let mut table = Table::new(&["IMAGE", "RESULT"]);
    for entry in checked {
        table.row([
            entry.image.clone(),
            entry.problem.clone().unwrap_or_else(|| "good".to_owned()),
        ]);
    }
    if table.is_empty() {
        "The store is empty.\n".to_owned()
    } else {
        table.to_string()
    }
}
