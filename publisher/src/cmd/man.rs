//! `man`: one page for the program and one for each subcommand, made from the definition of the command line.

use std::path::PathBuf;

use clap::CommandFactory as _;
use sysext_durable::Dir;

use crate::cli::Cli;
use crate::context::{Context, Outcome, Verdict};
use crate::failure::{Failure, Kind};

/// What `man` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the pages go
    directory: PathBuf,
}

/// Runs it.
///
/// # Errors
/// When a page can not be written.
pub fn run(_context: &Context, args: &Args) -> Outcome {
    let directory = Dir::create_all(&args.directory, 0o755)?;
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    pages(&directory, &command)?;
    Ok(Verdict::Good)
}

fn pages(directory: &Dir, command: &clap::Command) -> Result<(), Failure> {
    let page = clap_mangen::Man::new(command.clone());
    let mut bytes = Vec::new();
    page.render(&mut bytes)
        .map_err(|error| Failure::of(Kind::Failed, &error))?;
    directory.write(&page.get_filename(), &bytes, 0o644)?;
    command
        .get_subcommands()
        .filter(|sub| !sub.is_hide_set())
        .try_for_each(|sub| pages(directory, sub))
}
