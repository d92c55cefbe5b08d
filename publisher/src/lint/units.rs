//! Rule about units that nothing starts.
//!
//! - A unit is reached when it has an `[Install]` section (`systemctl enable` then works on the host), when a link in a
//!   `.wants`, `.requires` or `.upholds` directory of the image leads to it, when another unit of the image names it, or when
//!   its socket, timer, path or D-Bus name is there. Else only `systemctl start` reaches it, and a reader of the image
//!   wonders what it is for.
//! - A link is another name: it is judged by where it leads. What cannot be read is not judged.

use std::collections::BTreeSet;
use std::fs::File;

use sysext_image::{EntryKind, Image};

use super::{Finding, some};

const DIRECTORY: &str = "usr/lib/systemd/system";

/// Bytes of the largest unit that is read.
const MAX_UNIT: u64 = 256 << 10;

/// How many units are read.
const MAX_UNITS: usize = 2_000;

/// A unit of the image, as it was read.
pub(super) struct Unit {
    pub(super) name: String,
    pub(super) text: String,
}

/// The units that can be read.
pub(super) fn read(names: &[String], image: &mut Image<File>) -> Vec<Unit> {
    let mut units = Vec::new();
    for name in names.iter().take(MAX_UNITS) {
        let path = format!("{DIRECTORY}/{name}");
        let readable = image
            .entry(&path)
            .is_some_and(|entry| entry.kind == EntryKind::File && entry.size <= MAX_UNIT);
        if readable && let Ok(bytes) = image.read(&path) {
            units.push(Unit {
                name: name.clone(),
                text: String::from_utf8_lossy(&bytes).into_owned(),
            });
        }
    }
    units
}

pub(super) fn check(names: &[String], image: &mut Image<File>) -> Option<Finding> {
    let units = read(names, image);
    let mut reached = referred(&units);
    reached.extend(linked(image));
    let is_dead = |unit: &&Unit| {
        let name = unit.name.as_str();
        is_started(name) && !has_install(&unit.text) && !reached.contains(name)
    };
    let dead: Vec<String> = units
        .iter()
        .filter(is_dead)
        .filter(|unit| !is_activated(&unit.name, names))
        .map(|unit| format!("{DIRECTORY}/{}", unit.name))
        .collect();
    let paths: Vec<_> = dead.iter().map(String::as_str).collect();
    (!paths.is_empty()).then(|| {
        Finding::warning(
            "dead-unit",
            format!("nothing starts {}: no [Install] section, no .wants link and no other unit names it", some(&paths)),
            "add a link such as multi-user.target.wants/NAME beside the unit, which also works where nobody enables it",
        )
    })
}

/// Units that are there to be started. Targets and slices are started for others, templates by name.
fn is_started(name: &str) -> bool {
    let (stem, kind) = name.rsplit_once('.').unwrap_or((name, ""));
    matches!(kind, "service" | "socket" | "timer" | "path") && !stem.ends_with('@')
}

fn has_install(text: &str) -> bool {
    let mut sections = text
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "[Install]")
        .skip(1);
    sections.any(|line| {
        let key = line.split('=').next().unwrap_or_default().trim();
        matches!(
            key,
            "WantedBy" | "RequiredBy" | "UpheldBy" | "Alias" | "Also"
        )
    })
}

/// Whether a socket, a timer or a path of the same name starts it.
fn is_activated(name: &str, names: &[String]) -> bool {
    let stem = name.strip_suffix(".service");
    stem.is_some_and(|stem| {
        ["socket", "timer", "path"]
            .iter()
            .any(|kind| names.iter().any(|other| *other == format!("{stem}.{kind}")))
    })
}

/// What the units of the image name in their settings.
fn referred(units: &[Unit]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for unit in units {
        let settings = unit
            .text
            .lines()
            .filter(|line| !line.trim_start().starts_with(['#', ';']));
        let values = settings
            .filter_map(|line| line.split_once('='))
            .map(|(_, value)| value);
        // Also inside of a command line: `ExecStartPost=systemctl start b.service`.
        for word in
            values.flat_map(|value| value.split(|c: char| c.is_whitespace() || "'\";,".contains(c)))
        {
            if is_started(word) && word != unit.name {
                found.insert(word.to_owned());
            }
        }
    }
    found
}

/// What links in the image lead to: in `.wants` and its like, as an alias, or from D-Bus.
fn linked(image: &mut Image<File>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut services = Vec::new();
    for entry in image.entries() {
        let path = entry.path.as_str();
        let Some(rest) = path
            .strip_prefix(DIRECTORY)
            .and_then(|rest| rest.strip_prefix('/'))
        else {
            if path.starts_with("usr/share/dbus-1/")
                && path.ends_with(".service")
                && entry.size <= MAX_UNIT
            {
                services.push(path.to_owned());
            }
            continue;
        };
        let started = |directory: &str| {
            [".wants", ".requires", ".upholds"]
                .iter()
                .any(|kind| directory.ends_with(kind))
        };
        if let Some((directory, name)) = rest.split_once('/')
            && started(directory)
        {
            found.insert(name.to_owned());
        }
        if let EntryKind::Symlink { target } = &entry.kind {
            found.extend(target.rsplit('/').next().map(str::to_owned));
        }
    }
    for path in services.into_iter().take(MAX_UNITS) {
        let Ok(bytes) = image.read(&path) else {
            continue;
        };
        let text = String::from_utf8_lossy(&bytes);
        found.extend(
            text.lines()
                .filter_map(|line| line.strip_prefix("SystemdService="))
                .map(|name| name.trim().to_owned()),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_start_a_unit_are_seen() {
        assert!(has_install(
            "[Service]\nExecStart=/a\n[Install]\n# x\nWantedBy = multi-user.target\n"
        ));
        assert!(!has_install(
            "[Service]\nWantedBy=multi-user.target\n[Install]\n"
        ));
        let units = [
            (
                "a.service",
                "[Unit]\nWants=b.service c.socket\n#Wants=d.service\n",
            ),
            ("e.timer", "[Timer]\nUnit=f.service\n"),
            (
                "g.service",
                "[Service]\nExecStart=systemctl start 'h.service'\nDescription=g.service\n",
            ),
        ]
        .map(|(name, text)| Unit {
            name: name.to_owned(),
            text: text.to_owned(),
        });
        let found = referred(&units);
        assert_eq!(
            found.iter().map(String::as_str).collect::<Vec<_>>(),
            ["b.service", "c.socket", "f.service", "h.service"]
        );
        assert!(
            is_activated("x.service", &["x.socket".to_owned()])
                && !is_activated("x.service", &["x.mount".to_owned()])
        );
        assert!(!is_started("a@.service") && !is_started("a.target") && is_started("a@b.service"));
    }
}
