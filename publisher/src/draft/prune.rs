//! Which images of an extension go with time.
//!
//! - Of each channel, architecture and operating system the newest stay. An image that is among them in one of its channels
//!   stays in all of them.
//! - A withdrawn image counts as none of them, and goes once every image that stays is newer. One that is still rolled out
//!   does not count either: hosts whose moment has not come need the one before it.
//! - Where no image is left to stay, none goes.

use std::collections::{BTreeMap, BTreeSet};

use sysext_formats::catalog::{Architecture, ExtensionIndex, Image};
use sysext_formats::name::{Channel, ExtensionName, FileName, TargetPath};
use sysext_formats::time::UtcTime;

use super::{DraftError, Editor, patches};

impl Editor {
    /// Takes old images out of the index of an extension; `keep` of each kind stay.
    ///
    /// # Errors
    /// When the index was not handed in, or can not be understood.
    pub fn prune(&mut self, name: &ExtensionName, keep: usize) -> Result<(), DraftError> {
        let index = ExtensionIndex::read(name, self.index(name)?)?;
        let gone = gone(&index.images, keep, self.now);
        if gone.is_empty() {
            return Ok(());
        }
        let index = self.touch_index(name)?;
        for file in gone {
            index.targets.remove(&TargetPath::from(&file));
        }
        patches::drop_orphans(index);
        Ok(())
    }
}

/// What images are held against each other for: what a host that follows one channel chooses from.
type Slot<'a> = (&'a Channel, &'a Architecture, [Option<&'a str>; 3]);

fn slots(image: &Image) -> impl Iterator<Item = Slot<'_>> {
    let os = ["ID", "VERSION_ID", "SYSEXT_LEVEL"].map(|field| image.extension_release.get(field));
    image
        .channels
        .iter()
        .map(move |channel| (channel, &image.architecture, os))
}

/// The files of those that go; `images` come newest first.
fn gone(images: &[Image], keep: usize, now: UtcTime) -> BTreeSet<FileName> {
    let mut counts: BTreeMap<Slot<'_>, usize> = BTreeMap::new();
    let mut oldest: BTreeMap<Slot<'_>, &Image> = BTreeMap::new();
    let mut gone = BTreeSet::new();
    let offered = images.iter().filter(|image| image.withdrawn.is_none());
    for image in offered {
        let is_wanted = |slot| counts.get(&slot).is_none_or(|count| *count < keep);
        if !slots(image).any(is_wanted) {
            gone.insert(image.file.clone());
            continue;
        }
        for slot in slots(image) {
            oldest.insert(slot, image);
            if !is_rolled_out_still(image, now) {
                *counts.entry(slot).or_default() += 1;
            }
        }
    }
    for image in images.iter().filter(|image| image.withdrawn.is_some()) {
        let is_wanted = |slot| {
            let oldest: Option<&&Image> = oldest.get(&slot);
            oldest.is_none_or(|oldest| oldest.version <= image.version)
        };
        if !slots(image).any(is_wanted) {
            gone.insert(image.file.clone());
        }
    }
    gone
}

fn is_rolled_out_still(image: &Image, now: UtcTime) -> bool {
    let rollout = image.rollout.as_ref();
    rollout.is_some_and(|rollout| rollout.end() > now)
}
