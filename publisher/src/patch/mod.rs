//! Patches from the last published versions to a new image, made while it is taken in.
//!
//! - They start from the newest versions below the new one that a host of the same kind may run: the same extension,
//!   architecture and operating system, not withdrawn.
//! - Images of less than `LEAST` bytes get none.
//! - A patch is kept when it is under `WORTH` percent of the smallest file that gives the whole image.
//! - Each was applied before it is taken: it gives the new image's digest, or it is none.
//! - Several are made at once, as far as memory goes; what was made once for two images is remembered (`cache`).
//! - A version that no patch can be made from is said, and costs nothing else: hosts take another transport.
//!
//! What it does not do: how a patch is made (`sysext-patch`).

mod bases;
mod cache;
mod run;

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use sysext_formats::catalog::{Architecture, ExtensionIndex, Image, Transport, TransportKind};
use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::FileName;
use sysext_formats::os::Fields;
use sysext_formats::role::{Extra, Targets};
use sysext_formats::version::Version;

pub use self::bases::{Sought, bases};
use self::cache::Cache;
use self::run::{Made, Wish};
use crate::arrival::{Arrival, ArrivalError, Identity};
use crate::candidate::Candidate;
use crate::config::{Config, TransportChoice};
use crate::content;
use crate::context::Context;
use crate::elsewhere::{self, Rule};
use crate::location::{Links, Location, Place, Store};
use crate::ui::{self, Ui};

/// Bytes of the smallest image that gets patches: of a smaller one a patch saves a host next to nothing, and a catalog of
/// many such images a file for each.
const LEAST: u64 = 64 << 10;
/// Percent of the full transport that a patch may have.
const WORTH: u64 = 70;

/// What a new image is, and where everything about it is.
pub struct Task<'a> {
    /// How it is talked, and where caches are.
    pub context: &'a Context,
    /// What is configured.
    pub config: &'a Config,
    /// Where patches are brought.
    pub store: &'a dyn Store,
    /// Where published images are.
    pub published: &'a dyn Location,
    /// The index of the extension, before the new image.
    pub index: Option<&'a Targets>,
    /// The new image.
    pub candidate: &'a Candidate,
    /// Its version, where that is a revision of what the candidate says.
    pub version: &'a Version,
    /// Its file.
    pub path: &'a Path,
    /// What that file is.
    pub identity: Identity,
    /// Where on this machine an image of the same run is.
    pub local: &'a dyn Fn(&FileName) -> Option<PathBuf>,
}

impl fmt::Debug for Task<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Adds patches to an image that arrived.
///
/// # Errors
/// When the new image can not be read any more, or a patch not be written.
pub fn add(task: &Task<'_>, arrival: &mut Arrival) -> Result<(), ArrivalError> {
    let (ui, config) = (&task.context.ui, task.config);
    if !config.transports.contains(&TransportChoice::Patch) || arrival.length < LEAST {
        return Ok(());
    }
    let name = &task.candidate.extension;
    let Some(index) = task
        .index
        .and_then(|it| ExtensionIndex::read(name, it).ok())
    else {
        return Ok(());
    };
    let sought = Sought {
        version: task.version,
        architecture: &task.candidate.architecture,
        release: &task.candidate.extension_release,
        compressed: task.candidate.facts.compressed,
        sha256: &arrival.sha256,
    };
    let mut bases = bases(&index.images, &sought, config.patches_from);
    // Those of an attempt before are there already.
    let is_there = |base: &&Image| {
        let mut transports = arrival.transports.iter();
        transports.any(|it| it.from == Some(base.sha256))
    };
    bases.retain(|base| !is_there(base));
    if bases.is_empty() {
        return Ok(());
    }
    let cache = Cache::open(task.context);
    let memory = config.patch_memory.saturating_mul(1_000_000);
    let mut wishes = Vec::new();
    for base in bases {
        // Before its bytes are brought here for nothing.
        if let Err(reason) = run::is_feasible(base.length, arrival.length, memory) {
            ui.warn(format_args!(
                "no patch from {name} {}: {reason}",
                base.version
            ));
            continue;
        }
        match old_image(task, base, &cache) {
            Ok(old) => wishes.push(Wish { base, old }),
            Err(reason) => ui.warn(format_args!(
                "no patch from {name} {}: {reason}",
                base.version
            )),
        }
    }
    let mut new = File::open(task.path).map_err(|source| ArrivalError::Read {
        path: task.path.to_owned(),
        source,
    })?;
    if wishes.is_empty() {
        return Ok(());
    }
    let made = run::all(
        wishes,
        (&mut new, arrival.length, &arrival.sha256),
        memory,
        &cache,
    );
    if Identity::of(&new).ok() != Some(task.identity) {
        return Err(ArrivalError::Changed(task.path.to_owned()));
    }
    let whole = arrival.transports.iter().map(|it| it.length).min();
    let whole = whole.map_or(arrival.length, |length| length.min(arrival.length));
    for Made { base, patch } in made {
        let (from, to) = (&base.version, task.version);
        let patch = match patch {
            Ok(patch) => patch,
            Err(reason) => {
                ui.warn(format_args!("no patch from {name} {from}: {reason}"));
                continue;
            }
        };
        let length = patch.len() as u64;
        let said = format!(
            "{name} {from} → {to}: a patch of {}, {} % of the full download",
            ui::bytes(length),
            length.saturating_mul(100).div_ceil(whole.max(1))
        );
        if length.saturating_mul(100) >= whole.saturating_mul(WORTH) {
            ui.say(format_args!("{said}, is not worth it"));
            continue;
        }
        ui.say(said);
        bring(task.store, base, &patch, arrival)?;
    }
    Ok(())
}

