//! `add`: publishes images.

use std::path::PathBuf;

use sysext_formats::catalog::{self, Architecture, DEFAULT_CHANNEL, Links};
use sysext_formats::name::{Channel, ExtensionName};
use sysext_formats::version::Version;
use url::Url;

use crate::candidate::Overrides;
use crate::context::{Context, Outcome, Verdict};
use crate::failure::Failure;
use crate::intake::{Intake, Request};
use crate::session::Session;

/// What `add` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Image files
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// The extension, where the image and its file name do not say it
    #[arg(long, value_name = "NAME")]
    name: Option<ExtensionName>,
    /// The version, where the image and its file name do not say it
    #[arg(long, value_name = "VERSION")]
    version: Option<Version>,
    /// The architecture, in systemd's words
    #[arg(long, value_name = "ARCH")]
    arch: Option<Architecture>,
    /// Where other bytes of a version are published already: publish as its next revision (VERSION-1, -2 …)
    #[arg(long)]
    revision: bool,
    #[command(flatten)]
    words: Words,
}

/// What is said about images, alike for `add` and `sync`.
#[derive(Debug, Clone, clap::Args)]
pub struct Words {
    /// A channel that the images are in; may be given several times [default: stable]
    #[arg(long = "channel", value_name = "CHANNEL")]
    channels: Vec<Channel>,
    /// Advisories that the images fix, such as CVE-2026-12345
    #[arg(long, value_name = "ID", num_args = 1..)]
    fixes: Vec<String>,
    /// Where the release notes are
    #[arg(long, value_name = "URL")]
    notes: Option<Url>,
    /// Where the source code is
    #[arg(long, value_name = "URL")]
    source: Option<Url>,
    /// Let hosts take the images over this many hours from now on, instead of all at once
    #[arg(long, value_name = "HOURS")]
    rollout: Option<u32>,
    /// The images and their transports are below this URL, such as a release's downloads, and are not copied to the location;
    /// with `propose` they are going to be
    #[arg(long, value_name = "URL")]
    at: Option<Url>,
    /// How hard to compress transports: 1 (fast) to 22 (small), instead of what the configuration says
    #[arg(long, value_name = "LEVEL", value_parser = clap::value_parser!(i32).range(1..=22))]
    zstd_level: Option<i32>,
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
        let mut channels = self.channels;
        if channels.is_empty() {
            channels.extend(DEFAULT_CHANNEL.parse());
        }
        channels.sort();
        channels.dedup();
        let links = (self.notes.is_some() || self.source.is_some()).then(|| Links {
            notes: self.notes.map(String::from),
            source: self.source.map(String::from),
            provenance: None,
        });
        Ok(Request {
            channels,
            fixes: self.fixes,
            links,
            rollout_hours: self.rollout,
            at: self.at,
            zstd_level: self.zstd_level,
            anew: self.anew,
            ..Request::default()
        })
    }
}

/// Runs it.
///
/// # Errors
/// When an image may not be published, or nothing can be.
pub fn run(context: &Context, args: Args) -> Outcome {
    if args.images.len() > 1 && (args.name.is_some() || args.version.is_some()) {
        return Err(Failure::usage(
            "--name and --version are about one image, and several are given",
        ));
    }
    let session = Session::open(context)?;
    let store = session.store(context)?;
    let request = Request {
        overrides: Overrides {
            name: args.name,
            version: args.version,
            architecture: args.arch,
        },
        revision: args.revision,
        ..args.words.request()?
    };
    let mut intake = Intake::new(context, &session, store.as_ref(), request);
    let report = session.reconcile(context, store.as_ref(), |attempt| {
        let mut images = args.images.iter();
        images.try_for_each(|image| intake.take(image, attempt))
    })?;
    intake.remember();
    context.ui.data("add", &report, || {
        report.text("everything is published already")
    });
    Ok(Verdict::Good)
}
