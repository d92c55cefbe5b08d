//! What a person must mend before an image of OBS can be published, for `status`.
//!
//! ```text
//! $XDG_STATE_HOME/sysext-publish/ID/PIN/
//!   obs.json          by PROJECT/REPO: each image that was refused, why, and since when
//! ```
//!
//! - A run replaces what its own repository had: what is mended vanishes with the next run. Two runs at once wait for each
//!   other.
//! - It says what happened and decides nothing; losing it loses a message.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sysext_durable::{Dir, LockKind};
use sysext_formats::time::UtcTime;

use super::log::cut;
use crate::failure::{Failure, Kind};

const FILE: &str = "obs.json";
const LOCK: &str = "obs.lock";
const PATIENCE: Duration = Duration::from_secs(20);
const MAX_BYTES: u64 = 16 << 20;
/// Problems of one repository that are kept.
const MAX_PROBLEMS: usize = 500;
/// Bytes of a message that are kept.
const MAX_MESSAGE: usize = 1_000;

/// Why one image is not published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Where it is from, `PROJECT/REPO`.
    pub repository: String,
    /// The name of the image.
    pub image: String,
    /// What kind of failure it is.
    pub kind: Kind,
    /// Since when it has been so.
    pub since: UtcTime,
    /// What is wrong, outermost first.
    pub messages: Vec<String>,
    /// What to do.
    pub hints: Vec<String>,
}

impl Problem {
    /// That of an image which was refused now.
    #[must_use]
    pub fn new(repository: &str, image: &str, failure: &Failure, now: UtcTime) -> Self {
        let kept = |texts: &[String]| {
            let texts = texts.iter().take(10);
            texts
                .map(|text| cut(text, MAX_MESSAGE).to_owned())
                .collect()
        };
        Self {
            repository: repository.to_owned(),
            image: image.to_owned(),
            kind: failure.kind,
            since: now,
            messages: kept(&failure.messages),
            hints: kept(&failure.hints),
        }
    }

    /// In one line.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{}: {}", self.image, self.messages.join(": "))
    }
}

type Repositories = BTreeMap<String, Vec<Problem>>;

/// Replaces what is known of one repository. What was wrong in the same words before has been so since then.
///
/// # Errors
/// When it can not be kept.
pub fn replace(
    directory: &Path,
    repository: &str,
    mut problems: Vec<Problem>,
) -> sysext_durable::Result<()> {
    let directory = Dir::create_all(directory, 0o700)?;
    let _lock = directory.lock(LOCK, LockKind::Exclusive, PATIENCE)?;
    let mut all = load(&directory)?;
    let before = all.remove(repository).unwrap_or_default();
    problems.truncate(MAX_PROBLEMS);
    for problem in &mut problems {
        let same = |old: &&Problem| old.image == problem.image && old.messages == problem.messages;
        if let Some(old) = before.iter().find(same) {
            problem.since = old.since;
        }
    }
    if !problems.is_empty() {
        all.insert(repository.to_owned(), problems);
    } else if before.is_empty() {
        return Ok(());
    }
    let bytes = serde_json::to_vec_pretty(&all).unwrap_or_default();
    directory.write(FILE, &bytes, 0o600)
}

/// Every problem that is known.
///
/// # Errors
/// When what is there can not be read.
pub fn problems(directory: &Path) -> sysext_durable::Result<Vec<Problem>> {
    let Some(directory) = Dir::open_existing(directory)? else {
        return Ok(Vec::new());
    };
    Ok(load(&directory)?.into_values().flatten().collect())
}

/// One that is damaged is forgotten: the next run writes it anew.
fn load(directory: &Dir) -> sysext_durable::Result<Repositories> {
    let bytes = directory.read(FILE, MAX_BYTES)?;
    let read = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    Ok(read.unwrap_or_default())
}
