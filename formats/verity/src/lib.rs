//! Hash trees of dm-verity, format 1 with SHA-256: what a superblock says, and the tree that belongs to the data.
//!
//! ```text
//! verity partition: superblock | to the next hash block | top level … lowest level | whatever
//!                   └ 512 B ┘                           └ each level whole hash blocks, zeros behind its digests
//! ```
//!
//! - Everything comes from bytes; no image is opened here. `sysext-image` finds superblocks, `sysext-patch` puts trees into
//!   images.
//! - Memory is one block for each level, or the tree where that is kept ([`TreeHasher::keeping`]).
//!
//! The source is dm-verity's documentation in Linux, and what veritysetup and systemd-repart write. What it does not do:
//! comparing a stored tree block by block, which is the kernel's business; other hash functions; error correction.

mod layout;
mod parameters;
mod tree;

pub use self::layout::Layout;
pub use self::parameters::{MAX_SALT, ParameterError, Parameters, SUPERBLOCK};
pub use self::tree::{DIGEST, Tree, TreeHasher};
