//! Whether an image may be published at all.

use sysext_formats::name::Channel;

use crate::candidate::Candidate;
use crate::context::Context;
use crate::failure::{Failure, Kind};
use crate::lint::{self, Finding, Severity};

/// Says what in an image would hurt hosts, and refuses it where it would.
///
/// # Errors
/// With every finding, and how to mend it.
pub fn vet(
    context: &Context,
    candidate: &Candidate,
    image: &mut sysext_image::Image<std::fs::File>,
    channels: &[Channel],
) -> Result<(), Failure> {
    judge(context, candidate, &lint::check(candidate, image, channels))
}

/// The same of what was found before.
pub(super) fn judge(
    context: &Context,
    candidate: &Candidate,
    findings: &[Finding],
) -> Result<(), Failure> {
    let path = candidate.path.display();
    let (errors, warnings): (Vec<_>, Vec<_>) = findings
        .iter()
        .partition(|finding| finding.severity == Severity::Error);
    for finding in warnings {
        context.ui.warn(format_args!(
            "{path}: {} ({}); {}",
            finding.message, finding.rule, finding.fix
        ));
    }
    if errors.is_empty() {
        return Ok(());
    }
    let failure = Failure::new(
        Kind::Failed,
        format!("{path} would hurt the hosts that install it"),
    );
    Err(errors.into_iter().fold(failure, |failure, finding| {
        let cause = format!("{} ({})", finding.message, finding.rule);
        failure.because(cause).hint(finding.fix.clone())
    }))
}
