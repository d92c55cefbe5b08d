//! `health`: whether everything runs that this root was last given. For openSUSE's health-checker, which goes back to the
//! snapshot before when it does not.
//!
//! Only what was linked and is not merged counts: neither expiry nor a network that is down makes a boot a bad one.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use sysext_formats::name::ExtensionName;

use super::prepare::recorded;
use crate::activate::running;
use crate::cli::Global;
use crate::failure::{Failure, Kind};
use crate::session::Session;
use crate::systemd::{Merger as _, Systemd};
use crate::ui::Ui;

/// `health`
#[derive(Debug, Args)]
pub struct Health {}

#[derive(Debug, Serialize)]
struct Answer {
    running: usize,
    missing: Vec<ExtensionName>,
}

impl Health {
    /// Looks.
    ///
    /// # Errors
    /// When systemd-sysext can not be asked.
    pub fn run(self, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
        let session = Session::open(global, ui)?;
        let systemd = Systemd::detect(&session.root);
        if session.existing_store().is_none() || !systemd.can_merge(&session.root) {
            return Ok(ExitCode::SUCCESS);
        }
        let mut given = recorded(&session)?;
        // Whoever put another image in front of ours meant it so.
        for link in session.links()? {
            if let (Some(_), Ok(name)) = (&link.shadowed_by, link.name.parse::<ExtensionName>()) {
                given.remove(&name);
            }
        }
        let runs = running(&systemd, given.values())?;
        let runs: Vec<_> = runs.into_iter().map(|image| &image.extension).collect();
        let missing = given.keys().filter(|name| !runs.contains(name));
        let answer = Answer {
            running: runs.len(),
            missing: missing.cloned().collect(),
        };
        for name in &answer.missing {
            let hint = format!(
                "sysext-fetch status, and journalctl -u systemd-sysext -u sysext-fetch-boot for {name}"
            );
            ui.complain(&format!("{name} is linked and does not run"), Some(&hint));
        }
        let healthy = answer.missing.is_empty();
        ui.data("health", &answer, || {
            format!("{} extension(s) run\n", answer.running)
        });
        Ok(if healthy {
            ExitCode::SUCCESS
        } else {
            Kind::Failed.into()
        })
    }
}
