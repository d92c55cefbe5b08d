//! `sysext-publish`: turns system extension images into a signed catalog on any static host.
//!
//! The data path; each arrow is a change of type, and none can be skipped:
//! `Candidate → Arrival → Draft → SignedDraft → StagedTree → Publishable`.
//!
//! - [`candidate`] says what an image file is, [`lint`] what would hurt, [`arrival`] brings its bytes to the host, [`intake`]
//!   does all three. [`fragment`] is what is known of an image where it was built.
//! - [`published`] is the catalog as it is, verified; [`draft`] the catalog as it shall be, decided without I/O.
//! - [`signer`] knows where keys are. [`staged`] holds what would be uploaded, [`selfcheck`] looks at it as a client does,
//!   and only what passes there can be given to [`upload`].
//! - [`proposal`] is a draft on its way between people who sign it apart.
//! - [`location`] is where a catalog lies; [`memory`] and [`known_files`] are what this machine remembers; [`content`]
//!   says whether bytes are the promised ones.
//! - [`patch`] makes patches from what is published to what is new.
//! - [`sums`] and [`transfer`] are for systemd-sysupdate, [`site`] is the page for people.
//! - [`session`] is a configured catalog; [`reconcile`] drives the path once, and again when somebody else was faster.
//! - [`obs`] knows the Open Build Service, for its hooks and for repositories that it has published.
//! - [`cmd`] has one file per subcommand. [`failure`] maps errors to hints and exit codes, [`ui`] talks.

pub mod arrival;
pub mod candidate;
pub mod cli;
pub mod cmd;
pub mod config;
pub mod content;
pub mod context;
pub mod draft;
pub mod failure;
pub mod fragment;
pub mod intake;
pub mod known_files;
pub mod lint;
pub mod location;
pub mod memory;
pub mod obs;
pub mod pack;
pub mod patch;
pub mod proposal;
pub mod published;
pub mod reconcile;
pub mod recovery;
pub mod selfcheck;
pub mod serve;
pub mod session;
pub mod signer;
pub mod site;
pub mod staged;
pub mod sums;
pub mod transfer;
pub mod ui;
pub mod upload;

use std::process::ExitCode;

use crate::context::{Context, Environment, Verdict};

/// Runs one command to its exit code.
#[must_use]
pub fn run(cli: cli::Cli, environment: Environment) -> ExitCode {
    let context = Context::new(cli.globals, environment);
    match cmd::run(&context, cli.command) {
        Ok(Verdict::Good) => ExitCode::SUCCESS,
        Ok(Verdict::Bad) => ExitCode::from(1),
        Ok(Verdict::Unverified) => failure::Kind::Unverified.into(),
        Err(failure) => {
            context.ui.fail(&failure);
            failure.kind.into()
        }
    }
}
