//! The boot guard: before systemd-sysext merges, each link of this root is made to name an image that fits the root
//! that booted.
//!
//! - It uses no network, no catalog and no clock: a host boots whatever vendors and servers do. Catalogs may have expired
//!   by now; the images were verified when they came, and only root can change the store.
//! - One image that systemd-sysext can not read keeps it from merging any. So a link stays only while the store has its
//!   image whole, in the length that was signed; else the best image that fits takes its place, or the link goes.
//! - A store that is not there, such as one on a disk that did not come, changes nothing: its links dangle, which systemd
//!   leaves out, and are right again when it is back.
//! - Nothing here stops a boot: what can not be done is told.
//!
//! What it does not do: merge (systemd-sysext does, right afterwards), hash images, or follow channels and rollouts to
//! newer versions (the next update does).

mod choose;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde::Serialize;
use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::ExtensionName;
use sysext_formats::time::UtcTime;

use self::choose::{Choice, Desired, Misfortune, choose};
use crate::activate::{LinkKind, LinkState, links, relink};
use crate::config::{Activation, Config};
use crate::history::{self, Cause, Changed, ImageRef, Transaction};
use crate::host::HostFacts;
use crate::journal::root_id;
use crate::root::Root;
use crate::roots::{Record, keep_record};
use crate::store::{LinkTarget, Store, StoreError, StoredImage};

/// What the guard works on.
#[derive(Debug, Clone, Copy)]
pub struct Boot<'a> {
    /// The root that booted.
    pub root: &'a Root,
    /// Its store.
    pub store: &'a Store,
    /// What is wanted, as far as it can be read.
    pub config: &'a Config,
    /// What the root is.
    pub host: &'a HostFacts,
    /// Which of its directories holds the links.
    pub activation: Activation,
    /// The time, for the record.
    pub now: UtcTime,
}

/// What the guard did.
#[derive(Debug, Default, Serialize)]
pub struct Guarded {
    /// Links that name another image than before, or none.
    pub changed: Vec<Changed>,
    /// Links that are as they were.
    pub unchanged: Vec<ExtensionName>,
    /// Extensions that are wanted and not linked, with the reason.
    pub left_out: Vec<LeftOut>,
    /// What could not be done, in words.
    pub problems: Vec<String>,
}

/// An extension that this boot goes without.
#[derive(Debug, Serialize)]
pub struct LeftOut {
    /// The extension.
    pub name: ExtensionName,
    /// Why, in words.
    pub reason: String,
}

/// Makes the links fit. What fails for one extension is a problem in the answer.
///
/// # Errors
/// When the links or the store can not be read at all; nothing was changed then.
pub fn guard(boot: &Boot<'_>) -> Result<Guarded, StoreError> {
    let states = links(boot.root, boot.activation)?;
    let contents = boot.store.images()?;
    let mut guarded = Guarded::default();
    for broken in &contents.broken {
        if broken.is_unread {
            guarded
                .problems
                .push(format!("{}, so it is not linked", broken.reason));
        } else {
            tracing::warn!(reason = %broken.reason, "an entry of the store is no image");
        }
    }
    let images = usable(boot.store, &contents.images, &mut guarded.problems);
    let given = Record::of(boot.store, boot.root);
    let given = given.map(|record| record.images).unwrap_or_default();
    for name in names(boot.config, &states) {
        let state = states.iter().find(|state| state.name == name.as_str());
        let linked = match state.map(|state| &state.kind) {
            // Whoever made it keeps it, whatever it does to the others.
            Some(LinkKind::Foreign { .. }) => continue,
            Some(LinkKind::Ours { sha256, file } | LinkKind::Dangling { sha256, file }) => {
                Some(LinkTarget {
                    sha256: *sha256,
                    file: file.clone(),
                })
            }
            None => None,
        };
        let stored: Vec<_> = images
            .values()
            .copied()
            .filter(|image| image.extension == name)
            .collect();
        let whole = |sha256: &Sha256Digest| {
            let image = images.get(sha256).copied();
            image.filter(|image| image.extension == name)
        };
        let choice = choose(
            &name,
            desired(boot.config, &name),
            boot.host,
            // A link may name the right entry by a wrong file, which leads nowhere.
            linked
                .as_ref()
                .and_then(|link| whole(&link.sha256).filter(|image| image.file == link.file)),
            given.get(&name).and_then(|image| whole(&image.sha256)),
            &stored,
        );
        let to = match &choice {
            Choice::Image(image) => Some(*image),
            Choice::Nothing => None,
            Choice::LeftOut(why) => {
                let reason = why.words(boot.host);
                guarded.left_out.push(LeftOut {
                    name: name.clone(),
                    reason,
                });
                None
            }
        };
        guarded.link(boot, name, linked.as_ref(), to);
    }
    drop_other_links(boot, &mut guarded.problems);
    guarded.write_down(boot, &given);
    Ok(guarded)
}

