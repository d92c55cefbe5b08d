//! What an interruption can do to a host: killed at every checkpoint, at every call of the kernel, out of disk, out of
//! power. Whatever it was, the next run leaves the host as it was before the command or as it shall be after it.
//!
//! - [`scene`]: a host before each command, and a catalog behind a server.
//! - [`end_state`]: what a host must be like after an interruption, after the next run, and in the end.
//! - Each other file is one way to interrupt a command. The ignored tests want root rights, strace or a file system of
//!   their own: `ci/checks/crashes` runs them, with the binary that ships.

#[cfg(test)]
mod checkpoints;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod end_state;
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod power_cut;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod syscalls;
