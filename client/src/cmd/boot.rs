//! `boot`: the boot guard's call, before systemd-sysext.service.
//!
//! Nothing of it fails: a boot goes on whatever is broken here, and what is broken is told.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::activate::{self, Recovered, Site};
use crate::boot::{Boot, Guarded, guard};
use crate::cli::Global;
use crate::config::Config;
use crate::failure::Failure;
use crate::history::{Cause, ImageRef};
use crate::host::HostFacts;
use crate::root::Root;
use crate::session::{self, activation_of};
use crate::store::Store;
use crate::systemd::Systemd;
use crate::ui::Ui;

/// Nothing else of ours runs so early; whoever does is not waited for at length.
const LOCK_WAIT: Duration = Duration::from_secs(2);

/// `boot`
#[derive(Debug, Args)]
pub struct BootArgs {}

impl BootArgs {
    /// Guards the boot.
    ///
    /// # Errors
    /// When the command line is wrong; nothing else is an error here.
    pub fn run(self, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
        let root = session::root_of(global)?;
        match guarded(&root, ui) {
            Ok(Some(guarded)) => {
                for problem in &guarded.problems {
                    ui.warn(problem);
                }
                ui.data("boot", &guarded, || text(&guarded));
            }
            Ok(None) => {}
            Err(failure) => {
                let reason = failure.messages.join(": ");
                ui.warn(format_args!("the links are as they were: {reason}"));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// `None` where there is no store, so nothing to guard.
fn guarded(root: &Root, ui: Ui) -> Result<Option<Guarded>, Failure> {
    let Some(store) = Store::open(root)? else {
        return Ok(None);
    };
    let host = HostFacts::read(root)?;
    let config = configuration(root, ui);
    let activation = activation_of(&config.settings, root);
    let now = session::now();
    let _lock = store.lock(LOCK_WAIT)?;
    let boot = Boot {
        root,
        store: &store,
        config: &config,
        host: &host,
        activation,
        now,
    };
    // Nothing is merged yet, and nothing may be asked to: systemd waits for this process.
    let systemd = Systemd::before_merging();
    let site = Site {
        root,
        store: &store,
        activation,
        extensions: &config.extensions,
        systemd: &systemd,
        now,
        cause: Cause::Boot,
    };
    match activate::recover(&site) {
        Ok(Recovered::Nothing) => {}
        Ok(recovered) => session::say_recovered(ui, &recovered),
        Err(error) => {
            let failure = Failure::from(error);
            ui.warn(failure.messages.join(": "));
        }
    }
    Ok(Some(guard(&boot)?))
}

/// What is wanted; nothing is taken away because it can not be read.
fn configuration(root: &Root, ui: Ui) -> Config {
    match Config::load(root) {
        Ok(config) => {
            for problem in config.problems.iter().chain(&config.settings_problem) {
                ui.warn(problem);
            }
            config
        }
        Err(error) => {
            ui.warn(error);
            Config {
                unlisted: true,
                ..Config::default()
            }
        }
    }
}

fn text(guarded: &Guarded) -> String {
    let mut text = String::new();
    let version = |image: &Option<ImageRef>| match image {
        None => "nothing".to_owned(),
        Some(image) => image.version.as_ref().map_or_else(
            || "an image that is gone or damaged".to_owned(),
            ToString::to_string,
        ),
    };
    for change in &guarded.changed {
        let (from, to) = (version(&change.from), version(&change.to));
        text.push_str(&format!("{}: {from} to {to}\n", change.name));
    }
    for left_out in &guarded.left_out {
        let (name, reason) = (&left_out.name, &left_out.reason);
        text.push_str(&format!("{name} is left out: {reason}\n"));
    }
    text
}
