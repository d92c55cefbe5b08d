//! What `update` is going to do: a value that can be printed, and that alone decides what happens next.
//!
//! - Pure: made of [`Selection`]s and of what is linked, without I/O.
//! - A [`Step`] says from which version to which, what it costs, and what is new that an admin wants to know
//!   beforehand: units that the image brings and files that are setuid.
//! - What can not be decided is a [`Problem`] of one extension; the others go on.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use sysext_formats::catalog::{Custom, Image, TransportKind, link};
use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::{CatalogId, ExtensionName};
use sysext_formats::version::Version;

use crate::failure::Kind;
use crate::select::{Decision, Linked, Selection};
use crate::store::StoredImage;

/// A plan.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Plan {
    /// What changes, by name.
    pub steps: Vec<Step>,
    /// Extensions that stay as they are.
    pub unchanged: Vec<ExtensionName>,
    /// Extensions that nothing can be done for.
    pub problems: Vec<Problem>,
}

/// What happens to one extension.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// The extension.
    pub name: ExtensionName,
    /// In a word.
    pub action: Action,
    /// The version that is linked now.
    pub from: Option<Version>,
    /// The version that will be.
    pub to: Option<Version>,
    /// Where it comes from.
    pub catalog: Option<CatalogId>,
    /// Bytes to fetch at most; 0 where the image is in the store.
    pub fetch: u64,
    /// Units that the linked image does not have.
    pub new_units: Vec<String>,
    /// Setuid and setgid files that the linked image does not have.
    pub new_setuid: Vec<String>,
    /// Advisories that it fixes.
    pub fixes: Vec<String>,
    /// Release notes.
    pub notes: Option<String>,
    /// Why, where it is not simply newer.
    pub reason: Option<String>,
    /// The image, for the steps that follow.
    #[serde(skip)]
    pub image: Option<Image>,
}

/// What happens, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Nothing was linked.
    Install,
    /// To a higher version.
    Update,
    /// To a lower one.
    Downgrade,
    /// To other bytes of the same version.
    Replace,
    /// The link goes; the image stays in the store until `gc`.
    Unlink,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Install => "install",
            Self::Update => "update",
            Self::Downgrade => "downgrade",
            Self::Replace => "replace",
            Self::Unlink => "unlink",
        })
    }
}

/// Why nothing can be done for an extension.
#[derive(Debug, Clone, Serialize)]
pub struct Problem {
    /// The extension; `None` where a whole catalog is meant.
    pub name: Option<ExtensionName>,
    /// What kind of failure it is.
    pub kind: Kind,
    /// In words.
    pub message: String,
    /// The way out.
    pub hint: Option<String>,
}

/// Why an extension loses its link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnlinkReason {
    /// `enabled = false`.
    Disabled,
    /// Nothing under `extensions.d` asks for it any more.
    NotWanted,
    /// It does not fit this root, and neither does anything else.
    Unfit,
    /// It was not linked at the time that is gone back to.
    NotLinkedThen,
}

impl Plan {
    /// Whether there is anything to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Bytes to fetch at most.
    #[must_use]
    pub fn fetch(&self) -> u64 {
        self.steps
            .iter()
            .map(|step| step.fetch)
            .fold(0, u64::saturating_add)
    }

    /// The worst kind among the problems.
    #[must_use]
    pub fn worst(&self) -> Option<Kind> {
        self.problems.iter().map(|problem| problem.kind).max()
    }

    /// Adds what a selection decided.
    pub fn decide(
        &mut self,
        name: &ExtensionName,
        selection: &Selection<'_>,
        linked: Option<&Linked<'_>>,
        is_stored: impl Fn(&Sha256Digest) -> bool,
    ) {
        match &selection.decision {
            Decision::Keep => self.unchanged.push(name.clone()),
            Decision::Take { catalog, image } => {
                let reason = selection.linked_unfit.as_ref().map(ToString::to_string);
                let fetch = if is_stored(&image.sha256) {
                    0
                } else {
                    fetch_bytes(image, is_stored)
                };
                self.steps
                    .push(take(name, catalog, image, linked, fetch, reason));
            }
            Decision::Nothing => self.nothing(name, selection, linked),
            Decision::Ambiguous { catalogs } => {
                let names: Vec<_> = catalogs.iter().map(|id| format!("\"{id}\"")).collect();
                let first = catalogs
                    .first()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                self.problems.push(Problem {
                    name: Some(name.clone()),
                    kind: Kind::Usage,
                    message: format!(
                        "{name} is offered by the catalogs {}, and none is bound to it",
                        names.join(" and ")
                    ),
                    hint: Some(format!("sysext-fetch install {name} --from {first}")),
                });
            }
        }
    }

