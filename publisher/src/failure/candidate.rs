//! Errors about images that are to be published.

use super::{Failure, Kind};
use crate::candidate::CandidateError;

impl From<CandidateError> for Failure {
    fn from(error: CandidateError) -> Self {
        let kind = match error {
            CandidateError::NoVersion(_) | CandidateError::Value { .. } => Kind::Usage,
            _ => Kind::Failed,
        };
        let failure = Self::of_file(kind, &error);
        match error {
            CandidateError::NoVersion(_) => {
                failure.hint("say --version, or name the file NAME_VERSION_ARCH.raw")
            }
            CandidateError::NoArchitecture(_) => {
                failure.hint("write ARCHITECTURE= into its extension-release")
            }
            CandidateError::Value { .. } => {
                failure.hint("say --name and --version, or name the file NAME_VERSION_ARCH.raw")
            }
            CandidateError::Disagree { .. } => failure
                .hint("correct or remove what contradicts the image; `sysext-publish describe` makes its IMAGE.json anew"),
            _ => failure,
        }
    }
}
