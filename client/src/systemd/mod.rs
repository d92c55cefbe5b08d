//! systemd-sysext and its surroundings: the one place from which programs, Varlink and PID 1 are reached.
//!
//! - [`Merger`] is what this program needs of it; [`Systemd`] is the real one.
//! - A refresh goes through Varlink where systemd offers it, else through PID 1, else through the command: a process
//!   in a mount namespace of its own would merge for itself only, and be told that all went well.
//! - Each call ends after a time, and each answer is bounded.
//! - Another root than the running one is never merged.

mod command;
mod pid1;
mod processes;
mod status;
mod units;
mod varlink;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::root::Root;

pub use self::processes::{LeftBehind, left_behind};
pub use self::status::BackingFile;
pub use self::units::enable;
pub use self::varlink::VarlinkError;

/// Where systemd-sysext listens, where it does (256 and later).
const SOCKET: &str = "/run/systemd/io.systemd.sysext";
/// Merging takes a fraction of a second; images on slow disks and hosts under load take longer.
const MERGE_TIMEOUT: Duration = Duration::from_secs(120);
/// For everything that only looks.
const LOOK_TIMEOUT: Duration = Duration::from_secs(20);

/// Merges the extensions that are linked, and says what is merged.
pub trait Merger {
    /// The names of the extensions that are merged now, sorted.
    ///
    /// # Errors
    /// When systemd-sysext can not be asked.
    fn merged(&self) -> Result<Vec<String>, SystemdError>;

    /// Merges what is linked now, in place of what is merged.
    ///
    /// # Errors
    /// When it could not merge; usually nothing is merged then.
    fn refresh(&self) -> Result<(), SystemdError>;

    /// The files that loop devices of this host are made of: each merged image is behind one.
    ///
    /// # Errors
    /// When they can not be listed.
    fn backing_files(&self) -> Result<Vec<BackingFile>, SystemdError>;

    /// Makes the service manager read its units again; where none runs, there is nothing to read.
    ///
    /// # Errors
    /// When it could not.
    fn daemon_reload(&self) -> Result<(), SystemdError>;

    /// Restarts a unit, if it runs.
    ///
    /// # Errors
    /// When it could not.
    fn restart(&self, unit: &str) -> Result<(), SystemdError>;

    /// Gives files the SELinux labels that the host's policy says, where there is one. Failing is not worth more than a
    /// note: without a policy there is nothing to do, and with one systemd says what it could not open.
    fn relabel(&self, paths: &[PathBuf]);

    /// Whether links of `root` can be merged by it: only those of the running system.
    fn can_merge(&self, root: &Root) -> bool {
        root.is_running()
    }
}

