//! Finding configuration files as UAPI.6 says, below one root.
//!
//! - `/etc` over `/run` over `/usr/local/lib` over `/usr/lib`: of one name the strongest directory's file counts.
//! - An empty file, or a link to `/dev/null`, hides the weaker ones and is none itself.
//! - `NAME.toml.d/*.toml` are drop-ins: of one name the strongest counts, and they apply in the order of their names,
//!   wherever they lie.
//! - Links are followed, but never out of the root.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use sysext_durable::open_in_root;

use super::ConfigError;
use crate::root::Root;

/// Bytes of a configuration file.
pub const MAX_FILE: u64 = 64 << 10;
/// Entries of a configuration directory.
pub const MAX_ENTRIES: usize = 10_000;

const SUFFIX: &str = ".toml";

/// A file of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layer {
    pub(super) file: PathBuf,
    /// `None`: it hides weaker ones.
    pub(super) text: Option<String>,
}

/// Everything that is said about one name: the main file and its drop-ins, weakest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Layers {
    /// The strongest file.
    pub(super) main: Option<Layer>,
    /// Those that apply, in order.
    pub(super) drop_ins: Vec<Layer>,
}

impl Layers {
    /// All that have text, weakest first.
    pub(super) fn texts(&self) -> impl DoubleEndedIterator<Item = (&Path, &str)> {
        let layers = self.main.iter().chain(&self.drop_ins);
        layers.filter_map(|layer| Some((layer.file.as_path(), layer.text.as_deref()?)))
    }

    /// Whether there is such a thing: its main file is there and not hidden.
    pub(super) fn exist(&self) -> bool {
        self.main.as_ref().is_some_and(|main| main.text.is_some())
    }
}

/// The configuration directories of a root.
#[derive(Debug)]
pub(super) struct Files {
    root: Root,
    handle: OwnedFd,
}

impl Files {
    pub(super) fn open(root: &Root) -> Result<Self, ConfigError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::openat(CWD, root.directory(), flags, Mode::empty());
        Ok(Self {
            root: root.clone(),
            handle: handle.map_err(|error| ConfigError::read(root.directory(), error))?,
        })
    }

    /// The names of all main files in `folder`, of all directories.
    pub(super) fn names(&self, folder: &str, problems: &mut Vec<ConfigError>) -> Vec<String> {
        let mut names = BTreeMap::new();
        for base in self.root.configuration() {
            match self.list(&base.join(folder)) {
                Ok(found) => names.extend(found.into_iter().map(|name| (name, ()))),
                Err(problem) => problems.push(problem),
            }
        }
        names.into_keys().collect()
    }

    /// What is said in `NAME.toml` and its drop-ins, where `name` is a path below the configuration directories,
    /// without `.toml`.
    pub(super) fn layers(&self, name: &str) -> Result<Layers, ConfigError> {
        let bases = self.root.configuration();
        let main = format!("{name}{SUFFIX}");
        let main = self.strongest(bases.iter().map(|base| base.join(&main)))?;
        let directory = format!("{name}{SUFFIX}.d");
        let mut found = BTreeMap::<String, Vec<PathBuf>>::new();
        for base in &bases {
            let directory = base.join(&directory);
            for name in self.list(&directory)? {
                let file = directory.join(format!("{name}{SUFFIX}"));
                found.entry(name).or_default().push(file);
            }
        }
        let drop_ins: Result<Vec<_>, _> = found
            .into_values()
            .filter_map(|files| self.strongest(files).transpose())
            .collect();
        Ok(Layers {
            main,
            drop_ins: drop_ins?,
        })
    }

    /// The main files of `name`, strongest first, hidden ones too.
    pub(super) fn mains(&self, name: &str) -> Result<Vec<Layer>, ConfigError> {
        let main = format!("{name}{SUFFIX}");
        let files = self.root.configuration().map(|base| base.join(&main));
        files
            .into_iter()
            .filter_map(|file| self.read(file).transpose())
            .collect()
    }

    /// A file beside the configuration, such as `catalogs.d/ID.root.json`; `None` where there is none.
    pub(super) fn strongest_bytes(
        &self,
        name: &str,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, ConfigError> {
        for base in self.root.configuration() {
            if let Some(bytes) = self.bytes(&base.join(name), limit)? {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    fn strongest(
        &self,
        files: impl IntoIterator<Item = PathBuf>,
    ) -> Result<Option<Layer>, ConfigError> {
        for file in files {
            if let Some(layer) = self.read(file)? {
                return Ok(Some(layer));
            }
        }
        Ok(None)
    }

    fn read(&self, file: PathBuf) -> Result<Option<Layer>, ConfigError> {
        if self.is_link_to_null(&file)? {
            return Ok(Some(Layer { file, text: None }));
        }
        let Some(bytes) = self.bytes(&file, MAX_FILE)? else {
            return Ok(None);
        };
        let text = (!bytes.is_empty())
            .then(|| String::from_utf8(bytes))
            .transpose()
            .map_err(|_| ConfigError::NotText { file: file.clone() })?;
        Ok(Some(Layer { file, text }))
    }

    /// Looked at without following it: the root may have no /dev of its own.
    fn is_link_to_null(&self, file: &Path) -> Result<bool, ConfigError> {
        let Some(link) = self.resolve(file, OFlags::PATH | OFlags::NOFOLLOW)? else {
            return Ok(false);
        };
        // Anything but a link has no target.
        let target = rustix::fs::readlinkat(link, "", Vec::new());
        Ok(target.is_ok_and(|target| target.as_bytes() == b"/dev/null"))
    }

    fn bytes(&self, file: &Path, limit: u64) -> Result<Option<Vec<u8>>, ConfigError> {
        let Some(handle) = self.resolve(file, OFlags::RDONLY | OFlags::NONBLOCK)? else {
            return Ok(None);
        };
        let failed = |error: io::Error| ConfigError::Read {
            file: file.to_owned(),
            source: error,
        };
        let handle = File::from(handle);
        if !handle.metadata().map_err(failed)?.is_file() {
            return Err(failed(io::Error::other("it is not a regular file")));
        }
        let mut bytes = Vec::new();
        handle
            .take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
            return Err(ConfigError::TooLong {
                file: file.to_owned(),
                limit,
            });
        }
        Ok(Some(bytes))
    }

    /// The names of the `.toml` files in a directory, without the ending. Hidden files and editors' leftovers do not
    /// end so.
    fn list(&self, directory: &Path) -> Result<Vec<String>, ConfigError> {
        let Some(handle) = self.resolve(directory, OFlags::RDONLY | OFlags::DIRECTORY)? else {
            return Ok(Vec::new());
        };
        let failed = |error| ConfigError::read(directory, error);
        let mut names = Vec::new();
        for (count, entry) in rustix::fs::Dir::new(handle).map_err(failed)?.enumerate() {
            if count >= MAX_ENTRIES {
                return Err(ConfigError::TooMany {
                    directory: directory.to_owned(),
                });
            }
            let entry = entry.map_err(failed)?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            let stem = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
            names.extend(
                stem.filter(|stem| !stem.starts_with('.') && !stem.is_empty())
                    .map(str::to_owned),
            );
        }
        Ok(names)
    }

    fn resolve(&self, path: &Path, flags: OFlags) -> Result<Option<OwnedFd>, ConfigError> {
        let below = path.strip_prefix(self.root.directory()).unwrap_or(path);
        match open_in_root(&self.handle, below, flags) {
            Ok(handle) => Ok(Some(handle)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(error) => Err(ConfigError::read(path, error)),
        }
    }
}
