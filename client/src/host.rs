//! What the host is: the facts that decide which images fit it.

use std::path::{Path, PathBuf};

use sysext_durable::{Dir, open_in_root};
use sysext_formats::os::{Fields, FieldsError, Host, MAX_RELEASE_FILE, systemd_architecture};

use crate::root::Root;

/// Facts about the root that a command works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFacts {
    /// What systemd matches images against.
    pub host: Host,
    /// `/etc/machine-id`, where there is one: decides this host's share of a rollout.
    pub machine_id: Option<String>,
}

/// Why the facts can not be read.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// Neither file is there.
    #[error("neither {} nor usr/lib/os-release is there, so no image can be matched against this system", .0.display())]
    NoOsRelease(PathBuf),
    /// The file can not be parsed.
    #[error("{} can not be used: {source}", path.display())]
    Fields {
        /// The file.
        path: PathBuf,
        /// Why.
        source: FieldsError,
    },
    /// The file can not be read.
    #[error(transparent)]
    Read(#[from] sysext_durable::Error),
    /// The file can not be found.
    #[error("{} can not be read: {source}", path.display())]
    Resolve {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl HostFacts {
    /// Reads the facts of `root`. The architecture is the running kernel's: a root is never updated from a machine of
    /// another one.
    ///
    /// # Errors
    /// When there is no usable os-release.
    pub fn read(root: &Root) -> Result<Self, HostError> {
        let os_release = os_release(root)?;
        let uname = rustix::system::uname();
        let machine = uname.machine().to_string_lossy().into_owned();
        let architecture = systemd_architecture(&machine).to_owned();
        Ok(Self {
            host: Host {
                os_release,
                architecture,
            },
            machine_id: machine_id(root),
        })
    }

    /// The host in a few words, for messages: `openSUSE MicroOS 20261101 (x86-64)`.
    #[must_use]
    pub fn describe(&self) -> String {
        let field = |key| self.host.os_release.get(key);
        let name = field("PRETTY_NAME")
            .or(field("NAME"))
            .or(field("ID"))
            .unwrap_or("Linux");
        format!("{name} ({})", self.host.architecture)
    }
}

/// `etc/os-release`, else `usr/lib/os-release`; the two are never merged.
fn os_release(root: &Root) -> Result<Fields, HostError> {
    for path in ["/etc/os-release", "/usr/lib/os-release"] {
        let Some(bytes) = read_in_root(root, path)? else {
            continue;
        };
        let path = root.path(path);
        return Fields::parse(&bytes).map_err(|source| HostError::Fields { path, source });
    }
    Err(HostError::NoOsRelease(root.path("/etc/os-release")))
}

fn machine_id(root: &Root) -> Option<String> {
    let bytes = read_in_root(root, "/etc/machine-id").ok()??;
    let text = String::from_utf8(bytes).ok()?;
    let id = text.trim();
    (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| id.to_owned())
}

/// Reads a file of the root; links in it are followed, but never out of the root (`etc/os-release` is often one).
fn read_in_root(root: &Root, absolute: &str) -> Result<Option<Vec<u8>>, HostError> {
    use rustix::fs::OFlags;
    let path = root.path(absolute);
    let Some(directory) = Dir::open_existing(root.directory())? else {
        return Ok(None);
    };
    let flags = OFlags::RDONLY | OFlags::NONBLOCK;
    let opened = open_in_root(&directory, Path::new(absolute), flags);
    let file = match opened {
        Ok(fd) => std::fs::File::from(fd),
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(error) => {
            return Err(HostError::Resolve {
                path,
                source: error.into(),
            });
        }
    };
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_RELEASE_FILE).unwrap_or(u64::MAX) + 1;
    std::io::Read::read_to_end(&mut std::io::Read::take(file, limit), &mut bytes)
        .map_err(|source| HostError::Resolve { path, source })?;
    Ok(Some(bytes))
}
