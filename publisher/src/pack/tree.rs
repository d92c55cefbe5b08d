//! What goes into an image, gathered before anything is written.
//!
//! - Paths are relative to the root of the host, and begin with `usr` or `opt`. Every directory of a path is in the tree.
//! - Sorted as the writers of file systems want it: by component.
//! - Files stay where they are and are read when they are written; only what this program makes is in memory.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use object::ReadCache;
use rustix::fs::{Mode, OFlags};

use super::elf::Program;
use super::{PackError, Request};

/// Bytes of a link's target: what readers of squashfs accept in general.
const MAX_LINK: usize = 255;

/// What goes into an image.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: BTreeMap<PathBuf, Node>,
    /// The programs in it, by their path in the image.
    pub(super) programs: Vec<(String, Program)>,
    /// What was left behind.
    pub(super) warnings: Vec<String>,
}

/// One entry of an image.
#[derive(Debug)]
pub(super) enum Node {
    Directory,
    File { mode: u16, content: Content },
    Link(String),
}

/// The content of a file.
#[derive(Debug)]
pub(super) enum Content {
    Disk(PathBuf),
    Memory(Vec<u8>),
}

impl Content {
    /// Opens it; a file on disk must still be a file.
    pub(super) fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        match self {
            Self::Memory(bytes) => Ok(Box::new(bytes.as_slice())),
            Self::Disk(path) => Ok(Box::new(open(path)?)),
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let file = File::from(rustix::fs::open(
        path,
        OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC,
        Mode::empty(),
    )?);
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("it is no regular file any more"))
    }
}

impl Tree {
    /// Gathers what was asked for, except for the extension-release.
    pub(super) fn gather(request: &Request) -> Result<Self, PackError> {
        let mut tree = Self::default();
        let folder = request.inputs.iter().find(|input| input.is_dir());
        match (folder, request.inputs.as_slice()) {
            (Some(folder), [_]) => tree.add_folder(folder, request.keep_setuid)?,
            (Some(folder), _) => return Err(PackError::FolderAndMore(folder.clone())),
            (None, programs) => programs
                .iter()
                .try_for_each(|program| tree.add_program(program))?,
        }
        request
            .units
            .iter()
            .try_for_each(|unit| tree.add_unit(unit))?;
        Ok(tree)
    }

    /// All entries, parents first.
    pub(super) fn nodes(&self) -> impl Iterator<Item = (&Path, &Node)> {
        self.nodes.iter().map(|(path, node)| (path.as_path(), node))
    }

    /// How many files and links there are.
    pub(super) fn files(&self) -> usize {
        self.nodes
            .values()
            .filter(|node| !matches!(node, Node::Directory))
            .count()
    }

    /// The names in a directory.
    pub(super) fn names_in(&self, directory: &str) -> Vec<String> {
        let below = self
            .nodes
            .keys()
            .filter(|path| path.parent() == Some(Path::new(directory)));
        below
            .filter_map(|path| path.file_name()?.to_str().map(str::to_owned))
            .collect()
    }

    /// The content of a file, links followed once, at most `limit` bytes and one more.
    pub(super) fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, PackError> {
        let mut path = PathBuf::from(path);
        if let Some(Node::Link(target)) = self.nodes.get(&path) {
            path = path.parent().unwrap_or(Path::new("")).join(target);
        }
        let Some(Node::File { content, .. }) = self.nodes.get(&path) else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        let read = content
            .open()
            .and_then(|file| file.take(limit.saturating_add(1)).read_to_end(&mut bytes));
        read.map_err(|source| PackError::Read { path, source })?;
        Ok(Some(bytes))
    }

    /// Adds a file that this program makes.
    pub(super) fn add_text(&mut self, path: &str, text: String) -> Result<(), PackError> {
        let node = Node::File {
            mode: 0o644,
            content: Content::Memory(text.into_bytes()),
        };
        self.insert(
            Path::new(path),
            node,
            Path::new("the one that is made here"),
        )
    }

