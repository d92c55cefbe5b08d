//! How far a long read is, on a terminal.

use std::io::{IsTerminal as _, Read, Result};
use std::sync::OnceLock;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::Ui;

/// All that is shown.
static BARS: OnceLock<MultiProgress> = OnceLock::new();

/// A reader that shows how far it is, where somebody is watching.
#[derive(Debug)]
pub struct Progress<R> {
    inner: R,
    bar: ProgressBar,
}

impl<R> Progress<R> {
    /// Shows how much of `length` bytes of `name` was read.
    pub fn new(ui: &Ui, name: &str, length: u64, inner: R) -> Self {
        let bar = if ui.shows_progress() && std::io::stderr().is_terminal() {
            // Several may be read at once.
            BARS.get_or_init(MultiProgress::new)
                .add(ProgressBar::new(length))
        } else {
            ProgressBar::hidden()
        };
        if let Ok(style) =
            ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}")
        {
            bar.set_style(style);
        }
        bar.set_message(name.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { inner, bar }
    }
}

impl<R: Read> Read for Progress<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bar.inc(u64::try_from(count).unwrap_or(u64::MAX));
        Ok(count)
    }
}

impl<R> Drop for Progress<R> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
