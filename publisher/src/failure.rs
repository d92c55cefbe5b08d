//! From errors to what a person reads and a script sees: kind, hint and exit code, in one place.
//!
//! ```text
//! error: the thing, both values
//! caused by: the next deeper error
//!
//! hint: the next step
//! ```

mod obs;
mod signing;

use std::error::Error;
use std::io;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};
use sysext_formats::plain::indented;
use sysext_formats::trust::TrustError;
use sysext_formats::workflow::RefreshError;

use crate::arrival::ArrivalError;
use crate::candidate::CandidateError;
use crate::config::ConfigError;
use crate::draft::DraftError;
use crate::elsewhere::ElsewhereError;
use crate::location::LocationError;
use crate::published::PublishedError;
use crate::selfcheck::SelfCheckError;
use crate::staged::StageError;
use crate::sums::SumsError;
use crate::upload::UploadError;

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Anything that is nothing of the below.
    Failed,
    /// Command line, configuration, or something that a person would have to be asked for.
    Usage,
    /// A published name would get other bytes.
    Conflict,
    /// The published catalog can not be verified, or is older than what was seen.
    Unverified,
    /// Somebody else published at the same time, or the host failed.
    Host,
    /// A key could not sign.
    Signing,
    /// What would be published is nothing that a host accepts.
    SelfCheck,
}

impl From<Kind> for ExitCode {
    fn from(kind: Kind) -> Self {
        Self::from(kind.code())
    }
}

impl Kind {
    /// The exit code of a process that ends so.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Conflict => 3,
            Self::Unverified => 4,
            Self::Host => 5,
            Self::Signing => 6,
            Self::SelfCheck => 7,
        }
    }
}

/// A command that failed.
#[derive(Debug)]
pub struct Failure {
    /// What kind.
    pub kind: Kind,
    /// What happened, outermost first; never empty.
    pub messages: Vec<String>,
    /// What to do now.
    pub hints: Vec<String>,
}

impl Failure {
    /// A failure in one sentence.
    #[must_use]
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            messages: vec![message.into()],
            hints: Vec::new(),
        }
    }

    /// A wrong call, or a wrong configuration.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// An error with all its causes.
    #[must_use]
    pub fn of(kind: Kind, error: &dyn Error) -> Self {
        let mut messages = vec![error.to_string().trim_end().to_owned()];
        let mut cause = error.source();
        while let Some(error) = cause {
            let message = error.to_string();
            // Many errors print their source themselves.
            if !messages.iter().any(|seen| seen.contains(&message)) {
                messages.push(message);
            }
            cause = error.source();
        }
        Self {
            kind,
            messages,
            hints: Vec::new(),
        }
    }

    /// What was being done when it happened, in front of it.
    #[must_use]
    pub fn during(mut self, what: impl Into<String>) -> Self {
        self.messages.insert(0, what.into());
        self
    }

    /// One more cause, below the others.
    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.messages.push(cause.into());
        self
    }

    /// With the next step for whoever reads it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The whole text, ready for stderr.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (depth, message) in self.messages.iter().enumerate() {
            text.push_str(if depth == 0 { "error: " } else { "caused by: " });
            text.push_str(&indented(message));
            text.push('\n');
        }
        if !self.hints.is_empty() {
            text.push('\n');
        }
        for hint in &self.hints {
            text.push_str("hint: ");
            text.push_str(hint);
            text.push('\n');
        }
        text
    }
}

