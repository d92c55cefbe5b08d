//! Which root it is: what tells the snapshots of a host apart, which share a store.

use std::fmt;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sysext_formats::digest::Sha256Digest;

use crate::root::Root;

/// Bytes of a file in /proc that are read: thousands of mounts.
const MAX_PROC_FILE: u64 = 4 << 20;

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
/// - `ostree-CHECKSUM.N` where it is the deployment of that name, or the running system was booted from it;
/// - `default` for the running system otherwise;
/// - `path-…`, a digest of its path, for any other root.
#[must_use]
pub fn root_id(root: &Root) -> RootId {
    // Without it no root is a snapshot.
    let mountinfo = proc_file("/proc/self/mountinfo").unwrap_or_default();
    let directory = root.directory();
    let directory = fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned());
    let directory = if root.is_running() {
        booted_deployment().unwrap_or(directory)
    } else {
        directory
    };
    identify(&directory, &mountinfo)
}

/// The deployment that the kernel was told to boot. The root itself does not say it where composefs is used.
fn booted_deployment() -> Option<PathBuf> {
    if !Path::new("/run/ostree-booted").exists() {
        return None;
    }
    let command_line = proc_file("/proc/cmdline")?;
    let mut options = command_line.split_ascii_whitespace();
    let path = options.find_map(|option| option.strip_prefix("ostree="))?;
    // A link to the deployment, on the physical root.
    fs::canonicalize(Path::new("/sysroot").join(path.trim_start_matches('/'))).ok()
}

fn proc_file(path: &str) -> Option<String> {
    let mut contents = String::new();
    let file = fs::File::open(path).ok()?;
    file.take(MAX_PROC_FILE)
        .read_to_string(&mut contents)
        .ok()?;
    Some(contents)
}

impl RootId {
    /// The number of the snapshot that it is.
    #[must_use]
    pub fn snapshot_number(&self) -> Option<u64> {
        self.0.strip_prefix("snapshot-")?.parse().ok()
    }

    /// Whether it is one of several roots that this host keeps side by side.
    #[must_use]
    pub fn has_siblings(&self) -> bool {
        self.0.starts_with("snapshot-") || self.0.starts_with("ostree-")
    }
}

fn identify(directory: &Path, mountinfo: &str) -> RootId {
    let inside = in_file_system(directory, mountinfo);
    if let Some(number) = inside.as_deref().and_then(snapshot) {
        return RootId(format!("snapshot-{number}"));
    }
    if let Some(name) = inside.as_deref().and_then(deployment) {
        return RootId(format!("ostree-{name}"));
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

/// `CHECKSUM.N` of `…/ostree/deploy/OS/deploy/CHECKSUM.N`.
fn deployment(path: &Path) -> Option<&str> {
    let names: Vec<_> = path
        .components()
        .filter_map(|name| name.as_os_str().to_str())
        .collect();
    match names.as_slice() {
        [.., "ostree", "deploy", _, "deploy", name] => {
            let (checksum, serial) = name.split_once('.')?;
            let is_hex = checksum.bytes().all(|byte| byte.is_ascii_hexdigit());
            let is_number = !serial.is_empty() && serial.bytes().all(|byte| byte.is_ascii_digit());
            (checksum.len() == 64 && is_hex && is_number).then_some(*name)
        }
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
    fn deployments_are_known_by_their_checksum() {
        let checksum = "ab".repeat(32);
        let deployed = format!("/ostree/deploy/fedora/deploy/{checksum}.1");
        let mounted = format!("30 1 0:30 {deployed} / ro - xfs /dev/vda3 rw\n");
        let running = identify(Path::new("/"), &mounted);
        assert_eq!(running.to_string(), format!("ostree-{checksum}.1"));
        let plain = "22 1 254:0 / / rw - ext4 /dev/vda rw\n";
        let there = Path::new("/sysroot").join(deployed.trim_start_matches('/'));
        assert_eq!(identify(&there, plain), running);
        assert!(running.has_siblings() && !identify(Path::new("/"), plain).has_siblings());
        assert_eq!(
            deployment(Path::new("/ostree/deploy/x/deploy/../etc")),
            None
        );
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
