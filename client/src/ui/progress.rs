//! Progress on a terminal; the one file that names the progress-bar crate.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use sysext_formats::name::ExtensionName;

use super::Ui;
use crate::transport::{Method, Progress};

/// Bars on stderr, one for each download. Without a terminal there is a line when one starts, and nothing that moves.
#[derive(Debug)]
pub struct Bars {
    ui: Ui,
    all: MultiProgress,
}

/// The bar of one extension.
#[derive(Debug)]
pub struct Bar<'a> {
    bars: &'a Bars,
    name: String,
    bar: ProgressBar,
}

impl Bars {
    /// No bar yet.
    #[must_use]
    pub fn new(ui: Ui) -> Self {
        let target = if ui.shows_progress() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Self {
            ui,
            all: MultiProgress::with_draw_target(target),
        }
    }

    /// A bar that shows nothing before its download starts.
    #[must_use]
    pub fn bar(&self, name: &ExtensionName) -> Bar<'_> {
        Bar {
            bars: self,
            name: name.to_string(),
            bar: ProgressBar::hidden(),
        }
    }

    /// Takes all bars away.
    pub fn finish(&self) {
        // Only a terminal that is gone fails here.
        let _ = self.all.clear();
    }
}

impl Progress for Bar<'_> {
    fn start(&self, _: &str, method: Method, total: u64) {
        let what = format!("{} ({method})", self.name);
        if self.bars.all.is_hidden() {
            self.bars
                .ui
                .say(format_args!("fetching {what}: {}", super::bytes(total)));
            return;
        }
        if let Ok(style) = ProgressStyle::with_template(
            "{msg:30!} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        ) {
            self.bar.set_style(style);
        }
        self.bar.set_message(what);
        self.bar.set_length(total);
        self.bar.set_position(0);
        self.bars.all.add(self.bar.clone());
    }

    fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
