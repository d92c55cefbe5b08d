//! `hold` and `unhold`: stay at the linked image, whatever the catalogs offer, or follow them again.

use std::process::ExitCode;

use clap::Args;
use sysext_formats::name::ExtensionName;

use super::edit::{Edit, change};
use crate::cli::Global;
use crate::failure::Failure;
use crate::ui::Ui;

/// `hold NAME…`
#[derive(Debug, Args)]
pub struct Hold {
    /// Extensions
    #[arg(required = true)]
    names: Vec<ExtensionName>,
}

/// `unhold NAME…`
#[derive(Debug, Args)]
pub struct Unhold {
    /// Extensions
    #[arg(required = true)]
    names: Vec<ExtensionName>,
}

impl Hold {
    /// Holds them. An OS that the linked image does not fit still gets one that does.
    ///
    /// # Errors
    /// When one is not installed, or nothing could be done.
    pub fn run(self, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
        change(global, ui, "hold", &self.names, &Edit::value("hold", true))
    }
}

impl Unhold {
    /// Follows the catalogs again.
    ///
    /// # Errors
    /// When one is not installed, or nothing could be done.
    pub fn run(self, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
        change(
            global,
            ui,
            "unhold",
            &self.names,
            &Edit::value("hold", false),
        )
    }
}
