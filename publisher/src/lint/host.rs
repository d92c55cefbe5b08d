//! Rules about what of a host an image would take the place of, as far as every host has it.
//!
//! What a particular host has is not known here: only names that systemd, the C library and common caches have everywhere.

use std::fs::File;

use sysext_image::{Entry, EntryKind, Image};

use super::files::about;
use super::{Finding, Severity, some};
use crate::candidate::Candidate;

/// What holds up every host. In an image it is a sign that a whole system was packed instead of what was added to one.
const BASE: [&str; 7] = [
    "libc.so.6",
    "ld-linux-x86-64.so.2",
    "ld-linux-aarch64.so.1",
    "libpam.so.0",
    "libsystemd.so.0",
    "init",
    "systemd-sysext",
];

/// Programs of every host, another version of which somebody may well mean to bring.
const PROGRAMS: [&str; 4] = ["sh", "bash", "mount", "systemctl"];

/// Files that are made of all that is installed: an image's own would hide what the host's says about everything else.
const CACHES: [&str; 9] = [
    "usr/lib/udev/hwdb.bin",
    "usr/share/applications/mimeinfo.cache",
    "usr/share/glib-2.0/schemas/gschemas.compiled",
    "usr/share/info/dir",
    "usr/share/mime/mime.cache",
    "usr/share/icons/hicolor/icon-theme.cache",
    "usr/lib/systemd/catalog/database",
    "usr/share/fonts/fonts.cache-1",
    "usr/share/man/index.db",
];

/// Units that systemd itself brings, besides those that are called `systemd-…`.
const UNITS: [&str; 14] = [
    "basic.target",
    "console-getty.service",
    "dbus-broker.service",
    "dbus.service",
    "dbus.socket",
    "default.target",
    "emergency.service",
    "getty@.service",
    "graphical.target",
    "local-fs.target",
    "multi-user.target",
    "rescue.service",
    "sysinit.target",
    "user@.service",
];

/// Where a link may lead: what a running host has. Everything else was on the machine that made the image.
const REACHED: [&str; 12] = [
    "usr", "opt", "etc", "var", "run", "dev", "proc", "sys", "bin", "sbin", "lib", "lib64",
];

pub(super) fn check(candidate: &Candidate, image: &Image<File>) -> Vec<Finding> {
    let entries = image.entries();
    let mut findings = Vec::new();
    // An image for one release of one operating system may bring that one's own files; for all hosts it can not.
    let everywhere = candidate.extension_release.get("ID") == Some("_any");
    let breaks = |entry: &Entry| is_file(entry) && is_base(entry.path.as_str(), &BASE);
    let severity = if everywhere && entries.iter().any(breaks) {
        Severity::Error
    } else {
        Severity::Warning
    };
    let is_part =
        |entry: &&Entry| breaks(entry) || is_file(entry) && is_base(entry.path.as_str(), &PROGRAMS);
    findings.extend(about(entries, is_part, |paths| Finding {
        severity,
        ..Finding::error(
            "base-system",
            format!("it holds parts of a whole operating system ({paths}), which would replace the host's own"),
            "pack only what is added to a host: with mkosi, build it on top of a base tree; link programs statically, or \
             put libraries into a folder of their own",
        )
    }));
    findings.extend(about(entries, |entry| is_file(entry) && CACHES.contains(&entry.path.as_str()), |paths| {
        Finding::warning(
            "shared-cache",
            format!("it holds {paths}, made of what was installed where the image was built; it would hide the host's own"),
            "delete it before the image is made",
        )
    }));
    findings.extend(about(entries, |entry| is_file(entry) && is_host_unit(entry.path.as_str()), |paths| {
        Finding::warning(
            "host-unit",
            format!("it holds {paths}, a unit that systemd brings itself, and would replace the host's own"),
            "give the unit another name, or extend the host's by a file in NAME.d/",
        )
    }));
    findings.extend(about(entries, |entry| is_file(entry) && is_transfer(entry.path.as_str()), |paths| {
        Finding::warning(
            "sysupdate",
            format!("it holds {paths}, by which systemd-sysupdate installs files besides this catalog"),
            "leave it out: `sysext-publish export sysupdate` writes such files for hosts whose admin wants them",
        )
    }));
    findings.extend(stray_links(entries));
    findings
}

