//! A directory laid out as a host's root, and a way to see that nothing in it changed.
//!
//! ```text
//! ROOT/usr/lib/os-release           what the host is
//! ROOT/etc/os-release               link to it, as distributions have it
//! ROOT/etc/machine-id               always the same
//! ROOT/etc/extensions/              empty
//! ROOT/run/  ROOT/var/lib/          empty
//! ```
//!
//! - Nothing outside of the directory is read or written; it goes when the value is dropped.
//! - A [`Snapshot`] never follows links, and knows names, kinds, modes, link targets and contents, not times.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// The machine id of every scratch host.
pub const MACHINE_ID: &str = "0123456789abcdef0123456789abcdef";

/// A root directory of a host that is not there.
#[derive(Debug)]
pub struct ScratchHost {
    root: TempDir,
}

impl Default for ScratchHost {
    fn default() -> Self {
        Self::new()
    }
}

impl ScratchHost {
    /// A Debian 13.
    ///
    /// # Panics
    /// When no directory can be made.
    #[must_use]
    pub fn new() -> Self {
        Self::with_os_release(&[("ID", "debian"), ("VERSION_ID", "13")])
    }

    /// A host with these os-release fields.
    ///
    /// # Panics
    /// When no directory can be made.
    #[must_use]
    pub fn with_os_release(fields: &[(&str, &str)]) -> Self {
        let host = Self {
            root: TempDir::with_prefix("scratch-host-").unwrap(),
        };
        for directory in ["etc/extensions", "usr/lib", "run", "var/lib"] {
            fs::create_dir_all(host.path(directory)).unwrap();
        }
        host.set_os_release(fields);
        symlink("../usr/lib/os-release", host.path("etc/os-release")).unwrap();
        fs::write(host.path("etc/machine-id"), format!("{MACHINE_ID}\n")).unwrap();
        host
    }

    /// Turns it into another host, as an update of the system does.
    ///
    /// # Panics
    /// When the file can not be written.
    pub fn set_os_release(&self, fields: &[(&str, &str)]) {
        let assign = |(key, value): &(&str, &str)| format!("{key}=\"{value}\"\n");
        let text: String = fields.iter().map(assign).collect();
        fs::write(self.path("usr/lib/os-release"), text).unwrap();
    }

    /// Its root directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// A path below its root; a leading `/` makes no difference.
    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path.trim_start_matches('/'))
    }

    /// Writes a file, and the directories it is in.
    ///
    /// # Panics
    /// When it can not be written.
    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// The text of a file.
    ///
    /// # Panics
    /// When it can not be read.
    #[must_use]
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The links of a directory, such as `etc/extensions` or `run/extensions`, with their targets; none where there is
    /// no such directory.
    ///
    /// # Panics
    /// When something in it is not a link.
    #[must_use]
    pub fn links(&self, directory: &str) -> BTreeMap<String, PathBuf> {
        let Ok(entries) = fs::read_dir(self.path(directory)) else {
            return BTreeMap::new();
        };
        entries
            .map(|entry| {
                let entry = entry.unwrap();
                let target = fs::read_link(entry.path())
                    .unwrap_or_else(|error| panic!("{}: {error}", entry.path().display()));
                (entry.file_name().into_string().unwrap(), target)
            })
            .collect()
    }

    /// What is in it now.
    ///
    /// # Panics
    /// When it can not be read.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(self.root())
    }
}

/// What a directory held at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<PathBuf, Node>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    mode: u32,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Directory,
    File { length: u64, sha256: String },
    Link(PathBuf),
    Other,
}

impl Snapshot {
    /// Everything below a directory.
    ///
    /// # Panics
    /// When something in it can not be read.
    #[must_use]
    pub fn of(directory: &Path) -> Self {
        let mut nodes = BTreeMap::new();
        collect(directory, Path::new(""), &mut nodes);
        Self(nodes)
    }

    /// Without a path and everything below it.
    #[must_use]
    pub fn without(mut self, path: &str) -> Self {
        self.0.retain(|other, _| !other.starts_with(path));
        self
    }

    /// Whether a path was there.
    #[must_use]
    pub fn contains(&self, path: &str) -> bool {
        self.0.contains_key(Path::new(path))
    }

