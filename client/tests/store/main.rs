//! From an index entry to a merged image: transports, store, staging, activation; against a server that lies, and
//! against the real systemd-sysext where that is allowed.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a helper that panics is the failing test, and tests say what they skip"
)]

mod activate;
mod copy;
mod crash;
mod host;
mod patch;
mod privileged;
mod stage;
mod store;
mod transport;
