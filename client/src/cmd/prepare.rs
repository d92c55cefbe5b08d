//! `prepare`: bring into the store what another root needs, before that root boots.
//!
//! Nothing is linked: the boot guard of that root finds the images, and the record says which were meant.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use sysext_formats::name::ExtensionName;
use sysext_formats::version::Version;

use crate::cli::Global;
use crate::config::Config;
use crate::failure::{Failure, Kind};
use crate::history::ImageRef;
use crate::plan::Problem;
use crate::reconcile::{self, Options};
use crate::root::Root;
use crate::roots::{Record, next_root};
use crate::session::{self, Session};
use crate::store::StoredImage;
use crate::ui::{Table, Ui};

/// The store of the running system, which other roots share.
const STORE: &str = "/var/lib/sysext-fetch";

/// `prepare`
#[derive(Debug, Args)]
pub struct Prepare {}

/// What a root will find.
#[derive(Debug, Serialize)]
pub(super) struct Prepared {
    changed: bool,
    system: String,
    images: Vec<Image>,
    pub(super) problems: Vec<Problem>,
}

#[derive(Debug, Serialize)]
struct Image {
    name: ExtensionName,
    version: Option<Version>,
    fetched: bool,
}

impl Prepare {
    /// Prepares.
    ///
    /// # Errors
    /// When that root is none, or the store can not be written. What can not be had for it is a problem in the report.
    pub fn run(self, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
        let Some(prepared) = prepare_next(global, ui)? else {
            return Ok(ExitCode::SUCCESS);
        };
        ui.data("prepare", &prepared, || prepared.text());
        Ok(prepared.code())
    }
}

/// Prepares the root at `--root`, or the one that boots next; `None` where there is no such root. Problems are told.
pub(super) fn prepare_next(global: &Global, ui: Ui) -> Result<Option<Prepared>, Failure> {
    let session = match &global.root {
        Some(_) => open(global, ui)?,
        None => match next_root(&session::root_of(global)?) {
            Ok(Some(next)) => open_root(global, &next, ui)?,
            Ok(None) => {
                ui.say("no other root is going to boot next, as far as can be seen; --root DIR names one");
                return Ok(None);
            }
            Err(error) => return Err(Failure::of(Kind::Failed, &error)),
        },
    };
    let prepared = prepare(&session)?;
    reconcile::report_problems(&session, &prepared.problems);
    Ok(Some(prepared))
}

/// A session for the root at `directory`.
pub(super) fn open_root(global: &Global, directory: &Path, ui: Ui) -> Result<Session, Failure> {
    let mut global = global.clone();
    global.root = Some(directory.to_owned());
    open(&global, ui)
}

/// A session for another root: with the store of the running system, and its configuration where that root has none yet.
pub(super) fn open(global: &Global, ui: Ui) -> Result<Session, Failure> {
    let mut global = global.clone();
    if global.root.as_deref() != Some(Path::new("/")) {
        global.store.get_or_insert_with(|| PathBuf::from(STORE));
    }
    let mut session = Session::open_to_change(&global, ui)?;
    let config = &session.config;
    if config.catalogs.is_empty() && config.extensions.is_empty() && config.problems.is_empty() {
        session.config = Config::load(&Root::new(PathBuf::from("/"), None))?;
    }
    Ok(session)
}

/// Chooses for the root of `session`, and stages what it will need.
pub(super) fn prepare(session: &Session) -> Result<Prepared, Failure> {
    let linked = session.linked()?;
    let mut images: BTreeMap<_, _> = linked
        .iter()
        .map(|(name, image)| (name.clone(), ImageRef::of(image)))
        .collect();
    let planned = reconcile::plan(session, &Options::timer())?;
    let staged = reconcile::stage_all(session, planned)?;
    let mut fetched = BTreeSet::new();
    for switch in staged.switches() {
        match &switch.to {
            Some(image) => {
                if image.fetched() > 0 {
                    fetched.insert(switch.name.clone());
                }
                images.insert(switch.name.clone(), ImageRef::of(image.stored()));
            }
            None => {
                images.remove(&switch.name);
            }
        }
    }
    let record = Record::new(
        &session.root,
        session.activation,
        session.now,
        images.clone(),
    );
    let changed = record.write(session.store()?)?;
    let images = images.into_iter().map(|(name, image)| Image {
        fetched: fetched.contains(&name),
        version: image.version,
        name,
    });
    Ok(Prepared {
        changed: changed || !fetched.is_empty(),
        system: session.host.describe(),
        images: images.collect(),
        problems: staged.plan().problems.clone(),
    })
}

/// The images that the record of this root names, as far as the store has them.
pub(super) fn recorded(session: &Session) -> Result<BTreeMap<ExtensionName, StoredImage>, Failure> {
    let store = session.store()?;
    let record = Record::of(store, &session.root);
    let images = record.map(|record| record.images).unwrap_or_default();
    let stored = images
        .into_iter()
        .filter_map(|(name, image)| Some((name, store.find(&image.sha256).ok()??)));
    Ok(stored.collect())
}

impl Prepared {
    /// By its worst problem.
    pub(super) fn code(&self) -> ExitCode {
        let worst = self.problems.iter().map(|problem| problem.kind).max();
        worst.map_or(ExitCode::SUCCESS, Kind::into)
    }

    fn text(&self) -> String {
        let mut table = Table::new(&["EXTENSION", "VERSION", "FETCHED"]);
        for image in &self.images {
            let version = image.version.as_ref();
            table.row([
                image.name.to_string(),
                version.map_or_else(|| "-".to_owned(), ToString::to_string),
                if image.fetched { "now" } else { "before" }.to_owned(),
            ]);
        }
        if table.is_empty() {
            return format!("{} needs no image.\n", self.system);
        }
        format!("{table}The store has these for {}.\n", self.system)
    }
}
