//! How links name images of the store, and back.

use std::path::{Component, Path, PathBuf};

use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::FileName;

use crate::root::Root;

/// The image that a link means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkTarget {
    /// The digest in the link.
    pub sha256: Sha256Digest,
    /// The file name in the link.
    pub file: FileName,
}

/// The target of a link to an image, as `root` must name it: absolute, and without the prefix of another root.
pub(super) fn target(root: &Root, sha256: &Sha256Digest, file: &FileName) -> PathBuf {
    let store = root.store_in_links().join("store");
    store.join(sha256.to_string()).join(file.as_str())
}

/// The image that the target of a link in `root` names; `None` where it leads anywhere but to an image of our store.
/// Whether the image is there is another question.
#[must_use]
pub fn parse_link(root: &Root, target: &Path) -> Option<LinkTarget> {
    let rest = target
        .strip_prefix(root.store_in_links().join("store"))
        .ok()?;
    let mut names = rest.components().map(|component| match component {
        Component::Normal(name) => name.to_str(),
        _ => None,
    });
    let (sha256, file) = (names.next()??, names.next()??);
    match names.next() {
        None => Some(LinkTarget {
            sha256: sha256.parse().ok()?,
            file: file.parse().ok()?,
        }),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_links_to_an_image_of_the_store_are_ours() {
        let root = Root::new("/mnt".into(), None);
        let sha256 = Sha256Digest::of(b"image");
        let file: FileName = "k3s_1_x86-64.raw".parse().unwrap();
        let ours = target(&root, &sha256, &file);
        let text = format!("/var/lib/sysext-fetch/store/{sha256}/k3s_1_x86-64.raw");
        assert_eq!(ours, Path::new(&text));
        assert_eq!(
            parse_link(&root, &ours),
            Some(LinkTarget {
                sha256,
                file: file.clone()
            })
        );
        for foreign in [
            "/var/lib/sysext-store/k3s.raw",
            "/var/lib/sysext-fetch/store",
            "/var/lib/sysext-fetch/store/k3s/k3s_1_x86-64.raw",
            &format!("/var/lib/sysext-fetch/store/{sha256}"),
            &format!("/var/lib/sysext-fetch/store/{sha256}/.."),
            &format!("/var/lib/sysext-fetch/store/{sha256}/../{sha256}/a_1.raw"),
            &format!("/var/lib/sysext-fetch/store/{sha256}/a_1.raw/b"),
            &format!("../../var/lib/sysext-fetch/store/{sha256}/a_1.raw"),
            &format!("/mnt/var/lib/sysext-fetch/store/{sha256}/a_1.raw"),
        ] {
            assert_eq!(parse_link(&root, Path::new(foreign)), None, "{foreign}");
        }
    }
}
