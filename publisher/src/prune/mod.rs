//! What no document names any more: noted when it leaves, deleted later.
//!
//! - Which images leave an index is decided elsewhere, by [`draft`](crate::draft); the command is
//!   [`cmd::prune`](crate::cmd::prune).

pub mod gone;
pub mod record;
pub mod sweep;
