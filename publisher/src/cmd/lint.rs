//! `lint`: what in images would hurt hosts.

use std::path::PathBuf;

use serde_json::json;
use sysext_formats::catalog::DEFAULT_CHANNEL;
use sysext_formats::name::{Channel, ExtensionName};
use sysext_formats::plain::one_line;
use sysext_formats::version::Version;

use super::inspect::read_unversioned;
use crate::candidate::Overrides;
use crate::context::{Context, Outcome, Verdict};
use crate::lint::{self, Finding, Severity};

/// What `lint` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The images
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// A channel that they are to be published in
    #[arg(long = "channel", value_name = "CHANNEL", default_value = DEFAULT_CHANNEL)]
    channels: Vec<Channel>,
    /// The extension's name, where the file name is not it
    #[arg(long)]
    name: Option<ExtensionName>,
    /// The extension's version, where nothing beside the image says it
    #[arg(long, value_name = "VERSION")]
    version: Option<Version>,
}

/// Looks at every image and prints what was found.
///
/// # Errors
/// When a file is no image.
pub fn run(context: &Context, args: Args) -> Outcome {
    let overrides = Overrides {
        name: args.name,
        version: args.version,
        architecture: None,
    };
    let mut all = Vec::new();
    for path in &args.images {
        let (candidate, mut image, _) = read_unversioned(path, &overrides)?;
        let findings = lint::check(&candidate, &mut image, &args.channels);
        all.push((path.display().to_string(), findings));
    }
    let bad = all.iter().any(|(_, findings)| lint::has_errors(findings));
    let images: Vec<_> = all
        .iter()
        .map(|(path, findings)| json!({"path": path, "findings": findings}))
        .collect();
    context
        .ui
        .data("lint", &json!({"images": images, "good": !bad}), || {
            all.iter()
                .map(|(path, findings)| text(path, findings))
                .collect()
        });
    Ok(if bad { Verdict::Bad } else { Verdict::Good })
}

fn text(path: &str, findings: &[Finding]) -> String {
    let path = one_line(path);
    if findings.is_empty() {
        return format!("{path}: good\n");
    }
    let line = |finding: &Finding| {
        let severity = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        format!("{path}: {severity}: {}\n", finding.with_fix())
    };
    findings.iter().map(line).collect()
}
