//! The links of a root, and what else is there of their names.

use std::path::{Path, PathBuf};

use serde::Serialize;
use sysext_durable::{Dir, Entry, Kind, checkpoint};
use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::{ExtensionName, FileName};

use crate::config::Activation;
use crate::journal::Displaced;
use crate::root::{DIRECTORY_MODE, Root, SEARCH_PATH};
use crate::store::{LinkTarget, Store, StoreError, parse_link};

/// Something in the directory of links.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LinkState {
    /// The name of the extension, as systemd takes it. Others' names need not be ones that we would give.
    pub name: String,
    /// What it is.
    pub kind: LinkKind,
    /// What systemd takes instead, where something of that name comes earlier in its search path.
    pub shadowed_by: Option<PathBuf>,
}

/// What something in the directory of links is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum LinkKind {
    /// A link to an image of our store.
    Ours {
        /// The digest in the link.
        sha256: Sha256Digest,
        /// The file name in the link.
        file: FileName,
    },
    /// A link to where an image of our store should be, and is not. systemd leaves it out.
    Dangling {
        /// The digest in the link.
        sha256: Sha256Digest,
        /// The file name in the link.
        file: FileName,
    },
    /// Somebody else's: never touched.
    Foreign {
        /// Where it leads, if it is a link.
        target: Option<PathBuf>,
    },
}

/// All links and other extensions in the directory that `activation` means, by name.
///
/// # Errors
/// When the directory can not be read.
pub fn links(root: &Root, activation: Activation) -> Result<Vec<LinkState>, StoreError> {
    let Some(directory) = LinkDirectory::open(root, activation)? else {
        return Ok(Vec::new());
    };
    let store = Store::open(root)?;
    let search = SearchPath::list(root);
    let mut states = Vec::new();
    for entry in directory.dir.entries()? {
        let Some(name) = extension_of(&entry.name, entry.kind) else {
            continue;
        };
        let ours = entry.name.strip_suffix(".raw");
        let kind = match ours.map(|name| directory.held(name)).transpose()? {
            Some(Held::Ours(LinkTarget { sha256, file }, _)) => {
                if is_there(store.as_ref(), &sha256, &file) {
                    LinkKind::Ours { sha256, file }
                } else {
                    LinkKind::Dangling { sha256, file }
                }
            }
            Some(Held::Foreign(target)) => LinkKind::Foreign { target },
            // Removed meanwhile: readers take no lock.
            Some(Held::Nothing) => continue,
            None => LinkKind::Foreign {
                target: directory.dir.read_link(&entry.name)?,
            },
        };
        let shadowed_by = match kind {
            LinkKind::Foreign { .. } => None,
            _ => search.shadow(directory.path(), name, &[]),
        };
        states.push(LinkState {
            name: name.to_owned(),
            kind,
            shadowed_by,
        });
    }
    states.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(states)
}

fn is_there(store: Option<&Store>, sha256: &Sha256Digest, file: &FileName) -> bool {
    store.is_some_and(|store| store.path_of(sha256, file).is_file())
}

/// What has the name of an extension's link.
#[derive(Debug)]
pub(super) enum Held {
    Nothing,
    /// A link of ours, and its target as it stands there.
    Ours(LinkTarget, PathBuf),
    /// Something else; its target, if it is a link.
    Foreign(Option<PathBuf>),
}

/// The directory that holds the links of a root.
#[derive(Debug)]
pub(super) struct LinkDirectory {
    dir: Dir,
    root: Root,
    activation: Activation,
}

impl LinkDirectory {
    pub(super) fn create(root: &Root, activation: Activation) -> Result<Self, StoreError> {
        let dir = Dir::create_all(&root.links(activation), DIRECTORY_MODE)?;
        Ok(Self::new(dir, root, activation))
    }

    pub(super) fn open(root: &Root, activation: Activation) -> Result<Option<Self>, StoreError> {
        let dir = Dir::open_existing(&root.links(activation))?;
        Ok(dir.map(|dir| Self::new(dir, root, activation)))
    }

    fn new(dir: Dir, root: &Root, activation: Activation) -> Self {
        Self {
            dir,
            root: root.clone(),
            activation,
        }
    }

    pub(super) fn sweep(&self) -> Result<(), StoreError> {
        Ok(self.dir.sweep()?)
    }

    /// Where the link of an extension is.
    pub(super) fn path_of(&self, name: &str) -> PathBuf {
        self.dir.path().join(link_name(name))
    }

