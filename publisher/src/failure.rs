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

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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

    /// What was being done when it happened, in front of it.
    #[must_use]
    pub fn during(mut self, what: impl Into<String>) -> Self {
        self.messages.insert(0, what.into());
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
            text.push_str(message);
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
            Some(std::io::ErrorKind::StorageFull) => {
                failure.hint("make room on that file system; nothing was published")
            }
            _ => failure,
        }
    }
}
