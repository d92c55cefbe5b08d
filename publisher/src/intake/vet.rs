//! Whether an image may be published at all.

use sysext_formats::name::Channel;
use sysext_formats::plain::one_line;

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
    let path = one_line(&candidate.path.display().to_string());
    for finding in findings.iter().filter(|it| it.severity != Severity::Error) {
        context
            .ui
            .warn(format_args!("{path}: {}", finding.with_fix()));
    }
    refusal(candidate, findings).map_or(Ok(()), Err)
}

/// Why an image is refused, if it is.
pub(super) fn refusal(candidate: &Candidate, findings: &[Finding]) -> Option<Failure> {
    if !lint::has_errors(findings) {
        return None;
    }
    let failure = Failure::new(
        Kind::Failed,
        format!(
            "{} would hurt the hosts that install it",
            one_line(&candidate.path.display().to_string())
        ),
    );
    let errors = findings.iter().filter(|it| it.severity == Severity::Error);
    Some(errors.fold(failure, |failure, finding| finding.causing(failure)))
}
