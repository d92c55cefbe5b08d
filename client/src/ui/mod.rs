//! How the program talks: data on stdout, talk on stderr, readable without colour.
//!
//! - With `--json` stdout holds exactly one document, with its schema version; talk stays on stderr.
//! - A reader that goes away (`| head`) ends the output quietly; any other failure of stdout is kept for the end of the
//!   program, so that a full disk is never taken for success.
//! - Nothing foreign reaches a terminal raw: see [`plain`].
//! - The progress-bar crate is named in [`progress`] only.

pub mod progress;
mod table;

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal as _, Write as _};
use std::sync::OnceLock;

use serde::Serialize;
use serde_json::{Map, Value, json};

pub use sysext_formats::plain;

pub use self::table::Table;
use crate::failure::Failure;

/// The schema of every JSON document that commands print.
pub const JSON_SCHEMA: u64 = 1;

/// Why stdout could not be written, the first time that it could not.
static STDOUT_FAILURE: OnceLock<String> = OnceLock::new();

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Where the program talks.
#[derive(Debug, Clone, Copy)]
pub struct Ui {
    format: Format,
    quiet: bool,
}

impl Ui {
    /// Talks in `format`; `quiet` leaves out everything but data, warnings and errors.
    #[must_use]
    pub fn new(format: Format, quiet: bool) -> Self {
        Self { format, quiet }
    }

    /// Whether data is printed for programs.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Whether progress may be shown.
    #[must_use]
    pub fn shows_progress(&self) -> bool {
        !self.quiet
    }

    /// Prints data: the document for programs, an object, or the text for people.
    pub fn data<T: Serialize + ?Sized>(
        &self,
        command: &str,
        document: &T,
        text: impl FnOnce() -> String,
    ) {
        let out = match self.format {
            Format::Text => plain::lines(&text()),
            Format::Json => json_text(command, members(document)),
        };
        self.raw(&out);
    }

    /// Prints a list: for programs as the member `name` of the document, so that others can be added beside it.
    pub fn list<T: Serialize>(
        &self,
        command: &str,
        name: &str,
        rows: &[T],
        text: impl FnOnce() -> String,
    ) {
        let rows = || serde_json::to_value(rows).unwrap_or_default();
        let document = self
            .is_json()
            .then(|| Map::from_iter([(name.to_owned(), rows())]));
        self.data(command, &document.unwrap_or_default(), text);
    }

    /// Prints data that has a format of its own, whatever the format of documents.
    pub fn raw(&self, out: &str) {
        let mut stdout = io::stdout().lock();
        let written = stdout
            .write_all(out.as_bytes())
            .and_then(|()| stdout.flush());
        match written {
            // A reader that has gone away wants no more; there is nobody to tell.
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                STDOUT_FAILURE.get_or_init(|| format!("stdout can not be written: {error}"));
            }
            _ => {}
        }
    }

    /// Why data that was printed did not arrive, unless its reader had gone away.
    #[must_use]
    pub fn stdout_failed() -> Option<String> {
        STDOUT_FAILURE.get().cloned()
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

    /// Says what could not be done, and the way out, while the command goes on.
    pub fn complain(&self, problem: &str, hint: Option<&str>) {
        let message = |text: &str| plain::indented(&plain::lines(text));
        let hint = hint
            .map(|hint| format!("hint: {}\n", message(hint)))
            .unwrap_or_default();
        let problem = message(problem);
        let _ = write!(io::stderr().lock(), "error: {problem}\n{hint}");
    }

    /// Says why the command failed.
    pub fn fail(&self, failure: &Failure) {
        let text = plain::lines(&failure.text());
        let _ = io::stderr().lock().write_all(text.as_bytes());
        self.failed(failure);
    }

    /// Says so to programs alone, where people were told already.
    pub fn failed(&self, failure: &Failure) {
        if self.is_json() {
            let document = json!({"error": {
                "kind": failure.kind, "exit_code": failure.kind.code(), "messages": failure.messages, "hints": failure.hints,
            }});
            self.data("error", &document, String::new);
        }
    }

    /// Asks a yes-or-no question; `None` where nobody can answer.
    #[must_use]
    pub fn ask(&self, question: &str) -> Option<bool> {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return None;
        }
        let question = plain::lines(question);
        let _ = write!(io::stderr().lock(), "{question} [y/N] ");
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).ok()?;
        Some(matches!(answer.trim(), "y" | "Y" | "yes"))
    }
}

fn json_text(command: &str, members: Map<String, Value>) -> String {
    let mut whole = Map::from_iter([
        ("schema".to_owned(), JSON_SCHEMA.into()),
        ("command".to_owned(), command.into()),
    ]);
    whole.extend(members);
    plain::json(&format!("{:#}\n", Value::Object(whole)))
}

/// The members of a document. Every command's is an object: to a bare list nothing could ever be added.
fn members<T: Serialize + ?Sized>(document: &T) -> Map<String, Value> {
    match serde_json::to_value(document) {
        Ok(Value::Object(members)) => members,
        other => {
            debug_assert!(false, "not an object: {other:?}");
            Map::new()
        }
    }
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
    fn sizes_are_short() {
        assert_eq!(
            [999, 1_000, 61_890_560, 8_000_000_000].map(bytes),
            ["999 B", "1.0 kB", "61.8 MB", "8.0 GB"]
        );
    }

    #[test]
    fn a_document_says_its_schema() {
        let text = json_text("list", members(&json!({"a": 1})));
        let document: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document, json!({"schema": 1, "command": "list", "a": 1}));
    }
}