    fn nothing(
        &mut self,
        name: &ExtensionName,
        selection: &Selection<'_>,
        linked: Option<&Linked<'_>>,
    ) {
        let message = match (selection.candidates.first(), selection.candidates.len()) {
            (Some(newest), count) => {
                let why = newest
                    .rejection
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                format!(
                    "none of {count} image(s) of {name} can be chosen; of the newest, {}: {why}",
                    newest.image.version
                )
            }
            (None, _) => format!("no image of {name} is offered"),
        };
        self.problems.push(Problem {
            name: Some(name.clone()),
            kind: Kind::Failed,
            message,
            hint: Some(format!(
                "sysext-fetch why {name} shows every image with its reason"
            )),
        });
        // Only what can not run here loses its link: an image that systemd skips anyway.
        if let (
            Some(linked),
            Some(
                crate::select::Rejection::Unfit { .. }
                | crate::select::Rejection::Architecture { .. },
            ),
        ) = (linked, &selection.linked_unfit)
        {
            self.unlink(name, Some(&linked.custom.version), UnlinkReason::Unfit);
        }
    }

    /// Adds an image of the store that is linked again.
    pub fn put_back(&mut self, image: &StoredImage, from: Option<&StoredImage>) {
        let (old, new) = (from.map(|from| &from.custom), &image.custom);
        self.steps.push(Step {
            name: image.extension.clone(),
            action: action(old, new),
            from: old.map(|old| old.version.clone()),
            to: Some(new.version.clone()),
            catalog: Some(image.catalog.clone()),
            fetch: 0,
            new_units: added(old, new, |custom| &custom.image.units),
            new_setuid: added(old, new, |custom| &custom.image.setuid),
            fixes: Vec::new(),
            notes: None,
            reason: None,
            image: None,
        });
    }

    /// Adds the end of a link.
    pub fn unlink(&mut self, name: &ExtensionName, from: Option<&Version>, reason: UnlinkReason) {
        let reason = match reason {
            UnlinkReason::Disabled => "it is disabled",
            UnlinkReason::NotWanted => "nothing asks for it any more",
            UnlinkReason::Unfit => "it does not fit this system",
            UnlinkReason::NotLinkedThen => "it was not linked then",
        };
        self.steps.push(Step {
            name: name.clone(),
            action: Action::Unlink,
            from: from.cloned(),
            to: None,
            catalog: None,
            fetch: 0,
            new_units: Vec::new(),
            new_setuid: Vec::new(),
            fixes: Vec::new(),
            notes: None,
            reason: Some(reason.to_owned()),
            image: None,
        });
    }
}

fn take(
    name: &ExtensionName,
    catalog: &CatalogId,
    image: &Image,
    linked: Option<&Linked<'_>>,
    fetch: u64,
    reason: Option<String>,
) -> Step {
    let old = linked.map(|linked| linked.custom);
    Step {
        name: name.clone(),
        action: action(old, image),
        from: old.map(|old| old.version.clone()),
        to: Some(image.version.clone()),
        catalog: Some(catalog.clone()),
        fetch,
        new_units: added(old, image, |custom| &custom.image.units),
        new_setuid: added(old, image, |custom| &custom.image.setuid),
        fixes: image.fixes.clone(),
        notes: notes(image),
        reason,
        image: Some(image.clone()),
    }
}

fn action(old: Option<&Custom>, new: &Custom) -> Action {
    match old {
        None => Action::Install,
        Some(old) if new.version > old.version => Action::Update,
        Some(old) if new.version < old.version => Action::Downgrade,
        Some(_) => Action::Replace,
    }
}

/// Where the release notes are, where that is a link.
fn notes(image: &Image) -> Option<String> {
    let notes = image.links.as_ref()?.notes.as_ref()?;
    link(notes).map(String::from)
}

fn added(
    old: Option<&Custom>,
    new: &Custom,
    list: impl Fn(&Custom) -> &Vec<String>,
) -> Vec<String> {
    let known: BTreeSet<_> = old.into_iter().flat_map(&list).collect();
    list(new)
        .iter()
        .filter(|item| !known.contains(item))
        .cloned()
        .collect()
}

/// What the smallest transport costs that applies, going by what is in the store.
fn fetch_bytes(image: &Image, is_stored: impl Fn(&Sha256Digest) -> bool) -> u64 {
    let usable = image.transports.iter().filter(|it| match it.kind {
        TransportKind::Zstd => true,
        TransportKind::RelinkLzma => it.from.as_ref().is_some_and(&is_stored),
        TransportKind::Unknown(_) => false,
    });
    usable
        .map(|transport| transport.length)
        .chain([image.length])
        .min()
        .unwrap_or(image.length)
}