fn stray_links(entries: &[Entry]) -> Option<Finding> {
    let stray = entries.iter().filter_map(|entry| match &entry.kind {
        EntryKind::Symlink { target } if leads_away(entry.path.as_str(), target) => {
            Some(format!("{} -> {target}", entry.path))
        }
        _ => None,
    });
    let stray: Vec<_> = stray.collect();
    let links: Vec<_> = stray.iter().map(String::as_str).collect();
    (!links.is_empty()).then(|| {
        Finding::warning(
            "link-outside",
            format!(
                "links lead to where no host has anything, such as a build folder: {}",
                some(&links)
            ),
            "make links relative, or absolute below /usr or /opt",
        )
    })
}

fn is_file(entry: &Entry) -> bool {
    entry.kind == EntryKind::File
}

/// The folder of a path, and its name there.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// In a directory that every program looks into; in one of its own a library is nobody else's.
fn is_base(path: &str, names: &[&str]) -> bool {
    let (parent, name) = split(path);
    let is_shared = match parent.strip_prefix("usr/") {
        Some("bin" | "sbin" | "lib" | "lib64") => true,
        // Debian's folder for one kind of machine.
        Some(rest) => rest
            .strip_prefix("lib/")
            .is_some_and(|rest| !rest.contains('/') && rest.contains("-linux-")),
        None => false,
    };
    path == "usr/lib/systemd/systemd" || (is_shared && names.contains(&name))
}

fn is_host_unit(path: &str) -> bool {
    let (parent, name) = split(path);
    parent == "usr/lib/systemd/system" && (UNITS.contains(&name) || name.starts_with("systemd-"))
}

fn is_transfer(path: &str) -> bool {
    let directory = split(path).0.strip_prefix("usr/lib/sysupdate.");
    directory.is_some_and(|rest| !rest.contains('/') && (rest == "d" || rest.ends_with(".d")))
}

/// Whether a link at `path` leads to where no host has anything.
fn leads_away(path: &str, target: &str) -> bool {
    let mut reached: Vec<&str> = if target.starts_with('/') {
        Vec::new()
    } else {
        split(path).0.split('/').collect()
    };
    for component in target.split('/') {
        match component {
            "" | "." => {}
            ".." => drop(reached.pop()),
            name => reached.push(name),
        }
    }
    // The root itself is reached, and so is what stands beside a link in a folder that no host gets to see.
    let first = reached.into_iter().find(|name| !name.is_empty());
    let beside = path.split('/').next();
    first.is_some_and(|first| !REACHED.contains(&first) && beside != Some(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_within_a_host_are_told_from_links_into_a_build_folder() {
        for good in [
            "tool",
            "../lib/tool",
            "../../etc/tool",
            "/usr/lib/tool",
            "/var/lib/tool",
            "/run/tool.sock",
            "../../../../usr/bin/x",
            "/",
        ] {
            assert!(!leads_away("usr/bin/t", good), "{good}");
        }
        for bad in [
            "/home/me/tool/target/release/tool",
            "/build/x",
            "/tmp/x",
            "/root/x",
            "../../home/x",
            "../../../workspace",
        ] {
            assert!(leads_away("usr/bin/t", bad), "{bad}");
        }
    }

    #[test]
    fn what_holds_up_a_host_is_told_from_what_has_a_folder_of_its_own() {
        for base in [
            "usr/lib/x86_64-linux-gnu/libc.so.6",
            "usr/lib64/ld-linux-x86-64.so.2",
            "usr/sbin/init",
            "usr/lib/systemd/systemd",
        ] {
            assert!(is_base(base, &BASE), "{base}");
        }
        for own in [
            "usr/lib/tool/libc.so.6",
            "opt/tool/bin/bash",
            "usr/share/doc/bash",
            "usr/lib/tool/x86_64-linux-gnu/libc.so.6",
            "usr/bin/tool",
        ] {
            assert!(!is_base(own, &BASE) && !is_base(own, &PROGRAMS), "{own}");
        }
        assert!(is_transfer("usr/lib/sysupdate.d/a.conf"));
        assert!(is_transfer("usr/lib/sysupdate.k3s.d/a.transfer"));
        assert!(!is_transfer("usr/lib/sysupdate/a"));
        assert!(is_host_unit(
            "usr/lib/systemd/system/systemd-networkd.service"
        ));
        assert!(!is_host_unit("usr/lib/systemd/system/tool.service"));
    }
}
