//! The timestamp that this host has already: a mirror that served it need not send it again.
//!
//! - What is asked for so goes through the same checks as what comes whole, see [`remote`](super::remote).
//! - Where what a mirror calls unchanged is refused, the same mirror is asked once more, without a condition.
//! - One mirror's word counts for that mirror alone: under which name it served which bytes.

use sysext_formats::time::UtcTime;
use url::Url;

use super::remote::{Known, Received};
use super::{CatalogRemote, ProblemKind, RefreshProblem};
use crate::metadata_store::{CameWhole, MetadataStore};

/// Lets the mirror in use say that it has nothing newer than what is stored.
pub(super) fn ask(
    metadata: &MetadataStore,
    mirrors: &[Url],
    remote: &CatalogRemote,
    now: UtcTime,
) -> Result<(), RefreshProblem> {
    let known = match mirrors.get(remote.current()) {
        Some(url) => metadata
            .known_timestamp(url, now)
            .map_err(RefreshProblem::Store)?,
        None => None,
    };
    remote.ask_if_changed(known.map(|(validator, bytes)| Known { validator, bytes }));
    Ok(())
}

/// Whether the stored timestamp may be what a refresh failed for, because the mirror in use called it unchanged. It is
/// fetched whole then.
pub(super) fn ask_again(
    metadata: &MetadataStore,
    mirrors: &[Url],
    remote: &CatalogRemote,
    problem: &RefreshProblem,
) -> bool {
    let is_of_documents =
        problem.kind() > ProblemKind::Host || matches!(problem, RefreshProblem::Missing(_));
    if !is_of_documents || !remote.was_unchanged() {
        return false;
    }
    if let Some(url) = mirrors.get(remote.current()) {
        // Where that fails, the next refresh is refused as this one was, and asks again as this one does.
        let _ = metadata.forget_timestamp(url);
    }
    remote.forget_ahead();
    remote.ask_if_changed(None);
    true
}

/// A timestamp that was accepted, if it came whole.
#[derive(Debug)]
pub(super) struct Accepted {
    mirror: usize,
    received: Option<Received>,
    expires: UtcTime,
}

impl Accepted {
    /// What came last from the mirror in use. The caller knows that it was accepted, and when it `expires`.
    pub(super) fn of(remote: &CatalogRemote, expires: UtcTime) -> Self {
        Self {
            mirror: remote.current(),
            received: remote.received(),
            expires,
        }
    }

    /// Remembers what the mirror calls it.
    pub(super) fn remember(self, metadata: &MetadataStore, mirrors: &[Url], now: UtcTime) {
        let (Some(Received { validator, sha256 }), Some(url)) =
            (self.received, mirrors.get(self.mirror))
        else {
            return;
        };
        let timestamp = CameWhole {
            sha256,
            at: now,
            expires: self.expires,
        };
        // Where that fails, the next refresh fetches the timestamp, as this one did.
        let _ = metadata.remember_timestamp(mirrors, url, validator, timestamp);
    }
}
