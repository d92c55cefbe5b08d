//! Enables units, on the running system or on another root.

use std::ffi::OsString;
use std::path::Path;

use super::{LOOK_TIMEOUT, SystemdError, command};
use crate::root::Root;

/// Where the service manager runs, so that a unit can be started too.
const RUNNING: &str = "/run/systemd/system";

/// Enables units that are not enabled yet and says which ones; on a running system they are started, too.
///
/// # Errors
/// When systemctl is missing or fails.
pub fn enable(root: &Root, units: &[&str]) -> Result<Vec<String>, SystemdError> {
    let live = root.is_running() && Path::new(RUNNING).exists();
    let mut enabled = Vec::new();
    for unit in units {
        if is_enabled(root, unit)? {
            continue;
        }
        if live && enabled.is_empty() {
            // The unit may have been written a moment ago.
            command::run("systemctl", &["daemon-reload"], LOOK_TIMEOUT)?;
        }
        let mut arguments = vec![of_root(root), "enable".into()];
        arguments.extend(live.then(|| "--now".into()));
        arguments.push((*unit).into());
        command::run("systemctl", &arguments, LOOK_TIMEOUT)?;
        enabled.push((*unit).to_owned());
    }
    Ok(enabled)
}

fn is_enabled(root: &Root, unit: &str) -> Result<bool, SystemdError> {
    let arguments = [
        of_root(root),
        "is-enabled".into(),
        "--quiet".into(),
        unit.into(),
    ];
    match command::run("systemctl", &arguments, LOOK_TIMEOUT) {
        Ok(_) => Ok(true),
        Err(SystemdError::Failed { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

fn of_root(root: &Root) -> OsString {
    let mut argument = OsString::from("--root=");
    argument.push(root.directory());
    // "--root=/" would keep systemctl from talking to the service manager.
    if root.is_running() {
        "--system".into()
    } else {
        argument
    }
}
