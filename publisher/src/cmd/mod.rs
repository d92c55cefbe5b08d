//! One file per subcommand: its arguments, and `run`.

pub mod accept;
pub mod add;
pub mod completions;
pub mod delegate;
pub mod describe;
pub mod export;
pub mod extension;
pub mod init;
pub mod inspect;
pub mod join;
pub mod key;
pub mod lint;
pub mod man;
pub mod obs_fetch;
pub mod obs_hook;
pub mod pack;
pub mod promote;
pub mod propose;
pub mod prune;
pub mod publish;
pub mod relocate;
pub mod renew;
pub mod retire;
pub mod rollout;
pub mod serve;
pub mod sign;
pub mod site;
pub mod status;
pub mod sync;
pub mod verify;
pub mod withdraw;

use std::collections::BTreeSet;

use sysext_formats::catalog::DEFAULT_CHANNEL;
use sysext_formats::name::Channel;

use crate::cli::{Change, Command};
use crate::config::Config;
use crate::context::{Context, Outcome, Verdict};
use crate::draft::{self, ImageEdit, Which};
use crate::reconcile::Report;
use crate::session::Session;

/// Runs one subcommand.
///
/// # Errors
/// When it could not do its work.
pub fn run(context: &Context, command: Command) -> Outcome {
    match command {
        Command::Init(args) => init::run(context, args),
        Command::Join(args) => join::run(context, &args),
        Command::Change(change) => run_change(context, change),
        Command::Propose(args) => propose::run(context, args),
        Command::Sign(args) => sign::run(context, &args),
        Command::Publish(args) => publish::run(context, &args),
        Command::Accept(args) => accept::run(context, &args),
        Command::Export(command) => export::run(context, command),
        Command::Site(args) => site::run(context, &args),
        Command::Pack(args) => pack::run(context, args),
        Command::Describe(args) => describe::run(context, args),
        Command::Inspect(args) => inspect::run(context, args),
        Command::Lint(args) => lint::run(context, args),
        Command::Status(args) => status::run(context, args),
        Command::Verify(args) => verify::run(context, args),
        Command::ObsHook(args) => obs_hook::run(context, &args),
        Command::ObsFetch(args) => obs_fetch::run(context, &args),
        Command::Serve(args) => serve::run(context, args),
        Command::Completions(args) => completions::run(context, &args),
        Command::Man(args) => man::run(context, &args),
    }
}

fn run_change(context: &Context, change: Change) -> Outcome {
    match change {
        Change::Extension(command) => extension::run(context, command),
        Change::Key(command) => key::run(context, command),
        Change::Add(args) => add::run(context, args),
        Change::Sync(args) => sync::run(context, args),
        Change::Renew(args) => renew::run(context, args),
        Change::Delegate(args) => delegate::run(context, &args),
        Change::Withdraw(args) => withdraw::run(context, args),
        Change::Promote(args) => promote::run(context, args),
        Change::Rollout(args) => rollout::run(context, args),
        Change::Prune(args) => prune::run(context, &args),
        Change::Retire(args) => retire::run(context, &args),
        Change::Move(args) => relocate::run(context, &args),
    }
}

/// Says which channels of images nobody describes: a misspelt one has no followers.
/// `among`: only those.
fn warn_of_channels(
    context: &Context,
    config: &Config,
    report: &Report,
    among: impl Fn(&Channel) -> bool,
) {
    let mut new = BTreeSet::new();
    for change in &report.changes {
        let (draft::Change::Image {
            extension,
            channels,
            ..
        }
        | draft::Change::Channels {
            extension,
            channels,
            ..
        }) = change
        else {
            continue;
        };
        let channels = channels
            .iter()
            .filter(|it| it.as_str() != DEFAULT_CHANNEL && among(it));
        new.extend(channels.map(|channel| (extension, channel)));
    }
    for (name, channel) in new {
        let described = config.extension(name).channels;
        if described.contains_key(channel) {
            continue;
        }
        let described: Vec<_> = described.keys().map(ToString::to_string).collect();
        context.ui.warn(format_args!(
            "the channel {channel} of {name} is described nowhere, so hosts do not learn what it is for; \
             sysext-publish.toml describes: {}",
            if described.is_empty() {
                "none".to_owned()
            } else {
                described.join(", ")
            }
        ));
    }
}

/// Publishes a change of what is said about images; `nothing` is what is said where it is so already.
fn edit_images(
    context: &Context,
    command: &'static str,
    which: &Which,
    edit: &ImageEdit,
    nothing: &str,
) -> Outcome {
    let session = Session::open(context)?;
    let store = session.store(context)?;
    let report = session.reconcile(context, store.as_ref(), |attempt| {
        attempt.load(&which.extension)?;
        Ok(attempt.editor.edit_images(which, edit)?)
    })?;
    if let ImageEdit::Promote(channel) | ImageEdit::PromoteOnly(channel) = edit {
        warn_of_channels(context, &session.config, &report, |it| it == channel);
    }
    context.ui.data(command, &report, || report.text(nothing));
    Ok(Verdict::Good)
}
