//! What still runs out of an image that is not merged any more.

use serde::Serialize;
use sysext_formats::name::ExtensionName;
use sysext_formats::version::Version;
use sysext_image::{Image, Limits};

use super::check::identity;
use crate::store::{Store, StoredImage};
use crate::systemd::{LeftBehind, Merger};

/// The hierarchies that systemd-sysext merges.
const HIERARCHIES: [&str; 2] = ["usr", "opt"];

/// A process that began before its image was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outdated {
    /// The extension.
    pub name: ExtensionName,
    /// The version that it runs.
    pub version: Version,
    /// The process.
    pub pid: u32,
    /// The unit that it belongs to.
    pub unit: Option<String>,
}

impl Outdated {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        let version = &self.version;
        match &self.unit {
            Some(unit) if unit.ends_with(".service") => {
                format!("{unit} still runs {version}: systemctl restart {unit}")
            }
            Some(unit) => format!("process {} of {unit} still runs {version}", self.pid),
            None => format!("process {} still runs {version}", self.pid),
        }
    }
}

/// Those of `processes` that run out of images of the store that are none of `running`. An image in use keeps its loop
/// device after the merge that replaced it.
#[must_use]
pub fn outdated(
    systemd: &dyn Merger,
    store: &Store,
    running: &[&StoredImage],
    processes: &[LeftBehind],
) -> Vec<Outdated> {
    if processes.is_empty() {
        return Vec::new();
    }
    let (Ok(contents), Ok(backing)) = (store.images(), systemd.backing_files()) else {
        return Vec::new();
    };
    let is_old = |image: &&StoredImage| {
        !running.iter().any(|running| running.sha256 == image.sha256)
            && identity(&image.path).is_ok_and(|file| backing.contains(&file))
    };
    let old = contents.images.iter().filter(is_old);
    old.flat_map(|image| of_image(store, image, processes))
        .collect()
}

fn of_image(store: &Store, image: &StoredImage, processes: &[LeftBehind]) -> Vec<Outdated> {
    let Ok(file) = store.open_image(image) else {
        return Vec::new();
    };
    let Ok(opened) = Image::open(file, image.length, Limits::default()) else {
        return Vec::new();
    };
    let is_from = |process: &&LeftBehind| {
        let Some(program) = process.program.to_str() else {
            return false;
        };
        let paths = HIERARCHIES.map(|hierarchy| format!("{hierarchy}{program}"));
        let mut entries = opened.entries().iter();
        entries.any(|entry| paths.iter().any(|path| entry.path.as_str() == path))
    };
    let found = processes.iter().filter(is_from);
    found
        .map(|process| Outdated {
            name: image.extension.clone(),
            version: image.version().clone(),
            pid: process.pid,
            unit: process.unit.clone(),
        })
        .collect()
}
