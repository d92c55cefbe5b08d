//! `obs-fetch`: images of a repository that an Open Build Service has published, into a folder for `sync`.
//!
//! - The list is believed when a key of the vendor's keyring has signed it, and each file when it has the listed bytes.
//!   Where the signature is not that, nothing is taken.
//! - A fragment comes before its image, and an image whose fragment is missing does not come: what is in the folder can be
//!   published at any time.
//! - What is listed and not there, or has other bytes, is still on its way through mirrors: the rest is taken, and the run
//!   ends with exit code 5.
//! - Nothing is removed from the folder but what the list has with other bytes, and what killed runs were about to fetch:
//!   each run works in a folder of its own in it, under a lock that says that it lives.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use sysext_durable::{Dir, Lock, LockKind};
use tempfile::TempDir;
use url::Url;

use crate::candidate::is_image_name;
use crate::context::{Context, Outcome, Verdict};
use crate::failure::{Failure, Kind};
use crate::obs::gpgv::Keyring;
use crate::obs::repository::{Fetched, Repository};
use crate::obs::signed_list::Listed;

const LOCK: &str = ".obs-fetch.lock";
const SCRATCH: &str = ".obs-fetch-";
/// Far longer than anybody who is alone needs to remove what is left.
const PATIENCE: Duration = Duration::from_secs(60);

/// What `obs-fetch` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the repository is published: the directory that has SHA256SUMS
    #[arg(value_name = "URL")]
    url: Url,
    /// The folder to fetch into; made where it is not there
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// The public keys that may have signed SHA256SUMS, as `osc signkey PROJECT` or `gpg --export` writes them
    #[arg(long, value_name = "FILE")]
    keyring: PathBuf,
    /// Fetch only images that have a fragment (IMAGE.json): those that `describe` has seen
    #[arg(long)]
    require_fragments: bool,
}

#[derive(Serialize)]
struct Document {
    changed: bool,
    signed_by: String,
    /// What is in the folder now and was not.
    fetched: Vec<String>,
    /// Images that are in the folder, with the listed bytes.
    images: Vec<String>,
}

/// Fetches what is listed and not there.
///
/// # Errors
/// When the signature is not good, or something listed can not be had.
pub fn run(context: &Context, args: &Args) -> Outcome {
    let keyring = Keyring::read(&args.keyring)?;
    let repository = Repository::new(args.url.clone())?;
    // A dry run works in a folder of its own, which goes when it ends.
    let nowhere = context.globals.dry_run.then(tempfile::tempdir).transpose();
    let nowhere = nowhere.map_err(|error| Failure::of(Kind::Failed, &error))?;
    let (directory, scratch) = match &nowhere {
        Some(nowhere) => {
            let own = Dir::open(nowhere.path())?;
            let scratch = Scratch::new(&own)?;
            (Dir::open_existing(&args.directory)?.unwrap_or(own), scratch)
        }
        None => {
            let directory = Dir::create_all(&args.directory, 0o755)?;
            let scratch = Scratch::new(&directory)?;
            (directory, scratch)
        }
    };
    let list = repository.signed_list(&keyring, scratch.folder.path())?;
    context.ui.say(format_args!(
        "SHA256SUMS is signed by {}, and lists {} files",
        list.signed_by,
        list.files.len()
    ));
    let mut fetch = Fetch {
        context,
        repository,
        directory,
        scratch,
        fetched: Vec::new(),
        missing: Vec::new(),
    };
    let mut images = Vec::new();
    for (image, listed) in list.files.iter().filter(|(name, _)| is_image_name(name)) {
        let fragment = format!("{image}.json");
        let described = list.files.get(&fragment);
        if described.is_none() && args.require_fragments {
            continue;
        }
        let has_image = fetch.has(image, listed)?;
        let has_fragment = match described {
            Some(listed) => fetch.has(&fragment, listed)? || fetch.one(&fragment, listed)?,
            None => true,
        };
        if has_fragment && (has_image || fetch.one(image, listed)?) {
            images.push(image.clone());
        }
    }
    let Fetch {
        fetched, missing, ..
    } = fetch;
    let document = Document {
        changed: !fetched.is_empty(),
        signed_by: list.signed_by,
        fetched,
        images,
    };
    if missing.is_empty() {
        context.ui.data("obs-fetch", &document, || {
            document.images.iter().map(|it| format!("{it}\n")).collect()
        });
        return Ok(Verdict::Good);
    }
    let failure = Failure::new(Kind::Host, format!("{} is not complete yet", args.url))
        .hint("OBS and its mirrors bring files in no order: try again in some minutes");
    Err(missing.into_iter().fold(failure, Failure::because))
}

