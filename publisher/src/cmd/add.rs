//! `add`: publishes images.

use std::path::PathBuf;

use sysext_formats::catalog::{self, DEFAULT_CHANNEL, Links};
use sysext_formats::name::Channel;
use url::Url;

use super::common::Said;
use crate::context::{Context, Outcome, Verdict};
use crate::failure::Failure;
use crate::intake::{Intake, Request};
use crate::session::Session;
use crate::words::Hours;

/// Advisories that an image names at most.
const MAX_FIXES: usize = 200;

/// What `add` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Image files
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    #[command(flatten)]
    said: Said,
    /// Where other bytes of a version are published already: publish as its next revision (VERSION-1, -2 …)
    #[arg(long)]
    revision: bool,
    #[command(flatten)]
    words: Words,
}

/// What can be said about all images that ever come.
#[derive(Debug, Clone, clap::Args)]
pub struct StandingWords {
    /// A channel that the images are in; may be given several times [default: stable]
    #[arg(long = "channel", value_name = "CHANNEL")]
    channels: Vec<Channel>,
    /// Let hosts take the images over this many hours from now on, instead of all at once
    #[arg(long, value_name = "HOURS")]
    rollout: Option<Hours>,
    /// How hard to compress transports: 1 (fast) to 22 (small), instead of what the configuration says
    #[arg(long, value_name = "LEVEL", value_parser = clap::value_parser!(i32).range(1..=22))]
    zstd_level: Option<i32>,
}

impl StandingWords {
    /// As a request about images that say the rest themselves.
    pub(super) fn request(self) -> Request {
        let mut channels = self.channels;
        let channels_asked = !channels.is_empty();
        if channels.is_empty() {
            channels.extend(DEFAULT_CHANNEL.parse());
        }
        channels.sort();
        channels.dedup();
        Request {
            channels,
            channels_asked,
            rollout_hours: self.rollout,
            zstd_level: self.zstd_level,
            ..Request::default()
        }
    }
}

/// What is said about these images, alike for `add` and `sync`.
#[derive(Debug, Clone, clap::Args)]
pub struct Words {
    #[command(flatten)]
    standing: StandingWords,
    /// Advisories that the images fix, such as CVE-2026-12345
    #[arg(long, value_name = "ID", num_args = 1.., value_parser = advisory)]
    fixes: Vec<String>,
    /// Where the release notes are
    #[arg(long, value_name = "URL")]
    notes: Option<Url>,
    /// Where the source code is
    #[arg(long, value_name = "URL")]
    source: Option<Url>,
    /// The images and their transports are below this URL, such as a release's downloads, and are not copied to the location;
    /// with `propose` they are going to be
    #[arg(long, value_name = "URL")]
    at: Option<Url>,
    /// Begin the index of an extension again whose published one keys have signed that may not any more; it lists only what
    /// is added now
    #[arg(long)]
    anew: bool,
}

impl Words {
    /// As a request about images that say the rest themselves.
    ///
    /// # Errors
    /// When one of them can not be.
    pub(super) fn request(self) -> Result<Request, Failure> {
        let links = [("--notes", &self.notes), ("--source", &self.source)];
        for (option, url) in links {
            if let Some(url) = url
                .as_ref()
                .filter(|url| catalog::link(url.as_str()).is_none())
            {
                return Err(Failure::usage(format!(
                    "{option} {url}: hosts show https:// links only, without a user name"
                )));
            }
        }
        let mut fixes = self.fixes;
        fixes.sort();
        fixes.dedup();
        if fixes.len() > MAX_FIXES {
            return Err(Failure::usage(format!(
                "--fixes: {} advisories, and {MAX_FIXES} are the most that an image names; --notes can link to the whole list",
                fixes.len()
            )));
        }
        let links = (self.notes.is_some() || self.source.is_some()).then(|| Links {
            notes: self.notes.map(String::from),
            source: self.source.map(String::from),
            provenance: None,
        });
        Ok(Request {
            fixes,
            links,
            at: self.at,
            anew: self.anew,
            ..self.standing.request()
        })
    }
}

/// Runs it.
///
/// # Errors
/// When an image may not be published, or nothing can be.
pub fn run(context: &Context, args: Args) -> Outcome {
    let overrides = args.said.about(args.images.len())?;
    let session = Session::open(context)?;
    let store = session.store(context)?;
    let request = Request {
        overrides,
        revision: args.revision,
        ..args.words.request()?
    };
    let mut intake = Intake::new(context, &session, store.as_ref(), request)?;
    let report = session.reconcile(context, store.as_ref(), |attempt| {
        let images = intake.ahead(&args.images, attempt);
        images
            .iter()
            .try_for_each(|image| intake.take(image, attempt))
    })?;
    intake.remember();
    super::warn_of_channels(context, &session.config, &report, |_| true);
    context.ui.data("add", &report, || {
        report.text("everything is published already")
    });
    Ok(Verdict::Good)
}

/// The id of an advisory, as those who give them out write it: `CVE-2026-12345`, `GHSA-2f9x-5v75-3qv4`,
/// `openSUSE-SU-2026:0123-1`, `bsc#1234567`.
fn advisory(text: &str) -> Result<String, String> {
    const MAX: usize = 64;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:#".contains(&byte);
    let good = (3..=MAX).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.ends_with(|last: char| last.is_ascii_alphanumeric())
        && text.contains(['-', '#', ':'])
        && text.bytes().all(is_plain);
    let number = text.strip_prefix("CVE-").map(|rest| rest.split_once('-'));
    let is_number = |(year, number): (&str, &str)| {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        year.len() == 4 && number.len() >= 4 && digits(year) && digits(number)
    };
    match number {
        _ if !good => Err(format!(
            "the id of an advisory is needed, such as CVE-2026-12345 or GHSA-2f9x-5v75-3qv4: 3 to {MAX} of letters, digits, - _ . : #"
        )),
        Some(number) if !number.is_some_and(is_number) => {
            Err("a CVE is written CVE-YEAR-NUMBER, such as CVE-2026-12345".to_owned())
        }
        _ => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::advisory;

    #[test]
    fn ids_of_advisories_are_told_from_slips() {
        for good in [
            "CVE-2026-12345",
            "GHSA-2f9x-5v75-3qv4",
            "openSUSE-SU-2026:0123-1",
            "bsc#1234567",
            "RUSTSEC-2026-0001",
            "DSA-5432-1",
            "FEDORA-2026-1a2b3c",
        ] {
            assert_eq!(advisory(good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "CVE",
            "CVE-2026",
            "CVE-26-12345",
            "CVE-2026-123",
            "CVE-2026-12345,CVE-2026-12346",
            "CVE 2026 12345",
            "hello_1.0_noarch.raw ",
            "https://example.org/1",
            "\u{1b}[31m1",
            "2026-1",
            "-CVE",
        ] {
            assert!(advisory(bad).is_err(), "{bad}");
        }
        assert!(advisory(&format!("A{}", "1".repeat(64))).is_err());
    }
}
