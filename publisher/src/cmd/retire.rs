//! `retire`: ends an extension.

use sysext_formats::catalog::Retired;
use sysext_formats::name::ExtensionName;

use crate::context::{Context, Outcome, Verdict};
use crate::failure::Failure;
use crate::session::Session;
use crate::words::Line;

/// What `retire` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The extension
    name: ExtensionName,
    /// Why, in one line that hosts show
    #[arg(long, value_name = "TEXT")]
    reason: Line,
    /// The extension to install instead
    #[arg(long, value_name = "NAME")]
    successor: Option<ExtensionName>,
}

/// Runs it.
///
/// # Errors
/// When there is no such extension, or its key does not sign.
pub fn run(context: &Context, args: &Args) -> Outcome {
    if args.successor.as_ref() == Some(&args.name) {
        return Err(Failure::usage(format!(
            "{} can not succeed itself",
            args.name
        )));
    }
    let retired = Retired {
        reason: args.reason.clone().into(),
        successor: args.successor.clone(),
    };
    let session = Session::open(context)?;
    let store = session.store(context)?;
    let report = session.reconcile(context, store.as_ref(), |attempt| {
        attempt.load(&args.name)?;
        Ok(attempt.editor.retire(&args.name, retired.clone())?)
    })?;
    context.ui.data("retire", &report, || {
        report.text("it is retired already, for that reason")
    });
    Ok(Verdict::Good)
}
