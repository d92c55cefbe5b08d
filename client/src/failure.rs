//! From errors to what a person reads and a script sees: kind, hint and exit code, in one place.
//!
//! ```text
//! error: the thing, both values
//! caused by: the next deeper error
//!
//! hint: the next step
//! ```

use std::error::Error;
use std::process::ExitCode;

use serde::Serialize;

use crate::activate::ActivateError;
use crate::config::ConfigError;
use crate::config::edit::EditError;
use crate::fetch::FetchError;
use crate::gc::GcError;
use crate::refresh::{ProblemKind, RefreshProblem};
use crate::stage::StageError;
use crate::store::StoreError;
use crate::systemd::SystemdError;
use crate::transport::Fault;
use crate::ui::plain::indented;

/// What kind of failure it is; of several the greatest one decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Network or lock: the same call may succeed later.
    Temporary,
    /// Applied in part, or put back.
    Partial,
    /// Command line or configuration.
    Usage,
    /// Anything else that failed.
    Failed,
    /// Signature, rollback, digest, expiry.
    Trust,
}

impl Kind {
    /// The exit code of a process that ends so.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Trust => 3,
            Self::Temporary => 4,
            Self::Partial => 5,
        }
    }
}

impl From<Kind> for ExitCode {
    fn from(kind: Kind) -> Self {
        Self::from(kind.code())
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
        let mut messages = vec![error.to_string()];
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
            text.push_str(&indented(hint));
            text.push('\n');
        }
        text
    }
}

impl From<sysext_durable::Error> for Failure {
    fn from(error: sysext_durable::Error) -> Self {
        let locked = matches!(error, sysext_durable::Error::Locked { .. });
        let failure = Self::of(
            if locked {
                Kind::Temporary
            } else {
                Kind::Failed
            },
            &error,
        );
        match error.io_kind() {
            Some(std::io::ErrorKind::PermissionDenied) => {
                failure.hint("this needs root rights: try it with sudo")
            }
            Some(std::io::ErrorKind::StorageFull) => {
                failure.hint("make room on that file system, then try again")
            }
            Some(std::io::ErrorKind::ReadOnlyFilesystem) => {
                failure.hint("--root or --store can point elsewhere")
            }
            _ if locked => {
                failure.hint("wait for it, or try again later; reading commands need no lock")
            }
            _ => failure,
        }
    }
}

impl From<crate::host::HostError> for Failure {
    fn from(error: crate::host::HostError) -> Self {
        Self::of(Kind::Failed, &error).hint("is --root the root of an operating system?")
    }
}

// How the errors of each room are seen from outside.

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Files(error) => error.into(),
            error @ StoreError::Damaged { .. } => {
                Self::of(Kind::Trust, &error).hint("sysext-fetch verify --repair")
            }
            error => Self::of(Kind::Failed, &error).hint("sysext-fetch verify --repair"),
        }
    }
}

impl From<&StageError> for Failure {
    fn from(error: &StageError) -> Self {
        let (kind, hint) = match error.fault() {
            Fault::Temporary => (
                Kind::Temporary,
                "try again later; the part already downloaded was kept",
            ),
            Fault::Bytes => (
                Kind::Trust,
                "tell the vendor; what is linked stays as it is",
            ),
            Fault::Other => (Kind::Failed, "what is linked stays as it is"),
        };
        Self::of(kind, error).hint(hint)
    }
}

impl From<ActivateError> for Failure {
    fn from(error: ActivateError) -> Self {
        match error {
            ActivateError::Store(error) => error.into(),
            error @ ActivateError::CanNotMerge { .. } => Self::of(Kind::Partial, &error)
                .hint("systemd-sysext status and the journal say which image is in the way; ours were put back"),
            error @ ActivateError::NotWrittenDown(_) => Self::of(Kind::Partial, &error)
                .hint("what was linked before is linked; mend the cause, for example make room on that file system, then try again"),
            error @ ActivateError::NotRecorded(_) => Self::of(Kind::Partial, &error)
                .hint("the change holds; the next run writes the history, once the cause is mended"),
            error @ ActivateError::NotPutBack { .. } => Self::of(Kind::Partial, &error)
                .hint("mend the cause, for example make room on that file system, then run sysext-fetch update"),
            error => Self::of(Kind::Failed, &error).hint("run sysext-fetch update again"),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::of(Kind::Usage, &error)
    }
}

impl From<EditError> for Failure {
    fn from(error: EditError) -> Self {
        match error {
            EditError::Write(error) => error.into(),
            error => Self::of(Kind::Usage, &error),
        }
    }
}

impl From<GcError> for Failure {
    fn from(error: GcError) -> Self {
        let failure = match error {
            GcError::Store(error) => return error.into(),
            GcError::Systemd(error) => return error.into(),
            GcError::Scan(_) | GcError::Broken { .. } => Self::of(Kind::Failed, &error),
        };
        failure
            .hint("nothing was deleted; gc only deletes when it can ask every root what it needs")
    }
}

impl From<SystemdError> for Failure {
    fn from(error: SystemdError) -> Self {
        Self::of(Kind::Failed, &error)
    }
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        if matches!(error, FetchError::Proxy { .. }) {
            return Self::of(Kind::Usage, &error);
        }
        Self::of(
            if error.is_temporary() {
                Kind::Temporary
            } else {
                Kind::Failed
            },
            &error,
        )
    }
}

impl From<&RefreshProblem> for Failure {
    fn from(problem: &RefreshProblem) -> Self {
        if let RefreshProblem::Store(error) = problem
            && error.io_kind() == Some(std::io::ErrorKind::PermissionDenied)
        {
            return Self::of(Kind::Failed, problem)
                .hint("this needs root rights: try it with sudo");
        }
        let failure = Self::of(problem.kind().into(), problem);
        let hint = problem.hint().unwrap_or_else(|| match problem.kind() {
            ProblemKind::Temporary => {
                "try again later; what is installed stays and runs".to_owned()
            }
            ProblemKind::Host | ProblemKind::Configuration => {
                "what is installed stays and runs".to_owned()
            }
            ProblemKind::Overdue => {
                "the vendor has not signed in time; what is installed stays and runs".to_owned()
            }
            ProblemKind::Trust => "tell the vendor; what is installed stays and runs".to_owned(),
        });
        failure.hint(hint)
    }
}

impl From<ProblemKind> for Kind {
    fn from(kind: ProblemKind) -> Self {
        match kind {
            ProblemKind::Temporary => Self::Temporary,
            ProblemKind::Host => Self::Failed,
            ProblemKind::Configuration => Self::Usage,
            ProblemKind::Overdue | ProblemKind::Trust => Self::Trust,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_kind_wins_in_the_documented_order() {
        let mut kinds = [
            Kind::Trust,
            Kind::Failed,
            Kind::Usage,
            Kind::Partial,
            Kind::Temporary,
        ];
        kinds.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(kinds.map(Kind::code), [3, 1, 2, 5, 4]);
    }

    #[test]
    fn text_has_causes_and_hints() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] std::io::Error);
        let failure =
            Failure::of(Kind::Failed, &Outer(std::io::Error::other("inner"))).hint("do this");
        let forged = Failure::new(Kind::Failed, "a\nhint: run this");
        assert_eq!(forged.text(), "error: a\n  hint: run this\n");
        assert_eq!(
            failure.text(),
            "error: outer\ncaused by: inner\n\nhint: do this\n"
        );
    }
}
