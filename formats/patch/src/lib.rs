//! Patches between images: the transport kind `relink-lzma` of FORMAT.md, section 8.
//!
//! A patch lists which stretches of the old image the new one is made of, says which fields in them are addresses, and
//! carries what is new. Where code moved, every reference to it has another value: those are worked out from the list
//! instead of being shipped, and only what the working out gets wrong is in the patch. The hash tree of an image under
//! dm-verity is made of the image.
//!
//! - Reading is safe for any bytes: it ends with exactly the length that the caller names or with an error, in bounded memory
//!   ([`MAX_MOVES`], [`MAX_TREE`], [`DICTIONARY`]), reading the old image by pieces and writing the new one in order.
//! - Whether the new image is the right one is not known here: the caller hashes what it gets, and the old image before.
//! - Making (feature `make`, in the publisher alone) gives the same bytes for the same images every time, everywhere.
//!
//! What it does not do: files and networks, choosing the image to start from, comparing with other transports.

mod address;
mod apply;
mod error;
mod layers;
#[cfg(feature = "make")]
pub mod make;
mod plan;
mod predict;
mod shifts;
mod stream;
mod tree;

pub use self::apply::apply;
pub use self::error::PatchError;

/// First bytes of a patch.
pub const MAGIC: &[u8; 8] = b"SXRELINK";
/// Bytes of each image that a patch is between: less than 2 GiB.
pub const MAX_LENGTH: u64 = (1 << 31) - 1;
/// Moves in one patch.
pub const MAX_MOVES: usize = 1 << 19;
/// Pieces of programs that are described, in each image.
pub const MAX_PIECES: usize = 1 << 12;
/// Bytes of a hash tree that is made of its data: 18 MiB, which is for more data than an image has with blocks of 4 KiB. It is in
/// memory while a patch is applied.
pub const MAX_TREE: u64 = 18 << 20;
/// Bytes of the dictionary of each stream: 8 MiB.
pub const DICTIONARY: u32 = 8 << 20;
/// Moves of fewer bytes say nothing about where their neighbourhood went.
const MIN_TELLING: u32 = 16;
