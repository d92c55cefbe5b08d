//! `SHA256SUMS` with its OpenPGP signatures, for systemd-sysupdate and importctl: what a host reads that has nothing of ours.
//!
//! - It lists the images of all extensions that may still be chosen. Rules of both readers that are stricter than they
//!   look: one line that they do not like makes them refuse the whole file, an empty file is an error, and a mebibyte is
//!   the most.
//! - `BEST-BEFORE-DATE` is the day on which the first index expires; systemd 260 and later refuse an older list.
//! - One key for all extensions and no protection against rollback: weaker than what our own client checks, and off
//!   unless `openpgp` is set.
//! - It is signed again only when it changes, so that the daily renewal needs no OpenPGP key.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use data_encoding::BASE64;
use sysext_formats::catalog::{ExtensionIndex, Image, IndexError};
use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::ExtensionName;
use sysext_formats::role::Targets;
use sysext_formats::time::UtcTime;

use crate::config::OpenPgp;
use crate::draft::Draft;
use crate::location::{Location, LocationError, Place, SumsFile};
use crate::published::{LookUp, Published, PublishedError};
use crate::signer;

/// The most that systemd reads.
const MAX_LENGTH: u64 = 1 << 20;
/// Characters of a line of an armored signature.
const ARMOR_LINE: usize = 64;

/// Why there is no new list.
#[derive(Debug, thiserror::Error)]
pub enum SumsError {
    /// What is published can not be read.
    #[error(transparent)]
    Published(#[from] PublishedError),
    /// An index can not be understood.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The host failed.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// Too many images for one file.
    #[error("SHA256SUMS would have {0} bytes; systemd-sysupdate reads {MAX_LENGTH} at most")]
    TooLong(usize),
    /// The program did not sign.
    #[error("SHA256SUMS was not signed by the openpgp program: {0}")]
    NotSigned(String),
}

/// What is done to one of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It gets these bytes.
    Put(Vec<u8>),
    /// It goes.
    Remove,
}

/// What is new with a draft, in the order in which it is done; nothing where it is so already. Signatures go before the list
/// that they are of: where both are there, they are of one list, whenever a run was killed.
///
/// # Errors
/// When something can not be read, or the list not be signed.
pub fn steps(
    openpgp: &OpenPgp,
    draft: &Draft,
    published: &mut Published<'_>,
    location: &dyn Location,
    now: UtcTime,
) -> Result<Vec<(Place, Step)>, SumsError> {
    // Freshness alone says nothing about images.
    if draft.touched.indexes.is_empty() && !draft.touched.targets {
        return Ok(Vec::new());
    }
    let there = |file| location.read(&Place::Sums(file), MAX_LENGTH);
    let listed = there(SumsFile::List)?;
    let mut steps = vec![
        (Place::Sums(SumsFile::Armored), Step::Remove),
        (Place::Sums(SumsFile::Signature), Step::Remove),
    ];
    let Some(command) = openpgp.command() else {
        // What is served no longer must not go on offering what was withdrawn since.
        if listed.is_none() {
            return Ok(Vec::new());
        }
        steps.push((Place::Sums(SumsFile::List), Step::Remove));
        return Ok(steps);
    };
    let names: BTreeSet<_> = draft
        .catalog
        .extensions()
        .chain(published.extensions()?)
        .collect();
    let mut indexes = BTreeMap::new();
    for name in names {
        if let Some(index) = draft.catalog.indexes.get(&name) {
            indexes.insert(name, index.clone());
        } else if let LookUp::Index(index) = published.peek(&name)? {
            indexes.insert(name, index);
        }
    }
    let list = match list(&indexes, now)? {
        Some(list) => list,
        // The last image has gone. An empty list is an error to its readers, and a list of nothing is not.
        None if listed.is_some() => text([best_before(draft.catalog.targets.expires)])?,
        None => return Ok(Vec::new()),
    };
    let is_there = listed.as_deref() == Some(list.as_bytes())
        && there(SumsFile::Signature)?.is_some()
        && there(SumsFile::Armored)?.is_some();
    if is_there {
        return Ok(Vec::new());
    }
    let signature = sign(command, list.as_bytes())?;
    let armored = armored(&signature).into_bytes();
    steps.extend([
        (Place::Sums(SumsFile::List), Step::Put(list.into_bytes())),
        (Place::Sums(SumsFile::Signature), Step::Put(signature)),
        (Place::Sums(SumsFile::Armored), Step::Put(armored)),
    ]);
    Ok(steps)
}

/// The list; `None` where there is no image. What an overdue index lists no client of ours would install either, and its
/// expiry would make the list of all others worthless.
fn list(
    indexes: &BTreeMap<ExtensionName, Targets>,
    now: UtcTime,
) -> Result<Option<String>, SumsError> {
    let mut lines = BTreeMap::new();
    let mut expires: Option<UtcTime> = None;
    for (name, index) in indexes.iter().filter(|(_, index)| index.expires > now) {
        let read = ExtensionIndex::read(name, index)?;
        // It looks in `images/`, where what has URLs of its own need not be.
        let listed = |image: &&Image| image.withdrawn.is_none() && image.urls.is_empty();
        for image in read.images.iter().filter(listed) {
            lines.insert(image.file.to_string(), image.sha256);
            expires = Some(expires.map_or(index.expires, |first| first.min(index.expires)));
        }
    }
    match expires {
        None => Ok(None),
        Some(expires) => text(lines.into_iter().chain([best_before(expires)])).map(Some),
    }
}

/// The entry that says until when the list is good.
fn best_before(expires: UtcTime) -> (String, Sha256Digest) {
    let name = format!("BEST-BEFORE-{}", expires.day());
    (name, Sha256Digest::of(b""))
}

fn text(lines: impl IntoIterator<Item = (String, Sha256Digest)>) -> Result<String, SumsError> {
    let mut text = String::new();
    for (name, sha256) in BTreeMap::from_iter(lines) {
        let _ = writeln!(text, "{sha256}  {name}");
    }
    match u64::try_from(text.len()) {
        Ok(length) if length <= MAX_LENGTH => Ok(text),
        _ => Err(SumsError::TooLong(text.len())),
    }
}

fn sign(command: &str, list: &[u8]) -> Result<Vec<u8>, SumsError> {
    let signature = signer::answer(command, list).map_err(SumsError::NotSigned)?;
    // The first bit is set in every binary packet, and in no text.
    match signature.first() {
        Some(first) if first & 0x80 != 0 => Ok(signature),
        Some(_) => Err(SumsError::NotSigned(
            "it gave a text, and a binary signature is needed: without --armor".to_owned(),
        )),
        None => Err(SumsError::NotSigned("it gave nothing".to_owned())),
    }
}

/// The same signature as a text (RFC 9580 section 6; the checksum there is optional).
fn armored(signature: &[u8]) -> String {
    let base64 = BASE64.encode(signature);
    let mut text = "-----BEGIN PGP SIGNATURE-----\n\n".to_owned();
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(ARMOR_LINE));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text.push_str("-----END PGP SIGNATURE-----\n");
    text
}
