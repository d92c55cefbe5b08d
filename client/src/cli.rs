//! The command line: what the user typed becomes a checked request here, once.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::cmd;
use crate::failure::{Failure, Kind};
use crate::ui::{Format, Ui};

const AFTER_HELP: &str = "\
Exit codes: 0 done or nothing to do, 1 failed, 2 usage or configuration, 3 trust (signature, rollback, digest, \
expired), 4 temporary (network, lock), 5 applied in part or put back, 10 see 'check --exit-code'. \
Of several the worst counts, and the others' work still happens.

Files: /etc/sysext-fetch/ (sysext-fetch.toml, catalogs.d/, extensions.d/), /var/lib/sysext-fetch/ (images, trusted \
metadata), /etc/extensions/ (one link per extension).";

/// Install and update system extensions from signed catalogs
#[derive(Debug, Parser)]
#[command(name = "sysext-fetch", version, max_term_width = 120, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Work on the system below DIR instead of the running one
    #[arg(long, global = true, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Keep images and trusted metadata in DIR instead of ROOT/var/lib/sysext-fetch
    #[arg(long, global = true, value_name = "DIR")]
    pub store: Option<PathBuf>,
    /// Print one JSON document on stdout
    #[arg(long, global = true)]
    pub json: bool,
    /// Use no network: cached, still unexpired metadata and the store must do
    #[arg(long, global = true)]
    pub offline: bool,
    /// Print only data, warnings and errors
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say which catalogs this host trusts, and for what
    Catalog(cmd::catalog::CatalogArgs),
    /// Search the extensions that the catalogs offer
    Search(cmd::search::Search),
    /// List extensions: installed and available ones
    List(cmd::list::List),
    /// Show what an extension is
    Info(cmd::info::Info),
    /// List the versions of an extension
    Versions(cmd::versions::Versions),
    /// Install extensions: write what is wanted, then make it so
    Install(cmd::install::Install),
    /// Remove extensions
    Remove(cmd::remove::Remove),
    /// Link an extension again that was disabled
    Enable(cmd::enable::Enable),
    /// Keep an extension's image, but do not link it
    Disable(cmd::enable::Disable),
    /// Change what is wanted of an extension
    Set(cmd::set::Set),
    /// Stay at the linked image, whatever the catalogs offer
    Hold(cmd::hold::Hold),
    /// Follow the catalogs again
    Unhold(cmd::hold::Unhold),
    /// Exclude versions of an extension
    Skip(cmd::skip::Skip),
    /// Let excluded versions be chosen again
    Unskip(cmd::skip::Unskip),
    /// Make the host what the configuration says: refresh, fetch, link, merge
    Update(cmd::update::Update),
    /// Say what 'update' would do
    Check(cmd::check::Check),
    /// Show every image of an extension with the reason it was chosen or not
    Why(cmd::why::Why),
    /// Show what runs, what is linked and what waits
    Status(cmd::status::Status),
    /// Show what was changed, and when
    History(cmd::history::History),
    /// Put back what was linked before
    Rollback(cmd::rollback::Rollback),
    /// Compare the store with what the catalogs signed
    Verify(cmd::verify::Verify),
    /// Delete the images that no root of this host needs
    Gc(cmd::gc::Gc),
    /// Take over what sysextmgr or systemd-sysupdate has linked, where a catalog offers it
    Import(cmd::import::Import),
    /// Copy a catalog, verified, for hosts that can not reach it
    Mirror(cmd::mirror::Mirror),
    /// Bring into the store what the root that boots next, or the one at --root, will need
    Prepare(cmd::prepare::Prepare),
    /// Make links fit the system that boots; before systemd-sysext.service, offline
    Boot(cmd::boot::BootArgs),
    /// Install and enable units on a host without the package
    Setup(cmd::setup::Setup),
    /// Fail when something does not run that this system was given; for health-checker
    #[command(hide = true)]
    Health(cmd::health::Health),
    /// What systemd-sysupdate calls
    #[command(hide = true)]
    Notify(cmd::notify::Notify),
    /// What transactional-update calls
    #[command(hide = true)]
    TukitPlugin(cmd::tukit_plugin::TukitPlugin),
    /// Print a completion script
    Completions(cmd::documents::Completions),
    /// Print the manual pages into a directory
    #[command(hide = true)]
    Man(cmd::documents::Man),
}

