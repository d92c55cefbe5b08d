//! Opening what a path means inside another root: links are followed, and never out of it.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

/// How often a path is resolved anew, and how long it is waited in between: a second in all.
const RETRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(5);

/// Opens `path`, with or without a leading slash, as a process would whose root directory is `root`.
///
/// # Errors
/// As `openat2`. While files are renamed anywhere the kernel can not promise that a `..` stays in the root, and answers
/// `EAGAIN`; that is only passed on when it lasts.
pub fn open_in_root(root: impl AsFd, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let flags = flags | OFlags::CLOEXEC;
    let path = path.strip_prefix("/").unwrap_or(path);
    let open = || openat2(root.as_fd(), path, flags, Mode::empty(), resolve);
    for _ in 0..RETRIES {
        match open() {
            Err(Errno::AGAIN) => sleep(PAUSE),
            result => return result,
        }
    }
    open()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn links_are_followed_inside_and_renames_elsewhere_do_not_matter() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir_all(temp.path().join("etc")).unwrap();
        fs::create_dir_all(temp.path().join("usr/lib")).unwrap();
        fs::write(temp.path().join("usr/lib/os-release"), "ID=x\n").unwrap();
        std::os::unix::fs::symlink("../usr/lib/os-release", temp.path().join("etc/os-release"))
            .unwrap();
        std::os::unix::fs::symlink("/etc/os-release", temp.path().join("etc/absolute")).unwrap();
        std::os::unix::fs::symlink("../../../passwd", temp.path().join("etc/out")).unwrap();
        let root = fs::File::open(temp.path()).unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (a, b) = (temp.path().join("a"), temp.path().join("b"));
                fs::write(&a, "").unwrap();
                while !stop.load(Ordering::Relaxed) {
                    fs::rename(&a, &b).unwrap();
                    fs::rename(&b, &a).unwrap();
                }
            });
            let read = |path| open_in_root(&root, Path::new(path), OFlags::RDONLY);
            let paths = ["etc/os-release", "/etc/absolute"].into_iter().cycle();
            let failed = paths.take(4_000).find_map(|path| read(path).err());
            let out = read("etc/out");
            stop.store(true, Ordering::Relaxed);
            assert_eq!(failed, None);
            assert_eq!(out.unwrap_err(), Errno::NOENT);
        });
    }
}
