//! Transfer files of systemd-sysupdate: which link each of them keeps (sysupdate.d(5)).

use std::path::{Path, PathBuf};

use sysext_durable::{Dir, Error, Kind};

use crate::root::Root;
use crate::store::StoreError;

/// Where they are looked for, the strongest directory first.
const BASES: [&str; 4] = ["/etc", "/run", "/usr/local/lib", "/usr/lib"];
/// Bytes of one: they have a dozen lines.
const MAX_LENGTH: u64 = 64 << 10;

/// A transfer that keeps a link to what it installed last.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Definition {
    /// Its file.
    pub(super) file: PathBuf,
    /// The link.
    pub(super) current: PathBuf,
}

/// Those of a root. One that can not be read keeps no link that is known.
pub(super) fn definitions(root: &Root) -> Result<Vec<Definition>, StoreError> {
    let mut definitions: Vec<Definition> = Vec::new();
    let mut seen = Vec::new();
    for base in BASES {
        let Some(dir) = Dir::open_existing(&root.path(base))? else {
            continue;
        };
        for entry in dir.entries()? {
            if entry.kind != Kind::Directory || !is_directory(&entry.name) {
                continue;
            }
            let Some(transfers) = dir.existing_subdir(&entry.name)? else {
                continue;
            };
            for file in transfers.entries()? {
                let id = (entry.name.clone(), file.name.clone());
                // What has the name of a stronger one is none.
                if !is_transfer(&file.name) || seen.contains(&id) {
                    continue;
                }
                seen.push(id);
                let text = match transfers.read(&file.name, MAX_LENGTH) {
                    Ok(bytes) => bytes.and_then(|bytes| String::from_utf8(bytes).ok()),
                    Err(Error::TooLong { .. } | Error::NotAFile(_)) => None,
                    Err(error) => return Err(error.into()),
                };
                let current = text.as_deref().and_then(current_link);
                definitions.extend(current.map(|current| Definition {
                    file: Path::new(base).join(&entry.name).join(&file.name),
                    current,
                }));
            }
        }
    }
    Ok(definitions)
}

/// `sysupdate.d`, and `sysupdate.COMPONENT.d`.
fn is_directory(name: &str) -> bool {
    name.strip_prefix("sysupdate.")
        .is_some_and(|rest| rest == "d" || rest.ends_with(".d"))
}

/// `.conf` before systemd 257.
fn is_transfer(name: &str) -> bool {
    !name.starts_with('.') && (name.ends_with(".transfer") || name.ends_with(".conf"))
}

/// `CurrentSymlink=` of `[Target]`, which may be relative to its `Path=`.
fn current_link(text: &str) -> Option<PathBuf> {
    let (mut in_target, mut path, mut link) = (false, None, None);
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            in_target = section == "Target]";
        } else if let (true, Some((key, value))) = (in_target, line.split_once('=')) {
            match key.trim_end() {
                "Path" => path = Some(value.trim_start()),
                "CurrentSymlink" => link = Some(value.trim_start()),
                _ => {}
            }
        }
    }
    let link = Path::new(link?);
    if link.is_absolute() {
        return Some(link.to_owned());
    }
    Some(Path::new(path?).join(link))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_of_the_target_counts() {
        let text = "[Source]\nPath=/source\nCurrentSymlink=/no\n# [Target]\n[Target]\n\
                    Path = /var/lib/extensions.d\nCurrentSymlink = /var/lib/extensions/k3s.raw\n[Other]\nCurrentSymlink=x\n";
        assert_eq!(
            current_link(text).unwrap(),
            Path::new("/var/lib/extensions/k3s.raw")
        );
        assert_eq!(
            current_link("[Target]\nPath=/var/lib/extensions\nCurrentSymlink=k3s.raw").unwrap(),
            Path::new("/var/lib/extensions/k3s.raw")
        );
        assert_eq!(current_link("[Target]\nCurrentSymlink=k3s.raw"), None);
        assert_eq!(current_link("[Target]\nPath=/var/lib/extensions"), None);
    }

    #[test]
    fn components_have_directories_of_their_own() {
        for name in ["sysupdate.d", "sysupdate.k3s.d"] {
            assert!(is_directory(name), "{name}");
        }
        for name in ["sysupdate", "sysupdate.k3s", "sysupdated.d"] {
            assert!(!is_directory(name), "{name}");
        }
    }
}
