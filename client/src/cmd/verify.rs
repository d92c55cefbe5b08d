//! `verify`: hash every image in the store again and compare with what its catalog signed.

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use sysext_formats::digest::Sha256Digest;

use crate::cli::Global;
use crate::failure::{Failure, Kind};
use crate::reconcile::{self, Caller, Options};
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
            ui.data("verify", &[(); 0], || "The store is empty.\n".to_owned());
            return Ok(ExitCode::SUCCESS);
        };
        let contents = store.images()?;
        let mut bad = BTreeSet::new();
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
        ui.data("verify", &checked, || text(&checked));
        if bad.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        if !self.repair {
            ui.complain(
                "an image in the store is not what its catalog signed",
                Some("sysext-fetch verify --repair"),
            );
            return Ok(Kind::Trust.into());
        }
        repair(&session, &bad)
    }
}

/// What is broken goes, and what is linked comes back: the same digest, fetched anew, is what the link names.
fn repair(session: &Session, bad: &BTreeSet<Sha256Digest>) -> Result<ExitCode, Failure> {
    for sha256 in bad {
        session.store()?.remove(sha256)?;
    }
    let planned = reconcile::plan(session, &Options::typed(BTreeSet::new()))?;
    let staged = reconcile::stage_all(session, planned)?;
    Ok(reconcile::activate(session, staged, Caller::Person)?.report(session, "verify"))
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
