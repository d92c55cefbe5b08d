//! `prune`: old images leave the indexes, and files that left them 30 days ago are deleted.

use serde::Serialize;
use sysext_formats::name::ExtensionName;

use crate::context::{Context, Outcome, Verdict};
use crate::failure::Failure;
use crate::prune::sweep::{self, Swept};
use crate::published::LookUp;
use crate::reconcile::{Attempt, Report};
use crate::session::Session;

/// What `prune` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only the indexes of these extensions [default: all that a key here signs]
    #[arg(value_name = "NAME")]
    names: Vec<ExtensionName>,
    /// How many images of each channel, architecture and operating system stay [default: what the configuration says]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    keep: Option<u16>,
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    report: &'a Report,
    #[serde(flatten)]
    swept: &'a Swept,
}

/// Runs it.
///
/// # Errors
/// When the catalog can not be read, a key does not sign, or the host fails.
pub fn run(context: &Context, args: &Args) -> Outcome {
    let session = Session::open(context)?;
    let store = session.store(context)?;
    let mut report = session.reconcile(context, store.as_ref(), |attempt| {
        let keep = args.keep.map_or(attempt.config.keep, usize::from);
        for name in names(context, args, attempt)? {
            attempt.load(&name)?;
            attempt.editor.prune(&name, keep)?;
        }
        Ok(())
    })?;
    // On a branch, what has published does not look for what others publish afterwards: the sweep opens it anew.
    drop(store);
    // A proposal changes nothing at the location.
    let swept = match context.outbox {
        Some(_) => Swept::default(),
        None => sweep::sweep(context, &session)?,
    };
    let text = text(&report, &swept);
    report.changed |= !swept.deleted.is_empty();
    let document = Document {
        report: &report,
        swept: &swept,
    };
    context.ui.data("prune", &document, || text);
    Ok(Verdict::Good)
}

/// The extensions whose indexes are looked at.
fn names(
    context: &Context,
    args: &Args,
    attempt: &mut Attempt<'_, '_>,
) -> Result<Vec<ExtensionName>, Failure> {
    if !args.names.is_empty() {
        return Ok(args.names.clone());
    }
    attempt.load_groups()?;
    let mut names = Vec::new();
    for name in attempt.published.extensions()? {
        if !super::renew::is_ours(attempt, &name) {
            continue;
        }
        match attempt.peek(&name)? {
            LookUp::Index(_) => names.push(name),
            LookUp::Unpublished => {}
            LookUp::Disowned(_) => context.ui.warn(format_args!(
                "{name} has no index that can be gone on from; `sysext-publish status` says why"
            )),
        }
    }
    if names.is_empty() && context.outbox.is_none() {
        context
            .ui
            .say("no key that is here signs an index: only files that left are looked at");
    }
    Ok(names)
}

fn text(report: &Report, swept: &Swept) -> String {
    let done = if report.dry_run {
        "would delete"
    } else {
        "deleted"
    };
    let files = swept.text(done);
    if report.changed || swept.deleted.is_empty() {
        return report.text("no index has more images than are kept, and no file's time is over")
            + &files;
    }
    files
}
