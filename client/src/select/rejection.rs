//! Why an image is not chosen: each reason with both values.

use std::fmt;

use serde::Serialize;
use sysext_formats::name::{CatalogId, Channel};
use sysext_formats::os::Misfit;
use sysext_formats::time::UtcTime;
use sysext_formats::version::Version;

/// Why an image was not chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum Rejection {
    /// Its extension-release does not fit this root.
    Unfit {
        /// The rule that decided.
        misfit: Misfit,
    },
    /// The index says another architecture.
    Architecture {
        /// The image's.
        image: String,
        /// The host's.
        host: String,
    },
    /// The extension is bound to another catalog.
    Catalog {
        /// The one it is bound to.
        bound: CatalogId,
    },
    /// It is in other channels.
    Channel {
        /// Its channels.
        image: Vec<Channel>,
        /// The one that is followed.
        wanted: Channel,
    },
    /// Another version is asked for.
    Version {
        /// What is asked for.
        wanted: String,
    },
    /// The vendor withdrew it.
    Withdrawn {
        /// The vendor's words.
        why: String,
    },
    /// The admin, or a failed merge, excluded it.
    Skipped,
    /// This host's share of the rollout has not come yet.
    Rollout {
        /// When it comes.
        from: UtcTime,
    },
    /// This host has not known it for as long as it is to.
    TooYoung {
        /// When it will have.
        from: UtcTime,
    },
    /// A higher version is linked.
    BelowLinked {
        /// The linked one.
        linked: Version,
    },
    /// The extension is held at what is linked.
    Held,
    /// A better one was chosen.
    NotBest,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unfit { misfit } => misfit.fmt(f),
            Self::Architecture { image, host } => {
                write!(
                    f,
                    "it is for the architecture {image:?}, this host is {host:?}"
                )
            }
            Self::Catalog { bound } => {
                write!(f, "the extension is bound to the catalog \"{bound}\"")
            }
            Self::Channel { image, wanted } => {
                let image: Vec<_> = image.iter().map(Channel::as_str).collect();
                write!(
                    f,
                    "it is in the channel {}, this host follows {wanted}",
                    image.join(", ")
                )
            }
            Self::Version { wanted } => write!(f, "the version {wanted} is asked for"),
            Self::Withdrawn { why } => write!(f, "the vendor withdrew it: {why}"),
            Self::Skipped => write!(f, "it is in the skip list of this host"),
            Self::Rollout { from } => {
                write!(f, "its rollout reaches this host {from} (--now overrides)")
            }
            Self::TooYoung { from } => {
                write!(f, "min-age lets this host take it {from} (--now overrides)")
            }
            Self::BelowLinked { linked } => write!(
                f,
                "{linked} is linked, and nothing asks for a lower version"
            ),
            Self::Held => write!(f, "the extension is held"),
            Self::NotBest => write!(f, "a higher version fits"),
        }
    }
}
