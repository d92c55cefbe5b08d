//! `completions`: made from the same definition as the command line itself.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::context::{Context, Outcome, Verdict};

/// What `completions` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// For which shell
    shell: Shell,
}

/// Runs it.
///
/// # Errors
/// Never.
pub fn run(context: &Context, args: &Args) -> Outcome {
    let mut out = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "sysext-publish", &mut out);
    context.ui.raw(&out);
    Ok(Verdict::Good)
}
