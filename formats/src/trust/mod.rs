//! The TUF client workflow (specification 1.0.34, section 5) as a state machine without I/O.
//!
//! `RootStage → TimestampStage → SnapshotStage → TargetsStage`: each stage takes bytes, checks them against what the
//! stages before have established, and is consumed by the step to the next one, so no check can be left out or done
//! in another order. [`workflow`](crate::workflow) drives them.
//!
//! - A method that returns an error has changed nothing that later steps rely on; the caller stores bytes only after
//!   the method that took them returned `Ok`.
//! - Time is read once, by the caller, before the first stage.
//! - Intermediate roots may be expired; the last one may not (5.3.10). Cached documents may be expired where they only
//!   serve against rollback.

mod delegation_index;
mod root_stage;
mod snapshot_stage;
mod targets_stage;
mod timestamp_stage;

pub use self::root_stage::{RootNews, RootStage};
pub use self::snapshot_stage::SnapshotStage;
pub use self::targets_stage::{Delegator, RoleRequest, Search, SearchStep, TargetsStage};
pub use self::timestamp_stage::{TimestampNews, TimestampStage};
use crate::role::{MetaFileError, MetadataVersion, Role};
use crate::time::UtcTime;
use crate::verify::VerifyError;

/// Whether a document past its `expires` is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiryPolicy {
    /// Refused: what every host does.
    Enforce,
    /// Taken: for a publisher, who must be able to read and renew what has expired.
    Ignore,
}

/// What a refresh refuses.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// Shape or signatures.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// Not the version that its name, or its parent, promises.
    #[error("{role} has version {found}, {expected} was expected")]
    Version {
        /// The role.
        role: String,
        /// What was expected.
        expected: MetadataVersion,
        /// What there is.
        found: MetadataVersion,
    },
    /// Older than what this host has seen already.
    #[error(
        "{role} was rolled back: version {found} is offered, this host has already seen {trusted}"
    )]
    Rollback {
        /// The role.
        role: String,
        /// What this host has seen.
        trusted: MetadataVersion,
        /// What is offered.
        found: MetadataVersion,
    },
    /// A role vanished from the snapshot (5.5.5).
    #[error(
        "{role} was dropped from the snapshot; this host has already seen its version {trusted}"
    )]
    Dropped {
        /// The role.
        role: String,
        /// What this host has seen.
        trusted: MetadataVersion,
    },
    /// Past its expiry.
    #[error("{role} version {version} is overdue: it expired {expires}, and it is {now}")]
    Expired {
        /// The role.
        role: String,
        /// Its version.
        version: MetadataVersion,
        /// When it expired.
        expires: UtcTime,
        /// The time of this refresh.
        now: UtcTime,
    },
    /// Other bytes than the parent promises.
    #[error("{role} is not what its parent promises: {source}")]
    Content {
        /// The role.
        role: String,
        /// What differs.
        source: MetaFileError,
    },
    /// Another role's document, signed by the same keys and put in its place.
    #[error("the document served as {role} is the one of {found}")]
    OtherRole {
        /// The role.
        role: String,
        /// The role that the document is of.
        found: String,
    },
    /// Two documents of one role and version, for two of its delegators.
    #[error(
        "{role} is served as two documents of version {version}, one for each of its delegators"
    )]
    TwoDocuments {
        /// The role.
        role: String,
        /// Their version.
        version: MetadataVersion,
    },
    /// The snapshot does not list a role that is needed.
    #[error("{role} is not listed in the snapshot")]
    NotInSnapshot {
        /// The role.
        role: String,
    },
    /// A role that nobody delegates to.
    #[error("{delegator} does not delegate to {role}")]
    NotDelegated {
        /// The role.
        role: String,
        /// Who should.
        delegator: String,
    },
}

impl TrustError {
    /// Whether only time has run out: "overdue" reads differently from "tampered".
    #[must_use]
    pub fn is_expiry(&self) -> bool {
        matches!(self, Self::Expired { .. })
    }
}

/// Time and policy of one refresh.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// The time the refresh started.
    pub now: UtcTime,
    /// Whether expiry counts.
    pub expiry: ExpiryPolicy,
}

impl Clock {
    /// A host's clock: expiry counts.
    #[must_use]
    pub fn enforcing(now: UtcTime) -> Self {
        Self {
            now,
            expiry: ExpiryPolicy::Enforce,
        }
    }

    fn check<T: Role>(self, role: &str, document: &T) -> Result<(), TrustError> {
        let expires = document.expires();
        if self.expiry == ExpiryPolicy::Ignore || expires > self.now {
            return Ok(());
        }
        Err(TrustError::Expired {
            role: role.to_owned(),
            version: document.version(),
            expires,
            now: self.now,
        })
    }
}
