//! The image as it is: the file that was fetched becomes the file in the store, without being copied.

use super::download::{Wanted, download};
use super::{Attempt, Failed, Fetched, Job, Method};

pub(super) fn fetch(job: &Job<'_>, attempts: &mut Vec<Attempt>) -> Result<Fetched, Failed> {
    let image = job.image;
    let wanted = Wanted {
        file: &image.file,
        length: image.length,
        sha256: &image.sha256,
        urls: &image.urls,
        method: Method::Raw,
    };
    let (part, bytes) = download(job, &wanted, attempts)?;
    part.into_store(&job.store.entry(&image.sha256)?, &image.file)?;
    Ok(Fetched {
        method: Method::Raw,
        bytes,
    })
}