    /// Whether what has the name of an extension's link is one of those that make way.
    pub(super) fn is_displaced(&self, name: &str, displaced: &[Displaced]) -> bool {
        let file = link_name(name);
        displaced.iter().any(|displaced| {
            displaced.place().is_some_and(|(directory, link)| {
                link == file && self.root.path(directory) == self.root.links(self.activation)
            })
        })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Whether nothing at all is in it.
    pub(super) fn is_empty(&self) -> Result<bool, StoreError> {
        Ok(self.dir.entries()?.is_empty())
    }

    pub(super) fn held(&self, name: &str) -> Result<Held, StoreError> {
        let file = link_name(name);
        Ok(match self.dir.kind(&file)? {
            None => Held::Nothing,
            Some(Kind::Link) => match self.dir.read_link(&file)? {
                None => Held::Nothing,
                Some(target) => match parse_link(&self.root, &target) {
                    Some(link) => Held::Ours(link, target),
                    None => Held::Foreign(Some(target)),
                },
            },
            Some(_) => Held::Foreign(None),
        })
    }

    /// Makes the link name `target`, or removes it. What is not ours is never touched.
    pub(super) fn set(
        &self,
        name: &ExtensionName,
        target: Option<&Path>,
    ) -> Result<(), StoreError> {
        let file = link_name(name.as_str());
        if let Held::Foreign(_) = self.held(name.as_str())? {
            return Err(StoreError::Broken {
                path: self.dir.path().join(file),
                reason: "it is not a link of ours any more".to_owned(),
            });
        }
        match target {
            Some(target) => self.dir.symlink(&file, target)?,
            None => self.dir.remove(&file)?,
        }
        checkpoint("link-switched");
        Ok(())
    }
}

/// What is in the directories in which systemd-sysext looks.
#[derive(Debug)]
pub(super) struct SearchPath {
    /// The directory as the root names it, where it is, and what is in it.
    directories: Vec<(&'static str, PathBuf, Vec<Entry>)>,
}

impl SearchPath {
    /// What is there now; nothing of a directory that can not be read.
    pub(super) fn list(root: &Root) -> Self {
        let list = |base| {
            let directory = root.path(base);
            let dir = Dir::open_existing(&directory).ok().flatten();
            let entries = dir.and_then(|dir| dir.entries().ok()).unwrap_or_default();
            (base, directory, entries)
        };
        Self {
            directories: SEARCH_PATH.map(list).into(),
        }
    }

    /// What systemd takes instead of the link `name.raw` in the directory `own`: something earlier in the search path, or
    /// of another kind in the same directory, where the order is nobody's promise. What makes way for the link does not
    /// count.
    pub(super) fn shadow(&self, own: &Path, name: &str, gone: &[Displaced]) -> Option<PathBuf> {
        for (base, directory, entries) in &self.directories {
            let is_own = directory == own;
            let is_gone = |file: &str| gone.iter().any(|gone| gone.place() == Some((base, file)));
            let other = entries.iter().find(|entry| {
                extension_of(&entry.name, entry.kind) == Some(name)
                    && !(is_own && entry.name == link_name(name))
                    && !is_gone(&entry.name)
            });
            if let Some(entry) = other {
                return Some(directory.join(&entry.name));
            }
            if is_own {
                break;
            }
        }
        None
    }
}

fn link_name(name: &str) -> String {
    format!("{name}.raw")
}

/// The extension that systemd sees in an entry of a search directory: `k3s` in `k3s.raw`, `k3s/`, `k3s_1.raw`, `k3s.v/`
/// and `k3s.raw.v/`. Names are cut at `_` and `+` by newer versions only; what they may see counts.
fn extension_of(file: &str, kind: Kind) -> Option<&str> {
    if file.starts_with('.') {
        return None;
    }
    let name = match kind {
        Kind::Directory => {
            let name = file.strip_suffix(".v").unwrap_or(file);
            name.strip_suffix(".raw").unwrap_or(name)
        }
        // A link may lead to a directory.
        Kind::Link => file.strip_suffix(".raw").unwrap_or(file),
        _ => file.strip_suffix(".raw")?,
    };
    let name = name.split(['_', '+']).next()?;
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_of_an_extension_is_seen() {
        let seen = |file, kind| extension_of(file, kind);
        for file in ["k3s", "k3s.v", "k3s.raw.v", "k3s_1.2"] {
            assert_eq!(seen(file, Kind::Directory), Some("k3s"), "{file}");
        }
        for file in ["k3s.raw", "k3s_1.2.raw", "k3s+1.raw"] {
            assert_eq!(seen(file, Kind::File), Some("k3s"), "{file}");
        }
        assert_eq!(seen("k3s", Kind::Link), Some("k3s"));
        assert_eq!(seen("k3s-agent.raw", Kind::Link), Some("k3s-agent"));
        for file in ["README", ".tmp-1", "_.raw"] {
            assert_eq!(seen(file, Kind::File), None, "{file}");
        }
    }
}
