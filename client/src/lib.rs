//! `sysext-fetch`: installs and updates system extensions from signed catalogs.
//!
//! The data path; each arrow is a change of type, and none can be skipped:
//! `bytes → Envelope → Verified → FreshCatalog → Plan → StagedImage → Transaction`.
//!
//! - What the admin wants is in [`config`]; what the host is in [`host`]; where everything lies in [`root`].
//! - [`fetch`], [`metadata_store`] and [`refresh`] make fresh catalogs of bytes; [`select`] and [`plan`] decide, without
//!   I/O; [`transport`] and [`stage`] bring images into the [`store`]; [`activate`] switches links, with a [`journal`],
//!   and makes [`systemd`] merge.
//! - [`foreign`] knows what other programs link.
//! - [`session`] is what every command starts from; [`reconcile`] is the way from what is wanted to what is linked,
//!   [`rollback`] from the [`history`] to what was.
//! - [`cmd`] has one file per subcommand. [`failure`] maps errors to hints and exit codes, [`ui`] talks.

pub mod activate;
pub mod boot;
pub mod cli;
pub mod cmd;
pub mod config;
pub mod failure;
pub mod fetch;
pub mod foreign;
pub mod gc;
pub mod history;
pub mod host;
pub mod journal;
pub mod metadata_store;
pub mod mirror;
pub mod plan;
pub mod reconcile;
pub mod refresh;
pub mod rollback;
pub mod root;
pub mod roots;
pub mod select;
pub mod session;
pub mod stage;
pub mod store;
pub mod systemd;
pub mod transport;
pub mod ui;
