//! The image as a patch to another one that is in the store.
//!
//! - The image that it starts from is hashed before the patch is fetched: a damaged one costs no download.
//! - It is read by pieces, and what comes out is hashed while it is written and never grows past the signed length; memory is
//!   bounded by the format.
//! - Applying has a time: a patch that gives next to nothing for a long while is left, and the next transport taken.
//! - Only the digest of what comes out decides; the patch is no more believed than any other transport.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use sysext_durable::checkpoint;
use sysext_formats::catalog::Transport;
use sysext_formats::digest::Sha256Hasher;
use sysext_patch::PatchError;

use super::download::{Wanted, download};
use super::{Attempt, Failed, Fault, Fetched, Job, Method, wrong_bytes};
use crate::store::{StoreError, StoredImage, io_error};

pub(super) fn fetch(
    job: &Job<'_>,
    transport: &Transport,
    base: &StoredImage,
    attempts: &mut Vec<Attempt>,
) -> Result<Fetched, Failed> {
    let image = job.image;
    // What is wrong on this host may be wrong with this file alone: another transport does without it.
    let opened = job
        .store
        .verify(base)
        .and_then(|()| job.store.open_image(base));
    let old = opened.map_err(|error| {
        attempts.push(Attempt {
            what: transport.file.to_string(),
            reason: format!("it starts from a bad image: {error}"),
            fault: Fault::Other,
        });
        Failed::TryNext
    })?;
    let wanted = Wanted {
        file: &transport.file,
        length: transport.length,
        sha256: &transport.sha256,
        urls: &transport.urls,
        method: Method::Patch,
    };
    let (mut part, bytes) = download(job, &wanted, attempts)?;
    let time = time_for(image.length);
    let mut out = Output {
        inner: job.store.writer(&image.sha256, &image.file)?,
        hasher: Sha256Hasher::default(),
        until: Instant::now().checked_add(time),
        is_late: false,
    };
    let applied = sysext_patch::apply(old, base.length, part.reader()?, &mut out, image.length);
    let is_late = out.is_late;
    let (out, found) = (out.inner, out.hasher.finish());
    let useless = match applied {
        Ok(()) if found == image.sha256 => None,
        Ok(()) => Some(wrong_bytes(
            &format!("what {} gives", transport.file),
            &image.sha256,
            &found,
        )),
        Err(_) if is_late => Some(Attempt {
            what: transport.file.to_string(),
            reason: format!("applying it took longer than {} seconds", time.as_secs()),
            fault: Fault::Other,
        }),
        Err(PatchError::Write(error)) => {
            let path = job.store.path_of(&image.sha256, &image.file);
            return Err(io_error("writing", path, error).into());
        }
        Err(error) => Some(Attempt {
            what: transport.file.to_string(),
            reason: error.to_string(),
            fault: match error {
                PatchError::Old(_) => Fault::Other,
                _ => Fault::Bytes,
            },
        }),
    };
    if let Some(attempt) = useless {
        // It is what was signed, and useless: the publisher must mend it.
        attempts.push(attempt);
        part.discard()?;
        return Err(Failed::TryNext);
    }
    out.commit().map_err(StoreError::from)?;
    checkpoint("image-patched");
    part.discard()?;
    Ok(Fetched {
        method: Method::Patch,
        bytes,
    })
}

/// How long applying may take, without the writing: half a minute, and a second for each MiB of the image. A slow host needs a
/// tenth of that.
const START: Duration = Duration::from_secs(30);
const SLOWEST: u64 = 1 << 20;

fn time_for(length: u64) -> Duration {
    START + Duration::from_secs(length / SLOWEST)
}

/// Hashes what is written, for a while.
struct Output<W> {
    inner: W,
    hasher: Sha256Hasher,
    until: Option<Instant>,
    is_late: bool,
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let now = Instant::now();
        if self.until.is_some_and(|until| now > until) {
            self.is_late = true;
            return Err(io::ErrorKind::TimedOut.into());
        }
        let count = self.inner.write(bytes)?;
        // A slow disk is not the patch's fault.
        self.until = self
            .until
            .and_then(|until| until.checked_add(now.elapsed()));
        self.hasher.update(bytes.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_when_the_time_is_over() {
        let mut out = Output {
            inner: Vec::new(),
            hasher: Sha256Hasher::default(),
            until: Instant::now().checked_add(time_for(0)),
            is_late: false,
        };
        out.write_all(b"in time").unwrap();
        assert!(!out.is_late);
        out.until = Instant::now().checked_sub(Duration::from_nanos(1));
        assert!(out.write_all(b"late").is_err() && out.is_late);
        assert_eq!(out.inner, b"in time");
        assert_eq!(time_for(60 << 20), Duration::from_secs(90));
    }
}