struct Fetch<'a> {
    context: &'a Context,
    repository: Repository,
    directory: Dir,
    scratch: Scratch,
    fetched: Vec<String>,
    missing: Vec<String>,
}

/// A folder of this run's own in the one that is fetched into.
struct Scratch {
    folder: TempDir,
    /// Says that a run is here.
    _user: Lock,
}

impl Scratch {
    /// Makes one; those of killed runs are removed by a run that is alone.
    fn new(directory: &Dir) -> Result<Self, Failure> {
        match directory.lock(LOCK, LockKind::Exclusive, Duration::ZERO) {
            Ok(_alone) => {
                let left = directory.entries()?.into_iter().map(|entry| entry.name);
                left.filter(|name| name.starts_with(SCRATCH))
                    .try_for_each(|name| directory.remove_tree(&name))?;
            }
            Err(sysext_durable::Error::Locked { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let user = directory.lock(LOCK, LockKind::Shared, PATIENCE)?;
        let folder = tempfile::Builder::new()
            .prefix(SCRATCH)
            .tempdir_in(directory.path());
        Ok(Self {
            folder: folder.map_err(|error| Failure::of(Kind::Failed, &error))?,
            _user: user,
        })
    }

    fn open(&self) -> Result<Dir, sysext_durable::Error> {
        Dir::open(self.folder.path())
    }
}

impl Fetch<'_> {
    /// Whether a file is in the folder with the listed bytes. An image with others is of an earlier state, and goes before
    /// the fragment of the new one comes.
    ///
    /// # Errors
    /// When the disk fails.
    fn has(&self, name: &str, listed: &Listed) -> Result<bool, Failure> {
        let Listed::Once(sha256) = listed else {
            return Ok(false);
        };
        let has = Repository::has(name, *sha256, &self.directory)?;
        if !has && is_image_name(name) && !self.context.globals.dry_run {
            self.directory.remove(name)?;
        }
        Ok(has)
    }

    /// Fetches a file; the answer is whether it is there now.
    ///
    /// # Errors
    /// When the server or the disk fails.
    fn one(&mut self, name: &str, listed: &Listed) -> Result<bool, Failure> {
        let sha256 = match listed {
            Listed::Once(sha256) => *sha256,
            Listed::Twice(one, other) => {
                self.missing.push(format!(
                    "{name} is listed with two digests, {one} and {other}: two packages make it, or the list is being renewed"
                ));
                return Ok(false);
            }
        };
        if self.context.globals.dry_run {
            self.context
                .ui
                .say(format_args!("{name}: would be fetched"));
            self.fetched.push(name.to_owned());
            return Ok(true);
        }
        let folders = (&self.scratch.open()?, &self.directory);
        match self.repository.fetch(name, sha256, folders)? {
            Fetched::Now => {
                self.context.ui.say(format_args!("{name}: fetched"));
                self.fetched.push(name.to_owned());
                Ok(true)
            }
            Fetched::Missing => {
                self.missing
                    .push(format!("{name} is listed, and is not there"));
                Ok(false)
            }
            Fetched::Other(found) => {
                self.missing.push(format!(
                    "{name} is listed with sha256 {sha256}, and what is there has {found}"
                ));
                Ok(false)
            }
        }
    }
}
