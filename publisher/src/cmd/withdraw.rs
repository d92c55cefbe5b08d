//! `withdraw`: no host chooses a version any more; hosts that have it go to the best that remains.

use super::common::Published;
use crate::context::{Context, Outcome};
use crate::draft::ImageEdit;
use crate::words::Line;

/// What `withdraw` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    images: Published,
    /// Why, in one line that hosts show
    #[arg(long, value_name = "TEXT", required_unless_present = "undo")]
    reason: Option<Line>,
    /// It may be chosen again
    #[arg(long, conflicts_with = "reason")]
    undo: bool,
}

/// Runs it.
///
/// # Errors
/// When there is no such version, or the extension's key does not sign.
pub fn run(context: &Context, args: Args) -> Outcome {
    let which = args.images.into();
    let (edit, nothing) = match args.reason {
        Some(reason) => (
            ImageEdit::Withdraw(reason),
            "it is withdrawn already, for that reason",
        ),
        None => (ImageEdit::Restore, "it is not withdrawn"),
    };
    super::edit_images(context, "withdraw", &which, &edit, nothing)
}
