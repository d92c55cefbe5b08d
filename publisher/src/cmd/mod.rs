//! One file per subcommand: its arguments, and `run`.

pub mod add;
pub mod completions;
pub mod extension;
pub mod init;
pub mod inspect;
pub mod key;
pub mod lint;
pub mod man;
pub mod pack;
pub mod renew;
pub mod serve;
pub mod status;
pub mod sync;
pub mod verify;

use crate::cli::Command;
use crate::context::{Context, Outcome};

/// Runs one subcommand.
///
/// # Errors
/// When it could not do its work.
pub fn run(context: &Context, command: Command) -> Outcome {
    match command {
        Command::Init(args) => init::run(context, args),
        Command::Extension(command) => extension::run(context, command),
        Command::Key(command) => key::run(context, command),
        Command::Pack(args) => pack::run(context, args),
        Command::Inspect(args) => inspect::run(context, args),
        Command::Lint(args) => lint::run(context, args),
        Command::Add(args) => add::run(context, args),
        Command::Sync(args) => sync::run(context, args),
        Command::Renew(args) => renew::run(context, args),
        Command::Status(args) => status::run(context, args),
        Command::Verify(args) => verify::run(context, args),
        Command::Serve(args) => serve::run(context, args),
        Command::Completions(args) => completions::run(context, &args),
        Command::Man(args) => man::run(context, &args),
    }
}
