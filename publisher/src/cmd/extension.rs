//! `extension`.

use crate::context::{Context, Outcome, Verdict};

/// What `extension` does.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List them
    List,
}

/// Runs it.
///
/// # Errors
/// When it can not do its work.
pub fn run(_context: &Context, _command: Command) -> Outcome {
    Ok(Verdict::Good)
}
