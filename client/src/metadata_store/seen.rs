//! Since when this host knows each image: what `min-age` is counted from.
//!
//! - A vendor can write any time of release into an index; when it reached this host can not be made up.
//! - Only what is there when an extension is first looked at counts as old as its vendor says it is: else nothing could be
//!   installed where everything must have some age.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sysext_formats::catalog::{ExtensionIndex, Image};
use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::ExtensionName;
use sysext_formats::time::UtcTime;

/// By extension, the images of its index, each with the time since when it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seen(BTreeMap<ExtensionName, BTreeMap<Sha256Digest, UtcTime>>);

impl Seen {
    /// Since when an image is known; `None` where it is not yet.
    #[must_use]
    pub fn since(&self, extension: &ExtensionName, image: &Image) -> Option<UtcTime> {
        self.0.get(extension)?.get(&image.sha256).copied()
    }

    /// Takes an index as it is now. Images that it does not list any more are forgotten.
    pub fn look_at(&mut self, extension: &ExtensionName, index: &ExtensionIndex, now: UtcTime) {
        let old = self.0.remove(extension);
        let since = |image: &Image| match &old {
            Some(old) => old.get(&image.sha256).copied().unwrap_or(now),
            None => image.released.min(now),
        };
        let images = index.images.iter();
        let new = images.map(|image| (image.sha256, since(image))).collect();
        self.0.insert(extension.clone(), new);
    }
}