/// Whether patches between two images fit: what runs the one can run the other.
fn fits(one: &Fields, other: &Fields) -> bool {
    let same = |member| one.get(member) == other.get(member);
    ["ID", "VERSION_ID", "SYSEXT_LEVEL"].into_iter().all(same)
}

/// The file of a patch.
///
/// # Errors
/// When the name would be too long.
fn file_name(
    image: &FileName,
    from: &Sha256Digest,
) -> Result<FileName, sysext_formats::name::NameError> {
    let kind = TransportKind::RelinkLzma;
    format!("{image}.from-{}.{}", from.short(12), kind.as_str()).parse()
}

fn bring(
    store: &dyn Store,
    base: &Image,
    patch: &[u8],
    arrival: &mut Arrival,
) -> Result<(), ArrivalError> {
    let transport = Transport {
        kind: TransportKind::RelinkLzma,
        file: file_name(&arrival.file, &base.sha256)?,
        length: patch.len() as u64,
        sha256: Sha256Digest::of(patch),
        from: Some(base.sha256),
        urls: Vec::new(),
        extra: Extra::new(),
    };
    arrival.add_transport(store, transport, patch)
}

/// The image that a patch starts from, as a file of this machine; it has the signed digest.
fn old_image(task: &Task<'_>, base: &Image, cache: &Cache) -> Result<File, String> {
    let text = |error: &dyn fmt::Display| error.to_string();
    let scratch = || cache.scratch().map_err(|error| text(&error));
    // An image of the same run has no name at the location yet. What becomes a revision comes under the name of the
    // published image, with other bytes: then that one is meant.
    if let Some(path) = (task.local)(&base.file)
        && let Ok(file) = File::open(path)
        && let Ok(old) = content::copy_image(file, base, scratch()?)
    {
        return Ok(old);
    }
    let rule = Rule::of(task.config);
    copy_published(task.published, base, rule, &task.context.ui, scratch)
}

/// Copies an image from where hosts find it into a file of `scratch`; it has the signed digest. Other bytes at one place
/// do not keep it from the next. Why it can not be had is said in words.
///
/// # Errors
/// When it is nowhere, or a URL is none that may be followed.
pub fn copy_published(
    published: &dyn Location,
    image: &Image,
    rule: Rule,
    ui: &Ui,
    scratch: impl Fn() -> Result<File, String>,
) -> Result<File, String> {
    let text = |error: &dyn fmt::Display| error.to_string();
    let mut failed = None;
    let urls = elsewhere::links(&image.into(), rule).map_err(|error| text(&error))?;
    if !urls.is_empty() {
        let links = Links::new().map_err(|error| text(&error))?;
        for url in urls {
            let copied = elsewhere::open(&links, &image.file, image.length, &url, ui)
                .map_err(|error| text(&error));
            let copied = match copied {
                Ok(body) => content::copy_image(body, image, scratch()?)
                    .map_err(|error| format!("{url}: {error}")),
                Err(error) => Err(error),
            };
            match copied {
                Ok(file) => return Ok(file),
                Err(error) => failed = Some(error),
            }
        }
    }
    match published.open(&Place::Image(image.file.clone())) {
        Ok(Some(reader)) => {
            content::copy_image(reader, image, scratch()?).map_err(|error| text(&error))
        }
        Ok(None) => Err(failed.unwrap_or_else(|| format!("{} is not there", image.file))),
        Err(error) => Err(failed.unwrap_or_else(|| text(&error))),
    }
}

/// What a host of the same kind is, for [`bases`].
impl Sought<'_> {
    fn is_for(&self, architecture: &Architecture, release: &Fields) -> bool {
        *self.architecture == *architecture && fits(self.release, release)
    }
}
