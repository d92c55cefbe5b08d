//! `gc`: delete the images that no root of this host needs.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::Args;
use serde::Serialize;
use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::ExtensionName;
use sysext_formats::version::Version;

use crate::activate;
use crate::cli::Global;
use crate::config;
use crate::failure::Failure;
use crate::gc::{garbage, needs};
use crate::history;
use crate::session::Session;
use crate::systemd::Systemd;
use crate::ui::{self, Table, Ui};

/// A download that nobody went on with for so long is not gone on with.
const OLD_PART: Duration = Duration::from_secs(7 * 86_400);

/// `gc`
#[derive(Debug, Args)]
pub struct Gc {
    /// Keep N images of each extension besides those that are needed, for a rollback
    /// [default: keep in sysext-fetch.toml, 1]
    #[arg(long, value_name = "N")]
    keep: Option<u32>,
    /// Only print what would be deleted
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// What was deleted.
#[derive(Debug, Default, Serialize)]
pub(super) struct Collected {
    changed: bool,
    roots: usize,
    images: Vec<Deleted>,
    broken: Vec<Sha256Digest>,
    bytes: u64,
    /// Bytes of downloads that nobody went on with.
    parts: u64,
}

#[derive(Debug, Serialize)]
struct Deleted {
    name: ExtensionName,
    version: Version,
    sha256: Sha256Digest,
    bytes: u64,
}

impl Gc {
    /// Deletes.
    ///
    /// # Errors
    /// When a root can not be read, so that nothing is deleted, or an image can not be removed.
    pub fn run(self, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
        let open = if self.dry_run {
            Session::open
        } else {
            Session::open_to_change
        };
        let session = open(global, ui)?;
        let keep = self.keep.unwrap_or(session.config.settings.keep);
        let collected = if session.existing_store().is_some() {
            collect(&session, keep, self.dry_run)?
        } else {
            Collected::default()
        };
        ui.data("gc", &collected, || collected.text(self.dry_run));
        Ok(ExitCode::SUCCESS)
    }
}

/// Deletes what nobody needs, or only finds it.
pub(super) fn collect(session: &Session, keep: u32, dry_run: bool) -> Result<Collected, Failure> {
    let store = session.store()?;
    let systemd = Systemd::detect(&session.root);
    let configured = &session.config.settings.roots;
    let needs = needs(&session.root, store, configured, &systemd, session.now)?;
    let contents = store.images()?;
    let config = &session.config;
    // What is wanted of an extension whose file is broken is not known, so its images stay as if it were.
    let mut wanted: BTreeSet<_> = config.extensions.keys().cloned().collect();
    wanted.extend(config.unreadable.iter().cloned());
    if config.unlisted {
        wanted.extend(contents.images.iter().map(|image| image.extension.clone()));
    }
    let history = history::read(store)?.transactions;
    let keep = usize::try_from(keep).unwrap_or(usize::MAX);
    let images = garbage(&contents, &needs.images, &wanted, &history, keep);
    let broken: Vec<_> = contents
        .broken
        .iter()
        .filter(|broken| !broken.is_unread)
        .map(|broken| broken.sha256)
        .filter(|sha256| !needs.images.contains(sha256))
        .collect();
    let mut collected = Collected {
        roots: needs.roots,
        bytes: images.iter().map(|image| image.length).sum(),
        images: images
            .iter()
            .map(|image| Deleted {
                name: image.extension.clone(),
                version: image.version().clone(),
                sha256: image.sha256,
                bytes: image.length,
            })
            .collect(),
        ..Collected::default()
    };
    let old = SystemTime::now().checked_sub(OLD_PART);
    let old = old.unwrap_or(SystemTime::UNIX_EPOCH);
    if dry_run {
        collected.parts = store.old_parts(old)?;
    } else {
        for broken in contents.broken.iter().filter(|broken| broken.is_unread) {
            session.ui.warn(format_args!(
                "not deleted, since it could not be read: {}",
                broken.reason
            ));
        }
        let mut digests = images.iter().map(|image| &image.sha256).chain(&broken);
        digests.try_for_each(|sha256| store.remove(sha256))?;
        let mut stale = needs.stale.iter();
        stale.try_for_each(|record| record.remove(store))?;
        collected.parts = store.remove_parts(old)?;
        store.sweep()?;
        activate::sweep(&session.root, session.activation)?;
        config::edit::sweep(&session.root)?;
    }
    collected.broken = broken;
    collected.changed = !dry_run
        && (!collected.images.is_empty() || !collected.broken.is_empty() || collected.parts > 0);
    Ok(collected)
}

impl Collected {
    fn text(&self, dry_run: bool) -> String {
        let freed = self.bytes.saturating_add(self.parts);
        if self.images.is_empty() && self.broken.is_empty() && freed == 0 {
            return format!("Nothing to delete; {} root(s) were asked.\n", self.roots);
        }
        let mut table = Table::new(&["EXTENSION", "VERSION", "SIZE"]);
        for image in &self.images {
            table.row([
                image.name.to_string(),
                image.version.to_string(),
                ui::bytes(image.bytes),
            ]);
        }
        for sha256 in &self.broken {
            table.row(["-".to_owned(), sha256.short(12), "incomplete".to_owned()]);
        }
        let done = if dry_run { "would be freed" } else { "freed" };
        let rows = if table.is_empty() {
            String::new()
        } else {
            table.to_string()
        };
        format!(
            "{rows}{} {done}; {} root(s) were asked.\n",
            ui::bytes(freed),
            self.roots
        )
    }
}
