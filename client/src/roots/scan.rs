//! Finding the roots of a host, and the links in them.
//!
//! - The system itself; snapper's snapshots, `/.snapshots/N/snapshot`; the overlays of `/etc` that transactional-update
//!   had before version 5, `/var/lib/overlay/N`; ostree's deployments; and the roots that the configuration names.
//! - In each, links below `etc/extensions` and `run/extensions` that lead into the store.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use sysext_formats::name::ExtensionName;

use crate::activate::{LinkKind, links};
use crate::config::Activation;
use crate::journal::{RootId, root_id};
use crate::root::Root;
use crate::store::{LinkTarget, StoreError};

/// Where roots are, relative to the system's own; `*` is any name.
const PATTERNS: [&str; 4] = [
    ".snapshots/*/snapshot",
    "var/lib/overlay/*",
    "ostree/deploy/*/deploy/*",
    "sysroot/ostree/deploy/*/deploy/*",
];

/// A root, with the links in it that are ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownRoot {
    /// Its id.
    pub id: RootId,
    /// Where it is.
    pub directory: PathBuf,
    /// The images that its links name, whether they are there or not.
    pub images: Vec<(ExtensionName, LinkTarget)>,
}

/// A root that can not be read, so that nobody knows what it needs.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The directory where roots are.
    #[error("{} can not be listed", path.display())]
    List {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The links of one root.
    #[error("the links of the root {} can not be read", path.display())]
    Links {
        /// The root.
        path: PathBuf,
        /// Why.
        source: StoreError,
    },
    /// A root that the configuration names.
    #[error("the root {} of the configuration is not there", .0.display())]
    Missing(PathBuf),
    /// The running system is a snapshot or a deployment, and its siblings can not be seen: they are not mounted.
    #[error(
        "the running root is {0}, but it is not among the roots that can be seen, so others may be hidden too"
    )]
    Hidden(RootId),
}

/// Every root of the host whose own root is `root`, that one first; `configured` are further ones.
///
/// # Errors
/// When one of them can not be read.
pub fn scan(root: &Root, configured: &[PathBuf]) -> Result<Vec<KnownRoot>, ScanError> {
    let mut directories = vec![root.directory().to_owned()];
    for pattern in PATTERNS {
        directories.extend(matching(root.directory(), pattern)?);
    }
    require_own(root, &directories)?;
    for directory in configured {
        if !directory.is_dir() {
            return Err(ScanError::Missing(directory.clone()));
        }
        directories.push(directory.clone());
    }
    let mut known: Vec<KnownRoot> = Vec::new();
    for directory in directories {
        if known.iter().all(|other| other.directory != directory) {
            known.push(read(root, directory)?);
        }
    }
    Ok(known)
}

/// The root that is going to boot next, where one is known: a snapshot that is newer than the running one, or the newest
/// deployment beside it.
///
/// # Errors
/// When they can not be listed.
pub fn next_root(root: &Root) -> Result<Option<PathBuf>, ScanError> {
    let own = root_id(root);
    if !own.has_siblings() {
        return Ok(None);
    }
    let mut siblings = Vec::new();
    for pattern in PATTERNS {
        siblings.extend(matching(root.directory(), pattern)?);
    }
    let age = |directory: &Path| {
        let created = std::fs::metadata(directory).and_then(|metadata| metadata.modified());
        created.unwrap_or(std::time::SystemTime::UNIX_EPOCH)
    };
    let mut own_age = None;
    let mut others = Vec::new();
    for directory in siblings {
        let id = root_id(&Root::new(directory.clone(), None));
        let order = (id.snapshot_number(), age(&directory));
        if id == own {
            own_age = Some(order);
        } else if id.has_siblings() {
            others.push((order, directory));
        }
    }
    let newer = others
        .into_iter()
        .filter(|(order, _)| Some(*order) > own_age);
    Ok(newer.max().map(|(_, directory)| directory))
}

/// Where a root is one of several, it must be seen among them: an empty directory would look like having no siblings.
fn require_own(root: &Root, directories: &[PathBuf]) -> Result<(), ScanError> {
    let own = root_id(root);
    let mut siblings = directories.iter().skip(1);
    let seen = siblings.any(|directory| root_id(&Root::new(directory.clone(), None)) == own);
    if own.has_siblings() && !seen {
        return Err(ScanError::Hidden(own));
    }
    Ok(())
}

fn read(root: &Root, directory: PathBuf) -> Result<KnownRoot, ScanError> {
    // Links name the store as the system that boots sees it, wherever the root lies now.
    let other = Root::new(directory.clone(), Some(root.store_in_links()));
    let mut images = Vec::new();
    for activation in [Activation::Etc, Activation::Boot] {
        let links = links(&other, activation).map_err(|source| ScanError::Links {
            path: directory.clone(),
            source,
        })?;
        for link in links {
            if let LinkKind::Ours { sha256, file } | LinkKind::Dangling { sha256, file } = link.kind
                && let Ok(name) = link.name.parse::<ExtensionName>()
            {
                images.push((name, LinkTarget { sha256, file }));
            }
        }
    }
    Ok(KnownRoot {
        id: root_id(&other),
        directory,
        images,
    })
}

/// The directories below `base` that `pattern` means. What is not there is no root; what can not be looked at may be one.
fn matching(base: &Path, pattern: &str) -> Result<Vec<PathBuf>, ScanError> {
    let mut found = vec![base.to_owned()];
    for part in pattern.split('/') {
        let mut next = Vec::new();
        for directory in found {
            if part == "*" {
                next.extend(children(&directory)?);
            } else {
                next.push(directory.join(part));
            }
        }
        found = next;
    }
    let mut roots = Vec::new();
    for directory in found {
        match std::fs::metadata(&directory) {
            Ok(metadata) if metadata.is_dir() => roots.push(directory),
            Ok(_) => {}
            Err(error) if is_absent(&error) => {}
            Err(source) => {
                return Err(ScanError::List {
                    path: directory,
                    source,
                });
            }
        }
    }
    Ok(roots)
}

fn children(directory: &Path) -> Result<Vec<PathBuf>, ScanError> {
    let failed = |source| ScanError::List {
        path: directory.to_owned(),
        source,
    };
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut children = entries
        .map(|entry| entry.map(|entry| entry.path()).map_err(failed))
        .collect::<Result<Vec<_>, _>>()?;
    children.sort();
    Ok(children)
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}
