//! Processes whose program is on a mount that is not there any more: those that a merge has left behind.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Bytes of `/proc/PID/cgroup`: a dozen paths.
const MAX_CGROUP: u64 = 64 << 10;

/// A process that began before the last merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftBehind {
    /// Its number.
    pub pid: u32,
    /// Its program, inside a hierarchy that was merged before: `/bin/k3s` is what was `/usr/bin/k3s`, or below `/opt`.
    pub program: PathBuf,
    /// The unit that it belongs to.
    pub unit: Option<String>,
}

/// All of them, as far as this user may look.
///
/// The kernel names a program from the root of its mount when that mount is detached, and a program that still is where it
/// was from the root of all: neither `/usr` nor `/opt` stands before the former.
#[must_use]
pub fn left_behind() -> Vec<LeftBehind> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = entries.filter_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let program = fs::read_link(entry.path().join("exe")).ok()?;
        is_detached(&program).then(|| LeftBehind {
            pid,
            program,
            unit: unit(&entry.path()),
        })
    });
    processes.collect()
}

fn is_detached(program: &Path) -> bool {
    // A file that was deleted, or that is only in memory, has more behind its name, and matches no image.
    program.is_absolute() && !program.starts_with("/usr") && !program.starts_with("/opt")
}

fn unit(process: &Path) -> Option<String> {
    let mut text = String::new();
    let file = fs::File::open(process.join("cgroup")).ok()?;
    file.take(MAX_CGROUP).read_to_string(&mut text).ok()?;
    unit_of(&text)
}

/// The innermost unit of a process in the unified hierarchy.
fn unit_of(cgroups: &str) -> Option<String> {
    let path = cgroups.lines().find_map(|line| line.strip_prefix("0::"))?;
    // Users may have groups of their own below theirs; what is shown is typed again, so it is a name as systemd has them.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || r":_.\@-".contains(c);
    let is_unit = |name: &&str| {
        [".service", ".scope"]
            .iter()
            .any(|suffix| name.ends_with(suffix))
            && name.chars().all(is_plain)
    };
    path.rsplit('/').find(is_unit).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_unit_counts() {
        let unit = |text| unit_of(text);
        assert_eq!(
            unit("1:name=systemd:/x.service\n0::/system.slice/k3s.service\n").as_deref(),
            Some("k3s.service")
        );
        assert_eq!(
            unit("0::/user.slice/user@1000.service/app.slice/a.service/sub").as_deref(),
            Some("a.service")
        );
        assert_eq!(
            unit("0::/user.slice/a.scope/x; rm -rf ~.service").as_deref(),
            Some("a.scope")
        );
        assert_eq!(unit("0::/\n"), None);
        assert_eq!(unit(""), None);
    }

    #[test]
    fn what_is_where_it_was_is_not_left_behind() {
        assert!(is_detached(Path::new("/bin/k3s")));
        assert!(!is_detached(Path::new("/usr/bin/k3s")));
        assert!(!is_detached(Path::new("/opt/k3s/bin/k3s")));
    }
}
