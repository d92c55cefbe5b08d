//! `describe`: writes `IMAGE.json` for a later `add` or `sync`, where no key and no network is.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sysext_formats::catalog::DEFAULT_CHANNEL;
use sysext_formats::name::Channel;
use sysext_image::Image;

use super::common::Said;
use super::would;
use crate::arrival::{self, Identity};
use crate::candidate::{self, Candidate, Overrides};
use crate::context::{Context, Outcome, Verdict};
use crate::failure::{Failure, Kind};
use crate::fragment::{Companion, Fragment};
use crate::lint::{self, Finding, Severity};

/// What `describe` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The images
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    #[command(flatten)]
    said: Said,
    /// A channel that they will be published in, for what is looked for; may be given several times
    #[arg(long = "channel", value_name = "CHANNEL", default_value = DEFAULT_CHANNEL)]
    channels: Vec<Channel>,
    /// The directory to write to [default: that of each image]
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Write IMAGE.json.sha256 too, as sha256sum would, and IMAGE.sha256 where it is missing: build services list what has one
    #[arg(long)]
    sha256: bool,
    /// Leave out images that are no system extensions, such as disks of whole systems
    #[arg(long)]
    extensions_only: bool,
}

/// Describes every image, and says what would hurt.
///
/// # Errors
/// When an image can not be told, or its fragment not written.
pub fn run(context: &Context, args: Args) -> Outcome {
    let overrides = args.said.about(args.images.len())?;
    let (mut documents, mut lines) = (Vec::new(), String::new());
    let (mut changed, mut bad) = (false, false);
    for path in &args.images {
        if args.extensions_only && !candidate::is_extension(path)? {
            context.ui.say(format_args!(
                "{}: left out, it is no system extension",
                path.display()
            ));
            continue;
        }
        let described = describe(context, &args, path, &overrides)?;
        changed |= described.changed;
        bad |= lint::has_errors(&described.findings);
        let would = would(context, described.changed);
        lines.push_str(&format!("{would}{}\n", described.path.display()));
        documents.push(described.document);
    }
    let document = json!({"changed": changed, "good": !bad, "images": documents});
    context.ui.data("describe", &document, || lines);
    Ok(if bad { Verdict::Bad } else { Verdict::Good })
}

struct Described {
    path: PathBuf,
    changed: bool,
    findings: Vec<Finding>,
    document: Value,
}

fn describe(
    context: &Context,
    args: &Args,
    path: &Path,
    overrides: &Overrides,
) -> Result<Described, Failure> {
    let identity = Identity::at(path)?;
    let sha256 = arrival::hash(path, identity, &context.ui)?;
    let there = Fragment::beside(path)?;
    // One of another image says nothing about this one, and is what this run replaces.
    let about_it = there
        .as_ref()
        .is_some_and(|it| it.sha256().is_none_or(|said| said == sha256));
    let (candidate, mut image): (Candidate, Image<File>) = if about_it {
        candidate::read_image(path, overrides)?
    } else {
        candidate::read_undescribed(path, overrides)?
    };
    let findings = lint::check(&candidate, &mut image, &args.channels);
    for finding in &findings {
        let path = path.display();
        match finding.severity {
            Severity::Error => {
                let text = format!("{path}: {finding}");
                let failure = Failure::new(Kind::Failed, text).hint(finding.fix.clone());
                context.ui.fail_softly(&failure);
            }
            Severity::Warning => context
                .ui
                .warn(format_args!("{path}: {}", finding.with_fix())),
        }
    }
    let fragment = Fragment::new(&candidate, sha256, &findings).with_provenance_of(there.as_ref());
    let companion = if args.sha256 {
        Companion::Sha256
    } else {
        Companion::None
    };
    let (dry_run, output) = (context.globals.dry_run, args.output.as_deref());
    let written = fragment.write(path, output, companion, dry_run)?;
    context.ui.say(format_args!(
        "{}: {} {} {}",
        path.display(),
        candidate.extension,
        candidate.version,
        candidate.architecture
    ));
    let mut document = fragment.members().clone();
    document.insert("path".to_owned(), path.display().to_string().into());
    document.insert(
        "fragment".to_owned(),
        written.path.display().to_string().into(),
    );
    document.insert(
        "sha256_file".to_owned(),
        written
            .sha256_path
            .map(|path| path.display().to_string())
            .into(),
    );
    Ok(Described {
        path: written.path,
        changed: written.changed,
        findings,
        document: document.into(),
    })
}
