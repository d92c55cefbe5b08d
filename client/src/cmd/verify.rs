//! `verify`: hash every image in the store again and compare with what its catalog signed.

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use sysext_formats::digest::Sha256Digest;

use crate::activate::LinkKind;
use crate::cli::Global;
use crate::failure::{Failure, Kind};
use crate::reconcile::{self, Caller, Options, Outcome};
use crate::session::Session;
use crate::ui::{Table, Ui};

/// `verify`
#[derive(Debug, Args)]
pub struct Verify {
    /// Remove images that are not what was signed, and fetch those that are linked again
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
        let Some(store) = session.existing_store() else {
            let report = Report {
                images: Vec::new(),
                repaired: None,
            };
            ui.data("verify", &report, || report.text());
            return Ok(ExitCode::SUCCESS);
        };
        let contents = store.images()?;
        let mut bad = BTreeSet::new();
        let mut dangling = false;
        let mut checked = Vec::new();
        for image in &contents.images {
            let problem = store.verify(image).err().map(|error| error.to_string());
            bad.extend(problem.is_some().then_some(image.sha256));
            checked.push(Checked {
                image: format!("{} {}", image.extension, image.version()),
                ok: problem.is_none(),
                problem,
            });
        }
        for broken in contents.broken {
            bad.insert(broken.sha256);
            checked.push(Checked {
                image: broken.sha256.short(16),
                ok: false,
                problem: Some(broken.reason),
            });
        }
        for link in session.links()? {
            if let LinkKind::Dangling { .. } = link.kind {
                dangling = true;
                checked.push(Checked {
                    image: link.name,
                    ok: false,
                    problem: Some("it is linked, and its image is missing".to_owned()),
                });
            }
        }
        let is_good = bad.is_empty() && !dangling;
        let repaired = if is_good || !self.repair {
            None
        } else {
            Some(repair(&session, &bad)?)
        };
        let report = Report {
            images: checked,
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
                    "an image in the store is not what its catalog signed",
                    Some("sysext-fetch verify --repair"),
                );
                Ok(Kind::Trust.into())
            }
        }
    }
}

/// What is broken goes, and what is linked comes back: the same digest, fetched anew, is what the link names.
fn repair(session: &Session, bad: &BTreeSet<Sha256Digest>) -> Result<Outcome, Failure> {
    for sha256 in bad {
        session.store()?.remove(sha256)?;
    }
    let planned = reconcile::plan(session, &Options::typed(BTreeSet::new()))?;
    let staged = reconcile::stage_all(session, planned)?;
    reconcile::activate(session, staged, Caller::Person)
}

impl Report {
    fn text(&self) -> String {
        let mut text = text(&self.images);
        for step in self.repaired.iter().flat_map(|outcome| &outcome.steps) {
            text.push_str(&format!("{} was fetched again\n", step.name));
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
