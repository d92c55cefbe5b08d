//! Which root it is: what tells the snapshots of a host apart, which share a store.

use std::fmt;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sysext_formats::digest::Sha256Digest;

use crate::root::Root;

/// Bytes of /proc/self/mountinfo that are read.
const MAX_MOUNTINFO: u64 = 4 << 20;

/// The name of a root in journals, in the history and in `roots/`: letters, digits and dashes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RootId(String);

impl fmt::Display for RootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The id of `root`:
///
/// - `snapshot-N` where the root is the btrfs snapshot `.snapshots/N/snapshot`, mounted wherever: the running system, or
///   one that tukit prepares;
/// - `default` for the running system otherwise;
/// - `path-…`, a digest of its path, for any other root.
#[must_use]
pub fn root_id(root: &Root) -> RootId {
    let mut mountinfo = String::new();
    if let Ok(file) = fs::File::open("/proc/self/mountinfo") {
        // Without it no root is a snapshot; half of it would still hold whole lines.
        let _ = file.take(MAX_MOUNTINFO).read_to_string(&mut mountinfo);
    }
    let directory = root.directory();
    let directory = fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned());
    identify(&directory, &mountinfo)
}

fn identify(directory: &Path, mountinfo: &str) -> RootId {
    if let Some(number) = in_file_system(directory, mountinfo)
        .as_deref()
        .and_then(snapshot)
    {
        return RootId(format!("snapshot-{number}"));
    }
    if directory == Path::new("/") {
        return RootId("default".to_owned());
    }
    let digest = Sha256Digest::of(directory.as_os_str().as_encoded_bytes());
    RootId(format!("path-{}", digest.short(16)))
}

/// The path of `directory` in the file system that is mounted there.
fn in_file_system(directory: &Path, mountinfo: &str) -> Option<PathBuf> {
    let mut deepest: Option<(PathBuf, &Path)> = None;
    for line in mountinfo.lines() {
        let mut fields = line.split(' ').skip(3);
        let (Some(root), Some(point)) = (fields.next(), fields.next()) else {
            continue;
        };
        let point = unescape(point);
        let Ok(rest) = directory.strip_prefix(&point) else {
            continue;
        };
        // Of two mounts at one place the later one is seen.
        let is_deeper =
            |(_, best): &(PathBuf, &Path)| rest.as_os_str().len() <= best.as_os_str().len();
        if deepest.as_ref().is_none_or(is_deeper) {
            deepest = Some((Path::new(&unescape(root)).join(rest), rest));
        }
    }
    deepest.map(|(path, _)| path)
}

/// `N` of `…/.snapshots/N/snapshot`.
fn snapshot(path: &Path) -> Option<u64> {
    let names: Vec<_> = path
        .components()
        .filter_map(|name| name.as_os_str().to_str())
        .collect();
    match names.as_slice() {
        [.., ".snapshots", number, "snapshot"] => number.parse().ok(),
        _ => None,
    }
}

/// mountinfo writes white space and backslashes as `\040`.
fn unescape(text: &str) -> String {
    [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (escape, plain)| {
        text.replace(escape, plain)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MICROOS: &str = "\
30 1 0:30 /@/.snapshots/41/snapshot / ro,relatime - btrfs /dev/vda3 rw
31 30 0:30 /@/var /var rw,relatime - btrfs /dev/vda3 rw
32 30 0:30 /@/.snapshots /.snapshots rw,relatime - btrfs /dev/vda3 rw
33 30 0:31 /@/.snapshots/42/snapshot /tmp/transactional-update-x rw,relatime - btrfs /dev/vda3 rw
34 30 0:40 / /mnt/with\\040space rw - ext4 /dev/vdb rw
";

    #[test]
    fn snapshots_are_known_wherever_they_are_mounted() {
        let id = |directory: &str| identify(Path::new(directory), MICROOS).to_string();
        assert_eq!(id("/"), "snapshot-41");
        assert_eq!(id("/tmp/transactional-update-x"), "snapshot-42");
        assert_eq!(id("/.snapshots/42/snapshot"), "snapshot-42");
        assert!(id("/mnt/with space").starts_with("path-"));
        assert!(id("/.snapshots/42").starts_with("path-"));
        assert_ne!(id("/mnt/a"), id("/mnt/b"));
    }

    #[test]
    fn a_plain_host_has_one_root() {
        let plain = "22 1 254:0 / / rw - ext4 /dev/vda rw\n";
        assert_eq!(identify(Path::new("/"), plain).to_string(), "default");
        assert_eq!(identify(Path::new("/"), "").to_string(), "default");
        assert_eq!(
            identify(Path::new("/"), "garbage\n1 2 3\n").to_string(),
            "default"
        );
    }
}
