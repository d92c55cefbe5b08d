//! `setup`: units on a host that has the program but not the package. Idempotent.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use sysext_durable::Dir;

use crate::cli::Global;
use crate::failure::{Failure, Kind};
use crate::root::DIRECTORY_MODE;
use crate::session::root_of;
use crate::systemd;
use crate::ui::Ui;

/// The units, with a mark where the program's path goes.
const UNITS: [(&str, &str); 2] = [
    (
        "sysext-fetch-update.service",
        include_str!("../../units/sysext-fetch-update.service"),
    ),
    (
        "sysext-fetch-update.timer",
        include_str!("../../units/sysext-fetch-update.timer"),
    ),
];

/// What is enabled: the timer, and the unit that merges at boot.
const ENABLED: [&str; 2] = ["sysext-fetch-update.timer", "systemd-sysext.service"];

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
    /// When they can not be written, or systemd can not enable them.
    pub fn run(self, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
        let root = root_of(global)?;
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
