//! Formats of signed system extension catalogs.
//!
//! A catalog is a TUF repository (The Update Framework, specification 1.0.34) whose `custom` members say what each
//! system extension image is. This crate parses, orders, matches and verifies; `FORMAT.md` beside it is the contract.
//!
//! - It does no I/O: it sees bytes, a clock value and limits, never a path, a socket, the environment or a terminal.
//!   [`workflow`] drives a whole refresh through two traits that the caller implements.
//! - What came from outside is an [`envelope::Envelope`], which has no getter for its payload. The one way to the
//!   payload is [`verify`], which returns a [`verify::Verified`].
//! - The order of the TUF client workflow is in the types of [`trust`].
//! - Signing stands behind the feature `sign`, which a client never enables.
//!
//! Rooms: [`name`], [`version`], [`digest`], [`time`], [`limits`] are the small words; [`os`] knows systemd's host
//! matching; [`json`], [`canonical`], [`key`], [`envelope`], [`verify`], [`role`], [`trust`] and [`workflow`] are TUF;
//! [`catalog`] is what we say about extensions on top of it. [`plain`] shows foreign text.

pub mod canonical;
pub mod catalog;
pub mod digest;
pub mod envelope;
pub mod json;
pub mod key;
pub mod limits;
pub mod name;
pub mod os;
pub mod plain;
pub mod role;
#[cfg(feature = "sign")]
pub mod sign;
pub mod time;
pub mod trust;
pub mod verify;
pub mod version;
pub mod workflow;
