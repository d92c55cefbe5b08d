//! Rules about extension-release: the file that decides whether a host merges the image at all.

use std::fs::File;

use sysext_image::Image;

use super::Finding;
use crate::candidate::{Candidate, programs};
use crate::pack::elf::{self, Program};

/// Bytes of the largest program that is read to compare its machine.
const MAX_PROGRAM: u64 = 8 << 20;

pub(super) fn check(candidate: &Candidate) -> Vec<Finding> {
    let mut findings = presence(candidate);
    if !candidate.facts.confext_releases.is_empty() {
        findings.push(Finding::warning(
            "confext",
            "it carries /etc/extension-release.d, so it is a configuration extension too, and hosts of a catalog merge \
             system extensions only",
            "put its /etc into an image of its own, or leave it out",
        ));
    }
    if !candidate.facts.extension_releases.is_empty() {
        findings.extend(fields(candidate));
    }
    findings
}

/// Which extension-release files are there.
fn presence(candidate: &Candidate) -> Vec<Finding> {
    let extension = &candidate.extension;
    let wanted = format!("usr/lib/extension-release.d/extension-release.{extension}");
    let names: Vec<_> = candidate
        .facts
        .extension_releases
        .iter()
        .map(|release| release.name.as_str())
        .collect();
    let there = names.contains(&extension.as_str());
    match names.as_slice() {
        [] => vec![Finding::error(
            "no-extension-release",
            format!("/{wanted} is missing, so no host merges the image"),
            format!(
                "write it with ID= and ARCHITECTURE=, or let `sysext-publish pack --name {extension}` do it"
            ),
        )],
        [_] if there => Vec::new(),
        [other] => vec![Finding::error(
            "extension-release-name",
            format!(
                "it carries extension-release.{other} and would be published as {extension}: every host would refuse it, \
                 and merge nothing else either"
            ),
            format!(
                "rename the file to extension-release.{extension}, or publish the image with --name {other}"
            ),
        )],
        several => {
            let list = several.join(", ");
            let message = format!(
                "it carries {} extension-release files, of {list}",
                several.len()
            );
            if there {
                let fix = format!("keep extension-release.{extension} only");
                let message = format!("{message}: clients refuse an image that speaks for others");
                vec![Finding::error("several-extension-releases", message, fix)]
            } else {
                let fix = format!("keep one, and call it extension-release.{extension}");
                vec![Finding::error(
                    "several-extension-releases",
                    format!("{message}, and none of {extension}"),
                    fix,
                )]
            }
        }
    }
}

/// What the one that counts says.
fn fields(candidate: &Candidate) -> Vec<Finding> {
    let release = &candidate.extension_release;
    let mut findings = Vec::new();
    match release.get("ID") {
        None => findings.push(Finding::error(
            "no-id",
            "its extension-release names no ID, so no host merges it",
            "add ID=_any for every host, or the ID of one operating system with its VERSION_ID",
        )),
        Some("_any") => {}
        Some(id) => {
            if release.get("VERSION_ID").is_none() && release.get("SYSEXT_LEVEL").is_none() {
                findings.push(Finding::warning(
                    "no-version-id",
                    format!(
                        "it is for ID={id} and names no VERSION_ID; hosts that have one refuse it"
                    ),
                    "add the VERSION_ID that it was built for, or ID=_any when it runs everywhere",
                ));
            }
        }
    }
    if let Some(scope) = release.get_even_empty("SYSEXT_SCOPE")
        && !scope.split_ascii_whitespace().any(|word| word == "system")
    {
        findings.push(Finding::error(
            "scope",
            format!(
                "its SYSEXT_SCOPE={scope:?} does not list \"system\", so no running host merges it"
            ),
            "remove SYSEXT_SCOPE, or add the word system",
        ));
    }
    if let Some(own) = release.get("ARCHITECTURE")
        && !elf::ARCHITECTURES.contains(&own)
    {
        let fix = match elf::systemd_name(own) {
            Some(right) => format!("write ARCHITECTURE={right}"),
            None => "write systemd's name, such as x86-64 or arm64 (systemd-analyze architectures lists them)".to_owned(),
        };
        findings.push(Finding::error(
            "architecture-name",
            format!("ARCHITECTURE={own} is no name that systemd knows, so no host merges it"),
            fix,
        ));
    }
    findings
}

/// Holds the smallest program against what the image says it is for.
pub(super) fn check_programs(candidate: &Candidate, image: &mut Image<File>) -> Option<Finding> {
    /// Scripts may come first; this many files decide.
    const TRIED: usize = 200;
    for path in programs(image).into_iter().take(TRIED) {
        if image.entry(&path)?.size > MAX_PROGRAM {
            return None;
        }
        // What can not be read was refused when the image was opened, or is for its reader to say.
        let Some(program) = image
            .read(&path)
            .ok()
            .and_then(|bytes| Program::read(bytes.as_slice()))
        else {
            continue;
        };
        let architecture = program.architecture?;
        let (said, own) = (
            &candidate.architecture,
            candidate.extension_release.get("ARCHITECTURE"),
        );
        if said.is_any() || said.as_str() != architecture {
            return Some(Finding::error(
                "architecture",
                format!(
                    "/{path} is a program for {architecture}, and the image says that it is for {said}"
                ),
                format!(
                    "write ARCHITECTURE={architecture} into its extension-release, or pack the right program"
                ),
            ));
        }
        if own.is_none() && !candidate.facts.extension_releases.is_empty() {
            return Some(Finding::warning(
                "no-architecture",
                format!(
                    "its extension-release names no ARCHITECTURE, so systemd would merge these {architecture} programs \
                     on every machine"
                ),
                format!("add ARCHITECTURE={architecture}"),
            ));
        }
        return None;
    }
    None
}
