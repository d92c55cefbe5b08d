//! The binary `sysext-publish`: reads what only a process has, and hands it to the library.

use std::process::ExitCode;

use clap::Parser as _;
use sysext_publish::cli::Cli;
use sysext_publish::context::Environment;

fn main() -> ExitCode {
    sysext_publish::run(Cli::parse(), Environment::of_process())
}
