//! Rules about which files an image holds, and how.

use std::fs::File;

use sysext_image::{Entry, EntryKind, Image};

use super::{Finding, some};

/// Where other software, and this one, is told how a host updates itself. An image that writes there would change that for
/// every host that merges it.
const CONFIGURATION: [(&str, &str); 8] = [
    ("usr/lib/sysext-fetch", "sysext-fetch is told whom to trust"),
    (
        "usr/local/lib/sysext-fetch",
        "sysext-fetch is told whom to trust",
    ),
    (
        "usr/lib/tukit/plugins",
        "tukit finds programs to run in every update of the system",
    ),
    (
        "usr/lib/health-checker",
        "health-checker finds programs that decide about a rollback",
    ),
    (
        "usr/libexec/health-checker",
        "health-checker finds programs that decide about a rollback",
    ),
    (
        "usr/local/libexec/health-checker",
        "health-checker finds programs that decide about a rollback",
    ),
    (
        "usr/lib/systemd/import-pubring.gpg",
        "systemd-sysupdate and importctl are told whom to trust",
    ),
    (
        "usr/lib/systemd/import-pubring.pgp",
        "systemd-sysupdate and importctl are told whom to trust",
    ),
];

/// Directories of every host. Anything else in their place hides what the host has there.
const DIRECTORIES: [&str; 12] = [
    "usr",
    "opt",
    "usr/bin",
    "usr/lib",
    "usr/share",
    "usr/libexec",
    "usr/local",
    "usr/lib/systemd",
    "usr/lib/systemd/system",
    "usr/lib/tukit",
    "usr/lib/extension-release.d",
    "usr/local/lib",
];

pub(super) fn check(image: &Image<File>) -> Vec<Finding> {
    let entries = image.entries();
    let mut findings = Vec::new();
    findings.extend(configuration(entries));
    findings.extend(hidden(entries));
    if image.follow("usr/lib/os-release").is_ok() || image.entry("usr/lib/os-release").is_some() {
        findings.push(Finding::error(
            "os-release",
            "it holds /usr/lib/os-release, with which systemd takes it for an operating system and refuses it",
            "remove the file",
        ));
    }
    let is_device = |entry: &&Entry| matches!(entry.kind, EntryKind::Char | EntryKind::Block);
    findings.extend(about(entries, is_device, |paths| {
        Finding::error(
            "device-node",
            format!("it holds device nodes ({paths}), which open a way past permissions, or hide files of the host"),
            "leave them out: the host's own /dev has what programs need",
        )
    }));
    let is_special = |entry: &&Entry| matches!(entry.kind, EntryKind::Fifo | EntryKind::Socket);
    findings.extend(about(entries, is_special, |paths| {
        Finding::warning(
            "special-file",
            format!("it holds sockets or named pipes ({paths}), which nobody can open in a read-only file system"),
            "leave them out: programs create them below /run",
        )
    }));
    findings.extend(about(entries, |entry| is_lost(entry), |paths| {
        Finding::warning(
            "outside",
            format!("it holds files outside /usr and /opt ({paths}), which no host gets to see"),
            "move them below /usr; defaults of /etc belong into /usr/share, with a tmpfiles.d line that copies them",
        )
    }));
    findings.extend(about(entries, |entry| entry.is_setuid(), |paths| {
        Finding::warning(
            "setuid",
            format!("it holds setuid or setgid programs ({paths}), and hosts show that before they take it"),
            "keep the bit where the program needs it, and let a service do the rest",
        )
    }));
    // A directory that everybody may write to is fine with the sticky bit, as /tmp is; a file never is.
    let is_open = |entry: &&Entry| match entry.kind {
        EntryKind::File => entry.mode & 0o002 != 0,
        EntryKind::Dir => entry.mode & 0o1002 == 0o002,
        _ => false,
    };
    findings.extend(about(entries, is_open, |paths| {
        Finding::warning(
            "world-writable",
            format!("everybody may write to {paths}, as far as permissions go"),
            "chmod o-w before the image is made",
        )
    }));
    findings.extend(about(entries, |entry| entry.uid != 0, |paths| {
        Finding::warning(
            "owner",
            format!("files belong to another user than root ({paths}); who that is, each host decides for itself"),
            "pack them as root's (mksquashfs -all-root, mkfs.erofs --all-root); `sysext-publish pack` always does",
        )
    }));
    findings
}

/// One finding about all entries of a kind.
pub(super) fn about<'a>(
    entries: &'a [Entry],
    is: impl Fn(&&'a Entry) -> bool,
    finding: impl FnOnce(String) -> Finding,
) -> Option<Finding> {
    let paths: Vec<_> = entries
        .iter()
        .filter(is)
        .map(|entry| entry.path.as_str())
        .collect();
    (!paths.is_empty()).then(|| finding(some(&paths)))
}

/// Whether hosts would miss it: a file or link that is neither below /usr nor /opt. The links of a merged /usr (`/bin`,
/// `/lib` …) and empty directories are remains of how the image was made.
fn is_lost(entry: &Entry) -> bool {
    let below = |directory: &str| entry.path.components().next() == Some(directory);
    if below("usr") || below("opt") {
        return false;
    }
    match &entry.kind {
        EntryKind::Dir => false,
        EntryKind::Symlink { target } => {
            let target = target.trim_start_matches('/');
            !(entry.path.parent().is_empty() && target.starts_with("usr/"))
        }
        _ => true,
    }
}

/// What would be read as configuration of the host.
fn configuration(entries: &[Entry]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (directory, why) in CONFIGURATION {
        let inside = |entry: &&Entry| {
            let path = entry.path.as_str();
            // A link in place of the directory, or of one above it, leads there too; one in place of a directory that every
            // host has is told of in words of its own. Clients refuse an empty directory as well.
            let leads = matches!(entry.kind, EntryKind::Symlink { .. })
                && is_above(path, directory)
                && !DIRECTORIES.contains(&path);
            leads || is_above(directory, path)
        };
        // Of a folder what is in it says more.
        let filled = entries
            .iter()
            .any(|entry| inside(&entry) && entry.kind != EntryKind::Dir);
        let named = |entry: &&Entry| inside(entry) && (!filled || entry.kind != EntryKind::Dir);
        findings.extend(about(entries, named, |paths| {
            Finding::error(
                "host-configuration",
                format!("it holds {paths}, where {why}"),
                "leave it out: that is for the host's admin and distribution to say",
            )
        }));
    }
    findings
}

/// Files and links in place of directories of the host.
fn hidden(entries: &[Entry]) -> Option<Finding> {
    let hides =
        |entry: &&Entry| entry.kind != EntryKind::Dir && DIRECTORIES.contains(&entry.path.as_str());
    about(entries, hides, |paths| {
        Finding::error(
            "hides-directory",
            format!(
                "{paths} is no directory in the image, and would hide that directory of the host"
            ),
            "make it a directory",
        )
    })
}

/// Whether `path` is `directory`, or in it at any depth.
fn is_above(directory: &str, path: &str) -> bool {
    path.strip_prefix(directory)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
