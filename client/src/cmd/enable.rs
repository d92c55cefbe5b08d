//! `enable` and `disable`: link an installed extension or not; its image stays.

use std::process::ExitCode;

use clap::Args;
use sysext_formats::name::ExtensionName;

use super::edit::{Edit, change};
use crate::cli::Global;
use crate::failure::Failure;
use crate::ui::Ui;

/// `enable NAME…`
#[derive(Debug, Args)]
pub struct Enable {
    /// Extensions
    #[arg(required = true)]
    names: Vec<ExtensionName>,
}

/// `disable NAME…`
#[derive(Debug, Args)]
pub struct Disable {
    /// Extensions
    #[arg(required = true)]
    names: Vec<ExtensionName>,
}

impl Enable {
    /// Links them again.
    ///
    /// # Errors
    /// When one is not installed, or nothing could be done.
    pub fn run(self, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
        change(
            global,
            ui,
            "enable",
            &self.names,
            &Edit::value("enabled", true),
        )
    }
}

impl Disable {
    /// Unlinks them.
    ///
    /// # Errors
    /// When one is not installed, or nothing could be done.
    pub fn run(self, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
        change(
            global,
            ui,
            "disable",
            &self.names,
            &Edit::value("enabled", false),
        )
    }
}
