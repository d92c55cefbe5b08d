//! What the admin wants, as files below `/etc/sysext-fetch` (and `/run`, `/usr/local/lib`, `/usr/lib`).
//!
//! - [`Settings`]: `sysext-fetch.toml`. [`Catalog`]: `catalogs.d/ID.toml`. [`Extension`]: `extensions.d/NAME.toml`.
//! - Files are found as UAPI.6 says: a stronger directory masks a weaker one by name, drop-ins `NAME.toml.d/*.toml` are
//!   applied in order, an empty file or a link to `/dev/null` masks.
//! - Files are edited without losing their comments, and unchanged ones are not written ([`edit`]).
//! - A broken file is a [problem](Config::problems) with a name and a line; the others count nevertheless.

pub mod edit;
mod error;
mod files;
mod load;
mod model;
mod quantities;

pub use self::error::ConfigError;
pub use self::files::{MAX_ENTRIES, MAX_FILE};
pub use self::load::{Config, shipped_root};
pub use self::model::{
    Activation, ActivationChoice, Apply, Catalog, Extension, OnIncompatible, RefreshPolicy,
    Settings, VersionConstraint, Wish,
};
pub use self::quantities::{Age, Deadline, MinRate};
