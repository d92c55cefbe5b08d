//! `propose`: any change, as a proposal.

use crate::cli::Change;
use crate::context::{Context, Outbox, Outcome};
use crate::failure::Failure;
use crate::proposal::ProposalError;

/// What `propose` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder for the proposal and its images
    #[arg(long, short, value_name = "DIR", default_value = "proposal")]
    output: String,
    /// Do not sign it with the keys that are here
    #[arg(long)]
    unsigned: bool,
    /// The change
    #[command(subcommand)]
    change: Change,
}

/// Runs it.
///
/// # Errors
/// When the change may not be made, or the proposal can not be written.
pub fn run(context: &Context, args: Args) -> Outcome {
    if let Change::Key(command) = &args.change
        && !command.changes_catalog()
    {
        return Err(
            Failure::usage("this command changes nothing that others would have to sign")
                .hint("run it without `propose`"),
        );
    }
    if let Change::Extension(super::extension::Command::List) = &args.change {
        return Err(
            Failure::usage("`extension list` changes nothing").hint("run it without `propose`")
        );
    }
    // A dry run reads as a real one does, and leaves nothing.
    let nowhere = context.globals.dry_run.then(tempfile::tempdir).transpose();
    let nowhere = nowhere.map_err(ProposalError::NoPlace)?;
    let directory = match &nowhere {
        Some(folder) => folder.path().display().to_string(),
        None => args.output,
    };
    let outbox = Outbox {
        directory,
        sign: !args.unsigned,
    };
    super::run_change(&context.proposing(outbox), args.change)
}
