//! One file per subcommand: what was typed becomes a checked request, and then something is done.

pub mod catalog;
