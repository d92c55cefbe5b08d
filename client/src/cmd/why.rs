//! `why`: every image of an extension, with the reason it was chosen or not.

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use sysext_formats::name::{CatalogId, ExtensionName};
use sysext_formats::version::Version;

use crate::cli::Global;
use crate::config::Wish;
use crate::failure::{Failure, Kind};
use crate::refresh::RefreshProblem;
use crate::select::{Decision, Offer, Patience, Rejection, select};
use crate::session::Session;
use crate::ui::plain::one_line;
use crate::ui::{Table, Ui};

/// `why NAME [VERSION]`
#[derive(Debug, Args)]
pub struct Why {
    /// The extension
    name: ExtensionName,
    /// Only this version
    version: Option<Version>,
}

#[derive(Debug, Serialize)]
struct Answer {
    name: ExtensionName,
    host: String,
    decision: String,
    candidates: Vec<Row>,
    ignored: Vec<Ignored>,
    problems: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Row {
    version: Version,
    catalog: CatalogId,
    file: String,
    linked: bool,
    chosen: bool,
    rejection: Option<Rejection>,
    text: String,
}

#[derive(Debug, Serialize)]
struct Ignored {
    catalog: CatalogId,
    file: String,
    reason: String,
}

impl Why {
    /// Prints the reasons.
    ///
    /// # Errors
    /// When no catalog offers the extension, or none offers the version that is asked for.
    pub fn run(self, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
        let session = Session::open(global, ui)?;
        let catalogs = session.look(&BTreeSet::from([self.name.clone()]))?;
        let images = session.linked()?;
        let image = images.get(&self.name);
        let mut problems = Vec::new();
        let mut offers = Vec::new();
        for (id, catalog) in &catalogs {
            match catalog
                .as_ref()
                .map(|catalog| Offer::of(catalog, &self.name))
            {
                Ok(Some(Ok(offer))) => offers.push(offer),
                Ok(Some(Err(RefreshProblem::NotOffered { .. })) | None) => {}
                Ok(Some(Err(problem))) | Err(problem) => problems.push(format!("{id}: {problem}")),
            }
        }
        if offers.is_empty() && image.is_none() {
            let failure = Failure::new(
                Kind::Usage,
                format!("no catalog that could be read offers {}", self.name),
            );
            return Err(problems.into_iter().fold(failure, Failure::hint));
        }
        let default_wish = Wish::default();
        let wish = session
            .config
            .extensions
            .get(&self.name)
            .map_or(&default_wish, |extension| &extension.wish);
        let question = session.question(&self.name, wish, image, Patience::Wait);
        let selection = select(&question, &offers);
        let decision = match (&selection.decision, image) {
            (Decision::Take { image, catalog }, _) => {
                format!("{} from \"{catalog}\" is chosen", image.version)
            }
            (Decision::Keep, Some(image)) => format!("{} stays linked", image.version()),
            (Decision::Keep, None) => "nothing changes".to_owned(),
            (Decision::Nothing, _) => "nothing can be chosen".to_owned(),
            (Decision::Ambiguous { catalogs }, _) => {
                let names: Vec<_> = catalogs.iter().map(ToString::to_string).collect();
                format!(
                    "several catalogs offer it ({}), and none is bound",
                    names.join(", ")
                )
            }
        };
        let candidates = selection.candidates.into_iter();
        let candidates = candidates.filter(|candidate| {
            self.version
                .as_ref()
                .is_none_or(|only| *only == candidate.image.version)
        });
        let rows = candidates.map(|candidate| {
            let is_linked = image.is_some_and(|image| image.sha256 == candidate.image.sha256);
            Row {
                version: candidate.image.version.clone(),
                catalog: candidate.catalog.clone(),
                file: candidate.image.file.to_string(),
                linked: is_linked,
                chosen: candidate.rejection.is_none(),
                text: reason(candidate.rejection.as_ref(), is_linked),
                rejection: candidate.rejection,
            }
        });
        let candidates: Vec<_> = rows.collect();
        if let Some(version) = self.version.as_ref().filter(|_| candidates.is_empty()) {
            let failure = Failure::new(
                Kind::Usage,
                format!(
                    "no catalog that could be read offers {} {version}",
                    self.name
                ),
            );
            let failure = failure.hint(format!("sysext-fetch versions {}", self.name));
            return Err(problems.into_iter().fold(failure, Failure::hint));
        }
        let ignored = offers.iter().flat_map(|offer| {
            offer.index.ignored.iter().map(|ignored| Ignored {
                catalog: offer.catalog.clone(),
                file: ignored.file.clone(),
                reason: ignored.reason.clone(),
            })
        });
        let answer = Answer {
            host: session.host.describe(),
            decision,
            candidates,
            ignored: ignored.collect(),
            problems,
            name: self.name,
        };
        ui.data("why", &answer, || answer.text());
        Ok(ExitCode::SUCCESS)
    }
}

fn reason(rejection: Option<&Rejection>, linked: bool) -> String {
    match (rejection, linked) {
        (None, true) => "linked; nothing better fits".to_owned(),
        (None, false) => "chosen: the highest version that fits".to_owned(),
        (Some(rejection), true) => format!("linked; {rejection}"),
        (Some(rejection), false) => rejection.to_string(),
    }
}

impl Answer {
    fn text(&self) -> String {
        let mut text = format!("{} on {}: {}\n", self.name, self.host, self.decision);
        let mut table = Table::new(&["VERSION", "CATALOG", "REASON"]);
        for row in &self.candidates {
            table.row([
                row.version.to_string(),
                row.catalog.to_string(),
                row.text.clone(),
            ]);
        }
        if !table.is_empty() {
            text.push_str(&table.to_string());
        }
        for ignored in &self.ignored {
            text.push_str(&format!(
                "ignored: {} in \"{}\": {}\n",
                one_line(&ignored.file),
                ignored.catalog,
                one_line(&ignored.reason)
            ));
        }
        for problem in &self.problems {
            text.push_str(&format!("problem: {}\n", one_line(problem)));
        }
        text
    }
}
