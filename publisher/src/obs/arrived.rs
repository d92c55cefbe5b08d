//! Whether an image in a directory that somebody else fills is all there, with what was said about it.
//!
//! - OBS and mirrors bring files one by one, in no order that means anything, and an image may be there before its
//!   fragment, with the digest of its predecessor beside it, or in part.
//! - Nothing tells such a file from a wrong one but time: what contradicts itself is waited for as long as one of the files
//!   is young, and is an error of whoever built it after that.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sysext_durable::Dir;
use sysext_formats::digest::Sha256Digest;
use sysext_formats::time::UtcTime;

use super::signed_list;
use crate::fragment::{Fragment, UnknownSchema, path_for, with_suffix};

/// Bytes of a file with a digest that are read at most; OBS ignores longer ones.
const MAX_COMPANION: u64 = 65_536;

/// Something about an image that can not be as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotWhole {
    /// A file with a digest is about other bytes.
    #[error("{} promises sha256 {promised}, and {file} has {found}", companion.display())]
    Other {
        /// The file with the digest.
        companion: PathBuf,
        /// The digest in it.
        promised: Sha256Digest,
        /// The file that it is about.
        file: String,
        /// That file's digest.
        found: Sha256Digest,
    },
    /// The digest of a fragment is there, or fragments are wanted, and the fragment is not.
    #[error("{} is not there", .0.display())]
    NoFragment(PathBuf),
    /// The fragment is one of another version.
    #[error("{} can not be used: {source}", path.display())]
    Schema {
        /// The fragment.
        path: PathBuf,
        /// Why.
        source: UnknownSchema,
    },
    /// A file can not be read.
    #[error("{} can not be read: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Whether an image without a fragment is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fragments {
    /// It is taken as its file name says.
    Optional,
    /// It is.
    Required,
}

/// Holds an image with these bytes against the files that speak about it.
///
/// # Errors
/// With the first that contradicts.
pub fn check(image: &Path, sha256: Sha256Digest, fragments: Fragments) -> Result<(), NotWhole> {
    let companion = with_suffix(image, "sha256");
    if let Some(promised) = promised(&companion, image)?
        && promised != sha256
    {
        return Err(other(companion, promised, image, sha256));
    }
    let fragment = path_for(image, None);
    let companion = with_suffix(&fragment, "sha256");
    let promised = promised(&companion, &fragment)?;
    let bytes = read(&fragment, crate::fragment::MAX_BYTES)?;
    match (&bytes, promised) {
        (None, Some(_)) => return Err(NotWhole::NoFragment(fragment)),
        (None, None) if fragments == Fragments::Required => {
            return Err(NotWhole::NoFragment(fragment));
        }
        (Some(bytes), Some(promised)) if Sha256Digest::of(bytes) != promised => {
            return Err(other(
                companion,
                promised,
                &fragment,
                Sha256Digest::of(bytes),
            ));
        }
        _ => {}
    }
    let said = bytes.map_or(Ok(None), |bytes| Fragment::parse(&bytes));
    let said = said.map_err(|source| NotWhole::Schema {
        path: fragment.clone(),
        source,
    })?;
    match said.and_then(|said| said.sha256()) {
        Some(said) if said != sha256 => Err(other(fragment, said, image, sha256)),
        _ => Ok(()),
    }
}

/// Whether an image, or a file that speaks about it, changed so recently that it may still be coming in. The kernel's own
/// time of the change counts, which nobody sets, and which is later when a name appeared later.
#[must_use]
pub fn is_young(image: &Path, now: UtcTime, patience: Duration) -> bool {
    let fragment = path_for(image, None);
    let companions = [image, &fragment].map(|file| with_suffix(file, "sha256"));
    [image.to_owned(), fragment]
        .iter()
        .chain(&companions)
        .filter_map(|path| std::fs::metadata(path).ok())
        .any(|about: Metadata| {
            let changed = UtcTime::from_unix(about.ctime());
            changed.plus(patience) > now
        })
}

/// The digest of `file` in a file that sha256sum wrote.
fn promised(companion: &Path, file: &Path) -> Result<Option<Sha256Digest>, NotWhole> {
    let Some(bytes) = read(companion, MAX_COMPANION)? else {
        return Ok(None);
    };
    let name = name(file);
    let lines = String::from_utf8_lossy(&bytes);
    let mut found = lines.lines().filter_map(signed_list::line);
    Ok(found
        .find(|(_, listed)| *listed == name)
        .map(|(digest, _)| digest))
}

fn other(companion: PathBuf, promised: Sha256Digest, file: &Path, found: Sha256Digest) -> NotWhole {
    NotWhole::Other {
        companion,
        promised,
        file: name(file),
        found,
    }
}

fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, NotWhole> {
    let bytes = Dir::of_file(path).and_then(|(directory, name)| directory.read(&name, limit));
    bytes.map_err(|error| NotWhole::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