impl From<sysext_durable::Error> for Failure {
    fn from(error: sysext_durable::Error) -> Self {
        let failure = Self::of(Kind::Failed, &error);
        match error.io_kind() {
            Some(io::ErrorKind::StorageFull) => {
                failure.hint("make room on that file system; nothing was published")
            }
            _ => failure,
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let failure = Self::of(Kind::Usage, &error);
        match error {
            ConfigError::Missing(_) => failure
                .hint("run this where sysext-publish.toml is, or name it with --config")
                .hint("`sysext-publish init` makes a new catalog"),
            _ => failure,
        }
    }
}

impl From<LocationError> for Failure {
    fn from(error: LocationError) -> Self {
        let kind = match error {
            LocationError::NotALocation(_)
            | LocationError::ReadOnly(_)
            | LocationError::NotBuiltIn(_)
            | LocationError::Careless { .. } => Kind::Usage,
            LocationError::NoSuchDirectory(_) => Kind::Unverified,
            _ => Kind::Host,
        };
        let failure = Self::of(kind, &error);
        match error {
            LocationError::ReadOnly(_) => failure.hint(
                "`location` must be a directory, s3://BUCKET/PREFIX or git:BRANCH; --base can name a URL to read from",
            ),
            LocationError::Careless { .. } => failure.hint(
                "two publishers at once would overwrite each other there; where only one job ever publishes, say so: \
                 location = \"s3://BUCKET/PREFIX?single-writer\"",
            ),
            LocationError::Denied { .. } => failure
                .hint("credentials come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or from the machine's role")
                .hint("s3:GetObject, PutObject, DeleteObject, AbortMultipartUpload and ListBucket are needed: without the last one a store does not say what is not there"),
            LocationError::Object { .. } => failure
                .hint("AWS_ENDPOINT_URL names the store, where it is not Amazon's; AWS_REGION its region"),
            LocationError::Busy { .. } => failure.hint("nothing was published; try again when the other publisher is done"),
            LocationError::NoSuchDirectory(_) => failure
                .hint("is the host's directory mounted? An empty catalog is made by `init` only, so that an outage wipes nothing"),
            _ => failure,
        }
    }
}

impl From<PublishedError> for Failure {
    fn from(error: PublishedError) -> Self {
        let PublishedError::Refresh { source, .. } = &error else {
            return Self::of(Kind::Usage, &error)
                .hint("`sysext-publish extension add NAME` adds one");
        };
        let kind = match source {
            RefreshError::Remote { .. } => Kind::Host,
            RefreshError::Cache { .. } => Kind::Failed,
            _ => Kind::Unverified,
        };
        let failure = Self::of(kind, &error);
        match source {
            RefreshError::Missing(_) => failure
                .hint("is this the right location? An empty catalog is made by `init` only, so that an outage wipes nothing"),
            RefreshError::Trust(TrustError::Rollback { .. } | TrustError::Dropped { .. }) => failure
                .hint("the host serves an older state than this machine has seen: restore the newer one there"),
            RefreshError::Trust(_) => {
                failure.hint("nothing was changed; restore the published metadata from where it is known to be good")
            }
            _ => failure,
        }
    }
}

impl From<SumsError> for Failure {
    fn from(error: SumsError) -> Self {
        match error {
            SumsError::Published(error) => error.into(),
            SumsError::Location(error) => error.into(),
            SumsError::NotSigned(_) => Self::of(Kind::Signing, &error).hint(
                "nothing was published; openpgp in sysext-publish.toml names the program, \"\" ends serving systemd-sysupdate",
            ),
            SumsError::TooLong(_) => Self::of(Kind::Failed, &error)
                .hint("withdraw versions that nobody should have, or set openpgp = \"\""),
            SumsError::Index(_) => Self::of(Kind::Unverified, &error),
        }
    }
}

impl From<DraftError> for Failure {
    fn from(error: DraftError) -> Self {
        let kind = match &error {
            error if error.is_conflict() => Kind::Conflict,
            DraftError::UnknownExtension(_)
            | DraftError::UnknownVersion { .. }
            | DraftError::Withdrawn { .. }
            | DraftError::LastChannel { .. }
            | DraftError::Prerelease { .. }
            | DraftError::NoSuchKey { .. }
            | DraftError::SignsAlready { .. }
            | DraftError::Threshold { .. } => Kind::Usage,
            _ => Kind::Failed,
        };
        let failure = Self::of(kind, &error);
        match error {
            DraftError::NotNext { .. } => failure.hint(
                "somebody has published since it was proposed: propose it again, and have it signed again",
            ),
            DraftError::SignsAlready { .. } => {
                failure.hint("`sysext-publish key remove` takes a key away")
            }
            DraftError::NoSuchKey { .. } => {
                failure.hint("`sysext-publish key list` shows which keys sign what")
            }
            DraftError::UnknownExtension(name) => failure.hint(format!("`sysext-publish extension add {name}` adds it")),
            DraftError::OtherBytes { .. } | DraftError::OtherLength { .. } => failure
                .hint("what is published never changes: give the image a new version, or let --revision append -1 to it"),
            DraftError::OtherVersion { .. } | DraftError::SameOrder { .. } => {
                failure.hint("give the image another version, or let --revision append -1 to it")
            }
            DraftError::LastChannel { .. } => failure
                .hint("put it into another channel first, or `sysext-publish withdraw` it"),
            DraftError::Prerelease { .. } => {
                failure.hint("publish it in another channel, such as --channel testing; releases sort below their pre-releases")
            }
            _ => failure,
        }
    }
}

impl From<ArrivalError> for Failure {
    fn from(error: ArrivalError) -> Self {
        match error {
            ArrivalError::Location(error) => error.into(),
            ArrivalError::Changed(_) => Self::of(Kind::Failed, &error)
                .hint("wait until whoever writes it is done; nothing was published"),
            error @ ArrivalError::Write { .. } => Self::of(Kind::Host, &error),
            error => Self::of(Kind::Failed, &error),
        }
    }
}

impl From<ElsewhereError> for Failure {
    fn from(error: ElsewhereError) -> Self {
        let error = match error {
            ElsewhereError::Location(error) => return error.into(),
            error => error,
        };
        let kind = match &error {
            ElsewhereError::NotALink(_)
            | ElsewhereError::NotAFolder(_)
            | ElsewhereError::Renamed { .. }
            | ElsewhereError::TooMany { .. } => Kind::Usage,
            ElsewhereError::Missing { .. } => Kind::Host,
            ElsewhereError::Other { .. } => Kind::SelfCheck,
            ElsewhereError::Location(_) => Kind::Host,
        };
        let failure = Self::of(kind, &error);
        match error {
            ElsewhereError::Missing { .. } => failure
                .hint("put it there first: `sysext-publish propose -o out add --at URL IMAGE` writes every file into out/images/, and `publish out` goes on; downloads of a draft release are not public")
                .hint("nothing was published"),
            ElsewhereError::Other { .. } => failure
                .hint("nothing was published; hosts would refuse that file. What is published never changes: put these bytes there, or give the image a new version"),
            ElsewhereError::Renamed { .. } => {
                failure.hint("letters, digits, `.`, `_` and `-` stay as they are")
            }
            _ => failure,
        }
    }
}

impl From<StageError> for Failure {
    fn from(error: StageError) -> Self {
        Self::of(Kind::SelfCheck, &error)
    }
}

impl From<SelfCheckError> for Failure {
    fn from(error: SelfCheckError) -> Self {
        match error {
            SelfCheckError::Location(error) => error.into(),
            SelfCheckError::Refused { source, host } => {
                let expired = matches!(&source, RefreshError::Trust(error) if error.is_expiry());
                let failure = Self::of(Kind::SelfCheck, &SelfCheckError::Refused { source, host });
                if expired {
                    failure.hint("`sysext-publish renew --release` or `renew --root` signs it again; nothing was published")
                } else {
                    failure.hint("nothing was published")
                }
            }
            error => Self::of(Kind::SelfCheck, &error).hint("nothing was published"),
        }
    }
}

impl From<UploadError> for Failure {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::Location(error) => error.into(),
            error => Self::of(Kind::Host, &error).hint("try again"),
        }
    }
}

impl From<CandidateError> for Failure {
    fn from(error: CandidateError) -> Self {
        let failure = Self::of(Kind::Failed, &error);
        match error {
            CandidateError::Disagree { .. } => failure
                .hint("correct or remove what contradicts the image; `sysext-publish describe` makes its IMAGE.json anew"),
            _ => failure,
        }
    }
}
