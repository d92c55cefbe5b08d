//! `versions`: every image of an extension, newest first.

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use sysext_formats::catalog::Image;
use sysext_formats::name::{CatalogId, Channel, ExtensionName};
use sysext_formats::os::match_host;
use sysext_formats::time::UtcTime;
use sysext_formats::version::Version;

use crate::cli::Global;
use crate::failure::Failure;
use crate::session::Session;
use crate::ui::{self, Table, Ui};

/// `versions NAME`
#[derive(Debug, Args)]
pub struct Versions {
    /// The extension
    name: ExtensionName,
}

#[derive(Debug, Serialize)]
struct Row {
    version: Version,
    catalog: CatalogId,
    architecture: String,
    channels: Vec<Channel>,
    released: UtcTime,
    length: u64,
    fits: bool,
    withdrawn: Option<String>,
    linked: bool,
}

impl Versions {
    /// Prints the list.
    ///
    /// # Errors
    /// When no catalog offers the extension.
    pub fn run(self, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
        let session = Session::open(global, ui)?;
        let catalogs = session.look(&BTreeSet::from([self.name.clone()]))?;
        let linked = session
            .linked()?
            .remove(&self.name)
            .map(|image| image.sha256);
        let row = |id: &CatalogId, image: &Image| {
            let host = &session.host.host;
            let runs =
                image.architecture.is_any() || image.architecture.as_str() == host.architecture;
            Row {
                version: image.version.clone(),
                catalog: id.clone(),
                architecture: image.architecture.to_string(),
                channels: image.channels.clone(),
                released: image.released,
                length: image.length,
                fits: runs && match_host(&image.extension_release, host).is_ok(),
                withdrawn: image
                    .withdrawn
                    .as_ref()
                    .map(|withdrawn| withdrawn.reason.clone()),
                linked: linked == Some(image.sha256),
            }
        };
        let indexes = super::info::indexes(&catalogs, &self.name)?;
        let rows: Vec<_> = indexes
            .iter()
            .flat_map(|(id, index)| index.images.iter().map(|image| row(id, image)))
            .collect();
        session.say_age(&catalogs);
        ui.list("versions", "versions", &rows, || text(&rows));
        Ok(ExitCode::SUCCESS)
    }
}

fn text(rows: &[Row]) -> String {
    let mut table = Table::new(&[
        "", "VERSION", "CATALOG", "ARCH", "CHANNELS", "RELEASED", "SIZE", "NOTE",
    ]);
    for row in rows {
        let channels: Vec<_> = row.channels.iter().map(Channel::as_str).collect();
        let note = match (&row.withdrawn, row.fits) {
            (Some(reason), _) => format!("withdrawn: {reason}"),
            (None, false) => "does not fit this system".to_owned(),
            (None, true) => String::new(),
        };
        table.row([
            if row.linked { "*" } else { "" }.to_owned(),
            row.version.to_string(),
            row.catalog.to_string(),
            row.architecture.clone(),
            channels.join(","),
            row.released.to_string(),
            ui::bytes(row.length),
            note,
        ]);
    }
    if table.is_empty() {
        "No image is offered.\n".to_owned()
    } else {
        table.to_string()
    }
}
