//! What a step of GitHub Actions hands to the next ones: outputs, and a summary of the run.
//!
//! - Only with `--github-output`; the files are those that `GITHUB_OUTPUT` and `GITHUB_STEP_SUMMARY` name. Both are
//!   appended to, as every step does.
//! - Each value stands between two lines of a delimiter that nobody can guess, so that no text from an image, a name or
//!   a server becomes an output of its own; in the summary it is a block of code that it can not end.
//! - A run whose outputs can not be written fails, even when it has published: what follows would go wrong silently.
//!
//! It reads nothing, and masks nothing: secrets are in no value.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use sysext_formats::plain;

use crate::context::Environment;
use crate::failure::{Failure, Kind};

const OUTPUT: &str = "GITHUB_OUTPUT";
const SUMMARY: &str = "GITHUB_STEP_SUMMARY";
/// Bytes of a text that are shown: the runner takes 1 MB of a step.
const MAX_TEXT: usize = 60_000;

/// The files of one step.
#[derive(Debug)]
pub struct GitHub {
    output: PathBuf,
    summary: Option<PathBuf>,
    /// Why something was not written.
    failed: Mutex<Option<Failure>>,
}

impl GitHub {
    /// The files of the step that this process is.
    ///
    /// # Errors
    /// When it is none.
    pub fn of(environment: Environment) -> Result<Self, Failure> {
        let named = |name| (environment.variable)(name).filter(|path| !path.is_empty());
        let output = named(OUTPUT).ok_or_else(|| {
            Failure::usage(format!("--github-output: {OUTPUT} is not set"))
                .hint("GitHub Actions set it for each step; elsewhere --json says the same")
        })?;
        Ok(Self {
            output: output.into(),
            summary: named(SUMMARY).map(PathBuf::from),
            failed: Mutex::default(),
        })
    }

    /// Hands on what a command has printed: the document for programs and the text for people.
    pub fn report(&self, command: &str, document: &Value, text: &str) {
        let mut outputs = outputs(document);
        outputs.push(("summary", text.to_owned()));
        self.keep(append(&self.output, &outputs), OUTPUT, &self.output);
        self.summarize(command, text);
    }

    /// Hands on why a command has failed.
    pub fn report_failure(&self, failure: &Failure) {
        let text = failure.text();
        let outputs = vec![("changed", "false".to_owned()), ("summary", text.clone())];
        self.keep(append(&self.output, &outputs), OUTPUT, &self.output);
        self.summarize("failed", &text);
    }

    /// What could not be written, once.
    pub fn take_failure(&self) -> Option<Failure> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.take()
    }

    fn summarize(&self, title: &str, text: &str) {
        let Some(path) = &self.summary else { return };
        let text = plain::lines(&shortened(text));
        let fence = fence(&text);
        let block = format!("### sysext-publish: {title}\n\n{fence}text\n{text}\n{fence}\n\n");
        self.keep(write(path, &block), SUMMARY, path);
    }

    fn keep(&self, result: io::Result<()>, variable: &str, path: &Path) {
        let Err(error) = result else { return };
        let failure = Failure::of(Kind::Failed, &error)
            .during(format!(
                "{variable} names {}, which can not be written",
                path.display()
            ))
            .hint("the command itself did what it says above");
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get_or_insert(failure);
    }
}

/// What of a document later steps decide by.
fn outputs(document: &Value) -> Vec<(&'static str, String)> {
    let mut outputs = Vec::new();
    let flag = |name: &str| document.get(name).and_then(Value::as_bool);
    let text = |value: &Value, name: &str| value.get(name)?.as_str().map(str::to_owned);
    if let Some(changed) = flag("changed") {
        let proposed = document.get("proposed");
        let published = changed && flag("dry_run") != Some(true) && proposed.is_none();
        outputs.push(("changed", changed.to_string()));
        outputs.push(("published", published.to_string()));
        if let Some(directory) = proposed.and_then(|it| text(it, "directory")) {
            outputs.push(("proposal", directory));
        }
        let changes = document.get("changes").and_then(Value::as_array);
        let images = changes
            .into_iter()
            .flatten()
            .filter(|change| change.get("change").and_then(Value::as_str) == Some("image"));
        let images: Vec<_> = images.collect();
        let all = |name: &str| {
            let mut all: Vec<_> = images.iter().filter_map(|it| text(it, name)).collect();
            all.dedup();
            all
        };
        outputs.push(("version", all("version").join(" ")));
        outputs.push(("images", all("file").join("\n")));
    }
    for name in ["expiring", "problems"] {
        if let Some(Value::Array(values)) = document.get(name) {
            let values: Vec<_> = values.iter().filter_map(Value::as_str).collect();
            outputs.push((name, values.join("\n")));
        }
    }
    outputs
}

