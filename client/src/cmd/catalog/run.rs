//! What the `catalog` commands print.

use std::process::ExitCode;

use super::{
    Added, CatalogArgs, CatalogCommand, CatalogDetails, CatalogError, CatalogRow, Changed,
    FirstTrust,
};
use super::{add, list, narrow, remove, show};
use crate::cli::Global;
use crate::failure::{Failure, Kind};
use crate::session::Session;
use crate::ui::plain::one_line;
use crate::ui::{Table, Ui};

impl CatalogArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// When it can not be done; nothing was changed then.
    pub fn run(self, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
        match self.command {
            CatalogCommand::List => {
                let session = Session::open(global, ui)?;
                let rows = list(&session.root, &session.config, session.now);
                ui.list("catalog list", "catalogs", &rows, || list_text(&rows));
            }
            CatalogCommand::Show { id } => {
                let session = Session::open(global, ui)?;
                let details = show(&session.root, &session.config, session.now, &id)?;
                ui.data("catalog show", &details, || details_text(&details));
            }
            CatalogCommand::Add(request) => {
                let session = Session::open_to_change(global, ui)?;
                session.warn_of_configuration();
                let fetcher = session.fetcher()?;
                let ask = |trust: &FirstTrust| ui.ask(&question(trust));
                let added = add(
                    &session.root,
                    &session.config,
                    &fetcher,
                    session.now,
                    &request,
                    ask,
                )?;
                added.notes.iter().for_each(|note| ui.warn(note));
                ui.data("catalog add", &added, || added_text(&added));
            }
            CatalogCommand::Remove { id } => {
                let session = Session::open_to_change(global, ui)?;
                session.warn_of_configuration();
                let changed = remove(&session.root, &session.config, &id)?;
                ui.data("catalog remove", &changed, || {
                    changed_text(&changed, "forgotten")
                });
            }
            CatalogCommand::Narrow { id, patterns } => {
                let session = Session::open_to_change(global, ui)?;
                session.warn_of_configuration();
                let changed = narrow(&session.root, &session.config, &id, &patterns)?;
                ui.data("catalog narrow", &changed, || {
                    changed_text(&changed, "narrowed")
                });
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl From<CatalogError> for Failure {
    fn from(error: CatalogError) -> Self {
        let failure = Self::of(error.kind().into(), &error);
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None if failure.kind == Kind::Temporary => {
                failure.hint("try again later; nothing was changed")
            }
            None => failure,
        }
    }
}

fn question(trust: &FirstTrust) -> String {
    let patterns: Vec<_> = trust.extensions.iter().map(ToString::to_string).collect();
    format!(
        "The catalog {:?} at {}\nwants to provide: {}\nIts fingerprint is {}\n\
         Compare it with what the vendor says elsewhere. Trust it?",
        trust.title,
        trust.url,
        patterns.join(", "),
        trust.fingerprint
    )
}

fn joined<T: ToString>(items: &[T]) -> String {
    items
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

fn added_text(added: &Added) -> String {
    let how = if added.changed {
        "is trusted from now on"
    } else {
        "was trusted already"
    };
    let offered = match added.offered.len() {
        0 => "It offers no extension yet.".to_owned(),
        count @ 1..=10 => format!("It offers {count}: {}", joined(&added.offered)),
        count => format!("It offers {count} extensions; sysext-fetch search shows them."),
    };
    format!(
        "The catalog \"{}\" {how}; it may provide {}.\n{offered}\n",
        added.id,
        joined(&added.extensions)
    )
}

fn changed_text(changed: &Changed, how: &str) -> String {
    let mut text = match changed.changed {
        true => format!("The catalog \"{}\" is {how}.\n", changed.id),
        false => format!("Nothing to do for the catalog \"{}\".\n", changed.id),
    };
    if !changed.affected.is_empty() {
        text.push_str(&format!(
            "No updates any more for: {}\n",
            joined(&changed.affected)
        ));
    }
    text
}

fn list_text(rows: &[CatalogRow]) -> String {
    if rows.is_empty() {
        return "This host knows no catalog. sysext-fetch catalog add URL#sha256=HEX\n".to_owned();
    }
    let mut table = Table::new(&[
        "ID",
        "OFFERS",
        "MAY PROVIDE",
        "FRESH UNTIL",
        "URL",
        "PROBLEM",
    ]);
    for row in rows {
        let until = row
            .fresh_until
            .map_or_else(|| "-".to_owned(), |time| time.to_string());
        table.row([
            row.id.to_string(),
            row.offers.to_string(),
            joined(&row.extensions),
            if row.overdue {
                format!("{until} (overdue)")
            } else {
                until
            },
            row.urls.first().cloned().unwrap_or_default(),
            row.problem.clone().unwrap_or_default(),
        ]);
    }
    table.to_string()
}

fn details_text(details: &CatalogDetails) -> String {
    let row = &details.row;
    let mut text = String::new();
    let mut line = |key: &str, value: String| {
        if !value.is_empty() {
            text.push_str(&format!("{key:<14}{}\n", one_line(&value)));
        }
    };
    line("Id", row.id.to_string());
    line("Title", row.title.clone());
    line("URL", row.urls.join(", "));
    line("May provide", joined(&row.extensions));
    line(
        "Fingerprint",
        row.fingerprint
            .map(|digest| digest.to_string())
            .unwrap_or_default(),
    );
    line("Configured in", row.file.display().to_string());
    line(
        "Refreshed",
        row.refreshed
            .map(|time| time.to_string())
            .unwrap_or_default(),
    );
    line(
        "Fresh until",
        row.fresh_until
            .map(|time| time.to_string())
            .unwrap_or_default(),
    );
    line("Problem", row.problem.clone().unwrap_or_default());
    line("Used by", joined(&details.used_by));
    for (name, summary) in &details.offered {
        line("Offers", format!("{name}: {summary}"));
    }
    text
}
