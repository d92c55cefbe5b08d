//! The subcommands: one file each, with its arguments and its `run`.

pub mod catalog;
pub mod check;
pub mod documents;
pub mod enable;
pub mod info;
pub mod install;
pub mod list;
pub mod remove;
pub mod search;
pub mod set;
pub mod setup;
pub mod status;
pub mod update;
pub mod verify;
pub mod versions;
pub mod why;
