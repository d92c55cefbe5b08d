//! `sysext-fetch`: see the library for what it does.

use std::process::ExitCode;

fn main() -> ExitCode {
    sysext_fetch::cli::main()
}
