//! What is found on the host about an extension, besides its image.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::ExtensionName;

use crate::activate::{self, LinkKind, LinkState, Outdated};
use crate::session::Session;
use crate::store::StoredImage;
use crate::systemd::{Systemd, left_behind};

/// What is merged; only the running root has something merged.
#[derive(Debug, Default)]
pub(super) struct Merged {
    pub(super) running: Option<BTreeSet<Sha256Digest>>,
    pub(super) outdated: Vec<Outdated>,
}

impl Merged {
    pub(super) fn find(session: &Session, linked: &BTreeMap<ExtensionName, StoredImage>) -> Self {
        let systemd = Systemd::detect(&session.root);
        let (true, Some(store)) = (session.root.is_running(), session.existing_store()) else {
            return Self::default();
        };
        let Ok(running) = activate::running(&systemd, linked.values()) else {
            return Self::default();
        };
        Self {
            outdated: activate::outdated(&systemd, store, &running, &left_behind()),
            running: Some(running.into_iter().map(|image| image.sha256).collect()),
        }
    }
}

/// What has the name of an extension in the directory of links.
#[derive(Debug, Default)]
pub(super) struct Place {
    pub(super) is_dangling: bool,
    /// Something else is there, and no link of ours.
    pub(super) is_foreign: bool,
    pub(super) shadowed_by: Option<PathBuf>,
}

impl Place {
    pub(super) fn find(links: &[LinkState], name: &ExtensionName) -> Self {
        let of_name = || links.iter().filter(|link| link.name == name.as_str());
        let is_foreign = |link: &LinkState| matches!(link.kind, LinkKind::Foreign { .. });
        // At most one is ours; something foreign of another shape may stand beside it.
        let ours = of_name().find(|link| !is_foreign(link));
        Self {
            is_dangling: ours.is_some_and(|link| matches!(link.kind, LinkKind::Dangling { .. })),
            is_foreign: ours.is_none() && of_name().next().is_some(),
            shadowed_by: ours.and_then(|link| link.shadowed_by.clone()),
        }
    }
}
