//! `add`.

use crate::context::{Context, Outcome, Verdict};

/// What `add` takes.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it.
///
/// # Errors
/// When it can not do its work.
pub fn run(_context: &Context, _args: Args) -> Outcome {
    Ok(Verdict::Good)
}
