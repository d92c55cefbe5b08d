//! A branch of the repository that the configuration is in: GitHub or GitLab Pages, from a runner that has nothing else.
//!
//! - The push is the compare-and-swap: one that is not a fast-forward has lost the race. Readers see one commit or the
//!   other.
//! - The work is done in a worktree of its own in the folder for temporary files, with a detached head: no branch and no
//!   file of the vendor's is touched, and the credentials of the repository are those that it has.
//! - Whoever asks for the timestamp asks the remote; everything else is read from what came with it. What a lost attempt
//!   has brought in as images stays for the next one, what it has written as metadata does not.
//!
//! It is the program `git` that talks to the remote: users have their credentials, proxies and hooks for it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use sysext_formats::digest::Sha256Digest;
use sysext_formats::limits::Limits;
use sysext_formats::name::FileName;
use sysext_formats::workflow::RemoteFile;
use tempfile::TempDir;

use super::{Directory, Exclusive, Incoming, Location, LocationError, Place, Store, Swap};
use crate::signer::without_secrets;

/// Where it is pushed to.
const REMOTE: &str = "origin";
/// Bytes of what git says that are shown.
const MAX_MESSAGE: usize = 2_000;
/// What commits are called.
const MESSAGE: &str = "Publish";

/// A catalog on a branch.
#[derive(Debug)]
pub struct Git {
    branch: String,
    repository: PathBuf,
    worktree: PathBuf,
    directory: Directory,
    /// Whether the timestamp of this run is there: what is written after it is pushed at once.
    swapped: AtomicBool,
    /// Removed after everything else.
    _temp: TempDir,
}

/// Whether there must be a catalog on the branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Branch {
    There,
    Maybe,
}

impl Git {
    /// Opens the branch of the repository that `inside` is in.
    pub(super) fn open(branch: &str, inside: &Path, wanted: Branch) -> Result<Self, LocationError> {
        let temp = tempfile::Builder::new()
            .prefix("sysext-publish-")
            .tempdir()
            .map_err(|source| LocationError::Stream {
                file: "the folder for temporary files".to_owned(),
                source,
            })?;
        let worktree = temp.path().join("worktree");
        // Worktrees of killed runs.
        git(inside, &["worktree", "prune"])?;
        let tree = git(inside, &["mktree"])?;
        let empty = git_as_somebody(inside, &["commit-tree", tree.trim(), "-m", MESSAGE])?;
        let path = worktree.to_string_lossy().into_owned();
        git(
            inside,
            &[
                "worktree",
                "add",
                "--quiet",
                "--detach",
                &path,
                empty.trim(),
            ],
        )?;
        let directory = Directory::create(&worktree)?;
        let git = Self {
            branch: branch.to_owned(),
            repository: inside.to_owned(),
            worktree,
            directory,
            swapped: AtomicBool::new(false),
            _temp: temp,
        };
        if !git.sync()? && wanted == Branch::There {
            return Err(LocationError::NoSuchDirectory(git.name()));
        }
        Ok(git)
    }

    /// Makes the worktree what the branch is now; whether there is one.
    fn sync(&self) -> Result<bool, LocationError> {
        if self.remote_head()?.is_none() {
            return Ok(false);
        }
        let shallow = git(&self.worktree, &["rev-parse", "--is-shallow-repository"])?;
        let reference = format!("refs/heads/{}", self.branch);
        let mut fetch = vec!["fetch", "--quiet", "--no-tags"];
        if shallow.trim() == "true" {
            fetch.push("--depth=1");
        }
        fetch.extend([REMOTE, &reference]);
        git(&self.worktree, &fetch)?;
        // First without touching files: images that a lost attempt has committed are nobody's then, and stay.
        git(
            &self.worktree,
            &["reset", "--quiet", "--mixed", "FETCH_HEAD"],
        )?;
        git(&self.worktree, &["reset", "--quiet", "--hard"])?;
        git(
            &self.worktree,
            &[
                "clean",
                "--quiet",
                "--force",
                "-d",
                "--",
                "metadata",
                "index.html",
            ],
        )?;
        Ok(true)
    }

    /// The commit that the branch is at.
    fn remote_head(&self) -> Result<Option<String>, LocationError> {
        let reference = format!("refs/heads/{}", self.branch);
        let found = git(&self.worktree, &["ls-remote", REMOTE, &reference])?;
        Ok(found.split_whitespace().next().map(str::to_owned))
    }

    /// Commits all, and pushes; whether nobody was faster.
    fn push(&self) -> Result<bool, LocationError> {
        let before = git(&self.worktree, &["rev-parse", "HEAD"])?;
        git(&self.worktree, &["add", "--all", "--", "."])?;
        git_as_somebody(&self.worktree, &["commit", "--quiet", "--message", MESSAGE])?;
        let target = format!("HEAD:refs/heads/{}", self.branch);
        let Err(error) = git(&self.worktree, &["push", "--quiet", REMOTE, &target]) else {
            return Ok(true);
        };
        // Whatever the words of the refusal: the branch tells whether it was a race.
        match self.remote_head()? {
            Some(head) if head != before.trim() => Ok(false),
            _ => Err(error),
        }
    }
}

