//! `accept`: publishes what the vendor of a delegated extension proposes.
//!
//! It takes indexes only, signed by those that the catalog delegates to; the images are checked as if they were published
//! from here. Only the online key is used.

use std::path::Path;

use url::Url;

use crate::context::{Context, Outcome, Verdict};
use crate::failure::Failure;
use crate::proposal::{Proposal, Source};
use crate::session::Session;

/// What `accept` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The proposal: its folder or file, or the URL of its folder
    #[arg(value_name = "PROPOSAL|URL")]
    proposal: String,
}

/// Runs it.
///
/// # Errors
/// When it holds more than indexes of delegated extensions, is not signed, or its images are not what they should be.
pub fn run(context: &Context, args: &Args) -> Outcome {
    let session = Session::open(context)?;
    let source = match args.proposal.parse::<Url>() {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Source::of_url(url)?,
        _ => Source::of_path(Path::new(&args.proposal)),
    };
    let proposal = super::sign::read(&session, &source)?;
    refuse_more_than_indexes(&proposal)?;
    let report = super::publish::publish(context, &session, &proposal, &source)?;
    context
        .ui
        .data("accept", &report, || report.text("it is published already"));
    Ok(Verdict::Good)
}

fn refuse_more_than_indexes(proposal: &Proposal) -> Result<(), Failure> {
    let other = proposal
        .documents
        .iter()
        .find(|(id, _)| id.extension().is_none());
    match other {
        None => Ok(()),
        Some((id, _)) => Err(Failure::usage(format!(
            "the proposal changes {id}; indexes of delegated extensions are all that is accepted"
        ))
        .hint("a change of this catalog itself is published by `sysext-publish publish`")),
    }
}
