//! `remove`: forget extensions and unlink them. Images stay in the store until `gc`.

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::Args;
use sysext_formats::name::ExtensionName;

use crate::cli::Global;
use crate::config;
use crate::failure::Failure;
use crate::plan::{Plan, UnlinkReason};
use crate::reconcile::{self, Caller};
use crate::session::Session;
use crate::store::StoredImage;
use crate::ui::Ui;

/// `remove NAME…`
#[derive(Debug, Args)]
pub struct Remove {
    /// Extensions
    #[arg(required = true)]
    names: Vec<ExtensionName>,
    /// Only print what would be done
    #[arg(long, short = 'n')]
    dry_run: bool,
}

impl Remove {
    /// Removes; what is not installed is said, and no error.
    ///
    /// # Errors
    /// When a file can not be written, or systemd does not merge without them.
    pub fn run(self, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
        let open = if self.dry_run {
            Session::open
        } else {
            Session::open_to_change
        };
        let mut session = open(global, ui)?;
        let (linked, own) = (session.linked()?, session.own_links()?);
        if session.config.unlisted {
            // What is not seen can not be taken away: its link would be back with the next update.
            let problem = session.config.problems.pop();
            return Err(problem.map_or_else(
                || Failure::usage("the configuration can not be read"),
                Failure::from,
            ));
        }
        let mut plan = Plan::default();
        let mut changed = false;
        for name in self.names.into_iter().collect::<BTreeSet<_>>() {
            let image = linked.get(&name);
            let config = &mut session.config;
            let known =
                config.extensions.remove(&name).is_some() || config.unreadable.contains(&name);
            if !known && !own.contains(&name) {
                session.ui.say(format_args!("{name} is not installed"));
                continue;
            }
            if own.contains(&name) {
                let version = image.map(StoredImage::version);
                plan.unlink(&name, version, UnlinkReason::NotWanted);
            }
            if known && !self.dry_run {
                changed |= config::edit::remove_extension(&session.root, &name)?;
            }
        }
        if self.dry_run {
            return Ok(super::update::print_plan(&session, "remove", &plan));
        }
        let staged = reconcile::stage_all(&session, plan.into())?;
        let outcome = reconcile::activate(&session, staged, Caller::Person)?;
        Ok(outcome
            .with_configuration(changed)
            .report(&session, "remove"))
    }
}
