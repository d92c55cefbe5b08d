//! `file://` URLs: a catalog on a stick or a mounted share is the same catalog.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use url::Url;

use super::error::shown;
use super::{Body, FetchError, Pace, ResumePoint};

/// Opens a regular file; `None` when there is none.
pub(super) fn open(
    url: &Url,
    resume: Option<&ResumePoint>,
    pace: &Pace,
) -> Result<Option<Body>, FetchError> {
    let Some(path) = path(url) else {
        return Ok(None);
    };
    let failed = |source| FetchError::File {
        path: path.clone(),
        source,
    };
    // NONBLOCK: a FIFO in its place must not hang us.
    let nonblock = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let mut file = match File::options()
        .read(true)
        .custom_flags(nonblock)
        .open(&path)
    {
        Ok(file) => file,
        Err(error) if is_absence(error.kind()) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let about = file.metadata().map_err(failed)?;
    if !about.is_file() {
        return Err(failed(io::Error::other("it is not a regular file")));
    }
    let length = about.len();
    let validator = format!(
        "\"{:x}-{length:x}-{:x}.{:x}\"",
        about.ino(),
        about.mtime(),
        about.mtime_nsec()
    );
    let start = match resume {
        Some(resume) if resume.validator == validator && resume.offset <= length => resume.offset,
        _ => 0,
    };
    file.seek(SeekFrom::Start(start)).map_err(failed)?;
    let mut body = Body::new(Box::new(file.take(length - start)), shown(url), pace);
    body.start = start;
    body.length = Some(length);
    body.validator = Some(validator);
    Ok(Some(body))
}

/// The path of a URL. An encoded slash would make other directories of what was one name: there is no such file.
fn path(url: &Url) -> Option<PathBuf> {
    let encoded = url.path().to_ascii_lowercase();
    if encoded.contains("%2f") || encoded.contains("%00") {
        return None;
    }
    url.to_file_path().ok()
}

fn is_absence(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
