//! The timestamp that this host has already: a mirror that served it need not send it again.
//!
//! - What is asked for so goes through the same checks as what comes whole, see [`remote`](super::remote).
//! - One mirror's word counts for that mirror alone: under which name it served which bytes.

use url::Url;

use super::remote::{Known, Received};
use super::{CatalogRemote, RefreshProblem};
use crate::metadata_store::MetadataStore;

/// Lets the mirror in use say that it has nothing newer than what is stored.
pub(super) fn ask(
    metadata: &MetadataStore,
    mirrors: &[Url],
    remote: &CatalogRemote,
) -> Result<(), RefreshProblem> {
    let known = match mirrors.get(remote.current()) {
        Some(url) => metadata
            .known_timestamp(url)
            .map_err(RefreshProblem::Store)?,
        None => None,
    };
    remote.ask_if_changed(known.map(|(validator, bytes)| Known { validator, bytes }));
    Ok(())
}

/// A timestamp that was accepted, if it came whole.
#[derive(Debug)]
pub(super) struct Accepted {
    mirror: usize,
    received: Option<Received>,
}

impl Accepted {
    /// What came last from the mirror in use. The caller knows that it was accepted.
    pub(super) fn of(remote: &CatalogRemote) -> Self {
        Self {
            mirror: remote.current(),
            received: remote.received(),
        }
    }

    /// Remembers what the mirror calls it.
    pub(super) fn remember(self, metadata: &MetadataStore, mirrors: &[Url]) {
        let (Some(Received { validator, sha256 }), Some(url)) =
            (self.received, mirrors.get(self.mirror))
        else {
            return;
        };
        // Where that fails, the next refresh fetches the timestamp, as this one did.
        let _ = metadata.remember_timestamp(mirrors, url, validator, sha256);
    }
}
