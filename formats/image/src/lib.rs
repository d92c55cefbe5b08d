//! What a system extension image says about itself, read without mounting it and without any privilege.
//!
//! Images are what systemd-sysext accepts as one file: a naked squashfs, erofs or ext4 file system, or a GPT disk image
//! with one root or usr partition that holds such a file system. The publisher opens an image to describe it in a catalog;
//! the client opens it again before it is ever linked into the host's search path.
//!
//! - Every byte of an image is hostile: nothing here panics on it, and no size that it declares is believed before it was
//!   held against the image's length and [`Limits`].
//! - Memory and time are bounded by [`Limits`] alone, never by what the image claims.
//! - Only [`std::io::Read`] and [`std::io::Seek`] are asked of the image. Nothing is written, mounted, mapped or executed.
//! - Paths are relative to the root of the extension, `usr/…` also where the image holds nothing but a usr partition.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let file = std::fs::File::open("hello_1.0_x86-64.raw")?;
//! let length = file.metadata()?.len();
//! let facts = sysext_image::inspect(file, length, &sysext_image::Limits::default())?;
//! assert_eq!(facts.filesystem, sysext_image::Filesystem::Squashfs);
//! # Ok(())
//! # }
//! ```
//!
//! It does not verify signatures or digests, does not judge which hosts an image fits, and does not read extended
//! attributes, file times or device numbers.

mod budget;
mod entry;
mod erofs;
mod error;
mod ext4;
mod facts;
mod fields;
mod gpt;
mod image;
mod limits;
mod listing;
mod partition_types;
mod path;
mod probe;
mod resolve;
mod source;
mod squashfs;
mod verity;
mod volume;

pub use entry::{Entry, EntryKind};
pub use error::InspectError;
pub use facts::{ExtensionRelease, ImageFacts, inspect};
pub use image::{Container, Filesystem, Image, Verity};
pub use limits::Limits;
pub use path::ImagePath;
pub use verity::hash_tree;
