//! `info`: what an extension is, by its index.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use sysext_formats::catalog::ExtensionIndex;
use sysext_formats::name::{CatalogId, ExtensionName};

use crate::cli::Global;
use crate::failure::{Failure, Kind};
use crate::refresh::RefreshProblem;
use crate::session::{Catalogs, Session};
use crate::ui::plain::one_line;
use crate::ui::{self, Ui};

/// `info NAME`
#[derive(Debug, Args)]
pub struct Info {
    /// The extension
    name: ExtensionName,
}

impl Info {
    /// Prints what each catalog says.
    ///
    /// # Errors
    /// When no catalog offers it.
    pub fn run(self, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
        let session = Session::open(global, ui)?;
        let catalogs = session.look(&BTreeSet::from([self.name.clone()]))?;
        let indexes = indexes(&catalogs, &self.name)?;
        let documents: Vec<_> = indexes
            .iter()
            .map(|(id, index)| {
                let newest = index.images.first();
                json!({
                    "catalog": id, "name": index.name, "info": index.info.shown(), "images": index.images.len(),
                    "newest": newest.map(|image| json!({"version": image.version, "released": image.released,
                        "length": image.length, "architecture": image.architecture, "image": image.image})),
                })
            })
            .collect();
        session.say_age(&catalogs);
        ui.list("info", "offers", &documents, || {
            indexes.iter().map(|(id, index)| text(id, index)).collect()
        });
        Ok(ExitCode::SUCCESS)
    }
}

/// The usable indexes of an extension.
pub(super) fn indexes<'a>(
    catalogs: &'a Catalogs,
    name: &ExtensionName,
) -> Result<Vec<(&'a CatalogId, &'a ExtensionIndex)>, Failure> {
    let mut indexes = Vec::new();
    let mut problems = Vec::new();
    for (id, catalog) in catalogs {
        match catalog.as_ref().map(|catalog| catalog.indexes.get(name)) {
            Ok(Some(Ok(index))) => indexes.push((id, index)),
            Ok(Some(Err(RefreshProblem::NotOffered { .. })) | None) => {}
            Ok(Some(Err(problem))) | Err(problem) => problems.push(problem),
        }
    }
    match (indexes.is_empty(), problems.first()) {
        (false, _) => Ok(indexes),
        (true, Some(problem)) => Err(Failure::from(*problem)),
        (true, None) => {
            let failure = Failure::new(Kind::Usage, format!("no catalog offers {name}"));
            Err(failure.hint(if catalogs.is_empty() {
                "none is configured: sysext-fetch catalog add URL#sha256=HEX"
            } else {
                "sysext-fetch search shows what there is"
            }))
        }
    }
}

fn text(id: &CatalogId, index: &ExtensionIndex) -> String {
    let mut text = String::new();
    let mut line = |key: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(text, "{key:<15}{}", one_line(value));
        }
    };
    line("Name", index.name.as_str());
    line("Catalog", id.as_str());
    let info = index.info.shown();
    line("Summary", &info.summary);
    line("Homepage", &info.homepage);
    line("Licence", &index.info.license);
    line("Documentation", &info.documentation);
    for (channel, purpose) in &index.info.channels {
        line("Channel", &format!("{channel}: {purpose}"));
    }
    if let Some(retired) = &index.info.retired {
        let successor = retired
            .successor
            .as_ref()
            .map(|name| format!("; successor: {name}"))
            .unwrap_or_default();
        line("Retired", &format!("{}{successor}", retired.reason));
    }
    if let Some(newest) = index.images.first() {
        line(
            "Newest",
            &format!(
                "{} of {} image(s), released {}",
                newest.version,
                index.images.len(),
                newest.released
            ),
        );
        line("Size", &ui::bytes(newest.length));
        line("Image", &newest.image.filesystem);
        line("Units", &newest.image.units.join(", "));
        line("Setuid files", &newest.image.setuid.join(", "));
    }
    text
}
