//! Whether what should be merged is merged, and which images run.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::store::StoredImage;
use crate::systemd::{BackingFile, Merger, SystemdError};

/// Sees that each of `images` is merged from its file in the store, and that each name in `kept`, which was merged
/// before, still is. The error is the reason in words.
///
/// systemd-sysext does not say which file it took for a name, so a merge from another file of that name would go
/// unnoticed by names alone.
pub(super) fn check<'a>(
    systemd: &dyn Merger,
    images: &[&'a StoredImage],
    kept: impl Iterator<Item = &'a str>,
) -> Result<(), String> {
    let merged = systemd.merged().map_err(|error| error.to_string())?;
    let merged: BTreeSet<_> = merged.iter().map(String::as_str).collect();
    let wanted = images.iter().map(|image| image.extension.as_str());
    let missing: Vec<_> = wanted
        .chain(kept)
        .filter(|name| !merged.contains(name))
        .collect();
    if !missing.is_empty() {
        return Err(format!("systemd-sysext left out {}", missing.join(", ")));
    }
    if images.is_empty() {
        return Ok(());
    }
    let backing = systemd.backing_files().map_err(|error| error.to_string())?;
    for image in images {
        let file =
            identity(&image.path).map_err(|error| format!("{}: {error}", image.path.display()))?;
        if !backing.contains(&file) {
            return Err(format!(
                "{} is merged, but not from {}: no loop device has that file",
                image.extension,
                image.path.display()
            ));
        }
    }
    Ok(())
}

/// Those of `images` that run now: merged, and mounted from their own file. An image that was merged before and is still
/// held open somewhere counts only while its name is merged.
///
/// # Errors
/// When systemd can not be asked.
pub fn running<'a>(
    systemd: &dyn Merger,
    images: impl IntoIterator<Item = &'a StoredImage>,
) -> Result<Vec<&'a StoredImage>, SystemdError> {
    let merged: BTreeSet<_> = systemd.merged()?.into_iter().collect();
    if merged.is_empty() {
        return Ok(Vec::new());
    }
    let backing = systemd.backing_files()?;
    let runs = |image: &&StoredImage| {
        merged.contains(image.extension.as_str())
            && identity(&image.path).is_ok_and(|file| backing.contains(&file))
    };
    Ok(images.into_iter().filter(runs).collect())
}

/// A file as a loop device knows it.
pub(super) fn identity(path: &Path) -> std::io::Result<BackingFile> {
    let metadata = std::fs::metadata(path)?;
    Ok(BackingFile {
        major: rustix::fs::major(metadata.dev()),
        minor: rustix::fs::minor(metadata.dev()),
        inode: metadata.ino(),
    })
}
