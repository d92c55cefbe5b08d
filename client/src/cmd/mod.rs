//! The subcommands: one file each, with its arguments and its `run`.

pub mod boot;
pub mod catalog;
pub mod check;
pub mod documents;
mod edit;
pub mod enable;
pub mod gc;
pub mod health;
pub mod history;
pub mod hold;
pub mod info;
pub mod install;
pub mod list;
pub mod mirror;
pub mod prepare;
pub mod remove;
pub mod rollback;
pub mod search;
pub mod set;
pub mod setup;
pub mod skip;
pub mod status;
pub mod tukit_plugin;
pub mod update;
pub mod verify;
pub mod versions;
pub mod why;