/// The definition of the command line, for completions and manual pages.
#[must_use]
pub fn definition() -> clap::Command {
    Cli::command()
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refused(&error),
    };
    let ui = Ui::new(
        if cli.global.json {
            Format::Json
        } else {
            Format::Text
        },
        cli.global.quiet,
    );
    start_log();
    match dispatch(&cli.global, ui, cli.command) {
        Ok(code) => match Ui::stdout_failed() {
            Some(problem) => {
                ui.complain(&problem, None);
                Kind::Failed.into()
            }
            None => code,
        },
        Err(failure) => {
            ui.fail(&failure);
            failure.kind.into()
        }
    }
}

/// What is not a command line: help and version, which were asked for, or a usage error.
fn refused(error: &clap::Error) -> ExitCode {
    // A reader that has gone away wants no more.
    let _ = error.print();
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    // The options were not understood, so whether a program reads this is seen from the words themselves.
    let words = std::env::args_os().skip(1);
    if words
        .take_while(|word| word != "--")
        .any(|word| word == "--json")
    {
        Ui::new(Format::Json, true).failed(&usage(error));
    }
    Kind::Usage.into()
}

/// The message of a usage error, without the lines about usage and help that people get below it.
fn usage(error: &clap::Error) -> Failure {
    let text = error.to_string();
    let message = text.split("\n\n").next().unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(message);
    Failure::usage(message.trim()).hint("sysext-fetch --help")
}

fn dispatch(global: &Global, ui: Ui, command: Option<Command>) -> Result<ExitCode, Failure> {
    let Some(command) = command else {
        return cmd::status::overview(global, ui);
    };
    match command {
        Command::Catalog(command) => command.run(global, ui),
        Command::Search(command) => command.run(global, ui),
        Command::List(command) => command.run(global, ui),
        Command::Info(command) => command.run(global, ui),
        Command::Versions(command) => command.run(global, ui),
        Command::Install(command) => command.run(global, ui),
        Command::Remove(command) => command.run(global, ui),
        Command::Enable(command) => command.run(global, ui),
        Command::Disable(command) => command.run(global, ui),
        Command::Set(command) => command.run(global, ui),
        Command::Hold(command) => command.run(global, ui),
        Command::Unhold(command) => command.run(global, ui),
        Command::Skip(command) => command.run(global, ui),
        Command::Unskip(command) => command.run(global, ui),
        Command::Update(command) => command.run(global, ui),
        Command::Check(command) => command.run(global, ui),
        Command::Why(command) => command.run(global, ui),
        Command::Status(command) => command.run(global, ui),
        Command::History(command) => command.run(global, ui),
        Command::Rollback(command) => command.run(global, ui),
        Command::Verify(command) => command.run(global, ui),
        Command::Gc(command) => command.run(global, ui),
        Command::Import(command) => command.run(global, ui),
        Command::Mirror(command) => command.run(global, ui),
        Command::Prepare(command) => command.run(global, ui),
        Command::Health(command) => command.run(global, ui),
        Command::Notify(command) => command.run(global, ui),
        Command::TukitPlugin(command) => command.run(global, ui),
        Command::Boot(command) => command.run(global, ui),
        Command::Setup(command) => command.run(global, ui),
        Command::Completions(command) => command.run(ui),
        Command::Man(command) => command.run(),
    }
}

/// `SYSEXT_FETCH_LOG=debug` shows requests and decisions on stderr.
fn start_log() {
    let wanted = std::env::var("SYSEXT_FETCH_LOG").ok();
    let filter = wanted.and_then(|text| text.parse::<Targets>().ok());
    if let Some(filter) = filter {
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .without_time()
            .with_filter(filter);
        // A second subscriber can only be an earlier call of this function.
        let _ = tracing_subscriber::registry().with(layer).try_init();
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_definition_is_sound() {
        super::definition().debug_assert();
    }
}
