//! Extensions that another program links, in the layouts that `import` takes over.
//!
//! | who | what it links |
//! |---|---|
//! | sysextmgr (openSUSE MicroOS) | `/etc/extensions/NAME-VERSION.ARCH.raw` to `/var/lib/sysext-store/NAME-VERSION.ARCH.raw` |
//! | systemd-sysupdate | the `CurrentSymlink=` of a transfer file, where systemd-sysext looks for extensions |
//!
//! Only links are taken over: a file is somebody's data. Nothing is changed here.

mod sysupdate;

use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, open};
use serde::Serialize;
use sysext_durable::{Dir, Kind, open_in_root};
use sysext_formats::name::ExtensionName;

use self::sysupdate::Definition;
use crate::journal::Displaced;
use crate::root::{Root, SEARCH_PATH};
use crate::store::{StoreError, io_error};

/// Where sysextmgr keeps its images.
const SYSEXTMGR_STORE: &str = "/var/lib/sysext-store";

/// Whose link it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "manager")]
pub enum Manager {
    /// sysextmgr's.
    Sysextmgr,
    /// systemd-sysupdate's.
    Sysupdate {
        /// The transfer file that says so.
        definition: PathBuf,
    },
}

/// A link of another program to an extension.
#[derive(Debug)]
pub struct Foreign {
    /// The link.
    pub link: Displaced,
    /// Whose it is.
    pub manager: Manager,
    /// Names that the extension may have, the longest first: in `k3s-agent-1.31-2.x86-64.raw` nothing but a catalog tells
    /// where the version begins.
    pub names: Vec<ExtensionName>,
    /// The image it leads to, where it can be opened.
    pub image: Option<File>,
}

/// All links of a root that can be taken over, by path.
///
/// # Errors
/// When a directory can not be read.
pub fn find(root: &Root) -> Result<Vec<Foreign>, StoreError> {
    let definitions = sysupdate::definitions(root)?;
    let mut found = Vec::new();
    for directory in SEARCH_PATH {
        let Some(dir) = Dir::open_existing(&root.path(directory))? else {
            continue;
        };
        for entry in dir.entries()? {
            if entry.kind != Kind::Link {
                continue;
            }
            let Some(target) = dir.read_link(&entry.name)? else {
                continue;
            };
            let link = Displaced {
                link: Path::new(directory).join(&entry.name),
                target,
            };
            found.extend(known(&definitions, link));
        }
    }
    for foreign in &mut found {
        foreign.image = image(root, &foreign.link)?;
    }
    found.sort_by(|a, b| a.link.link.cmp(&b.link.link));
    Ok(found)
}

/// Whether a link is still there.
#[must_use]
pub fn is_there(root: &Root, link: &Displaced) -> bool {
    let Some((directory, name)) = link.place() else {
        return false;
    };
    let dir = Dir::open_existing(&root.path(directory)).ok().flatten();
    dir.is_some_and(|dir| dir.read_link(name).ok().flatten().as_ref() == Some(&link.target))
}

fn known(definitions: &[Definition], link: Displaced) -> Option<Foreign> {
    let (_, file) = link.place()?;
    let (manager, names) = if let Some(stem) = sysextmgr_stem(&link) {
        (Manager::Sysextmgr, prefixes(stem))
    } else {
        let definition = definitions
            .iter()
            .find(|definition| definition.current == link.link)?;
        let name = file.strip_suffix(".raw").unwrap_or(file);
        let name = name.split(['_', '+']).next()?.parse().ok()?;
        let manager = Manager::Sysupdate {
            definition: definition.file.clone(),
        };
        (manager, vec![name])
    };
    Some(Foreign {
        link,
        manager,
        names,
        image: None,
    })
}

/// The file that a link of sysextmgr leads to, without its suffix.
fn sysextmgr_stem(link: &Displaced) -> Option<&str> {
    if link.target.parent() != Some(Path::new(SYSEXTMGR_STORE)) {
        return None;
    }
    let file = link.target.file_name()?.to_str()?;
    file.strip_suffix(".raw")
        .or_else(|| file.strip_suffix(".img"))
}

/// `k3s-agent-1.31`, `k3s-agent` and `k3s` of that, as far as they can be names of extensions.
fn prefixes(stem: &str) -> Vec<ExtensionName> {
    let ends = stem.match_indices('-').map(|(end, _)| end);
    let ends = ends.chain([stem.len()]);
    let mut names: Vec<_> = ends
        .filter_map(|end| stem.get(..end)?.parse().ok())
        .collect();
    names.reverse();
    names
}

/// Opens what a link leads to, inside the root; nothing that a reader could hang on.
fn image(root: &Root, link: &Displaced) -> Result<Option<File>, StoreError> {
    let directory = root.directory();
    let failed = |error: rustix::io::Errno| io_error("opening", directory.to_owned(), error.into());
    let opened = open(
        directory,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    );
    let directory = opened.map_err(failed)?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = open_in_root(directory, &link.link, flags)
        .ok()
        .map(File::from);
    Ok(file.filter(|file| file.metadata().is_ok_and(|metadata| metadata.is_file())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalog_tells_where_the_version_begins() {
        let names = |stem: &str| {
            let names = prefixes(stem).into_iter();
            names.map(|name| name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(
            names("debug-tools-23.x86-64"),
            [
                "debug-tools-23.x86-64",
                "debug-tools-23.x86",
                "debug-tools",
                "debug"
            ]
        );
        // No name has a plus sign.
        assert_eq!(names("k3s-1.31.5+k3s1-29.1.x86-64"), ["k3s"]);
        assert!(names("-1").is_empty());
    }

    #[test]
    fn only_links_into_its_store_are_sysextmgrs() {
        let stem = |target: &str| {
            let link = Displaced {
                link: "/etc/extensions/a.raw".into(),
                target: target.into(),
            };
            sysextmgr_stem(&link).map(str::to_owned)
        };
        assert_eq!(
            stem("/var/lib/sysext-store/a-1.raw").as_deref(),
            Some("a-1")
        );
        for target in [
            "/var/lib/sysext-store/sub/a-1.raw",
            "/var/lib/sysext-store/../a-1.raw",
            "/var/lib/sysext-fetch/store/a-1.raw",
            "a-1.raw",
        ] {
            assert_eq!(stem(target), None, "{target}");
        }
    }
}
