//! Links of others that make way for one of ours, and come back when it does not hold.

use sysext_durable::{Dir, checkpoint};

use crate::journal::Displaced;
use crate::root::{DIRECTORY_MODE, Root};
use crate::store::StoreError;

/// Takes them away, as long as they lead where they led when it was decided.
pub(super) fn take_away(root: &Root, displaced: &[Displaced]) -> Result<(), StoreError> {
    for link in displaced {
        let (directory, name) = place(link)?;
        let Some(dir) = Dir::open_existing(&root.path(directory))? else {
            continue;
        };
        if dir.kind(name)?.is_none() {
            continue;
        }
        if dir.read_link(name)?.as_ref() != Some(&link.target) {
            return Err(StoreError::Broken {
                path: dir.path().join(name),
                reason: "it was replaced meanwhile".to_owned(),
            });
        }
        dir.remove(name)?;
        checkpoint("link-displaced");
    }
    Ok(())
}

/// Puts them back, where nothing else has come into their place.
pub(super) fn put_back(root: &Root, displaced: &[Displaced]) -> Result<(), StoreError> {
    for link in displaced {
        let (directory, name) = place(link)?;
        let dir = Dir::create_all(&root.path(directory), DIRECTORY_MODE)?;
        if dir.kind(name)?.is_none() {
            dir.symlink(name, &link.target)?;
        }
    }
    Ok(())
}

fn place(link: &Displaced) -> Result<(&str, &str), StoreError> {
    link.place().ok_or_else(|| StoreError::Broken {
        path: link.link.clone(),
        reason: "systemd-sysext looks for no extension there".to_owned(),
    })
}
