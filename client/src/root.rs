//! Where everything lies on a host: below a root directory, which is `/` unless `--root` says otherwise.
//!
//! ```text
//! ROOT/etc/sysext-fetch/        what the admin wants                      (also /run, /usr/local/lib, /usr/lib)
//! ROOT/etc/extensions/          activation "etc": one link per extension
//! ROOT/run/extensions/          activation "boot": the same, made at each boot
//! STORE/                        ROOT/var/lib/sysext-fetch unless --store says otherwise
//!   store/SHA256/…              images
//!   catalogs/ID@ROOT16/…        trusted metadata
//!   roots/ history/ journal/ parts/ lock
//! ```
//!
//! Paths in here are made of constants and of names that have been checked; nothing from a catalog is a path.

use std::path::{Path, PathBuf};

use crate::config::Activation;

/// Where systemd-sysext looks for extensions; the first occurrence of a name wins.
pub const SEARCH_PATH: [&str; 3] = ["/etc/extensions", "/run/extensions", "/var/lib/extensions"];

/// Permissions of the directories this program makes.
pub const DIRECTORY_MODE: u32 = 0o755;

/// The root that a command works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    directory: PathBuf,
    store: Option<PathBuf>,
}

impl Root {
    /// The root at `directory`, with its store there or at `store`. Both must be absolute.
    #[must_use]
    pub fn new(directory: PathBuf, store: Option<PathBuf>) -> Self {
        Self { directory, store }
    }

    /// Whether it is the root that this program runs on: only that one is merged by default.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.directory == Path::new("/")
    }

    /// The root directory itself.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// An absolute path of the host, below the root.
    #[must_use]
    pub fn path(&self, absolute: &str) -> PathBuf {
        self.directory.join(absolute.trim_start_matches('/'))
    }

    /// Where images, trusted metadata, journal and history are.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.store
            .clone()
            .unwrap_or_else(|| self.path("/var/lib/sysext-fetch"))
    }

    /// The store as links in this root must name it. Links of another root are followed there, at boot, so they never
    /// hold the prefix of `--root`.
    #[must_use]
    pub fn store_in_links(&self) -> PathBuf {
        match &self.store {
            Some(store) => store.clone(),
            None => PathBuf::from("/var/lib/sysext-fetch"),
        }
    }

    /// Where the links of extensions are.
    #[must_use]
    pub fn links(&self, activation: Activation) -> PathBuf {
        self.path(match activation {
            Activation::Etc => "/etc/extensions",
            Activation::Boot => "/run/extensions",
        })
    }

    /// Where configuration is looked for, the strongest directory first (UAPI.6).
    #[must_use]
    pub fn configuration(&self) -> [PathBuf; 4] {
        ["/etc", "/run", "/usr/local/lib", "/usr/lib"]
            .map(|base| self.path(base).join("sysext-fetch"))
    }
}

/// Hosts whose next `/etc` can not be written in advance choose at boot: ostree deployments, and a read-only `/etc`.
#[must_use]
pub fn default_activation(root: &Root) -> Activation {
    if root.path("/run/ostree-booted").exists() || root.path("/ostree/repo").exists() {
        Activation::Boot
    } else {
        Activation::Etc
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_moves_with_the_root_and_the_store_can_be_put_back() {
        let root = Root::new("/mnt".into(), None);
        assert_eq!(root.store(), Path::new("/mnt/var/lib/sysext-fetch"));
        assert_eq!(root.store_in_links(), Path::new("/var/lib/sysext-fetch"));
        let root = Root::new("/mnt".into(), Some("/var/lib/sysext-fetch".into()));
        assert_eq!(root.store(), Path::new("/var/lib/sysext-fetch"));
        assert_eq!(
            root.links(Activation::Etc),
            Path::new("/mnt/etc/extensions")
        );
    }
}
