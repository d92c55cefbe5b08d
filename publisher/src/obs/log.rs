//! The hook's own log: OBS sends its standard output to `/dev/null`, and its standard error into one log of all projects.
//!
//! - A line is the time of the run, the repository, and at most [`MAX_LINE`] bytes of text in which nothing acts on a terminal; a run
//!   writes at most [`MAX_LINES`]. Each is one write to a file that is only ever added to, so runs at once do not mix lines.
//! - A log that can not be written is said once and stops nothing: publishing matters more.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use sysext_durable::Dir;
use sysext_formats::plain;
use sysext_formats::time::UtcTime;

use crate::ui::Ui;

/// Bytes of a line's text.
pub const MAX_LINE: usize = 1_000;

/// Lines of one run.
pub const MAX_LINES: usize = 2_000;

const MODE: u32 = 0o640;

/// A log, or the place of one that was not asked for.
#[derive(Debug)]
pub struct Log {
    ui: Ui,
    file: Option<File>,
    repository: String,
    now: UtcTime,
    lines: usize,
}

impl Log {
    /// The log of one run about `repository`.
    #[must_use]
    pub fn open(path: Option<&Path>, repository: &str, now: UtcTime, ui: Ui) -> Self {
        let file = path.and_then(|path| match append(path) {
            Ok(file) => Some(file),
            Err(error) => {
                ui.warn(format_args!(
                    "there is no log of this run: {}: {error}",
                    path.display()
                ));
                None
            }
        });
        Self {
            ui,
            file,
            repository: repository.to_owned(),
            now,
            lines: 0,
        }
    }

    /// Takes down what happens.
    pub fn line(&mut self, text: &str) {
        self.lines += 1;
        let text = match self.lines {
            lines if lines > MAX_LINES => return,
            MAX_LINES => "more was left out",
            _ => text,
        };
        let Some(file) = &mut self.file else {
            return;
        };
        let line = format!(
            "{} {}: {}\n",
            self.now,
            plain::one_line(&self.repository),
            cut(&plain::one_line(text), MAX_LINE)
        );
        if let Err(error) = file.write_all(line.as_bytes()) {
            self.ui
                .warn(format_args!("the log can not be written any more: {error}"));
            self.file = None;
        }
    }
}

fn append(path: &Path) -> Result<File, sysext_durable::Error> {
    let (directory, name) = Dir::of_file(path)?;
    directory.append(&name, MODE)
}

/// At most so many bytes of a text, and whole characters.
pub(super) fn cut(text: &str, most: usize) -> &str {
    match text.char_indices().find(|(at, c)| at + c.len_utf8() > most) {
        Some((end, _)) => text.get(..end).unwrap_or_default(),
        None => text,
    }
}
