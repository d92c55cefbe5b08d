//! `pack`: an image from a folder, or from plain programs.

use std::path::PathBuf;

use serde_json::json;
use sysext_formats::catalog::Architecture;
use sysext_formats::name::ExtensionName;
use sysext_formats::version::Version;

use crate::context::{Context, Outcome, Verdict};
use crate::failure::Failure;
use crate::fragment::{Companion, Fragment};
use crate::pack::{self, Filesystem, OsField, Packed, Request, elf};
use crate::ui;

/// What `pack` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A folder laid out as the root of a host (usr/…, opt/…), or programs that go to /usr/bin
    #[arg(required = true, value_name = "TREE|BINARY")]
    inputs: Vec<PathBuf>,
    /// The extension's name
    #[arg(long)]
    name: ExtensionName,
    /// The extension's version
    #[arg(long, value_name = "VERSION")]
    version: Version,
    /// The operating system it is for: ID of its os-release, or _any. Programs that need no libraries are for any
    #[arg(long, value_name = "ID")]
    os_id: Option<OsField>,
    /// VERSION_ID of that operating system
    #[arg(long, value_name = "VERSION_ID", requires = "os_id")]
    os_version: Option<OsField>,
    /// The architecture, as systemd calls it (x86-64, arm64 …), or _any; read from the programs by default
    #[arg(long, value_name = "ARCH", value_parser = architecture)]
    arch: Option<Architecture>,
    /// A unit file to add to usr/lib/systemd/system
    #[arg(long = "unit", value_name = "FILE")]
    units: Vec<PathBuf>,
    /// The file to write, or the directory to write it to [default: NAME_VERSION[_OS]_ARCH.raw]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The file system
    #[arg(long, value_enum, default_value_t)]
    filesystem: Filesystem,
    /// Keep setuid and setgid bits
    #[arg(long)]
    keep_setuid: bool,
    /// Replace another image of the same name
    #[arg(long)]
    force: bool,
}

/// An architecture that systemd knows; a name of others leads to it.
pub(super) fn architecture(text: &str) -> Result<Architecture, String> {
    if elf::ARCHITECTURES.contains(&text) {
        return text.parse().map_err(|error| format!("{error}"));
    }
    Err(match elf::systemd_name(text) {
        Some(ours) => format!("systemd calls it {ours}"),
        None => "systemd knows no such architecture; x86-64, arm64 and riscv64 are some, and _any is every one".to_owned(),
    })
}

/// Packs an image and prints its path.
///
/// # Errors
/// When there is no image to keep.
pub fn run(context: &Context, args: Args) -> Outcome {
    let request = Request {
        inputs: args.inputs,
        name: args.name,
        version: args.version,
        os_id: args.os_id,
        os_version: args.os_version,
        architecture: args.arch,
        units: args.units,
        output: args.output,
        filesystem: args.filesystem,
        keep_setuid: args.keep_setuid,
        force: args.force,
        dry_run: context.globals.dry_run,
    };
    let packed = pack::pack(&request)?;
    for warning in &packed.warnings {
        context.ui.warn(warning);
    }
    for finding in &packed.findings {
        context
            .ui
            .warn(format!("{}: {}", finding.rule, finding.message));
        context.ui.say(format!("    fix: {}", finding.fix));
    }
    context.ui.say(said(&packed, request.dry_run));
    if !request.dry_run {
        write_fragment(&packed)?;
    }
    let path = packed.candidate.path.display();
    let document = json!({
        "changed": packed.changed,
        "dry_run": request.dry_run,
        "path": path.to_string(),
        "name": packed.candidate.extension,
        "version": packed.candidate.version,
        "architecture": packed.candidate.architecture,
        "variant": packed.candidate.variant,
        "file_name": packed.candidate.file_name,
        "length": packed.candidate.length,
        "sha256": packed.sha256,
        "files": packed.files,
        "findings": packed.findings,
        "warnings": packed.warnings,
    });
    context.ui.data("pack", &document, || format!("{path}\n"));
    Ok(Verdict::Good)
}

/// A `+` is a `.` in file names. Where the name loses something, `IMAGE.json` beside it says the version to `add`.
fn write_fragment(packed: &Packed) -> Result<(), Failure> {
    let Packed {
        candidate,
        sha256,
        findings,
        ..
    } = packed;
    if candidate.version.as_str() == candidate.version.in_file_name() {
        return Ok(());
    }
    let fragment = Fragment::new(candidate, *sha256, findings);
    fragment.write(&candidate.path, None, Companion::None)?;
    Ok(())
}

fn said(packed: &Packed, dry_run: bool) -> String {
    let Packed {
        candidate, files, ..
    } = packed;
    let verb = match (packed.changed, dry_run) {
        (false, _) => "is there already",
        (true, true) => "would be packed",
        (true, false) => "packed",
    };
    let hosts = candidate
        .variant
        .as_deref()
        .unwrap_or("every operating system");
    let machines = if candidate.architecture.is_any() {
        "every machine"
    } else {
        candidate.architecture.as_str()
    };
    format!(
        "{} {} {verb}: {files} files, {}, for {hosts} on {machines}",
        candidate.extension,
        candidate.version,
        ui::bytes(candidate.length),
    )
}
