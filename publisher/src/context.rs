//! What a command may know of the process it runs in.
//!
//! - The clock is read once, in [`Environment::of_process`]; nothing else asks for the time.
//! - Variables are read through [`Environment::variable`], so that tests can say what they are.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use sysext_formats::time::UtcTime;

use crate::cli::Globals;
use crate::failure::Failure;
use crate::ui::{Format, Ui};

/// How a command that did its work ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Exit code 0.
    Good,
    /// Exit code 1: the command worked and what it found is bad, which it has said.
    Bad,
    /// Exit code 4: the command worked, and a published catalog is not what it says, which it has said.
    Unverified,
}

/// What commands return.
pub type Outcome = Result<Verdict, Failure>;

/// What only a process has.
#[derive(Debug, Clone, Copy)]
pub struct Environment {
    /// The time when the process started.
    pub now: UtcTime,
    /// The value of a variable, where it is set and is text.
    pub variable: fn(&str) -> Option<String>,
}

impl Environment {
    /// That of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            now: UtcTime::from_unix(i64::try_from(since.as_secs()).unwrap_or(i64::MAX)),
            variable: |name| std::env::var(name).ok(),
        }
    }
}

/// Where a change is proposed instead of being published.
#[derive(Debug, Clone)]
pub struct Outbox {
    /// The folder of the proposal.
    pub directory: String,
    /// Whether the keys at hand sign it.
    pub sign: bool,
}

/// What a command may use.
#[derive(Debug)]
pub struct Context {
    /// Where it talks.
    pub ui: Ui,
    /// The options of every command.
    pub globals: Globals,
    /// What only a process has.
    pub environment: Environment,
    /// Where changes go, where that is not the location.
    pub outbox: Option<Outbox>,
}

impl Context {
    /// The context of one run.
    #[must_use]
    pub fn new(globals: Globals, environment: Environment) -> Self {
        let format = if globals.json {
            Format::Json
        } else {
            Format::Text
        };
        let ui = Ui::new(format, globals.quiet);
        Self {
            ui,
            globals,
            environment,
            outbox: None,
        }
    }

    /// The same, with changes proposed instead of published.
    #[must_use]
    pub fn proposing(&self, outbox: Outbox) -> Self {
        Self {
            ui: self.ui.clone(),
            globals: self.globals.clone(),
            environment: self.environment,
            outbox: Some(outbox),
        }
    }

    /// The time of this run.
    #[must_use]
    pub fn now(&self) -> UtcTime {
        self.environment.now
    }

    /// The value of a variable, where it is set and not empty.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<String> {
        (self.environment.variable)(name).filter(|value| !value.is_empty())
    }

    /// The directory of the configuration: what it names is relative to it.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        match self.globals.config.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        }
    }
}
