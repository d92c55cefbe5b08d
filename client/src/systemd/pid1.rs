//! The service manager, through systemctl.

use std::path::Path;
use std::time::Duration;

use super::{LOOK_TIMEOUT, MERGE_TIMEOUT, SystemdError, command};

/// Whether it runs: sd_booted(3).
pub(super) fn is_systemd() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// Reloads systemd-sysext.service, which merges anew without a moment in which nothing is merged; where it can not be
/// reloaded (252), or had nothing to merge at boot and is inactive, it is restarted.
pub(super) fn refresh(limit: Duration) -> Result<(), SystemdError> {
    let arguments = ["reload-or-restart", "systemd-sysext.service"];
    command::run("systemctl", &arguments, limit).map(drop)
}

pub(super) fn daemon_reload() -> Result<(), SystemdError> {
    if is_systemd() {
        command::run("systemctl", &["daemon-reload"], LOOK_TIMEOUT)?;
    }
    Ok(())
}

pub(super) fn restart(unit: &str) -> Result<(), SystemdError> {
    if !is_systemd() {
        return Err(SystemdError::NotBooted(unit.to_owned()));
    }
    command::run("systemctl", &["try-restart", "--", unit], MERGE_TIMEOUT).map(drop)
}
