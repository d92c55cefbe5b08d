//! `export`: what programs of others need to use the catalog.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sysext_durable::Dir;
use sysext_formats::catalog::ExtensionIndex;
use sysext_formats::name::ExtensionName;

use crate::context::{Context, Outcome, Verdict};
use crate::failure::Failure;
use crate::published::LookUp;
use crate::session::Session;
use crate::transfer;

/// `export`
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Transfer files, with which systemd-sysupdate updates extensions of this catalog
    Sysupdate(Sysupdate),
}

/// What `export sysupdate` takes.
#[derive(Debug, clap::Args)]
pub struct Sysupdate {
    /// Extensions; all where none is named
    names: Vec<ExtensionName>,
    /// Write sysupdate.NAME.d/NAME.transfer into this directory, such as /etc, instead of printing it
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// A transfer file.
#[derive(Debug, Serialize)]
struct Transfer {
    extension: ExtensionName,
    file: PathBuf,
    text: String,
}

/// Runs it.
///
/// # Errors
/// When what is published can not be verified, or files not be written.
pub fn run(context: &Context, command: Command) -> Outcome {
    let Command::Sysupdate(args) = command;
    let session = Session::open(context)?;
    let base = session.base(context)?;
    let mut published = session.published(context, base.as_ref())?;
    let url = session.config.url.first();
    let url = url.ok_or_else(|| Failure::usage("the configuration names no url"))?;
    if session.config.openpgp.command().is_none() {
        context.ui.warn(
            "openpgp is not set in sysext-publish.toml, so there is no SHA256SUMS that systemd-sysupdate could read",
        );
    }
    let names = if args.names.is_empty() {
        published.extensions()?
    } else {
        args.names
    };
    let mut transfers = Vec::new();
    for name in names {
        let images = match published.look_up(&name)? {
            LookUp::Index(index) => {
                let read = ExtensionIndex::read(&name, &index);
                read.map_err(|error| Failure::of(crate::failure::Kind::Unverified, &error))?
                    .images
            }
            LookUp::Unpublished | LookUp::Disowned(_) => Vec::new(),
        };
        transfers.push(Transfer {
            file: Path::new(&format!("sysupdate.{name}.d")).join(format!("{name}.transfer")),
            text: transfer::text(&name, url, &images),
            extension: name,
        });
    }
    if let Some(output) = args.output.as_ref().filter(|_| !context.globals.dry_run) {
        for transfer in &transfers {
            write(output, transfer)?;
        }
    }
    context.ui.data("export sysupdate", &transfers, || {
        let mut text = String::new();
        for transfer in &transfers {
            let _ = match &args.output {
                Some(output) => writeln!(text, "{}", output.join(&transfer.file).display()),
                None => writeln!(text, "{}", transfer.text),
            };
        }
        text
    });
    Ok(Verdict::Good)
}

fn write(output: &Path, transfer: &Transfer) -> Result<(), Failure> {
    let folder = format!("sysupdate.{}.d", transfer.extension);
    let dir = Dir::create_all(&output.join(folder), 0o755)?;
    let name = format!("{}.transfer", transfer.extension);
    Ok(dir.write(&name, transfer.text.as_bytes(), 0o644)?)
}
