//! `sysext-publish`: turns system extension images into a signed catalog on any static host.
//!
//! The data path; each arrow is a change of type, and none can be skipped:
//! `Candidate → Arrival → Draft → SignedDraft → StagedTree → Publishable`.
//!
//! - [`candidate`] says what an image file is, [`lint`] what would hurt, [`arrival`] brings its bytes to the host, [`intake`]
//!   does all three. [`fragment`] is what is known of an image where it was built.
//! - [`elsewhere`] is for files that lie at URLs of their own, such as assets of a release.
//! - [`published`] is the catalog as it is, verified; [`draft`] the catalog as it shall be, decided without I/O.
//! - [`signer`] knows where keys are. [`staged`] holds what would be uploaded, [`selfcheck`] looks at it as a client does,
//!   and only what passes there can be given to [`upload`].
//! - [`prune`] notes which files no index names any more, and deletes them later.
//! - [`proposal`] is a draft on its way between people who sign it apart.
//! - [`location`] is where a catalog lies; [`memory`] and [`known_files`] are what this machine remembers; [`content`]
//!   says whether bytes are the promised ones.
//! - [`patch`] makes patches from what is published to what is new.
//! - [`sysupdate`] is for systemd-sysupdate, [`site`] is the page for people.
//! - [`session`] is a configured catalog; [`reconcile`] drives the path once, and again when somebody else was faster.
//! - [`obs`] knows the Open Build Service, for its hooks and for repositories that it has published.
//! - [`words`] are what people type that hosts show or follow.
//! - [`cmd`] has one file per subcommand. [`failure`] maps errors to hints and exit codes, [`ui`] talks, [`github`] hands on
//!   to later steps of a job.

pub mod arrival;
pub mod candidate;
pub mod cli;
pub mod cmd;
pub mod config;
pub mod content;
pub mod context;
pub mod draft;
pub mod elsewhere;
pub mod failure;
pub mod fragment;
pub mod github;
pub mod intake;
pub mod known_files;
pub mod lint;
pub mod location;
pub mod memory;
pub mod obs;
pub mod pack;
pub mod parallel;
pub mod patch;
pub mod proposal;
pub mod prune;
pub mod published;
pub mod reconcile;
pub mod recovery;
pub mod selfcheck;
pub mod serve;
pub mod session;
pub mod signer;
pub mod site;
pub mod staged;
pub mod sysupdate;
pub mod ui;
pub mod upload;
pub mod words;

use std::process::ExitCode;

use crate::context::{Context, Environment, Verdict};
use crate::failure::Failure;
use crate::github::GitHub;

/// Every image on its way in is an open file: as many as the machine lets a process have, instead of the 1,024 that
/// programs get who may still use select(2).
fn allow_many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        // Where that is refused, a smaller catalog still works.
        let all = Rlimit {
            current: maximum,
            maximum,
        };
        let _ = setrlimit(Resource::Nofile, all);
    }
}

/// Runs one command to its exit code.
#[must_use]
pub fn run(cli: cli::Cli, environment: Environment) -> ExitCode {
    allow_many_files();
    let mut context = Context::new(cli.globals, environment);
    if context.globals.github_output {
        match GitHub::of(environment) {
            Ok(github) => context.ui = context.ui.handing_on_to(github),
            Err(failure) => return failed(&context, &failure),
        }
    }
    let outcome = cmd::run(&context, cli.command);
    if let (Ok(_), Some(failure)) = (&outcome, context.ui.not_handed_on()) {
        return failed(&context, &failure);
    }
    match outcome {
        Ok(Verdict::Good) => ExitCode::SUCCESS,
        Ok(Verdict::Bad) => ExitCode::from(1),
        Ok(Verdict::Unverified) => failure::Kind::Unverified.into(),
        Err(failure) => failed(&context, &failure),
    }
}

fn failed(context: &Context, failure: &Failure) -> ExitCode {
    context.ui.fail(failure);
    failure.kind.into()
}