/// Links of ours where the other kind of activation has them: what is in `/etc` would win over `/run`.
fn drop_other_links(boot: &Boot<'_>, problems: &mut Vec<String>) {
    let other = boot.activation.other();
    let states = links(boot.root, other).unwrap_or_default();
    let ours = states
        .iter()
        .filter(|state| !matches!(state.kind, LinkKind::Foreign { .. }));
    for name in ours.filter_map(|state| state.name.parse().ok()) {
        if let Err(error) = relink(boot.root, boot.store, other, &name, None) {
            problems.push(format!("the old link of {name} stays: {error}"));
        }
    }
}

/// Every extension that is wanted or has a link.
fn names(config: &Config, states: &[LinkState]) -> BTreeSet<ExtensionName> {
    let linked = states.iter().filter_map(|state| state.name.parse().ok());
    config.extensions.keys().cloned().chain(linked).collect()
}

fn desired<'a>(config: &'a Config, name: &ExtensionName) -> Desired<'a> {
    match config.extensions.get(name) {
        Some(extension) if extension.wish.enabled => Desired::Wanted(&extension.wish),
        Some(_) => Desired::NotWanted,
        None if config.unlisted || config.unreadable.contains(name) => Desired::Unknown,
        None => Desired::NotWanted,
    }
}

/// The images that nobody but root could have changed since they were staged.
fn usable<'a>(
    store: &Store,
    images: &'a [StoredImage],
    problems: &mut Vec<String>,
) -> BTreeMap<Sha256Digest, &'a StoredImage> {
    let open = [
        store.base().path().to_owned(),
        store.base().path().join("store"),
    ];
    if let Some(reason) = open.iter().find_map(|path| changeable(path)) {
        problems.push(format!("{reason}, so nothing in it is linked"));
        return BTreeMap::new();
    }
    let mut usable = BTreeMap::new();
    for image in images {
        let entry = image.path.parent().unwrap_or(&image.path);
        match changeable(entry).or_else(|| changeable(&image.path)) {
            Some(reason) => problems.push(format!("{reason}, so it is not linked")),
            None => {
                usable.insert(image.sha256, image);
            }
        }
    }
    usable
}

/// Why a file or directory is not only root's, if it is not. Whoever runs this counts as root: nobody else gets here on a
/// real host.
fn changeable(path: &Path) -> Option<String> {
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => return Some(format!("{} can not be looked at: {error}", path.display())),
    };
    let owner = metadata.uid();
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Some(format!("{} belongs to user {owner}", path.display()));
    }
    if metadata.mode() & 0o022 != 0 && !metadata.is_symlink() {
        let mode = metadata.mode() & 0o7777;
        return Some(format!(
            "{} can be changed by others (mode {mode:o})",
            path.display()
        ));
    }
    None
}

impl Misfortune<'_> {
    fn words(&self, host: &HostFacts) -> String {
        match self {
            Self::NoImage => "the store has no whole image of it".to_owned(),
            Self::Unfit(image, reason) => format!(
                "{} does not fit {}: {reason}",
                image.version(),
                host.describe()
            ),
            Self::Excluded => {
                "its version, channel or skip list excludes every image of the store that fits"
                    .to_owned()
            }
        }
    }
}

impl Guarded {
    fn link(
        &mut self,
        boot: &Boot<'_>,
        name: ExtensionName,
        from: Option<&LinkTarget>,
        to: Option<&StoredImage>,
    ) {
        let same = match (from, to) {
            (Some(from), Some(to)) => from.sha256 == to.sha256 && from.file == to.file,
            (None, None) => return,
            _ => false,
        };
        if same {
            self.unchanged.push(name);
            return;
        }
        if let Err(error) = relink(boot.root, boot.store, boot.activation, &name, to) {
            self.problems
                .push(format!("{name} is linked as it was: {error}"));
            return;
        }
        self.changed.push(Changed {
            name,
            from: from.map(|from| ImageRef::of_link(from, boot.store)),
            to: to.map(ImageRef::of),
        });
    }

    /// Records what this root has now. In `/run` all links are new at each boot: a change is what differs from the last.
    fn write_down(&mut self, boot: &Boot<'_>, given: &BTreeMap<ExtensionName, ImageRef>) {
        let mut changes = self.changed.clone();
        if boot.activation == Activation::Boot {
            for change in &mut changes {
                change.from = given.get(&change.name).cloned();
            }
            changes.retain(|change| {
                change.from.as_ref().map(|image| image.sha256)
                    != change.to.as_ref().map(|image| image.sha256)
            });
        }
        if let Err(error) = record(boot, changes) {
            self.problems.push(format!(
                "what was linked could not be written down: {error}"
            ));
        }
    }
}

fn record(boot: &Boot<'_>, changes: Vec<Changed>) -> Result<(), StoreError> {
    if !changes.is_empty() {
        let number = history::next_number(boot.store)?;
        let mut transaction = Transaction::new(number, root_id(boot.root), boot.now, changes);
        transaction.cause = Cause::Boot;
        transaction.record(boot.store)?;
    }
    keep_record(boot.root, boot.store, boot.activation, boot.now)
}
