//! The command line: what can be typed, and nothing of what it does.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::cmd;

/// Turns system extension images into a signed catalog on any static web server.
#[derive(Debug, Parser)]
#[command(name = "sysext-publish", version, max_term_width = 100)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// The configuration; keys and root.json are looked up beside it
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        default_value = "sysext-publish.toml"
    )]
    pub config: PathBuf,
    /// Read the published catalog from here instead of from the location: a directory or a URL
    #[arg(long, global = true, value_name = "LOCATION")]
    pub base: Option<String>,
    /// Print one JSON document on stdout
    #[arg(long, global = true)]
    pub json: bool,
    /// Say what would change, and change nothing
    #[arg(long, global = true)]
    pub dry_run: bool,
    /// Say nothing but data, warnings and errors
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Hand outputs and a summary to later steps of a GitHub job (needs GITHUB_OUTPUT)
    #[arg(long, global = true)]
    pub github_output: bool,
    /// A file whose first line is the passphrase of encrypted keys
    #[arg(long, global = true, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make keys, the first root and an empty catalog
    Init(cmd::init::Args),
    /// Publish into somebody else's catalog: write a configuration and a key for one extension of it
    Join(cmd::join::Args),
    /// A change to the catalog
    #[command(flatten)]
    Change(Change),
    /// Make a change a proposal that others sign, instead of publishing it
    Propose(cmd::propose::Args),
    /// Show what a proposal changes, and add a signature to it
    Sign(cmd::sign::Args),
    /// Publish a proposal that everybody has signed
    Publish(cmd::publish::Args),
    /// Publish what the vendor of a delegated extension proposes
    Accept(cmd::accept::Args),
    /// Write what programs of others need to use the catalog
    #[command(subcommand)]
    Export(cmd::export::Command),
    /// Write the page for people: index.html beside catalog.toml
    Site(cmd::site::Args),
    /// Make an image from a folder, or from plain programs
    Pack(cmd::pack::Args),
    /// Write down what images are, where they are built, for a later add or sync
    Describe(cmd::describe::Args),
    /// Show what an image says about itself
    Inspect(cmd::inspect::Args),
    /// Say what in an image would hurt hosts
    Lint(cmd::lint::Args),
    /// Show versions and expiry on one screen, and who must still sign what
    Status(cmd::status::Args),
    /// Check a catalog as a host would, every image and transport
    Verify(cmd::verify::Args),
    /// Publish what an Open Build Service has published: its publishedhook
    ObsHook(cmd::obs_hook::Args),
    /// Fetch images from a repository that an Open Build Service has published and signed
    ObsFetch(cmd::obs_fetch::Args),
    /// Serve a catalog from a directory, to try it
    Serve(cmd::serve::Args),
    /// Print completions for a shell
    #[command(hide = true)]
    Completions(cmd::completions::Args),
    /// Write the man pages into a directory
    #[command(hide = true)]
    Man(cmd::man::Args),
}

/// The subcommands that change what is published: each can be proposed, too.
#[derive(Debug, Subcommand)]
pub enum Change {
    /// Name the extensions that the catalog holds
    #[command(subcommand)]
    Extension(cmd::extension::Command),
    /// Make, show and change keys
    #[command(subcommand)]
    Key(cmd::key::Command),
    /// Publish images
    Add(cmd::add::Args),
    /// Publish every image in a folder that is not published yet
    Sync(cmd::sync::Args),
    /// Sign again what expires
    Renew(cmd::renew::Args),
    /// Let somebody else publish an extension of this catalog
    Delegate(cmd::delegate::Args),
    /// Let no host choose a version any more
    Withdraw(cmd::withdraw::Args),
    /// Put a version into another channel, too
    Promote(cmd::promote::Args),
    /// Let hosts take a version over some hours
    Rollout(cmd::rollout::Args),
    /// Take old images out of indexes, and delete files that left them 30 days ago
    Prune(cmd::prune::Args),
    /// End an extension: hosts keep what they run and are told why
    Retire(cmd::retire::Args),
    /// Tell hosts where the catalog is from now on
    Move(cmd::relocate::Args),
}
