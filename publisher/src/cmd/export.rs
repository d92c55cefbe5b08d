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
use crate::sysupdate::transfer;

/// Bytes of a transfer file that is there already.
const MAX_TRANSFER: u64 = 1 << 20;

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
    /// Whether it is written somewhere where it is not, or is another.
    #[serde(skip)]
    changed: bool,
}

#[derive(Debug, Serialize)]
struct Document {
    changed: bool,
    transfers: Vec<Transfer>,
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
        let images = match published.peek(&name)? {
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
            changed: false,
        });
    }
    if let Some(output) = &args.output {
        for transfer in &mut transfers {
            transfer.changed = write(output, transfer, context.globals.dry_run)?;
        }
    }
    let document = Document {
        changed: transfers.iter().any(|transfer| transfer.changed),
        transfers,
    };
    context.ui.data("export sysupdate", &document, || {
        let mut text = String::new();
        for transfer in &document.transfers {
            let would = super::would(context, transfer.changed);
            let _ = match &args.output {
                Some(output) => {
                    let path = output.join(&transfer.file);
                    writeln!(text, "{would}{}", path.display())
                }
                None => writeln!(text, "{}", transfer.text),
            };
        }
        text
    });
    Ok(Verdict::Good)
}

/// Writes a file that is not there, or is another; the answer is whether it is, or with `dry_run` would be.
fn write(output: &Path, transfer: &Transfer, dry_run: bool) -> Result<bool, Failure> {
    let folder = output.join(format!("sysupdate.{}.d", transfer.extension));
    let name = format!("{}.transfer", transfer.extension);
    let text = transfer.text.as_bytes();
    let there = match Dir::open_existing(&folder)? {
        Some(dir) => dir.read(&name, MAX_TRANSFER)?,
        None => None,
    };
    if there.as_deref() == Some(text) {
        return Ok(false);
    }
    if !dry_run {
        Dir::create_all(&folder, 0o755)?.write(&name, text, 0o644)?;
    }
    Ok(true)
}
