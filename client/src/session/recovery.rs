//! What is said about a run that was interrupted.

use sysext_formats::name::ExtensionName;

use crate::activate::{NotSkipped, Recovered};
use crate::history::Quarantined;
use crate::ui::Ui;

/// Whether the configuration was changed, and has to be read again.
pub(super) fn wrote_configuration(recovered: &Recovered) -> bool {
    matches!(recovered, Recovered::Finished { quarantined, .. } if !quarantined.is_empty())
}

/// Says what became of a run that was interrupted.
pub fn say(ui: Ui, recovered: &Recovered) {
    match recovered {
        Recovered::Nothing => {}
        Recovered::Finished {
            quarantined,
            not_skipped,
            ..
        } => {
            ui.warn(
                "an earlier run was interrupted after its work was done; it is written down now",
            );
            for Quarantined { name, version, .. } in quarantined {
                if let Some(version) = version {
                    ui.warn(format_args!("{name} {version} did not merge then"));
                }
            }
            for NotSkipped {
                name,
                version,
                error,
            } in not_skipped
            {
                ui.warn(format_args!(
                    "{name} {version} could not be noted as one to skip: {error}"
                ));
            }
        }
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
