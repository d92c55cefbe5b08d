//! What systemd-sysupdate and importctl read, on hosts that have nothing of ours: [`sums`] is the list with its signature,
//! [`transfer`] what such a host is configured with.

pub mod sums;
pub mod transfer;
