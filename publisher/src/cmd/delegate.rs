//! `delegate`: lets somebody else publish an extension.

use std::path::PathBuf;

use sysext_formats::name::ExtensionName;
use sysext_formats::role::Threshold;

use crate::context::{Context, Outcome, Verdict};
use crate::failure::Failure;
use crate::session::Session;
use crate::signer::{SignerError, read_public_file};
use crate::words::line_or_nothing;

/// What `delegate` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The extension
    name: ExtensionName,
    /// The public key of who publishes it: a .pub file, as `key show` prints it; may be given several times
    #[arg(long = "key", value_name = "FILE.pub", required = true)]
    keys: Vec<PathBuf>,
    /// How many of the keys must sign
    #[arg(long, value_name = "N", default_value_t = 1)]
    threshold: u64,
    /// What it is, in one line
    #[arg(long, value_name = "TEXT", default_value = "", value_parser = line_or_nothing)]
    summary: String,
}

/// Runs it.
///
/// # Errors
/// When it is there with other keys, or the catalog can not be changed.
pub fn run(context: &Context, args: &Args) -> Outcome {
    let mut keys = Vec::new();
    for path in &args.keys {
        let key = read_public_file(path)?.ok_or_else(|| SignerError::Missing(path.clone()))?;
        keys.push(key);
    }
    let threshold = Threshold::new(args.threshold)
        .ok_or_else(|| Failure::usage("--threshold 0: one signature is the least"))?;
    let session = Session::open(context)?;
    let store = session.store(context)?;
    let report = session.reconcile(context, store.as_ref(), |attempt| {
        attempt.load_group(&args.name)?;
        let editor = &mut *attempt.editor;
        Ok(editor.delegate(&args.name, &keys, threshold, &args.summary)?)
    })?;
    context.ui.data("delegate", &report, || {
        let mut text = report.text("it is delegated to these keys already");
        if report.changed && report.is_published() {
            text.push_str(&format!(
                "hosts see {} once its first index is there: `sysext-publish accept PROPOSAL`\n",
                args.name
            ));
        }
        text
    });
    Ok(Verdict::Good)
}
