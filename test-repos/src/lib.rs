//! Repositories, servers, images and hosts for the tests of this workspace. Never shipped: a dev-dependency only.
//!
//! - [`big_catalog`]: what stands in a catalog of thousands of extensions.
//! - [`fault_server`]: an HTTP server that serves files as the standard says, until it is told to lie.
//! - [`tls`]: the same at https://.
//! - [`image`]: small real system extension images, made in process.
//! - [`simulator`]: catalogs that are published, attacked and published again.
//! - [`scenario`]: attacks on metadata with what must come of them; `fixtures/` holds them as files.
//! - [`scratch`]: a directory laid out as a host's root, and a way to see that nothing in it changed.
//!
//! Everything here is deterministic: the same calls give the same bytes, on every machine and every day.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "only tests call this crate, and a helper that panics is the failing test"
)]

pub mod big_catalog;
pub mod fault_server;
pub mod image;
pub mod scenario;
pub mod scratch;
pub mod simulator;
pub mod tls;
