//! How the program talks: data on stdout, talk on stderr, readable without colour.
//!
//! - With `--json` stdout holds exactly one document, with its schema version; talk stays on stderr.
//! - A reader that goes away (`| head`) ends the output quietly.
//! - Nothing foreign reaches a terminal raw: see [`plain`].
//! - The progress-bar crate is named in [`progress`] only.

pub mod progress;

use std::fmt::Display;
use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};
use sysext_formats::plain;

use crate::failure::Failure;
use crate::github::GitHub;

/// The schema of every JSON document that commands print.
pub const JSON_SCHEMA: u64 = 1;

/// Bytes of an answer that are read.
const MAX_ANSWER: u64 = 64;

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// What a person answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Go on.
    Yes,
    /// Do not; also when the terminal went away.
    No,
    /// There is no terminal to ask at.
    NobodyThere,
}

/// Where the program talks.
#[derive(Debug, Clone)]
pub struct Ui {
    format: Format,
    quiet: bool,
    github: Option<Arc<GitHub>>,
}

impl Ui {
    /// Talks in `format`; `quiet` leaves out everything but data, warnings and errors.
    #[must_use]
    pub fn new(format: Format, quiet: bool) -> Self {
        Self {
            format,
            quiet,
            github: None,
        }
    }

    /// The same, which hands on what it prints to later steps of a job.
    #[must_use]
    pub fn handing_on_to(self, github: GitHub) -> Self {
        Self {
            github: Some(Arc::new(github)),
            ..self
        }
    }

    /// Why something was not handed on, if it was not.
    #[must_use]
    pub fn not_handed_on(&self) -> Option<Failure> {
        self.github.as_ref()?.take_failure()
    }

    /// Whether progress may be shown.
    #[must_use]
    pub fn shows_progress(&self) -> bool {
        !self.quiet
    }

    /// Prints data: the document for programs, or the text for people. The document of a command that can change
    /// something has a member `changed`.
    pub fn data<T: Serialize + ?Sized>(
        &self,
        command: &str,
        document: &T,
        text: impl FnOnce() -> String,
    ) {
        let value = || serde_json::to_value(document).unwrap_or(Value::Null);
        let out = match (self.format, &self.github) {
            (Format::Text, None) => plain::lines(&text()),
            (Format::Json, None) => plain::json(&json_text(command, value())),
            (format, Some(github)) => {
                let (value, text) = (value(), text());
                github.report(command, &value, &text);
                match format {
                    Format::Text => plain::lines(&text),
                    Format::Json => plain::json(&json_text(command, value)),
                }
            }
        };
        self.raw(out.as_bytes());
    }

    /// Prints bytes as they are.
    pub fn raw(&self, bytes: &[u8]) {
        let mut stdout = io::stdout().lock();
        // A reader that has gone away wants no more; there is nobody to tell.
        let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
    }

    /// Says what happens.
    pub fn say(&self, text: impl Display) {
        if !self.quiet {
            let text = plain::lines(&text.to_string());
            let _ = writeln!(io::stderr().lock(), "{text}");
        }
    }

    /// Says what somebody should look at.
    pub fn warn(&self, text: impl Display) {
        let text = plain::indented(&plain::lines(&text.to_string()));
        let _ = writeln!(io::stderr().lock(), "warning: {text}");
    }

    /// Asks whoever sits at the terminal.
    #[must_use]
    pub fn ask(&self, question: &str) -> Answer {
        let stdin = io::stdin();
        if !(stdin.is_terminal() && io::stderr().is_terminal()) {
            return Answer::NobodyThere;
        }
        let question = plain::lines(question);
        let _ = write!(io::stderr().lock(), "{question} [y/N] ");
        let mut line = String::new();
        let answered = stdin.lock().take(MAX_ANSWER).read_line(&mut line);
        match (answered, line.trim()) {
            (Ok(_), "y" | "Y" | "yes" | "Yes") => Answer::Yes,
            _ => Answer::No,
        }
    }

    /// Says why a part of the work failed, when the rest goes on.
    pub fn fail_softly(&self, failure: &Failure) {
        let text = plain::lines(&failure.text());
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    /// Says why the command failed.
    pub fn fail(&self, failure: &Failure) {
        self.fail_softly(failure);
        if let Some(github) = &self.github {
            github.report_failure(failure);
        }
        if self.format == Format::Json {
            let document = json!({"error": {
                "kind": failure.kind,
                "exit_code": failure.kind.code(),
                "messages": failure.messages,
                "hints": failure.hints,
            }});
            self.raw(plain::json(&json_text("error", document)).as_bytes());
        }
    }
}

fn json_text(command: &str, document: Value) -> String {
    let mut whole = json!({"schema": JSON_SCHEMA, "command": command});
    match (whole.as_object_mut(), document) {
        (Some(whole), Value::Object(members)) => whole.extend(members),
        (Some(whole), other) => {
            whole.insert("data".to_owned(), other);
        }
        (None, _) => {}
    }
    format!("{whole:#}\n")
}

/// Bytes as people read them: `1.2 MB`.
#[must_use]
pub fn bytes(count: u64) -> String {
    let units = [("GB", 1_000_000_000_u64), ("MB", 1_000_000), ("kB", 1_000)];
    match units.iter().find(|(_, size)| count >= *size) {
        Some((unit, size)) => {
            let tenths = u128::from(count) * 10 / u128::from(*size);
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
        None => format!("{count} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_says_its_schema_and_command() {
        let document: Value =
            serde_json::from_str(&json_text("add", json!({"changed": true}))).unwrap();
        assert_eq!(
            document,
            json!({"schema": 1, "command": "add", "changed": true})
        );
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!(
            [999, 1_000, 61_890_560].map(bytes),
            ["999 B", "1.0 kB", "61.8 MB"]
        );
    }
}
