//! `promote`: a version is in another channel, too.

use sysext_formats::catalog::{Architecture, DEFAULT_CHANNEL};
use sysext_formats::name::{Channel, ExtensionName};
use sysext_formats::version::Version;

use crate::context::{Context, Outcome};
use crate::draft::{ImageEdit, Which};

/// What `promote` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The extension
    name: ExtensionName,
    /// The version
    version: Version,
    /// Only the images for these machines, in systemd's words
    #[arg(long, value_name = "ARCH")]
    arch: Option<Architecture>,
    /// The channel
    #[arg(long, value_name = "CHANNEL", default_value = DEFAULT_CHANNEL)]
    channel: Channel,
    /// Take it out of its other channels
    #[arg(long, conflicts_with = "undo")]
    only: bool,
    /// Take it out of the channel again; hosts that have it there go to the best that remains
    #[arg(long)]
    undo: bool,
}

/// Runs it.
///
/// # Errors
/// When there is no such version, it may not be in that channel, or the extension's key does not sign.
pub fn run(context: &Context, args: Args) -> Outcome {
    let which = Which {
        extension: args.name,
        version: args.version,
        architecture: args.arch,
    };
    let (edit, nothing) = match (args.undo, args.only) {
        (true, _) => (ImageEdit::Demote(args.channel), "it is not in that channel"),
        (false, true) => (
            ImageEdit::PromoteOnly(args.channel),
            "it is in that channel alone already",
        ),
        (false, false) => (
            ImageEdit::Promote(args.channel),
            "it is in that channel already",
        ),
    };
    super::edit_images(context, "promote", &which, &edit, nothing)
}
