//! What follows a live merge: the service manager learns of new units, and the admin's units start anew.

use serde::Serialize;

use super::{Applied, Merge};
use crate::history::ImageRef;
use crate::store::Store;
use crate::systemd::Merger;

/// What followed a merge.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Settled {
    /// Units that were restarted.
    pub restarted: Vec<String>,
    /// What did not work, in words. The merge holds all the same.
    pub problems: Vec<String>,
}

/// Reloads the service manager where a merged change brings or took away units, or asks for it
/// (`EXTENSION_RELOAD_MANAGER=1`; older systemd does not look at that), and restarts `units`, each once. Nothing happens
/// where nothing was merged.
#[must_use]
pub fn settle<'a>(
    store: &Store,
    systemd: &dyn Merger,
    applied: &Applied,
    units: impl IntoIterator<Item = &'a str>,
) -> Settled {
    let mut settled = Settled::default();
    if applied.merge != Merge::Done || applied.changed.is_empty() {
        return settled;
    }
    let images = applied
        .changed
        .iter()
        .flat_map(|change| [&change.from, &change.to]);
    if images.flatten().any(|image| concerns_manager(store, image))
        && let Err(error) = systemd.daemon_reload()
    {
        settled.problems.push(error.to_string());
    }
    let mut units: Vec<_> = units.into_iter().collect();
    units.sort_unstable();
    units.dedup();
    for unit in units {
        match systemd.restart(unit) {
            Ok(()) => settled.restarted.push(unit.to_owned()),
            Err(error) => settled.problems.push(error.to_string()),
        }
    }
    settled
}

/// An image that the store does not know any more may have had units: one reload too many harms nobody.
fn concerns_manager(store: &Store, image: &ImageRef) -> bool {
    match store.find(&image.sha256) {
        Ok(Some(stored)) => {
            let asks = stored
                .custom
                .extension_release
                .get("EXTENSION_RELOAD_MANAGER");
            !stored.custom.image.units.is_empty() || asks.is_some_and(|value| value != "0")
        }
        _ => true,
    }
}