fn append(path: &Path, outputs: &[(&'static str, String)]) -> io::Result<()> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let end = format!("end-{:032x}", u128::from_le_bytes(random));
    let mut text = String::new();
    for (name, value) in outputs {
        let value = shortened(value);
        let value = value.trim_end_matches('\n');
        // Writing to a string does not fail.
        let _ = write!(text, "{name}<<{end}\n{value}\n{end}\n");
    }
    write(path, &text)
}

/// Many steps append to these files, in turn; nothing that anybody keeps is in them.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(text.as_bytes())
}

fn shortened(text: &str) -> String {
    if text.len() <= MAX_TEXT {
        return text.to_owned();
    }
    let mut end = MAX_TEXT;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}\n… and {} bytes more", &text[..end], text.len() - end)
}

/// Longer than every row of backticks in the text.
fn fence(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max();
    "`".repeat(longest.unwrap_or(0).max(2) + 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// As the runner reads the file.
    fn parse(text: &str) -> Vec<(String, String)> {
        let mut lines = text.lines();
        let mut outputs = Vec::new();
        while let Some(line) = lines.next() {
            let (name, end) = line.split_once("<<").unwrap();
            let value: Vec<_> = lines.by_ref().take_while(|line| *line != end).collect();
            outputs.push((name.to_owned(), value.join("\n")));
        }
        outputs
    }

    fn report(document: &Value, text: &str) -> (Vec<(String, String)>, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("output"), "earlier<<x\nstep\nx\n").unwrap();
        let github = GitHub {
            output: path("output"),
            summary: Some(path("summary")),
            failed: Mutex::default(),
        };
        github.report("add", document, text);
        assert!(github.take_failure().is_none());
        let read = |name: &str| std::fs::read_to_string(path(name)).unwrap();
        (parse(&read("output")), read("summary"))
    }

    #[test]
    fn no_value_becomes_another_one() {
        let text = "line\nchanged=false\nx\nname<<x\n```\n# title\n````";
        let document = json!({"changed": true, "dry_run": false, "changes": [
            {"change": "image", "version": "1.0\nchanged=false", "file": "a_1_noarch.raw"},
            {"change": "image", "version": "1.0\nchanged=false", "file": "a_1_arm64.raw"},
            {"change": "extension", "name": "a"},
        ]});
        let (outputs, summary) = report(&document, text);
        let names: Vec<_> = outputs.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "earlier",
                "changed",
                "published",
                "version",
                "images",
                "summary"
            ]
        );
        assert_eq!(outputs[3].1, "1.0\nchanged=false");
        assert_eq!(outputs[4].1, "a_1_noarch.raw\na_1_arm64.raw");
        assert_eq!(outputs[5].1, text);
        assert_eq!(summary.matches("`````").count(), 2, "{summary}");
    }

    #[test]
    fn what_was_only_tried_or_proposed_is_not_published() {
        let value = |document: Value, name: &str| {
            let (outputs, _) = report(&document, "");
            outputs.into_iter().find(|(it, _)| it == name).unwrap().1
        };
        let tried = json!({"changed": true, "dry_run": true, "changes": []});
        assert_eq!(value(tried, "published"), "false");
        let proposed = json!({"changed": true, "dry_run": false, "changes": [], "proposed": {"directory": "out"}});
        assert_eq!(value(proposed.clone(), "published"), "false");
        assert_eq!(value(proposed, "proposal"), "out");
        let expiring = json!({"expiring": ["root", "hello"]});
        assert_eq!(value(expiring, "expiring"), "root\nhello");
    }

    #[test]
    fn a_long_text_is_cut_between_two_characters() {
        let text = "ä".repeat(MAX_TEXT);
        let (outputs, summary) = report(&json!({}), &text);
        assert!(outputs[1].1.len() < MAX_TEXT + 50 && summary.len() < MAX_TEXT + 200);
    }
}
