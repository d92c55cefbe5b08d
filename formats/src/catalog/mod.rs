//! What a catalog says about extensions, above TUF.
//!
//! - [`CatalogInfo`] is the `x-sysext` member of `targets.json` (and of a `_GROUP` role): titles and summaries.
//! - [`ExtensionIndex`] is one extension's delegated role: its `x-sysext` member and its images.
//! - [`Image`] is one entry of it: the `custom.sysext` member of a target, with the target's length and digest.
//! - [`Descriptor`] is `catalog.toml`, which tells a host where a catalog is and which root it starts from.
//!
//! Unknown members are ignored when reading and kept when a publisher writes again. An image of a schema, or with a
//! value, that this code does not know is listed as ignored with the reason; the others stay usable. So is a single
//! transport of an image that stays usable by another. URLs are followed and shown as far as [`link()`] allows.

mod descriptor;
mod image;
mod index;
mod link;
mod transport;

pub use self::descriptor::{Descriptor, DescriptorError};
pub use self::image::{
    Architecture, ArchitectureError, Container, Custom, Image, ImageFacts, Links, Provenance,
    Rollout, Verity, Withdrawn,
};
pub use self::index::{
    CatalogInfo, ExtensionIndex, ExtensionInfo, ExtensionSummary, Ignored, IndexError, Retired,
};

pub use self::link::link;
pub use self::transport::{Transport, TransportKind};

/// The schema of everything in this module.
pub const SCHEMA: u64 = 1;

/// The channel of images that name none.
pub const DEFAULT_CHANNEL: &str = "stable";
