//! `move`: tells hosts where the catalog is from now on.
//!
//! The URLs are signed in `targets.json`: hosts that read the catalog at its old place follow them. The old place must go on
//! being served until they have.

use sysext_formats::catalog;
use url::Url;

use crate::config::edit::Edit;
use crate::context::{Context, Outcome, Verdict};
use crate::failure::Failure;
use crate::session::Session;

/// What `move` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where hosts read the catalog from now on; the first is tried first
    #[arg(
        value_name = "URL",
        required_unless_present = "clear",
        conflicts_with = "clear"
    )]
    urls: Vec<Url>,
    /// Do not tell hosts anything about its place any more
    #[arg(long)]
    clear: bool,
}

/// Runs it.
///
/// # Errors
/// When the catalog can not be changed.
pub fn run(context: &Context, args: &Args) -> Outcome {
    let not_followed = args
        .urls
        .iter()
        .find(|url| catalog::link(url.as_str()).is_none());
    if let Some(url) = not_followed {
        return Err(Failure::usage(format!(
            "hosts would not follow {url}: https:// is needed, without a user name"
        )));
    }
    let edits = match args.urls.as_slice() {
        [] => Vec::new(),
        urls => vec![Edit::Urls(urls.to_vec())],
    };
    let session = Session::open_edited(context, edits)?;
    let store = session.store(context)?;
    let urls: Vec<_> = args
        .urls
        .iter()
        .map(|url| url.as_str().trim_end_matches('/').to_owned())
        .collect();
    let report = session.reconcile(context, store.as_ref(), |attempt| {
        Ok(attempt.editor.set_urls(&urls)?)
    })?;
    if !context.globals.dry_run {
        session.save(context)?;
    }
    context.ui.data("move", &report, || {
        let mut text = report.text("hosts are told so already");
        if report.changed && report.is_published() && !args.clear {
            text.push_str(
                "serve the catalog at the old place, too, until hosts have read this there\n",
            );
        }
        text
    });
    Ok(Verdict::Good)
}
