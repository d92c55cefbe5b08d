//! `update`: make the host what the configuration says.

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::Args;
use sysext_formats::name::ExtensionName;

use super::prepare;
use crate::cli::Global;
use crate::failure::{Failure, Kind};
use crate::reconcile::{self, Caller, Options};
use crate::roots::next_root;
use crate::select::Patience;
use crate::session::Session;
use crate::ui::Ui;

/// `update [NAME…]`
#[derive(Debug, Args)]
pub struct Update {
    /// Only these extensions
    names: Vec<ExtensionName>,
    /// Only print what would be done
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Do not wait for rollouts
    #[arg(long)]
    now: bool,
    /// Decide from what the last refresh brought
    #[arg(long)]
    no_refresh: bool,
    /// The timer's call: merge only where apply = "live"
    #[arg(long)]
    automatic: bool,
}

impl Update {
    /// Reconciles.
    ///
    /// # Errors
    /// When nothing could be done; problems of single extensions are part of the report.
    pub fn run(self, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
        let open = if self.dry_run {
            Session::open_to_plan
        } else {
            Session::open_to_change
        };
        let session = open(global, ui)?;
        let options = Options {
            by_name: !self.names.is_empty(),
            names: self.names.into_iter().collect(),
            patience: if self.now {
                Patience::Now
            } else {
                Patience::Wait
            },
            caller: if self.automatic {
                Caller::Timer
            } else {
                Caller::Person
            },
            refresh: !self.no_refresh,
            making_way: BTreeSet::new(),
        };
        if self.dry_run {
            let planned = reconcile::plan(&session, &options)?;
            return Ok(print_plan(&session, "update", &planned.plan));
        }
        let planned = reconcile::plan(&session, &options)?;
        let staged = reconcile::stage_all(&session, planned)?;
        let outcome = reconcile::activate(&session, staged, options.caller)?;
        if outcome.changed && outcome.problems.is_empty() {
            clean_up(&session);
        }
        let code = outcome.report(&session, "update");
        if options.caller == Caller::Timer {
            serve_next(session, global);
        }
        Ok(code)
    }
}

/// The root that boots next may need other images than the one that runs: the store gets them by now.
fn serve_next(session: Session, global: &Global) {
    let ui = session.ui;
    let next = next_root(&session.root);
    // It holds the lock.
    drop(session);
    let prepared = match next {
        Ok(None) => return,
        Ok(Some(directory)) => prepare::open_root(global, &directory, ui)
            .and_then(|session| Ok((prepare::prepare(&session)?, session))),
        Err(error) => Err(Failure::of(Kind::Failed, &error)),
    };
    match prepared {
        Ok((prepared, session)) => reconcile::report_problems(&session, &prepared.problems),
        Err(failure) => ui.warn(format_args!(
            "nothing was fetched for the root that boots next: {}",
            failure.messages.join(": ")
        )),
    }
}

/// What the update left behind goes. That it could not is no failure of the update, and `gc` itself says more.
fn clean_up(session: &Session) {
    if let Err(failure) = super::gc::collect(session, session.config.settings.keep, false) {
        let reason = failure.messages.join(": ");
        session
            .ui
            .warn(format_args!("old images were not deleted: {reason}"));
    }
}

/// Prints a plan that is not carried out; the exit code is that of its problems.
pub(super) fn print_plan(session: &Session, command: &str, plan: &crate::plan::Plan) -> ExitCode {
    reconcile::report_problems(session, &plan.problems);
    session
        .ui
        .data(command, plan, || reconcile::plan_text(plan));
    plan.worst().map_or(ExitCode::SUCCESS, Kind::into)
}
