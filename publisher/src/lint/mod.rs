//! What in an image would hurt the hosts that merge it.
//!
//! - Errors are what no host should get: images that systemd refuses or never merges, secrets, and files that would change
//!   how a host updates itself. They stop `add`. Warnings are what the vendor may well mean.
//! - Each finding says what is there, and the way out. A rule keeps its name for ever: people search for it.
//! - Files are judged by what is in the image; nothing is looked up on this machine, so the verdict is the same everywhere.
//! - It does not judge what programs do, and it is no virus scanner.

mod files;
mod host;
mod programs;
mod release;
mod secrets;
mod units;

use std::fs::File;

use serde::Serialize;
use sysext_formats::limits::MAX_IMAGE;
use sysext_formats::name::Channel;
use sysext_image::Image;

use crate::candidate::Candidate;
use crate::ui;

/// Bytes from which an image is called huge.
const HUGE: u64 = 1 << 30;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// To look at.
    Warning,
    /// To mend before it is published.
    Error,
}

/// Something in an image that would hurt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The name of the rule.
    pub rule: &'static str,
    /// What was found.
    pub message: String,
    /// The way out.
    pub fix: String,
}

impl Finding {
    fn error(rule: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        let (message, fix) = (message.into(), fix.into());
        Self {
            severity: Severity::Error,
            rule,
            message,
            fix,
        }
    }

    fn warning(rule: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(rule, message, fix)
        }
    }
}

/// Looks for everything that would hurt, worst first. `channels` are the ones it is to be published in.
#[must_use]
pub fn check(candidate: &Candidate, image: &mut Image<File>, channels: &[Channel]) -> Vec<Finding> {
    let mut findings = release::check(candidate);
    findings.extend(release::check_programs(candidate, image));
    findings.extend(files::check(image));
    findings.extend(host::check(candidate, image));
    findings.extend(secrets::check(image));
    findings.extend(units::check(&candidate.facts.units, image));
    findings.extend(programs::check(&candidate.facts.units, image));
    findings.extend(whole(candidate));
    findings.extend(verity(image));
    findings.extend(prerelease(candidate, channels));
    // Stable: within one severity the order of the rules stays.
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

/// Whether any finding stops a publication.
#[must_use]
pub fn has_errors(findings: &[Finding]) -> bool {
    findings
        .iter()
        .any(|finding| finding.severity == Severity::Error)
}

/// About the image as one file.
fn whole(candidate: &Candidate) -> Option<Finding> {
    let length = ui::bytes(candidate.length);
    if candidate.length > MAX_IMAGE {
        return Some(Finding::error(
            "huge",
            format!(
                "the image has {length}, and clients take at most {}",
                ui::bytes(MAX_IMAGE)
            ),
            "split it into several extensions",
        ));
    }
    if candidate.length > HUGE {
        return Some(Finding::warning(
            "huge",
            format!("the image has {length}; every host keeps two or three versions"),
            "leave out what hosts do not need, such as debug symbols, headers and caches",
        ));
    }
    candidate.facts.compressed.then(|| {
        Finding::warning(
            "compressed",
            "the files in the image are compressed, so patches between versions save nothing",
            "leave it uncompressed, as `sysext-publish pack` does: downloads are compressed as a whole, and come out smaller",
        )
    })
}

/// The kernel would refuse to read what does not fit its root hash, long after systemd has taken the image.
fn verity(image: &Image<File>) -> Option<Finding> {
    let error = image.check_verity().err()?;
    Some(Finding::error(
        "verity",
        format!("its dm-verity data does not protect what is in it: {error}"),
        "make the image again, and change nothing in it afterwards: systemd-repart writes data and root hash together",
    ))
}

fn prerelease(candidate: &Candidate, channels: &[Channel]) -> Option<Finding> {
    let stable = channels.iter().any(|channel| channel.as_str() == "stable");
    (stable && candidate.version.is_prerelease()).then(|| {
        Finding::error(
            "pre-release",
            format!(
                "version {} is a pre-release and would go to the channel \"stable\", where it would stay newest: \
                 pre-releases sort above their release in the order that systemd uses",
                candidate.version
            ),
            "publish it with --channel beta (or another channel)",
        )
    })
}

/// A few of many, for a message.
fn some(of: &[&str]) -> String {
    const SHOWN: usize = 3;
    let mut text = of
        .iter()
        .take(SHOWN)
        .map(|path| format!("/{path}"))
        .collect::<Vec<_>>()
        .join(", ");
    if of.len() > SHOWN {
        text.push_str(&format!(" and {} more", of.len() - SHOWN));
    }
    text
}
