//! What is asserted of every parser of foreign bytes. Never shipped.
//!
//! - One module for each parser or pair of them; its header is the invariant. A function takes any bytes and panics when
//!   the invariant does not hold: [`TARGETS`] lists them.
//! - The fuzzer in `formats/fuzz` and the ordinary test `tests/replay.rs` call the same functions: the first with what it
//!   invents, the second with [`seeds`] and with every input that once broke something, `formats/fuzz/regressions`.
//! - "Does not crash" is the least that is asserted. Where it can be had, a second opinion is: an independent reading of
//!   the same bytes, or what a document's signers really signed.
//!
//! It does not look for slow inputs: the fuzzer's `-timeout` and `-rss_limit_mb` do.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "only the fuzzer and tests call this crate, and a panic is the finding"
)]

pub mod beside;
pub mod catalogs;
pub mod config;
pub mod elf;
pub mod envelope;
pub mod http;
pub mod image;
pub mod json;
pub mod keys;
pub mod names;
pub mod patch;
pub mod proposal;
pub mod publisher_config;
pub mod release;
pub mod roles;
pub mod seeds;
pub mod transport;
pub mod version;
pub mod workflow;

mod genuine;
mod gpt_disk;
mod loose;
mod signed;

/// A target: panics when its invariant does not hold for these bytes. The answer is whether they got past the parser.
pub type Target = fn(&[u8]) -> bool;

/// Every target with its name: that of its binary, its seeds and its regressions.
pub const TARGETS: [(&str, Target); 29] = [
    ("beside", beside::check),
    ("config", config::check),
    ("descriptor", catalogs::descriptor),
    ("elf", elf::check),
    ("envelope", envelope::check),
    ("erofs", image::erofs),
    ("ext4", image::ext4),
    ("gpt", image::gpt),
    ("gzip", transport::gzip),
    ("headers", transport::headers),
    ("http", http::check),
    ("image", image::any),
    ("index", catalogs::index),
    ("json", json::check),
    ("key", keys::public),
    ("key_file", keys::file),
    ("names", names::check),
    ("patch", patch::check),
    ("proposal", proposal::check),
    ("publisher_config", publisher_config::check),
    ("release", release::check),
    ("root", roles::root),
    ("snapshot", roles::snapshot),
    ("squashfs", image::squashfs),
    ("targets", roles::targets),
    ("timestamp", roles::timestamp),
    ("version", version::check),
    ("workflow", workflow::check),
    ("zstd", transport::zstd),
];
