//! The part of the table that is about keys, and about those who sign apart.

use super::{Failure, Kind};
use crate::proposal::ProposalError;
use crate::signer::{DraftSignError, KeySource, SignerError};

impl From<SignerError> for Failure {
    fn from(error: SignerError) -> Self {
        let kind = match &error {
            SignerError::NoPassphrase(_)
            | SignerError::NoneThere { .. }
            | SignerError::EmptyPassphrase(_) => Kind::Usage,
            _ => Kind::Signing,
        };
        let failure = Self::of(kind, &error);
        match &error {
            SignerError::NoPassphrase(_) => {
                failure.hint("set SYSEXT_PUBLISH_PASSPHRASE, or name a file with --passphrase-file")
            }
            SignerError::NoneThere { tried, .. } => {
                let variables = tried.iter().filter_map(|(source, _)| match source {
                    KeySource::Variable(name) => {
                        Some(format!("set {name} to the text of the key file"))
                    }
                    _ => None,
                });
                variables.fold(failure, Self::hint)
            }
            SignerError::Permissions { path, .. } => {
                failure.hint(format!("chmod 600 {}", path.display()))
            }
            SignerError::NoPublicHalf(_) => failure.hint("write cmd:PUBLIC.pub PROGRAM ARGUMENTS"),
            SignerError::WrongKeys { .. } => {
                failure.hint("`sysext-publish key list` shows which keys sign what")
            }
            _ if error.is_wrong_passphrase() => failure.hint("nothing was published"),
            _ => failure,
        }
    }
}

impl From<DraftSignError> for Failure {
    fn from(error: DraftSignError) -> Self {
        match error {
            DraftSignError::Key(error) => error.into(),
            error @ (DraftSignError::Sign { .. } | DraftSignError::NotDelegated(_)) => {
                Self::of(Kind::Signing, &error).hint("nothing was published")
            }
            error @ DraftSignError::NotEnough { .. } => Self::of(Kind::Signing, &error)
                .hint("nothing was published; `sysext-publish sign PROPOSAL` adds a signature"),
        }
    }
}

impl From<ProposalError> for Failure {
    fn from(error: ProposalError) -> Self {
        let error = match error {
            ProposalError::Location(error) => return error.into(),
            error => error,
        };
        let kind = match &error {
            ProposalError::NotServed { .. } => Kind::Host,
            ProposalError::Read(_) | ProposalError::NoPlace(_) => Kind::Failed,
            ProposalError::OtherDocuments => Kind::Conflict,
            ProposalError::Content(_) | ProposalError::Facts { .. } => Kind::SelfCheck,
            _ => Kind::Usage,
        };
        let failure = Self::of(kind, &error);
        match error {
            ProposalError::Missing(_) => failure.hint("`sysext-publish propose COMMAND` makes one"),
            ProposalError::OtherCatalog { .. } => failure.hint(
                "run this where that catalog's sysext-publish.toml is, or name it with --config",
            ),
            ProposalError::NoImage(_) => {
                failure.hint("the folder images/ of a proposal goes with it")
            }
            ProposalError::OtherDocuments => {
                failure.hint("a copy is made by `sysext-publish sign`, from the proposal itself")
            }
            _ => failure,
        }
    }
}
