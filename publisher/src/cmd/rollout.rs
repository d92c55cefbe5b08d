//! `rollout`: hosts take a version over some hours, each at its own moment.

use sysext_formats::time::UtcTime;

use super::common::Published;
use crate::context::{Context, Outcome};
use crate::draft::ImageEdit;
use crate::words::Hours;

/// What `rollout` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    images: Published,
    /// Hours until the last hosts take it
    #[arg(long, value_name = "HOURS", required_unless_present = "done")]
    hours: Option<Hours>,
    /// When the first hosts take it, such as 2026-11-24T06:00:00Z [default: now]
    #[arg(long, value_name = "TIME", requires = "hours")]
    start: Option<UtcTime>,
    /// All hosts take it from now on
    #[arg(long, conflicts_with = "hours")]
    done: bool,
}

/// Runs it.
///
/// # Errors
/// When there is no such version, or the extension's key does not sign.
pub fn run(context: &Context, args: Args) -> Outcome {
    let which = args.images.into();
    let (edit, nothing) = match args.hours {
        Some(hours) => (
            ImageEdit::RollOut {
                hours,
                start: args.start,
            },
            "it is rolled out so already",
        ),
        None => (ImageEdit::RolledOut, "no rollout of it is under way"),
    };
    super::edit_images(context, "rollout", &which, &edit, nothing)
}