impl Drop for Git {
    fn drop(&mut self) {
        let path = self.worktree.to_string_lossy().into_owned();
        let _ = git(&self.repository, &["worktree", "remove", "--force", &path]);
    }
}

impl Location for Git {
    fn name(&self) -> String {
        format!("git:{}", self.branch)
    }

    fn read(&self, place: &Place, limit: u64) -> Result<Option<Vec<u8>>, LocationError> {
        if *place == Place::Metadata(RemoteFile::Timestamp) && !self.swapped.load(Ordering::Relaxed)
        {
            self.sync()?;
        }
        self.directory.read(place, limit)
    }

    fn open(&self, place: &Place) -> Result<Option<Box<dyn Read + Send>>, LocationError> {
        self.directory.open(place)
    }
}

impl Store for Git {
    fn incoming(&self, place: &Place) -> Result<Box<dyn Incoming>, LocationError> {
        self.directory.incoming(place)
    }

    fn exclusive(&self) -> Result<Option<Exclusive>, LocationError> {
        // The push alone decides.
        Ok(None)
    }

    fn put_new(&self, place: &Place, bytes: &[u8]) -> Result<bool, LocationError> {
        let new = self.directory.put_new(place, bytes)?;
        if new && self.swapped.load(Ordering::Relaxed) && !self.push()? {
            return Err(self.failed(
                "push",
                "somebody has pushed between two parts of this change",
            ));
        }
        Ok(new)
    }

    fn put(&self, place: &Place, bytes: &[u8]) -> Result<(), LocationError> {
        self.directory.put(place, bytes)
    }

    fn remove(&self, place: &Place) -> Result<(), LocationError> {
        self.directory.remove(place)
    }

    fn finish(&self) -> Result<Swap, LocationError> {
        self.for_pages()?;
        let changed = git(&self.worktree, &["status", "--porcelain"])?;
        if changed.is_empty() || self.push()? {
            return Ok(Swap::Done);
        }
        Ok(Swap::Lost)
    }

    fn link_hashed(&self, digest: Sha256Digest, name: &FileName) -> Result<(), LocationError> {
        self.directory.link_hashed(digest, name)
    }

    fn swap_timestamp(
        &self,
        expected: Option<Sha256Digest>,
        bytes: &[u8],
    ) -> Result<Swap, LocationError> {
        let place = Place::Metadata(RemoteFile::Timestamp);
        let current = self.directory.read(&place, Limits::default().timestamp)?;
        if current.as_deref().map(Sha256Digest::of) != expected {
            return Ok(Swap::Lost);
        }
        self.directory.put(&place, bytes)?;
        self.for_pages()?;
        if self.push()? {
            self.swapped.store(true, Ordering::Relaxed);
            Ok(Swap::Done)
        } else {
            Ok(Swap::Lost)
        }
    }
}

impl Git {
    /// What is only for this machine does not go into the branch; and no page generator leaves out `_GROUP.json`.
    fn for_pages(&self) -> Result<(), LocationError> {
        self.directory.write_beside(".nojekyll", b"")?;
        let ignored = b".gitignore\n.sysext-publish.*\n.tmp-*\n";
        self.directory.write_beside(".gitignore", ignored)
    }

    fn failed(&self, command: &str, message: &str) -> LocationError {
        LocationError::Git {
            command: command.to_owned(),
            message: message.to_owned(),
        }
    }
}

/// Runs git, without a prompt and without the hooks of the repository, and gives back what it printed.
fn git(directory: &Path, arguments: &[&str]) -> Result<String, LocationError> {
    let failed = |message: String| {
        let mut words = arguments.iter();
        let command = words.find(|word| !word.starts_with('-') && !word.contains('='));
        LocationError::Git {
            command: command.copied().unwrap_or_default().to_owned(),
            message,
        }
    };
    let mut command = Command::new("git");
    without_secrets(&mut command);
    // Inside a hook they would name another repository.
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(variable);
    }
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .current_dir(directory)
        .args(["-c", "core.hooksPath=/dev/null"])
        // A server that hangs.
        .args([
            "-c",
            "http.lowSpeedLimit=1000",
            "-c",
            "http.lowSpeedTime=60",
        ])
        .args(arguments)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(format!("git can not be started: {error}")))?;
    if status.success() {
        return Ok(String::from_utf8_lossy(&stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&stderr);
    Err(failed(said.trim().chars().take(MAX_MESSAGE).collect()))
}

/// The same, for what has an author: a runner need not have one.
fn git_as_somebody(directory: &Path, arguments: &[&str]) -> Result<String, LocationError> {
    let mut all = Vec::new();
    if git(directory, &["config", "user.email"]).is_err() {
        all.extend(["-c", "user.name=sysext-publish"]);
        all.extend(["-c", "user.email=sysext-publish@localhost"]);
    }
    all.extend(["-c", "commit.gpgSign=false"]);
    all.extend(arguments);
    git(directory, &all)
}
