//! The roots that share a store, and what each of them needs of it.
//!
//! - [`Record`] is what was last linked or prepared for a root: `STORE/roots/ID.json`. A root whose `/run` is gone, or
//!   that never booted, is known by nothing else.
//! - [`scan`] finds the roots of this host and reads the links in each. What can not be read is an error: whoever asks is
//!   about to delete what no root needs.

mod record;
mod scan;

pub use self::record::{Record, Records, keep_record, records};
pub use self::scan::{KnownRoot, ScanError, next_root, scan};
