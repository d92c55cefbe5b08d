//! What the admin wants, as files below `/etc/sysext-fetch` (and `/run`, `/usr/local/lib`, `/usr/lib`).
//!
//! - [`Settings`]: `sysext-fetch.toml`. [`Catalog`]: `catalogs.d/ID.toml`. [`Extension`]: `extensions.d/NAME.toml`.
//! - Files are found as UAPI.6 says: a stronger directory masks a weaker one by name, drop-ins `NAME.toml.d/*.toml` are
//!   applied in order, an empty file or a link to `/dev/null` masks.
//! - Files are edited without losing their comments, and unchanged ones are not written.

mod model;
mod units;

pub use self::model::{
    Activation, ActivationChoice, Apply, Catalog, Extension, OnIncompatible, RefreshPolicy,
    Settings, VersionConstraint, Wish,
};
pub use self::units::{Age, MinRate};
