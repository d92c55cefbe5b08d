//! What is said about a run that was interrupted.

use sysext_formats::name::ExtensionName;

use crate::activate::Recovered;
use crate::ui::Ui;

/// Says what became of a run that was interrupted.
pub(super) fn say(ui: Ui, recovered: &Recovered) {
    match recovered {
        Recovered::Nothing => {}
        Recovered::Finished { .. } => ui
            .warn("an earlier run was interrupted after its work was done; it is written down now"),
        Recovered::Undone {
            links,
            left,
            dropped,
            not_merged,
        } => {
            let names = |names: &[ExtensionName]| {
                names
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            ui.warn("an earlier run was interrupted; what it had begun was undone");
            let list = |what: &str, affected: &[ExtensionName]| {
                if !affected.is_empty() {
                    ui.warn(format_args!("{what}: {}", names(affected)));
                }
            };
            list("links that were put back", links);
            list("links that somebody changed meanwhile, left alone", left);
            list("links to images that are gone, removed", dropped);
            if let Some(reason) = not_merged {
                ui.warn(format_args!(
                    "systemd did not merge the old links: {reason}"
                ));
            }
        }
        Recovered::SetAside { path, reason } => {
            ui.warn(format_args!(
                "a damaged journal was set aside as {}: {reason}",
                path.display()
            ));
        }
    }
}
