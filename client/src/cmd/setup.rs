//! `setup`: units on a host that has the program but not the package. Idempotent.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use sysext_durable::Dir;

use crate::cli::Global;
use crate::failure::{Failure, Kind};
use crate::root::{DIRECTORY_MODE, Root};
use crate::session::root_of;
use crate::systemd;
use crate::ui::Ui;

/// The units, with a mark where the program's path goes.
const UNITS: [(&str, &str); 7] = [
    (
        "sysext-fetch-boot.service",
        include_str!("../../units/sysext-fetch-boot.service"),
    ),
    (
        "sysext-fetch-gc.service",
        include_str!("../../units/sysext-fetch-gc.service"),
    ),
    (
        "sysext-fetch-gc.timer",
        include_str!("../../units/sysext-fetch-gc.timer"),
    ),
    (
        "sysext-fetch-notify.socket",
        include_str!("../../units/sysext-fetch-notify.socket"),
    ),
    (
        "sysext-fetch-notify@.service",
        include_str!("../../units/sysext-fetch-notify@.service"),
    ),
    (
        "sysext-fetch-update.service",
        include_str!("../../units/sysext-fetch-update.service"),
    ),
    (
        "sysext-fetch-update.timer",
        include_str!("../../units/sysext-fetch-update.timer"),
    ),
];

/// What is enabled: the timers, the guard, what listens for updates of the OS, and the unit that merges at boot.
const ENABLED: [&str; 5] = [
    "sysext-fetch-boot.service",
    "sysext-fetch-gc.timer",
    "sysext-fetch-notify.socket",
    "sysext-fetch-update.timer",
    MERGING_UNIT,
];

/// The unit that merges at boot; systemd brings it.
const MERGING_UNIT: &str = "systemd-sysext.service";

/// Where that unit is looked for, the strongest directory first.
const UNIT_DIRECTORIES: [&str; 3] = [
    "/etc/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// Where the program's path goes in a unit.
const PROGRAM_MARK: &str = "@PROGRAM@";

/// `setup`
#[derive(Debug, Args)]
pub struct Setup {}

#[derive(Debug, Serialize)]
struct Done {
    changed: bool,
    written: Vec<String>,
    enabled: Vec<String>,
}

impl Setup {
    /// Writes and enables the units.
    ///
    /// # Errors
    /// When that system has no systemd-sysext, they can not be written, or systemd can not enable them.
    pub fn run(self, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
        let root = root_of(global)?;
        require_sysext(&root)?;
        let program = std::env::current_exe().map_err(|error| Failure::of(Kind::Failed, &error))?;
        let directory = Dir::create_all(&root.path("/etc/systemd/system"), DIRECTORY_MODE)?;
        let mut written = Vec::new();
        for (name, unit) in UNITS {
            let unit = unit.replace(PROGRAM_MARK, &quoted(&program));
            let limit = u64::try_from(unit.len()).unwrap_or(u64::MAX);
            let same = directory
                .read(name, limit)
                .is_ok_and(|old| old.as_deref() == Some(unit.as_bytes()));
            if !same {
                directory.write(name, unit.as_bytes(), 0o644)?;
                written.push(name.to_owned());
            }
        }
        let enabled = systemd::enable(&root, &ENABLED)?;
        let done = Done {
            changed: !written.is_empty() || !enabled.is_empty(),
            written,
            enabled,
        };
        ui.data("setup", &done, || done.text());
        Ok(ExitCode::SUCCESS)
    }
}

/// Refuses to leave units behind on a system where nothing would merge.
fn require_sysext(root: &Root) -> Result<(), Failure> {
    let found = UNIT_DIRECTORIES
        .iter()
        .map(|directory| root.path(directory).join(MERGING_UNIT))
        .find(|unit| unit.symlink_metadata().is_ok());
    match found {
        Some(unit)
            if unit
                .read_link()
                .is_ok_and(|target| target == Path::new("/dev/null")) =>
        {
            let failure = Failure::new(
                Kind::Failed,
                format!("{MERGING_UNIT} is masked: {}", unit.display()),
            );
            Err(failure.hint(format!("systemctl unmask {MERGING_UNIT}")))
        }
        Some(_) => Ok(()),
        None => {
            let failure = Failure::new(
                Kind::Failed,
                format!(
                    "{} has no {MERGING_UNIT}, so nothing would ever be merged",
                    root.directory().display()
                ),
            );
            Err(failure.hint(
                "install the package of the distribution that has it: systemd-sysext, systemd-container or systemd itself",
            ))
        }
    }
}

/// A path as one word of an ExecStart line.
fn quoted(program: &Path) -> String {
    let text = program.display().to_string().replace('%', "%%");
    if text.contains(char::is_whitespace) {
        format!("\"{text}\"")
    } else {
        text
    }
}

impl Done {
    fn text(&self) -> String {
        if !self.changed {
            return "Everything is set up already.\n".to_owned();
        }
        let written = self
            .written
            .iter()
            .map(|unit| format!("wrote /etc/systemd/system/{unit}\n"));
        written
            .chain(self.enabled.iter().map(|unit| format!("enabled {unit}\n")))
            .collect()
    }
}
