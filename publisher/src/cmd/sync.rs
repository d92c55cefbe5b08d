//! `sync`: publishes every image in a folder that is not published yet.
//!
//! What is published and not in the folder stays published. What is in the folder and was pruned stays out.

use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::add::Words;
use crate::candidate::{SUFFIXES, is_image_name};
use crate::context::{Context, Outcome, Verdict};
use crate::failure::{Failure, Kind};
use crate::intake::{Intake, Request};
use crate::session::Session;

/// What `sync` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder; those in it are looked through, too
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Where other bytes of a version are published already: publish as its next revision (VERSION-1, -2 …)
    #[arg(long)]
    revision: bool,
    #[command(flatten)]
    words: Words,
}

/// Runs it.
///
/// # Errors
/// When an image may not be published, or nothing can be.
pub fn run(context: &Context, args: Args) -> Outcome {
    let session = Session::open(context)?;
    let images = images(&args.directory)?;
    if images.is_empty() {
        context.ui.warn(format_args!(
            "{} holds no images (*.{})",
            args.directory.display(),
            SUFFIXES.join(", *.")
        ));
    }
    let store = session.store(context)?;
    let request = Request {
        revision: args.revision,
        ..args.words.request()?
    };
    let mut intake = Intake::new(context, &session, store.as_ref(), request)?;
    let report = session.reconcile(context, store.as_ref(), |attempt| {
        let mut unknown = Vec::new();
        for image in &images {
            let is_done = intake.is_known_to_be_published(image, attempt)?
                || intake.is_pruned(image, attempt)?;
            if !is_done {
                unknown.push(image.clone());
            }
        }
        let ordered = intake.ahead(&unknown, attempt);
        ordered
            .iter()
            .try_for_each(|image| intake.take(image, attempt))
    })?;
    intake.remember();
    intake.tell_of_pruned();
    super::warn_of_channels(context, &session.config, &report, |_| true);
    context.ui.data("sync", &report, || {
        report.text("everything is published already")
    });
    Ok(Verdict::Good)
}

/// The images below `directory`, sorted by their path.
pub(super) fn images(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut images = Vec::new();
    for entry in WalkDir::new(directory).sort_by_file_name().max_depth(16) {
        let entry = entry.map_err(|error| Failure::of(Kind::Failed, &error))?;
        let name = entry.file_name().to_string_lossy();
        // A link to a file is an image too; what it leads to is looked at when it is read.
        let is_file =
            entry.file_type().is_file() || entry.path_is_symlink() && entry.path().is_file();
        if is_file && !name.starts_with('.') && is_image_name(&name) {
            images.push(entry.into_path());
        }
    }
    Ok(images)
}
