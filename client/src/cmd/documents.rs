//! Completions and manual pages, made of the command line's own definition.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap_complete::Shell;
use sysext_durable::Dir;

use crate::cli::definition;
use crate::failure::{Failure, Kind};
use crate::root::DIRECTORY_MODE;
use crate::ui::Ui;

/// `completions SHELL`
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell to complete for
    shell: Shell,
}

impl Completions {
    /// Prints the script.
    ///
    /// # Errors
    /// Never; a reader that goes away ends the output quietly.
    pub fn run(self, ui: Ui) -> Result<ExitCode, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut definition(), "sysext-fetch", &mut script);
        // Shells read it: with --json, too.
        ui.raw(&String::from_utf8_lossy(&script));
        Ok(ExitCode::SUCCESS)
    }
}

/// `man DIR`
#[derive(Debug, Args)]
pub struct Man {
    /// Where the pages go
    directory: PathBuf,
}

impl Man {
    /// Writes `sysext-fetch.1` and a page for each command.
    ///
    /// # Errors
    /// When the directory can not be written.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let directory = Dir::create_all(&self.directory, DIRECTORY_MODE)?;
        write_pages(&directory, definition().disable_help_subcommand(true), "")?;
        Ok(ExitCode::SUCCESS)
    }
}

fn write_pages(directory: &Dir, command: clap::Command, prefix: &str) -> Result<(), Failure> {
    let name = format!("{prefix}{}", command.get_name());
    for subcommand in command
        .get_subcommands()
        .filter(|subcommand| !subcommand.is_hide_set())
    {
        write_pages(directory, subcommand.clone(), &format!("{name}-"))?;
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .title(name.clone())
        .render(&mut page)
        .map_err(|error| Failure::of(Kind::Failed, &error))?;
    Ok(directory.write(&format!("{name}.1"), &page, 0o644)?)
}
