//! `skip` and `unskip`: versions that this host does not take, with the reason in the file.

use std::process::ExitCode;

use clap::Args;
use sysext_formats::name::ExtensionName;
use sysext_formats::version::Version;

use super::edit::{Edit, change};
use crate::cli::Global;
use crate::failure::Failure;
use crate::ui::Ui;

/// `skip NAME VERSION…`
#[derive(Debug, Args)]
pub struct Skip {
    /// The extension
    name: ExtensionName,
    /// Versions not to be chosen; the linked one is replaced by the best that is left
    #[arg(required = true)]
    versions: Vec<Version>,
}

/// `unskip NAME [VERSION…]`
#[derive(Debug, Args)]
pub struct Unskip {
    /// The extension
    name: ExtensionName,
    /// Versions that may be chosen again; all, where none is named
    versions: Vec<Version>,
}

impl Skip {
    /// Excludes versions, and takes another one where the linked one is among them.
    ///
    /// # Errors
    /// When the extension is not installed, or nothing is left to choose.
    pub fn run(self, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
        change(global, ui, "skip", &[self.name], &Edit::Skip(self.versions))
    }
}

impl Unskip {
    /// Lets versions be chosen again, which also ends a quarantine.
    ///
    /// # Errors
    /// When the extension is not installed, or nothing could be done.
    pub fn run(self, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
        change(
            global,
            ui,
            "unskip",
            &[self.name],
            &Edit::Unskip(self.versions),
        )
    }
}
