//! `list`: installed extensions with their versions, or what the catalogs offer.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use sysext_formats::name::{CatalogId, ExtensionName};
use sysext_formats::version::Version;

use super::search;
use crate::cli::Global;
use crate::failure::Failure;
use crate::session::Session;
use crate::ui::{Table, Ui};

/// `list`
#[derive(Debug, Args)]
pub struct List {
    /// What the catalogs offer
    #[arg(long, conflicts_with = "installed")]
    available: bool,
    /// What is installed: the default
    #[arg(long)]
    installed: bool,
}

#[derive(Debug, Serialize)]
struct Installed {
    name: ExtensionName,
    version: Option<Version>,
    catalog: Option<CatalogId>,
    channel: String,
    enabled: bool,
    hold: bool,
}

impl List {
    /// Prints the list.
    ///
    /// # Errors
    /// When the configuration or the links can not be read.
    pub fn run(self, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
        let session = Session::open(global, ui)?;
        if self.available {
            let catalogs = session.look_at_lists()?;
            let offered = search::offered(&session, &catalogs);
            session.say_age(&catalogs);
            ui.list("list", "extensions", &offered, || search::text(&offered));
            return Ok(ExitCode::SUCCESS);
        }
        let linked = session.linked()?;
        let installed: Vec<_> = session
            .config
            .extensions
            .values()
            .map(|extension| {
                let image = linked.get(&extension.name);
                Installed {
                    name: extension.name.clone(),
                    version: image.map(|image| image.version().clone()),
                    catalog: extension
                        .wish
                        .catalog
                        .clone()
                        .or(image.map(|image| image.catalog.clone())),
                    channel: extension.wish.channel.to_string(),
                    enabled: extension.wish.enabled,
                    hold: extension.wish.hold,
                }
            })
            .collect();
        ui.list("list", "extensions", &installed, || text(&installed));
        Ok(ExitCode::SUCCESS)
    }
}

fn text(installed: &[Installed]) -> String {
    if installed.is_empty() {
        return "No extension is installed. 'sysext-fetch search' shows what there is.\n"
            .to_owned();
    }
    let mut table = Table::new(&["NAME", "VERSION", "CATALOG", "CHANNEL", "STATE"]);
    let dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    for entry in installed {
        let state = match (entry.enabled, entry.hold) {
            (false, _) => "disabled",
            (true, true) => "held",
            (true, false) => "enabled",
        };
        table.row([
            entry.name.to_string(),
            dash(entry.version.as_ref().map(ToString::to_string)),
            dash(entry.catalog.as_ref().map(ToString::to_string)),
            entry.channel.clone(),
            state.to_owned(),
        ]);
    }
    table.to_string()
}
