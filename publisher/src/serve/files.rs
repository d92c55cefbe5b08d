//! From a path to an open file.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;

use sysext_durable::{Dir, Kind};

/// What is at a path.
#[derive(Debug)]
pub(super) enum Found {
    /// A file.
    File {
        file: File,
        length: u64,
        /// A strong validator: another file, or another content, has another one.
        tag: String,
        media_type: &'static str,
    },
    /// A directory that was asked for without its last slash.
    Directory,
    /// Nothing that may be seen.
    Nothing,
}

/// Opens what `components` lead to, beneath `root`. The empty last component is a directory's index.
pub(super) fn find(root: &Dir, components: &[String]) -> io::Result<Found> {
    let Some((last, directories)) = components.split_last() else {
        return Ok(Found::Nothing);
    };
    let missing = |error: sysext_durable::Error| match error.io_kind() {
        // A name that can be none, a link, or something else than a directory: not there.
        None
        | Some(
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename,
        ) => Ok(Found::Nothing),
        Some(_) => Err(io::Error::other(error)),
    };
    let mut inner: Option<Dir> = None;
    for name in directories {
        match inner.as_ref().unwrap_or(root).subdir(name) {
            Ok(dir) => inner = Some(dir),
            Err(error) => return missing(error),
        }
    }
    let dir = inner.as_ref().unwrap_or(root);
    let name = if last.is_empty() { "index.html" } else { last };
    let file = match dir.open_file(name) {
        Ok(Some(file)) => file,
        Ok(None) => return Ok(Found::Nothing),
        Err(_) if matches!(dir.kind(name), Ok(Some(Kind::Directory))) => {
            return Ok(Found::Directory);
        }
        Err(error) => return missing(error),
    };
    let metadata = file.metadata()?;
    let (length, inode) = (metadata.len(), metadata.ino());
    let tag = format!(
        "\"{inode:x}-{length:x}-{:x}.{:x}\"",
        metadata.mtime(),
        metadata.mtime_nsec()
    );
    Ok(Found::File {
        file,
        length,
        tag,
        media_type: media_type(name),
    })
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, suffix)| suffix) {
        "json" => "application/json",
        "toml" => "application/toml",
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "asc" | "transfer" | "txt" => "text/plain; charset=utf-8",
        _ if name == "SHA256SUMS" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
