//! Rules about the programs that units of an image start.
//!
//! A program that is not in the image may be the host's. It is missed only where no host would have it: in a folder that the
//! image alone brings, below /opt, or outside of what images and hosts hold programs in.

use std::collections::BTreeSet;
use std::fs::File;

use sysext_image::{EntryKind, Image};

use super::units::{self, Unit};
use super::{Finding, some};

/// Where a host's own programs are.
const HOSTS: [&str; 7] = [
    "usr/bin",
    "usr/sbin",
    "usr/lib",
    "usr/libexec",
    "usr/lib/systemd",
    "usr/local/bin",
    "usr/local/sbin",
];

pub(super) fn check(names: &[String], image: &mut Image<File>) -> Vec<Finding> {
    let units = units::read(names, image);
    let mut missing = BTreeSet::new();
    let mut not_executable = BTreeSet::new();
    for program in units.iter().flat_map(programs) {
        match image.follow(&program) {
            Ok(entry) if entry.kind != EntryKind::File => drop(missing.insert(program)),
            Ok(entry) if entry.mode & 0o111 == 0 => drop(not_executable.insert(program)),
            Ok(_) => {}
            // A link of the image that leads to the host's files is not followed further.
            Err(_) if image.entry(&program).is_some() => {}
            Err(_) if is_missed(&program, image) => drop(missing.insert(program)),
            Err(_) => {}
        }
    }
    let list = |programs: &BTreeSet<String>| {
        let programs: Vec<_> = programs.iter().map(String::as_str).collect();
        some(&programs)
    };
    let mut findings = Vec::new();
    if !missing.is_empty() {
        findings.push(Finding::warning(
            "missing-program",
            format!(
                "its units start {}, which is not in the image, and no host has it there",
                list(&missing)
            ),
            "put the program into the image, or correct ExecStart=",
        ));
    }
    if !not_executable.is_empty() {
        findings.push(Finding::warning(
            "not-executable",
            format!(
                "its units start {}, which nobody may execute",
                list(&not_executable)
            ),
            "chmod 0755 before the image is made",
        ));
    }
    findings
}

/// The programs that a unit starts, as paths in the image.
fn programs(unit: &Unit) -> Vec<String> {
    let mut found = Vec::new();
    for line in unit.text.lines().map(str::trim) {
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        if !matches!(
            key.trim_end(),
            "ExecStart" | "ExecStartPre" | "ExecStartPost" | "ExecStop" | "ExecReload"
        ) {
            continue;
        }
        // systemd's prefixes; `-` is for programs that may be missing.
        let command = value.trim();
        let bare = command.trim_start_matches(['@', ':', '+', '!', '|', '-']);
        let may_be_missing = command.trim_end_matches(bare).contains('-');
        let word = bare.split_whitespace().next().unwrap_or_default();
        let word = word.trim_matches(['"', '\'']);
        // What systemd puts in is not known here.
        let is_plain = !word.contains(['%', '$', '\\']);
        if let Some(path) = word
            .strip_prefix('/')
            .filter(|_| is_plain && !may_be_missing)
        {
            found.push(path.to_owned());
        }
    }
    found
}

/// Whether no host can be thought to have a program.
fn is_missed(program: &str, image: &Image<File>) -> bool {
    match program.split('/').next() {
        Some("usr") => {
            let parent = program.rsplit_once('/').map_or("", |(parent, _)| parent);
            !HOSTS.contains(&parent) && image.entry(parent).is_some()
        }
        // Programs of the host, or made when it runs.
        Some("bin" | "sbin" | "lib" | "lib64" | "etc" | "run" | "var") => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_as_systemd_does() {
        let text = "[Service]\nExecStartPre=-/opt/a\nExecStart=@+/opt/tool/bin/tool name -x\n ExecStop = \"/usr/lib/t/stop\" now\n\
                    ExecStart=tool\nExecReload=/opt/%i/reload\n#ExecStart=/opt/no\nExecStart=\n";
        let unit = Unit {
            name: "t.service".to_owned(),
            text: text.to_owned(),
        };
        assert_eq!(programs(&unit), ["opt/tool/bin/tool", "usr/lib/t/stop"]);
    }
}