    fn insert(&mut self, path: &Path, node: Node, from: &Path) -> Result<(), PackError> {
        for parent in path
            .ancestors()
            .skip(1)
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            self.nodes
                .entry(parent.to_owned())
                .or_insert(Node::Directory);
        }
        if !matches!(node, Node::Directory) && self.nodes.contains_key(path) {
            return Err(PackError::Twice {
                path: path.display().to_string(),
                from: from.to_owned(),
            });
        }
        self.nodes.insert(path.to_owned(), node);
        Ok(())
    }

    fn add_folder(&mut self, folder: &Path, keep_setuid: bool) -> Result<(), PackError> {
        for entry in walkdir::WalkDir::new(folder)
            .min_depth(1)
            .sort_by_file_name()
        {
            let entry = entry.map_err(|error| PackError::Read {
                path: error.path().unwrap_or(folder).to_owned(),
                source: error.into(),
            })?;
            let (from, path) = (
                entry.path(),
                entry.path().strip_prefix(folder).unwrap_or(entry.path()),
            );
            if path.to_str().is_none() {
                return Err(PackError::NotText(from.to_owned()));
            }
            let top = path
                .components()
                .next()
                .map(|first| first.as_os_str().to_owned())
                .unwrap_or_default();
            if !["usr", "opt"].contains(&top.to_string_lossy().as_ref()) {
                return Err(PackError::Outside(from.to_owned()));
            }
            let node = self.node(from, path, keep_setuid)?;
            if entry.depth() == 1 && !matches!(node, Node::Directory) {
                return Err(PackError::Outside(from.to_owned()));
            }
            self.insert(path, node, from)?;
        }
        Ok(())
    }

    /// What an entry of a folder becomes.
    fn node(&mut self, from: &Path, path: &Path, keep_setuid: bool) -> Result<Node, PackError> {
        let failed = |source| PackError::Read {
            path: from.to_owned(),
            source,
        };
        let metadata = fs::symlink_metadata(from).map_err(failed)?;
        let kind = metadata.file_type();
        if kind.is_dir() {
            return Ok(Node::Directory);
        }
        if kind.is_symlink() {
            let target = fs::read_link(from).map_err(failed)?;
            let target = target
                .to_str()
                .ok_or_else(|| PackError::NotText(from.to_owned()))?;
            if target.len() > MAX_LINK {
                return Err(PackError::LongLink {
                    path: from.to_owned(),
                    length: target.len(),
                    limit: MAX_LINK,
                });
            }
            return Ok(Node::Link(target.to_owned()));
        }
        if !kind.is_file() {
            return Err(PackError::Special {
                path: from.to_owned(),
                kind: special(&metadata),
            });
        }
        let shown = path.display().to_string();
        if let Some(program) = program(from).map_err(failed)? {
            self.programs.push((shown.clone(), program));
        }
        let mode = metadata.permissions().mode();
        let mut packed = if mode & 0o111 == 0 { 0o644 } else { 0o755 };
        if mode & 0o6000 != 0 {
            if keep_setuid {
                packed |= u16::try_from(mode & 0o6000).unwrap_or_default();
            } else {
                self.warnings.push(format!(
                    "the setuid and setgid bits of /{shown} stay behind; --keep-setuid keeps them"
                ));
            }
        }
        if has_capabilities(from) {
            self.warnings.push(format!(
                "the file capabilities of /{shown} stay behind, as all extended attributes do; let its service have them \
                 (AmbientCapabilities=)"
            ));
        }
        Ok(Node::File {
            mode: packed,
            content: Content::Disk(from.to_owned()),
        })
    }

    fn add_program(&mut self, from: &Path) -> Result<(), PackError> {
        let failed = |source| PackError::Read {
            path: from.to_owned(),
            source,
        };
        let name = from.file_name().and_then(|name| name.to_str());
        let path = format!(
            "usr/bin/{}",
            name.ok_or_else(|| PackError::NotText(from.to_owned()))?
        );
        let mut first = [0; 2];
        let is_script =
            open(from).map_err(failed)?.read_exact(&mut first).is_ok() && &first == b"#!";
        match program(from).map_err(failed)? {
            Some(program) => self.programs.push((path.clone(), program)),
            None if is_script => {}
            None => return Err(PackError::NotAProgram(from.to_owned())),
        }
        let node = Node::File {
            mode: 0o755,
            content: Content::Disk(from.to_owned()),
        };
        self.insert(Path::new(&path), node, from)
    }

    fn add_unit(&mut self, from: &Path) -> Result<(), PackError> {
        const TYPES: [&str; 8] = [
            "service",
            "socket",
            "timer",
            "target",
            "path",
            "mount",
            "automount",
            "slice",
        ];
        let failed = |source| PackError::Read {
            path: from.to_owned(),
            source,
        };
        let unit = || {
            let name = from.file_name()?.to_str()?;
            let (stem, kind) = name.rsplit_once('.')?;
            (!stem.is_empty() && TYPES.contains(&kind)).then_some(name)
        };
        let name = unit().ok_or_else(|| PackError::NotAUnit(from.to_owned()))?;
        open(from).map_err(failed)?;
        let node = Node::File {
            mode: 0o644,
            content: Content::Disk(from.to_owned()),
        };
        self.insert(
            Path::new(&format!("usr/lib/systemd/system/{name}")),
            node,
            from,
        )
    }
}

/// The program in a file, where there is one.
fn program(path: &Path) -> io::Result<Option<Program>> {
    let file = open(path)?;
    // Reads what is asked for only: the head, the segments, the dynamic section.
    let cache = ReadCache::new(file);
    Ok(Program::read(&cache))
}

fn has_capabilities(path: &Path) -> bool {
    let mut value = [0_u8; 64];
    // File systems without extended attributes say so with an error: then there are none.
    rustix::fs::lgetxattr(path, "security.capability", &mut value).is_ok()
}

fn special(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    if kind.is_socket() {
        "socket"
    } else if kind.is_fifo() {
        "named pipe"
    } else if kind.is_block_device() {
        "block device"
    } else {
        "character device"
    }
}