/// Why systemd could not be asked, or said no.
#[derive(Debug, thiserror::Error)]
pub enum SystemdError {
    /// It is not the running root.
    #[error("{} is not the running system, so nothing is merged there", .0.display())]
    OtherRoot(PathBuf),
    /// It waits for this process.
    #[error("systemd merges when this program has ended")]
    TooEarly,
    /// There is no service manager to be asked.
    #[error("no systemd runs here, so {0} was not restarted")]
    NotBooted(String),
    /// A program is not there.
    #[error("{0} is not installed")]
    NotInstalled(&'static str),
    /// A program could not be run.
    #[error("{command} could not be run")]
    Run {
        /// The command line.
        command: String,
        /// Why.
        source: io::Error,
    },
    /// A program did not come back.
    #[error("{command} was ended after {} seconds", limit.as_secs())]
    Timeout {
        /// The command line.
        command: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// A program failed.
    #[error("{command} failed ({status}){}", said(stderr))]
    Failed {
        /// The command line.
        command: String,
        /// Its exit code or signal.
        status: String,
        /// What it said.
        stderr: String,
    },
    /// A program answered something else than was expected.
    #[error("{command} answered what is not understood: {reason}")]
    Answer {
        /// The command line.
        command: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A Varlink call failed.
    #[error("io.systemd.sysext could not refresh")]
    Varlink(#[from] VarlinkError),
}

fn said(stderr: &str) -> String {
    if stderr.is_empty() {
        String::new()
    } else {
        format!(": {stderr}")
    }
}

/// How a refresh reaches systemd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// Through its socket.
    Varlink(PathBuf),
    /// Through the service manager.
    Pid1,
    /// By running systemd-sysext: nothing else is there, so no private namespace either.
    Command,
    /// Not at all: another root.
    None(PathBuf),
    /// Not yet: it merges when this process has ended.
    Later,
}

/// The real systemd.
#[derive(Debug, Clone)]
pub struct Systemd {
    way: Way,
}

impl Systemd {
    /// Finds out how systemd can be reached.
    #[must_use]
    pub fn detect(root: &Root) -> Self {
        let way = if !root.is_running() {
            Way::None(root.directory().to_owned())
        } else if Path::new(SOCKET).exists() {
            Way::Varlink(SOCKET.into())
        } else {
            return Self::without_varlink();
        };
        Self { way }
    }

    /// While systemd-sysext waits for this process: to ask it for anything would wait for ever.
    #[must_use]
    pub fn before_merging() -> Self {
        Self { way: Way::Later }
    }

    fn without_varlink() -> Self {
        let way = if pid1::is_systemd() {
            Way::Pid1
        } else {
            Way::Command
        };
        Self { way }
    }

    /// How a refresh reaches systemd.
    #[must_use]
    pub fn way(&self) -> &Way {
        &self.way
    }

    fn is_elsewhere(&self) -> bool {
        matches!(self.way, Way::None(_))
    }

    /// What must reach the service manager.
    fn require_running(&self) -> Result<(), SystemdError> {
        match &self.way {
            Way::None(root) => Err(SystemdError::OtherRoot(root.clone())),
            Way::Later => Err(SystemdError::TooEarly),
            Way::Varlink(_) | Way::Pid1 | Way::Command => Ok(()),
        }
    }
}

impl Merger for Systemd {
    fn merged(&self) -> Result<Vec<String>, SystemdError> {
        if self.is_elsewhere() || self.way == Way::Later {
            return Ok(Vec::new());
        }
        status::merged()
    }

    fn refresh(&self) -> Result<(), SystemdError> {
        match &self.way {
            Way::Varlink(socket) => match varlink::refresh(socket, MERGE_TIMEOUT) {
                // A socket that its unit left behind.
                Err(error) if error.nobody_listens() => Self::without_varlink().refresh(),
                result => Ok(result?),
            },
            Way::Pid1 => pid1::refresh(MERGE_TIMEOUT),
            Way::Command => status::refresh(MERGE_TIMEOUT),
            Way::None(_) | Way::Later => self.require_running(),
        }
    }

    fn backing_files(&self) -> Result<Vec<BackingFile>, SystemdError> {
        status::backing_files()
    }

    fn daemon_reload(&self) -> Result<(), SystemdError> {
        self.require_running()?;
        pid1::daemon_reload()
    }

    fn restart(&self, unit: &str) -> Result<(), SystemdError> {
        self.require_running()?;
        pid1::restart(unit)
    }

    fn can_merge(&self, root: &Root) -> bool {
        root.is_running() && self.way != Way::Later
    }

    fn relabel(&self, paths: &[PathBuf]) {
        const SELINUX: &str = "/sys/fs/selinux/enforce";
        if self.is_elsewhere() || paths.is_empty() || !Path::new(SELINUX).exists() {
            return;
        }
        let mut arguments: Vec<_> = ["-R", "--"].map(std::ffi::OsStr::new).into();
        arguments.extend(paths.iter().map(|path| path.as_os_str()));
        if let Err(error) = command::run("restorecon", &arguments, LOOK_TIMEOUT) {
            tracing::warn!(%error, "labels could not be restored");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_root_is_never_merged() {
        let systemd = Systemd::detect(&Root::new("/nonexistent".into(), None));
        assert_eq!(systemd.way(), &Way::None("/nonexistent".into()));
        assert!(matches!(systemd.refresh(), Err(SystemdError::OtherRoot(_))));
        assert!(matches!(
            systemd.daemon_reload(),
            Err(SystemdError::OtherRoot(_))
        ));
        assert_eq!(systemd.merged().unwrap(), Vec::<String>::new());
    }
}
