//! Errors about fragments, and about what an Open Build Service has published.

use super::{Failure, Kind};
use crate::fragment::FragmentError;
use crate::obs::gpgv::SignatureError;
use crate::obs::repository::RepositoryError;

impl From<SignatureError> for Failure {
    fn from(error: SignatureError) -> Self {
        match error {
            SignatureError::Disk(error) => error.into(),
            error @ SignatureError::Keyring { .. } => Self::of(Kind::Usage, &error)
                .hint("`osc signkey PROJECT` prints the key of a project; look at its fingerprint before you trust it"),
            error @ SignatureError::NoGpgv(_) => {
                Self::of(Kind::Failed, &error).hint("install gpgv; on Debian it is the package gpgv")
            }
            error => Self::of(Kind::Unverified, &error)
                .hint("nothing was taken; `osc signkey PROJECT` prints the key that the project has now, and a changed one is for a person to look at"),
        }
    }
}

impl From<RepositoryError> for Failure {
    fn from(error: RepositoryError) -> Self {
        match error {
            RepositoryError::Location(error) => error.into(),
            RepositoryError::Disk(error) => error.into(),
            RepositoryError::Signature { url, source } => {
                Self::from(source).during(format!("{url} is not believed"))
            }
            error @ RepositoryError::NotHttps(_) => Self::of(Kind::Usage, &error),
            error @ RepositoryError::List { .. } => Self::of(Kind::Failed, &error),
            error @ RepositoryError::Missing { .. } => Self::of(Kind::Host, &error).hint(
                "the project configuration needs `Repotype: checksumsfile:rawsig`; while OBS publishes, the list is away for a moment",
            ),
            error => Self::of(Kind::Host, &error).hint("try again"),
        }
    }
}

impl From<FragmentError> for Failure {
    fn from(error: FragmentError) -> Self {
        match error {
            FragmentError::Disk(error) => error.into(),
            error @ FragmentError::SomebodyElses { .. } => Self::of(Kind::Failed, &error)
                .hint("-o DIR writes the fragment elsewhere; it has to lie beside the image when that is published"),
            error @ FragmentError::Schema { .. } => Self::of(Kind::Failed, &error)
                .hint("use the sysext-publish that wrote it, or a later one; without the file, `describe` makes it anew"),
        }
    }
}
