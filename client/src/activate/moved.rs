//! Links of ours that are where they were before `activation` changed.

use super::links::{Held, LinkDirectory, LinkKind, links};
use crate::config::Activation;
use crate::root::Root;
use crate::store::StoreError;

/// Moves them to where links are now; whether there were any. What stands there already wins; a link stays where
/// somebody else has its name.
///
/// Nothing but the place changes: at any moment systemd finds the same images, so neither a journal nor a merge is needed.
/// The caller holds the lock.
///
/// # Errors
/// When the file system fails; the next run goes on.
pub fn move_links(root: &Root, activation: Activation) -> Result<bool, StoreError> {
    let Some(from) = LinkDirectory::open(root, activation.other())? else {
        return Ok(false);
    };
    let mut moved = false;
    for state in links(root, activation.other())? {
        let (Ok(name), LinkKind::Ours { .. } | LinkKind::Dangling { .. }) =
            (state.name.parse(), &state.kind)
        else {
            continue;
        };
        let Held::Ours(_, target) = from.held(&state.name)? else {
            continue;
        };
        let here = LinkDirectory::create(root, activation)?;
        match here.held(&state.name)? {
            Held::Nothing => here.set(&name, Some(&target))?,
            Held::Ours(..) => {}
            Held::Foreign(_) => continue,
        }
        from.set(&name, None)?;
        moved = true;
    }
    Ok(moved)
}