    /// The differences, one a line: `+ path`, `- path`, `~ path`; empty where there are none.
    #[must_use]
    pub fn diff(&self, later: &Self) -> String {
        let mut lines: BTreeMap<&Path, String> = BTreeMap::new();
        for (path, node) in &self.0 {
            let shown = path.display();
            let line = match later.0.get(path) {
                None => format!("- {shown}: {node}\n"),
                Some(after) if after != node => format!("~ {shown}: {node} became {after}\n"),
                Some(_) => continue,
            };
            lines.insert(path, line);
        }
        for (path, node) in &later.0 {
            if !self.0.contains_key(path) {
                lines.insert(path, format!("+ {}: {node}\n", path.display()));
            }
        }
        lines.into_values().collect()
    }

    /// Fails the test where the two differ.
    ///
    /// # Panics
    /// With the differences.
    #[track_caller]
    pub fn assert_unchanged(&self, later: &Self) {
        let diff = self.diff(later);
        assert!(diff.is_empty(), "nothing was to change, but:\n{diff}");
    }
}

fn collect(root: &Path, below: &Path, nodes: &mut BTreeMap<PathBuf, Node>) {
    for entry in fs::read_dir(root.join(below)).unwrap() {
        let path = below.join(entry.unwrap().file_name());
        let full = root.join(&path);
        let about = fs::symlink_metadata(&full).unwrap();
        let kind = if about.is_dir() {
            collect(root, &path, nodes);
            Kind::Directory
        } else if about.is_symlink() {
            Kind::Link(fs::read_link(&full).unwrap())
        } else if about.is_file() {
            let digest = Sha256::digest(fs::read(&full).unwrap());
            Kind::File {
                length: about.len(),
                sha256: data_encoding::HEXLOWER.encode(&digest),
            }
        } else {
            Kind::Other
        };
        let mode = about.permissions().mode() & 0o7777;
        nodes.insert(path, Node { mode, kind });
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Directory => write!(f, "directory {:o}", self.mode),
            Kind::File { length, sha256 } => {
                let sha256 = &sha256[..12];
                write!(f, "file {:o}, {length} bytes, sha256 {sha256}", self.mode)
            }
            Kind::Link(target) => write!(f, "link to {}", target.display()),
            Kind::Other => write!(f, "neither file, directory nor link {:o}", self.mode),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_what_a_host_has() {
        let host = ScratchHost::new();
        assert_eq!(
            host.read("etc/os-release"),
            "ID=\"debian\"\nVERSION_ID=\"13\"\n"
        );
        assert_eq!(host.read("/etc/machine-id").trim(), MACHINE_ID);
        host.set_os_release(&[("ID", "other")]);
        assert_eq!(host.read("etc/os-release"), "ID=\"other\"\n");
        assert!(host.links("etc/extensions").is_empty() && host.links("run/extensions").is_empty());
        symlink("/store/a.raw", host.path("etc/extensions/a.raw")).unwrap();
        let target = PathBuf::from("/store/a.raw");
        assert_eq!(
            host.links("etc/extensions"),
            BTreeMap::from([("a.raw".to_owned(), target)])
        );
    }

    #[test]
    fn a_snapshot_sees_every_kind_of_change() {
        let host = ScratchHost::new();
        host.write("var/lib/a/file", "one");
        host.write("var/lib/a/gone", "");
        let before = host.snapshot();
        before.assert_unchanged(&host.snapshot());

        host.write("var/lib/a/file", "two");
        host.write("var/lib/a/new", "");
        fs::remove_file(host.path("var/lib/a/gone")).unwrap();
        fs::set_permissions(host.path("run"), fs::Permissions::from_mode(0o700)).unwrap();
        fs::remove_file(host.path("etc/os-release")).unwrap();
        symlink("elsewhere", host.path("etc/os-release")).unwrap();
        let after = host.snapshot();
        let diff = before.diff(&after);
        let lines: Vec<_> = diff
            .lines()
            .map(|line| line.split(':').next().unwrap())
            .collect();
        assert_eq!(
            lines,
            [
                "~ etc/os-release",
                "~ run",
                "~ var/lib/a/file",
                "- var/lib/a/gone",
                "+ var/lib/a/new"
            ]
        );
        assert!(diff.contains("link to ../usr/lib/os-release became link to elsewhere"));
        let rest = |snapshot: &Snapshot| {
            let snapshot = snapshot.clone().without("var/lib/a").without("run");
            snapshot.without("etc/os-release")
        };
        rest(&before).assert_unchanged(&rest(&after));
        assert!(after.contains("var/lib/a/new") && !before.contains("var/lib/a/new"));
    }
}
