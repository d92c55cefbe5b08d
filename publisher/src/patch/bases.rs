//! Which images patches start from.

use sysext_formats::catalog::{Architecture, Image};
use sysext_formats::digest::Sha256Digest;
use sysext_formats::os::Fields;

use sysext_formats::version::Version;

/// A new image, as far as it matters here.
#[derive(Debug, Clone, Copy)]
pub struct Sought<'a> {
    /// Its version.
    pub version: &'a Version,
    /// Its architecture.
    pub architecture: &'a Architecture,
    /// Which hosts it fits.
    pub release: &'a Fields,
    /// Whether its file system compresses: then nothing in it is as it was.
    pub compressed: bool,
    /// Its digest.
    pub sha256: &'a Sha256Digest,
}

/// The images that patches to a new one start from, newest first: of each of the newest `versions` below its own the one that
/// was released last.
#[must_use]
pub fn bases<'a>(images: &'a [Image], new: &Sought<'_>, versions: usize) -> Vec<&'a Image> {
    if new.compressed {
        return Vec::new();
    }
    let mut bases: Vec<&Image> = Vec::new();
    let usable = images.iter().filter(|image| {
        image.withdrawn.is_none()
            && !image.image.compressed
            && image.version < *new.version
            && image.sha256 != *new.sha256
            && new.is_for(&image.architecture, &image.extension_release)
    });
    for image in usable {
        if bases.len() == versions {
            break;
        }
        // Newest first, of one version the later released first.
        let is_known = bases
            .last()
            .is_some_and(|last| last.version == image.version);
        if !is_known {
            bases.push(image);
        }
    }
    bases
}
