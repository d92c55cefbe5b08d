//! A worktree of this run's own, in the folder for temporary files.
//!
//! ```text
//! TMPDIR/sysext-publish-XXXXXX/worktree      removed with the run
//! REPOSITORY/.git/worktrees/NAME/            git's entry for it
//!   sysext-publish.lock                      held while the run lives
//! REPOSITORY/.git/sysext-publish.lock        held while an entry is made, or those of killed runs are removed
//! ```
//!
//! - An entry whose lock nobody holds is of a run that was killed, whether its folder can be seen from here or not; the next
//!   run removes both. Entries without such a lock are the vendor's, and are never touched.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sysext_durable::{Dir, Lock, LockKind};
use tempfile::TempDir;

use super::{MESSAGE, git, git_as_somebody};
use crate::location::LocationError;

const LOCK: &str = "sysext-publish.lock";
const PREFIX: &str = "sysext-publish-";
const NAME: &str = "worktree";
/// Far longer than an empty worktree takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of a path that git notes.
const MAX_PATH: u64 = 8192;

/// A worktree that goes when it is dropped.
#[derive(Debug)]
pub(super) struct Worktree {
    repository: PathBuf,
    temp: TempDir,
    /// Released after the worktree is gone.
    _lock: Lock,
}

impl Worktree {
    /// Adds an empty one to the repository that `inside` is in, and removes those of killed runs.
    pub(super) fn add(inside: &Path) -> Result<Self, LocationError> {
        let common = git(inside, &["rev-parse", "--git-common-dir"])?;
        let common = Dir::open(&inside.join(common.trim_end_matches('\n')))?;
        let _one_at_a_time = common.lock(LOCK, LockKind::Exclusive, PATIENCE)?;
        remove_left(inside, &common)?;
        let temp = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir()
            .map_err(|source| LocationError::Stream {
                file: "the folder for temporary files".to_owned(),
                source,
            })?;
        let tree = git(inside, &["mktree"])?;
        let empty = git_as_somebody(inside, &["commit-tree", tree.trim(), "-m", MESSAGE])?;
        let path = temp.path().join(NAME);
        let add = ["worktree", "add", "--quiet", "--detach"];
        let path_text = path.to_string_lossy();
        git(
            inside,
            &[&add[..], &[path_text.as_ref(), empty.trim()]].concat(),
        )?;
        let entry = git(&path, &["rev-parse", "--absolute-git-dir"])?;
        let entry = Dir::open(Path::new(entry.trim_end_matches('\n')))?;
        Ok(Self {
            repository: inside.to_owned(),
            temp,
            _lock: entry.lock(LOCK, LockKind::Exclusive, Duration::ZERO)?,
        })
    }

    /// Where it is.
    pub(super) fn path(&self) -> PathBuf {
        self.beside(NAME)
    }

    /// A path beside it, that goes with it.
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }
}

impl Drop for Worktree {
    fn drop(&mut self) {
        // What is left then is removed by the next run.
        let _ = remove(&self.repository, &self.path());
    }
}

fn remove(repository: &Path, worktree: &Path) -> Result<(), LocationError> {
    let path = worktree.to_string_lossy();
    git(repository, &["worktree", "remove", "--force", &path]).map(drop)
}

/// Removes the worktrees of killed runs, as far as that can be done: they are in nobody's way.
fn remove_left(inside: &Path, common: &Dir) -> Result<(), LocationError> {
    let Some(entries) = common.existing_subdir("worktrees")? else {
        return Ok(());
    };
    for entry in entries.entries()? {
        let Ok(Some(entry)) = entries.existing_subdir(&entry.name) else {
            continue;
        };
        // Only looking for it must not make it.
        if !matches!(entry.kind(LOCK), Ok(Some(_))) {
            continue;
        }
        let Ok(_nobody_has_it) = entry.lock(LOCK, LockKind::Exclusive, Duration::ZERO) else {
            continue;
        };
        let noted = entry.read("gitdir", MAX_PATH)?.unwrap_or_default();
        let Ok(noted) = String::from_utf8(noted) else {
            continue;
        };
        let worktree = Path::new(noted.trim_end_matches('\n')).parent();
        let Some((worktree, folder)) = worktree.and_then(|it| Some((it, it.parent()?))) else {
            continue;
        };
        let name = folder.file_name().and_then(|name| name.to_str());
        let is_ours = worktree.file_name().is_some_and(|name| name == NAME)
            && name.is_some_and(|name| name.starts_with(PREFIX));
        // git looks whether the folder belongs to the entry.
        if is_ours
            && remove(inside, worktree).is_ok()
            && let (Some(parent), Some(name)) = (folder.parent(), name)
            && let Ok(Some(parent)) = Dir::open_existing(parent)
        {
            let _ = parent.remove_tree(name);
        }
    }
    Ok(())
}
