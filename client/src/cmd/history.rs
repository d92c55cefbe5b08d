//! `history`: what was changed on this system, and when. `rollback --to NUMBER` goes back to the state after an entry.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::cli::Global;
use crate::failure::Failure;
use crate::history::{self, Cause, Changed, ImageRef, Transaction};
use crate::journal::root_id;
use crate::session::Session;
use crate::ui::{Table, Ui};

/// `history`
#[derive(Debug, Args)]
pub struct History {
    /// Show the newest N entries
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
    lines: usize,
    /// Those of other roots too: snapshots, and systems below --root
    #[arg(long)]
    all_roots: bool,
}

#[derive(Debug, Serialize)]
struct Entry<'a> {
    #[serde(flatten)]
    transaction: &'a Transaction,
    this_root: bool,
}

impl History {
    /// Prints the history, the newest last.
    ///
    /// # Errors
    /// When it can not be listed.
    pub fn run(self, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
        let session = Session::open(global, ui)?;
        let history = match session.existing_store() {
            Some(store) => history::read(store)?,
            None => history::History::default(),
        };
        for broken in &history.broken {
            ui.warn(format_args!("left out: {broken}"));
        }
        let root = root_id(&session.root);
        let entries: Vec<_> = history
            .transactions
            .iter()
            .map(|transaction| Entry {
                transaction,
                this_root: transaction.root == root,
            })
            .filter(|entry| self.all_roots || entry.this_root)
            .collect();
        let newest = entries.len().saturating_sub(self.lines);
        let entries = entries.get(newest..).unwrap_or_default();
        ui.list("history", "transactions", entries, || {
            text(entries, self.all_roots)
        });
        Ok(ExitCode::SUCCESS)
    }
}

fn text(entries: &[Entry<'_>], all_roots: bool) -> String {
    if entries.is_empty() {
        return "Nothing was ever changed on this system.\n".to_owned();
    }
    let mut table = Table::new(&["NUMBER", "TIME", "ROOT", "WHY", "CHANGES"]);
    if !all_roots {
        table = Table::new(&["NUMBER", "TIME", "WHY", "CHANGES"]);
    }
    for Entry { transaction, .. } in entries {
        let number = transaction.number.to_string();
        let time = transaction.time.to_string();
        let why = match transaction.cause {
            Cause::Change => "change",
            Cause::Rollback => "rollback",
            Cause::Boot => "boot",
        };
        let changes = changes(transaction);
        if all_roots {
            let root = transaction.root.to_string();
            table.row([number, time, root, why.to_owned(), changes]);
        } else {
            table.row([number, time, why.to_owned(), changes]);
        }
    }
    table.to_string()
}

fn changes(transaction: &Transaction) -> String {
    let changed = transaction.changes.iter().map(change);
    let quarantined = transaction.quarantined.iter().map(|quarantined| {
        let version = quarantined.version.as_ref();
        let version = version.map(|version| format!(" {version}"));
        let version = version.unwrap_or_default();
        format!("{}{version} did not merge", quarantined.name)
    });
    changed.chain(quarantined).collect::<Vec<_>>().join(", ")
}

fn change(change: &Changed) -> String {
    let version = |image: &ImageRef| {
        let version = image.version.as_ref().map(ToString::to_string);
        version.unwrap_or_else(|| image.sha256.short(12))
    };
    let name = &change.name;
    match (&change.from, &change.to) {
        (None, Some(to)) => format!("{name} {} linked", version(to)),
        (Some(from), None) => format!("{name} {} unlinked", version(from)),
        (Some(from), Some(to)) => format!("{name} {} to {}", version(from), version(to)),
        (None, None) => format!("{name} unlinked"),
    }
}
