//! `tukit-plugin STAGE ARGS…`: what transactional-update calls, so that a new snapshot boots with extensions that fit it.
//!
//! - At `finalize-pre PATH ID` the snapshot is complete and still writable: its `/etc/extensions` gets links to images
//!   that fit *its* os-release. Every other stage ends at once; each step of an update fires several.
//! - The OS update matters more than we do: whatever fails here is told, and the update goes on. Only an extension that
//!   says `on-incompatible = "block"` stops it, and only when nothing fits.
//! - Where all that is linked fits the new snapshot already, a network that is down costs a few seconds.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use sysext_formats::name::ExtensionName;

use super::prepare;
use crate::boot::{Boot, guard};
use crate::cli::Global;
use crate::config::{Activation, OnIncompatible};
use crate::failure::{Failure, Kind};
use crate::reconcile::{self, Caller, Options};
use crate::select::unfit;
use crate::session::Session;
use crate::store::StoredImage;
use crate::ui::Ui;

/// How long one document is waited for when nothing has to be fetched.
const PATIENCE: Duration = Duration::from_secs(4);

/// `tukit-plugin STAGE ARGS…`
#[derive(Debug, Args)]
pub struct TukitPlugin {
    /// The stage, as tukit calls it
    stage: String,
    /// What belongs to it; for finalize-pre where the snapshot is mounted, and its number
    arguments: Vec<String>,
}

impl TukitPlugin {
    /// Serves the stage.
    ///
    /// # Errors
    /// When an extension that nothing fits says that the update must not go on.
    pub fn run(self, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
        if self.stage != "finalize-pre" {
            return Ok(ExitCode::SUCCESS);
        }
        let Some(path) = self.arguments.first() else {
            return Err(Failure::usage(
                "finalize-pre needs the path of the snapshot",
            ));
        };
        let mut session = match prepare::open_root(global, Path::new(path), ui) {
            Ok(session) => session,
            Err(failure) => return Ok(goes_on(ui, &failure)),
        };
        let served = serve(&mut session);
        if let Err(failure) = served {
            goes_on(ui, &failure);
        }
        // However little of it could be done, what the snapshot has now decides.
        leave_out(&session);
        match without_image(&session) {
            Ok(missing) => Ok(judge(&session, &missing)),
            Err(failure) => Ok(goes_on(ui, &failure)),
        }
    }
}

/// Links what fits the snapshot.
fn serve(session: &mut Session) -> Result<(), Failure> {
    let is_fit = |image: &StoredImage| unfit(&session.host, &image.custom).is_none();
    // What had no image before loses nothing by having none for another day.
    if images(session)?.values().all(is_fit) {
        let deadline = &mut session.config.settings.metadata_deadline;
        deadline.0 = deadline.0.min(PATIENCE);
    }
    if session.activation == Activation::Boot {
        let prepared = prepare::prepare(session)?;
        reconcile::report_problems(session, &prepared.problems);
        return Ok(());
    }
    let planned = reconcile::plan(session, &Options::timer())?;
    let staged = reconcile::stage_all(session, planned)?;
    let outcome = reconcile::activate(session, staged, Caller::Timer)?;
    // The exit code is for the update to go on or not; what went wrong is told all the same.
    let _ = outcome.report(session, "tukit-plugin");
    Ok(())
}

/// Without the network nothing is chosen anew, and links stay that do not fit: the store may have what does.
fn leave_out(session: &Session) {
    if session.activation != Activation::Etc {
        return;
    }
    let guarded = session.store().and_then(|store| {
        let boot = Boot {
            root: &session.root,
            store,
            config: &session.config,
            host: &session.host,
            activation: session.activation,
            now: session.now,
        };
        Ok(guard(&boot)?)
    });
    match guarded {
        Ok(guarded) => {
            let problems = guarded.problems.iter();
            problems.for_each(|problem| session.ui.warn(problem));
        }
        Err(failure) => {
            goes_on(session.ui, &failure);
        }
    }
}

/// What the snapshot will run, as far as it is known.
fn images(session: &Session) -> Result<BTreeMap<ExtensionName, StoredImage>, Failure> {
    match session.activation {
        Activation::Etc => session.linked(),
        Activation::Boot => prepare::recorded(session),
    }
}

/// The extensions that are wanted and have no image that fits, each with whether that stops the update.
fn without_image(session: &Session) -> Result<Vec<(ExtensionName, OnIncompatible)>, Failure> {
    let images = images(session)?;
    let fits = |name: &ExtensionName| {
        let image = images.get(name);
        image.is_some_and(|image| unfit(&session.host, &image.custom).is_none())
    };
    let wanted = session.config.extensions.values();
    Ok(wanted
        .filter(|extension| extension.wish.enabled && !fits(&extension.name))
        .map(|extension| (extension.name.clone(), extension.wish.on_incompatible))
        .collect())
}

fn judge(session: &Session, missing: &[(ExtensionName, OnIncompatible)]) -> ExitCode {
    let system = session.host.describe();
    let mut stops = false;
    for (name, consequence) in missing {
        if *consequence == OnIncompatible::Block {
            stops = true;
            session.ui.complain(
                &format!("{name} has no image that fits {system}, and says that the update must not go on without it"),
                Some(&format!("sysext-fetch set {name} on-incompatible=warn lets the next update leave it out")),
            );
        } else {
            session.ui.warn(format_args!(
                "{name} has no image that fits {system}; that system will run without it"
            ));
        }
    }
    if stops {
        Kind::Failed.into()
    } else {
        ExitCode::SUCCESS
    }
}

fn goes_on(ui: Ui, failure: &Failure) -> ExitCode {
    ui.complain(
        &format!("{}; the update goes on", failure.messages.join(": ")),
        failure.hints.first().map(String::as_str),
    );
    ExitCode::SUCCESS
}
