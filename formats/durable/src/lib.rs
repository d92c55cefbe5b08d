//! Files that survive a crash whole, in directories that names can not leave.
//!
//! - A [`Dir`] is an open directory. Everything is named relative to it by one path component; nothing follows a
//!   symbolic link, so one planted in a directory of ours leads nowhere.
//! - A write is durable and atomic: a temporary file in the same directory, write, sync, rename, sync the directory.
//!   After a crash there is the old file or the new one, and at worst a `.tmp-…` file that [`Dir::sweep`] removes.
//! - The raw calls are forbidden by lint everywhere else in the workspace.
//! - A [`checkpoint`] is a place at which tests stop a process and kill it; what ships has none.
//! - It knows nothing of catalogs: which names are good is decided by their types, above.

mod checkpoint;
mod dir;
mod error;
mod file;
mod in_root;
mod listing;
mod lock;
mod names;

pub use self::checkpoint::{checkpoint, is_left_out};
pub use self::dir::{Dir, directory_of};
pub use self::error::{Error, Result};
pub use self::file::DurableFile;
pub use self::in_root::open_in_root;
pub use self::listing::{Entry, Kind};
pub use self::lock::{Lock, LockKind};
