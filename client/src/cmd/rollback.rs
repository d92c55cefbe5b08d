//! `rollback`: link again what was linked before, on this root.
//!
//! - Only images of the store are linked, hashed and opened anew, and only those that fit this root. All go back or
//!   none does.
//! - What is left behind goes on the skip list, so that the next update does not bring it back; what the configuration
//!   says otherwise of the extension is changed as far as it contradicts.

use std::process::ExitCode;

use clap::Args;
use sysext_formats::name::ExtensionName;
use toml_edit::Value;

use crate::activate::Switch;
use crate::cli::Global;
use crate::config::edit::{self, EditError};
use crate::config::{Extension, Wish};
use crate::failure::{Failure, Kind};
use crate::history::{self, Cause, ImageRef};
use crate::journal::root_id;
use crate::plan::{Plan, UnlinkReason};
use crate::reconcile::{self, Caller, Staged};
use crate::rollback::{self, RollbackError, Targets};
use crate::select::unfit;
use crate::session::Session;
use crate::stage::restage;
use crate::store::StoredImage;
use crate::ui::Ui;

/// `rollback [NAME…]`
#[derive(Debug, Args)]
pub struct Rollback {
    /// Only these extensions
    names: Vec<ExtensionName>,
    /// Go back to the state after this transaction; 'history' lists them. One step back, where it is not given
    #[arg(long, value_name = "NUMBER")]
    to: Option<u64>,
    /// Only print what would be done
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// What happens to one extension.
struct Move {
    name: ExtensionName,
    from: Option<StoredImage>,
    to: Option<StoredImage>,
}

impl Rollback {
    /// Goes back.
    ///
    /// # Errors
    /// When there is no earlier state, an image of it is gone or does not fit, or nothing could be changed.
    pub fn run(self, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
        let open = if self.dry_run {
            Session::open_to_plan
        } else {
            Session::open_to_change
        };
        let session = open(global, ui)?;
        let moves = moves(&session, self.targets(&session)?)?;
        let mut plan = Plan::default();
        for Move { name, from, to } in &moves {
            match (from, to) {
                (from, Some(to)) => plan.put_back(to, from.as_ref()),
                (from, None) => {
                    let version = from.as_ref().map(StoredImage::version);
                    plan.unlink(name, version, UnlinkReason::NotLinkedThen);
                }
            }
        }
        if self.dry_run {
            return Ok(super::update::print_plan(&session, "rollback", &plan));
        }
        let switches = moves.iter().map(|step| switch(&session, step));
        let switches = switches.collect::<Result<Vec<_>, _>>()?;
        let mut written = false;
        for step in &moves {
            written |= write(&session, step)?;
        }
        let staged = Staged::of_store(plan, switches, Cause::Rollback);
        let outcome = reconcile::activate(&session, staged, Caller::Person)?;
        Ok(outcome
            .with_configuration(written)
            .report(&session, "rollback"))
    }

    fn targets(&self, session: &Session) -> Result<Targets, Failure> {
        let history = match session.existing_store() {
            Some(store) => history::read(store)?,
            None => history::History::default(),
        };
        for broken in &history.broken {
            session.ui.warn(format_args!("left out: {broken}"));
        }
        let root = root_id(&session.root);
        let of_this_root = |transaction: &&_| {
            let transaction: &history::Transaction = transaction;
            transaction.root == root
        };
        let transactions: Vec<_> = history.transactions.iter().filter(of_this_root).collect();
        let targets = match self.to {
            Some(number) => rollback::as_after(&transactions, number, &self.names),
            None => rollback::step_back(&transactions, &self.names),
        };
        targets.map_err(|error: RollbackError| {
            Failure::usage(error.to_string()).hint("sysext-fetch history")
        })
    }
}

/// What really changes, each image found in the store and fit for this root.
fn moves(session: &Session, targets: Targets) -> Result<Vec<Move>, Failure> {
    let mut linked = session.linked()?;
    let mut moves = Vec::new();
    for (name, target) in targets {
        let from = linked.remove(&name);
        let to = target
            .map(|image| find(session, &name, &image))
            .transpose()?;
        if from.as_ref().map(|from| from.sha256) != to.as_ref().map(|to| to.sha256) {
            moves.push(Move { name, from, to });
        }
    }
    Ok(moves)
}

fn find(session: &Session, name: &ExtensionName, image: &ImageRef) -> Result<StoredImage, Failure> {
    let version = image.version.as_ref();
    let version = version.map_or_else(|| image.sha256.short(12), ToString::to_string);
    let stored = match session.existing_store() {
        Some(store) => store.find(&image.sha256)?,
        None => None,
    };
    let stored = stored
        .filter(|stored| stored.extension == *name)
        .ok_or_else(|| {
            let message =
                format!("{name} {version} is not in the store any more, so nothing was changed");
            Failure::new(Kind::Failed, message).hint(format!(
                "sysext-fetch install {name}@{version} fetches it, where its catalog still has it"
            ))
        })?;
    match unfit(&session.host, &stored.custom) {
        None => Ok(stored),
        Some(reason) => {
            let message = format!(
                "{name} {version} does not fit {}, so nothing was changed: {reason}",
                session.host.describe()
            );
            Err(Failure::new(Kind::Failed, message).hint(format!("sysext-fetch why {name}")))
        }
    }
}

fn switch(session: &Session, step: &Move) -> Result<Switch, Failure> {
    let to = match &step.to {
        Some(image) => {
            let staged = restage(session.store()?, image);
            Some(staged.map_err(|error| Failure::from(&error))?)
        }
        None => None,
    };
    Ok(Switch::new(step.name.clone(), to))
}

/// Makes the configuration agree, so that the next update leaves things as they are now.
fn write(session: &Session, step: &Move) -> Result<bool, EditError> {
    let root = &session.root;
    let Some(to) = &step.to else {
        let wanted = session.config.extensions.contains_key(&step.name);
        return Ok(wanted && edit::set_extension(root, &step.name, &[("enabled", false.into())])?);
    };
    let known = session.config.extensions.get(&step.name);
    let unknown = Extension {
        name: step.name.clone(),
        wish: Wish::default(),
        file: std::path::PathBuf::new(),
    };
    let mut extension = known.unwrap_or(&unknown).clone();
    let wish = &extension.wish;
    let mut values: Vec<(&'static str, Value)> = Vec::new();
    if known.is_none() {
        values.push(("catalog", to.catalog.as_str().into()));
    }
    if !wish.enabled {
        values.push(("enabled", true.into()));
    }
    if !wish.version.allows(to.version()) {
        values.push(("version", to.version().as_str().into()));
    }
    let mut written = !values.is_empty() && edit::set_extension(root, &step.name, &values)?;
    written |= edit::unskip(root, &extension, std::slice::from_ref(to.version()))?;
    extension
        .wish
        .skip
        .retain(|version| version != to.version());
    let left = step.from.as_ref().map(StoredImage::version);
    if let Some(left) = left.filter(|left| *left != to.version()) {
        let reason = format!("rolled back to {} at {}", to.version(), session.now);
        written |= edit::skip(root, &extension, left, &reason)?;
    }
    Ok(written)
}
