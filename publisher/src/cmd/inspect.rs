//! `inspect`: what an image says about itself.

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sysext_formats::name::ExtensionName;
use sysext_formats::version::Version;
use sysext_image::Image;

use crate::candidate::{self, Candidate, CandidateError, Overrides};
use crate::context::{Context, Outcome, Verdict};
use crate::ui;

/// What `inspect` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The image
    image: PathBuf,
    /// The extension's name, where the file name is not it
    #[arg(long)]
    name: Option<ExtensionName>,
    /// The extension's version, where nothing beside the image says it
    #[arg(long, value_name = "VERSION")]
    version: Option<Version>,
}

/// Prints what the image says.
///
/// # Errors
/// When it is no image.
pub fn run(context: &Context, args: Args) -> Outcome {
    let overrides = Overrides {
        name: args.name,
        version: args.version,
        architecture: None,
    };
    let (candidate, _, unknown) = read_unversioned(&args.image, &overrides)?;
    context
        .ui
        .data("inspect", &document(&candidate, unknown), || {
            text(&candidate, unknown)
        });
    Ok(Verdict::Good)
}

/// Reads an image whose version nobody needs to know; the last of the answer is whether it is unknown.
pub(super) fn read_unversioned(
    path: &Path,
    overrides: &Overrides,
) -> Result<(Candidate, Image<File>, bool), CandidateError> {
    match candidate::read_image(path, overrides) {
        Err(CandidateError::NoVersion(_)) => {
            let placeholder = Overrides {
                version: "0".parse().ok(),
                ..overrides.clone()
            };
            let (candidate, image) = candidate::read_image(path, &placeholder)?;
            Ok((candidate, image, true))
        }
        result => result.map(|(candidate, image)| (candidate, image, false)),
    }
}

fn document(candidate: &Candidate, unknown: bool) -> Value {
    let facts = &candidate.facts;
    let verity = facts
        .verity
        .as_ref()
        .map(|verity| json!({"root_hash": verity.root_hash, "signed": verity.signed}));
    json!({
        "path": candidate.path.display().to_string(),
        "length": candidate.length,
        "name": candidate.extension,
        "version": (!unknown).then_some(&candidate.version),
        "architecture": candidate.architecture,
        "variant": candidate.variant,
        "file_name": (!unknown).then_some(&candidate.file_name),
        "container": facts.container.to_string(),
        "filesystem": facts.filesystem.to_string(),
        "compressed": facts.compressed,
        "verity": verity,
        "extension_release": candidate.extension_release,
        "extension_releases": facts.extension_releases.iter().map(|release| &release.name).collect::<Vec<_>>(),
        "confext_releases": facts.confext_releases.iter().map(|release| &release.name).collect::<Vec<_>>(),
        "units": facts.units,
        "setuid": facts.setuid,
        "os_release": facts.has_os_release,
        "provenance": candidate
            .provenance
            .iter()
            .filter(|(what, _)| !(unknown && *what == "version"))
            .map(|(what, origin)| ((*what).to_owned(), Value::from(origin.as_str())))
            .collect::<serde_json::Map<_, _>>(),
    })
}

fn text(candidate: &Candidate, unknown: bool) -> String {
    let facts = &candidate.facts;
    let from = |what: &str| {
        let found = candidate
            .provenance
            .iter()
            .find(|(about, _)| *about == what);
        found
            .map(|(_, origin)| format!("  (from {origin})"))
            .unwrap_or_default()
    };
    let version = if unknown {
        "unknown: say --version, or name the file NAME_VERSION_ARCH.raw".to_owned()
    } else {
        format!("{}{}", candidate.version, from("version"))
    };
    let wrapped = match facts.container {
        sysext_image::Container::None => String::new(),
        container => format!(" in {container}"),
    };
    let packed = if facts.compressed {
        "compressed"
    } else {
        "not compressed"
    };
    let verity = facts.verity.as_ref().map_or("none".to_owned(), |verity| {
        format!(
            "{}{}",
            verity.root_hash,
            if verity.signed {
                ", signed"
            } else {
                ", not signed"
            }
        )
    });
    let names = |names: &[String]| {
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        }
    };
    let releases: Vec<_> = facts
        .extension_releases
        .iter()
        .map(|release| release.name.clone())
        .collect();
    let rows = [
        ("image", candidate.path.display().to_string()),
        (
            "size",
            format!(
                "{} ({} bytes)",
                ui::bytes(candidate.length),
                candidate.length
            ),
        ),
        (
            "extension",
            format!("{}{}", candidate.extension, from("name")),
        ),
        ("version", version),
        (
            "architecture",
            format!("{}{}", candidate.architecture, from("architecture")),
        ),
        (
            "system",
            candidate
                .variant
                .clone()
                .unwrap_or_else(|| "any".to_owned()),
        ),
        ("format", format!("{}{wrapped}, {packed}", facts.filesystem)),
        ("verity", verity),
        ("units", names(&facts.units)),
        ("setuid", names(&facts.setuid)),
        ("releases of", names(&releases)),
    ];
    let mut text = String::new();
    for (label, value) in rows {
        let _ = writeln!(text, "{label:<13} {}", printable(&value));
    }
    for (key, value) in candidate.extension_release.iter() {
        let _ = writeln!(text, "  {key}={}", printable(value));
    }
    text
}

/// Text of an image is foreign: nothing in it may move the cursor of a terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() {
                c.escape_default().to_string()
            } else {
                c.to_string()
            }
        })
        .collect()
}
