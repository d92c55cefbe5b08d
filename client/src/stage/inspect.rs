//! Opens an image and holds it against what was signed and against what no image may bring.

use std::fs::File;

use sysext_formats::name::FileName;
use sysext_formats::os::{Fields, FieldsError};
use sysext_image::{Entry, EntryKind, Image, ImageFacts, InspectError, Limits};

use crate::store::{StoreError, StoredImage, io_error};

/// What no image may bring: merged over the host, it would change what the host trusts, or stop its OS updates.
const FORBIDDEN: [&str; 6] = [
    "usr/lib/sysext-fetch",
    "usr/local/lib/sysext-fetch",
    "usr/lib/tukit/plugins",
    "usr/lib/health-checker",
    "usr/libexec/health-checker",
    "usr/lib/os-release",
];

/// Why an image with the signed bytes must not be linked.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It is listed under a name of another extension.
    #[error("its file {0} does not have the extension's name before the first \"_\"")]
    FileName(FileName),
    /// It can not be read, so systemd could not merge anything any more.
    #[error("it can not be read")]
    Unreadable(#[source] InspectError),
    /// It has no extension-release of its name.
    #[error(
        "it has no usr/lib/extension-release.d/extension-release.{name}, so systemd refuses it{}",
        instead(others)
    )]
    NoRelease {
        /// The extension.
        name: String,
        /// The names of those it has.
        others: Vec<String>,
    },
    /// It has several.
    #[error("besides its own extension-release file it has some for {}", .0.join(", "))]
    OtherReleases(Vec<String>),
    /// It can not be parsed.
    #[error("its extension-release file can not be used: {0}")]
    Release(FieldsError),
    /// It says something else than what was signed.
    #[error("its extension-release has {field}={found:?}, {signed:?} was signed")]
    ReleaseDiffers {
        /// The field.
        field: String,
        /// What was signed.
        signed: String,
        /// What it has.
        found: String,
    },
    /// It brings what no image may.
    #[error(
        "it contains /{0}, which an extension must not bring: it would change how this host trusts or updates"
    )]
    Forbidden(String),
}

fn instead(others: &[String]) -> String {
    if others.is_empty() {
        String::new()
    } else {
        format!(" (it has: {})", others.join(", "))
    }
}

/// What was found in an image that is in order.
#[derive(Debug)]
pub(super) struct Inspected {
    /// Units and setuid files that were not announced.
    pub(super) undeclared: Vec<String>,
}

/// The outer error is this host's, the inner one the image's.
pub(super) fn inspect(
    file: File,
    stored: &StoredImage,
) -> Result<Result<Inspected, Refusal>, StoreError> {
    match examine(file, stored) {
        Err(Refusal::Unreadable(InspectError::Io { source, .. })) => {
            Err(io_error("reading", stored.path.clone(), source))
        }
        result => Ok(result),
    }
}

fn examine(file: File, stored: &StoredImage) -> Result<Inspected, Refusal> {
    let mut image =
        Image::open(file, stored.length, Limits::default()).map_err(Refusal::Unreadable)?;
    if let Some(entry) = image.entries().iter().find(|entry| is_forbidden(entry)) {
        return Err(Refusal::Forbidden(entry.path.to_string()));
    }
    let facts = image.facts().map_err(Refusal::Unreadable)?;
    if facts.has_os_release {
        return Err(Refusal::Forbidden("usr/lib/os-release".to_owned()));
    }
    release(&facts, stored)?;
    let announced = &stored.custom.image;
    let units = facts
        .units
        .into_iter()
        .filter(|unit| !announced.units.contains(unit));
    let setuid = facts
        .setuid
        .into_iter()
        .filter(|path| !announced.setuid.contains(path));
    Ok(Inspected {
        undeclared: units.chain(setuid).collect(),
    })
}

/// Whether an entry is forbidden, is in a forbidden directory, or would lead into one by another way: what stands where
/// one of the directories above should be is a link or hides the host's.
fn is_forbidden(entry: &Entry) -> bool {
    let path = entry.path.as_str();
    FORBIDDEN.iter().any(|forbidden| {
        is_in(path, forbidden) || (entry.kind != EntryKind::Dir && is_in(forbidden, path))
    })
}

/// Whether `path` is `directory` or something in it.
fn is_in(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn release(facts: &ImageFacts, stored: &StoredImage) -> Result<(), Refusal> {
    let name = stored.extension.as_str();
    let (own, others): (Vec<_>, Vec<_>) = facts
        .extension_releases
        .iter()
        .partition(|release| release.name == name);
    let others: Vec<_> = others
        .into_iter()
        .map(|release| release.name.clone())
        .collect();
    let Some(own) = own.first() else {
        return Err(Refusal::NoRelease {
            name: name.to_owned(),
            others,
        });
    };
    if !others.is_empty() {
        return Err(Refusal::OtherReleases(others));
    }
    let found = Fields::parse(&own.bytes).map_err(Refusal::Release)?;
    let signed = &stored.custom.extension_release;
    let keys = signed.iter().chain(found.iter()).map(|(key, _)| key);
    for key in keys {
        let (signed, found) = (signed.get_even_empty(key), found.get_even_empty(key));
        if signed != found {
            return Err(Refusal::ReleaseDiffers {
                field: key.to_owned(),
                signed: signed.unwrap_or_default().to_owned(),
                found: found.unwrap_or_default().to_owned(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_does_not_contain_its_namesakes() {
        assert!(is_in("usr/lib/sysext-fetch", "usr/lib/sysext-fetch"));
        assert!(is_in(
            "usr/lib/sysext-fetch/catalogs.d/a.toml",
            "usr/lib/sysext-fetch"
        ));
        assert!(!is_in("usr/lib/sysext-fetch-docs", "usr/lib/sysext-fetch"));
        assert!(!is_in("usr/lib", "usr/lib/sysext-fetch"));
    }
}
