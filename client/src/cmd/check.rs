//! `check`: what `update` would do.

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::Args;

use super::update::print_plan;
use crate::cli::Global;
use crate::failure::Failure;
use crate::reconcile::{self, Options};
use crate::session::Session;
use crate::ui::Ui;

/// The exit code of `check --exit-code` when there is something to do.
const SOMETHING_TO_DO: u8 = 10;

/// `check`
#[derive(Debug, Args)]
pub struct Check {
    /// Exit with 10 when there is something to do
    #[arg(long)]
    exit_code: bool,
    /// Decide from what the last refresh brought
    #[arg(long)]
    no_refresh: bool,
}

impl Check {
    /// Prints the plan.
    ///
    /// # Errors
    /// When no plan can be made.
    pub fn run(self, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
        let session = Session::open_to_plan(global, ui)?;
        let options = Options {
            refresh: !self.no_refresh,
            ..Options::typed(BTreeSet::new())
        };
        let plan = reconcile::plan(&session, &options)?.plan;
        let code = print_plan(&session, "check", &plan);
        let waiting = self.exit_code && code == ExitCode::SUCCESS && !plan.is_empty();
        Ok(if waiting {
            SOMETHING_TO_DO.into()
        } else {
            code
        })
    }
}
