//! Advisory locks between processes (`flock`): released by the kernel, whatever happens to the holder.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{self as sys, FlockOperation, Mode, OFlags};

use crate::dir::io;
use crate::{Dir, Error, Result};

/// How long a waiter sleeps between two tries.
const PAUSE: Duration = Duration::from_millis(50);

/// Permissions of a lock file in a directory that only its owner may write to.
const OWNER: u32 = 0o600;

/// Who else may hold a lock at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockKind {
    /// Others with a shared lock.
    Shared,
    /// Nobody.
    Exclusive,
}

/// A lock that is held until it is dropped.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub struct Lock {
    _file: File,
}

impl Dir {
    /// Takes the lock `name`, and waits for it at most `wait`.
    ///
    /// # Errors
    /// [`Error::Locked`] when somebody else still has it then.
    pub fn lock(&self, name: &str, kind: LockKind, wait: Duration) -> Result<Lock> {
        let path = self.path_of(name)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = sys::openat(self, name, flags, Mode::from_raw_mode(OWNER))
            .map_err(|error| io("locking", &path, error))?;
        let mut file = File::from(fd);
        self.close_to_others(&file)
            .map_err(|error| io("locking", &path, error))?;
        let operation = match kind {
            LockKind::Shared => FlockOperation::NonBlockingLockShared,
            LockKind::Exclusive => FlockOperation::NonBlockingLockExclusive,
        };
        let start = Instant::now();
        loop {
            match sys::flock(&file, operation) {
                Ok(()) => break,
                Err(rustix::io::Errno::WOULDBLOCK) if start.elapsed() < wait => sleep(PAUSE),
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    return Err(Error::Locked {
                        path,
                        holder: holder(&mut file),
                    });
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(io("locking", &path, error)),
            }
        }
        if kind == LockKind::Exclusive {
            // Only for the message of whoever waits; the lock holds without it.
            let _ = file
                .set_len(0)
                .and_then(|()| writeln!(file, "{}", std::process::id()));
        }
        Ok(Lock { _file: file })
    }

    /// Whoever can open a lock file, even to read it, can hold the lock for ever: only those may who can write to the
    /// directory, and so could take the file away as well.
    fn close_to_others(&self, file: &File) -> rustix::io::Result<()> {
        let now = sys::fstat(file)?;
        let may_write = sys::fstat(self)?.st_mode & 0o022;
        let mode = OWNER | may_write | may_write << 1;
        let is_mine = now.st_uid == rustix::process::geteuid().as_raw();
        if is_mine && now.st_mode & 0o777 != mode {
            sys::fchmod(file, Mode::from_raw_mode(mode))?;
        }
        Ok(())
    }
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    match file.take(32).read_to_string(&mut text) {
        Ok(_) if text.trim().parse::<u32>().is_ok() => format!("process {}", text.trim()),
        _ => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_may_write_to_the_directory_can_open_its_locks() {
        use std::fs::{Permissions, set_permissions};
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        let file = temp.path().join("lock");
        // As earlier versions left it.
        std::fs::write(&file, b"").unwrap();
        for (directory, lock) in [
            (0o755, 0o600),
            (0o775, 0o660),
            (0o1777, 0o666),
            (0o700, 0o600),
        ] {
            set_permissions(temp.path(), Permissions::from_mode(directory)).unwrap();
            drop(dir.lock("lock", LockKind::Shared, Duration::ZERO).unwrap());
            let mode = file.metadata().unwrap().mode();
            assert_eq!(mode & 0o777, lock, "{directory:o}");
        }
    }

    #[test]
    fn an_exclusive_lock_keeps_others_out_until_it_is_dropped() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        let take = |kind| dir.lock("lock", kind, Duration::ZERO);
        let held = take(LockKind::Exclusive).unwrap();
        let error = take(LockKind::Shared).unwrap_err().to_string();
        assert!(
            error.contains(&format!("process {}", std::process::id())),
            "{error}"
        );
        drop(held);
        let (_one, _two) = (
            take(LockKind::Shared).unwrap(),
            take(LockKind::Shared).unwrap(),
        );
        assert!(take(LockKind::Exclusive).is_err());
    }
}
