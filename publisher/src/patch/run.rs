//! Makes several patches to one image, as many at once as memory allows.
//!
//! What comes out does not depend on how many those are.

use std::fs::File;
use std::io::{self, Cursor, Read as _, Seek as _};
use std::sync::Mutex;
use std::thread;

use sysext_formats::catalog::Image;
use sysext_formats::digest::{Sha256Digest, Sha256Hasher};
use sysext_patch::MAX_LENGTH;
use sysext_patch::make::{make, memory_needed};
use sysext_verity::Layout;

use super::cache::Cache;
use crate::ui;

/// A patch that is wanted.
#[derive(Debug)]
pub(super) struct Wish<'a> {
    /// What it starts from.
    pub(super) base: &'a Image,
    /// Its bytes.
    pub(super) old: File,
}

/// A patch that was made, or why not.
#[derive(Debug)]
pub(super) struct Made<'a> {
    pub(super) base: &'a Image,
    pub(super) patch: Result<Vec<u8>, String>,
}

/// The image that they lead to.
#[derive(Clone, Copy)]
struct New<'a> {
    bytes: &'a [u8],
    /// Where its hash tree is.
    tree: Option<&'a Layout>,
    sha256: &'a Sha256Digest,
}

/// Makes them; `new` is the image that they lead to, with its length and digest. They come back in the order of the wishes.
pub(super) fn all<'a>(
    wishes: Vec<Wish<'a>>,
    (new, length, sha256): (&mut File, u64, &Sha256Digest),
    memory: u64,
    cache: &Cache,
) -> Vec<Made<'a>> {
    let mut made = Vec::new();
    let mut waiting = Vec::new();
    for (number, mut wish) in wishes.into_iter().enumerate() {
        let known = cache.get(&wish.base.sha256, sha256);
        let known = known.filter(|patch| gives(&mut wish, patch, length, sha256));
        match known {
            Some(patch) => made.push((number, wish.base, Ok(patch))),
            None => waiting.push((number, wish)),
        }
    }
    // As many at once as the largest of them allows.
    let most = waiting
        .iter()
        .map(|(_, wish)| memory_needed(wish.base.length, length))
        .max();
    if let Some(most) = most {
        let at_once = usize::try_from(memory / most.max(1)).unwrap_or(usize::MAX);
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads = at_once.min(cores).min(waiting.len()).max(1);
        match read(new, length, sha256) {
            Ok(bytes) => {
                // Of one that can not be read all bytes are in the patch.
                let tree = sysext_image::hash_tree(Cursor::new(&bytes), length);
                let tree = tree.ok().flatten();
                let new = New {
                    bytes: &bytes,
                    tree: tree.as_ref(),
                    sha256,
                };
                made.extend(in_threads(waiting, new, threads, cache));
            }
            Err(error) => {
                let failed = |(number, wish): (usize, Wish<'a>)| {
                    (number, wish.base, Err(format!("the new image: {error}")))
                };
                made.extend(waiting.into_iter().map(failed));
            }
        }
        cache.sweep();
    }
    made.sort_by_key(|(number, ..)| *number);
    made.into_iter()
        .map(|(_, base, patch)| Made { base, patch })
        .collect()
}

/// Whether a patch between images of these lengths can be made; else why not, in words.
pub(super) fn is_feasible(old: u64, new: u64, memory: u64) -> Result<(), String> {
    let longest = old.max(new);
    if longest > MAX_LENGTH {
        return Err(format!(
            "an image has {}, patches reach to {}",
            ui::bytes(longest),
            ui::bytes(MAX_LENGTH)
        ));
    }
    let needed = memory_needed(old, new);
    if needed > memory {
        return Err(format!(
            "making it takes {}, and patch-memory allows {}",
            ui::bytes(needed),
            ui::bytes(memory)
        ));
    }
    Ok(())
}

type Numbered<'a> = (usize, &'a Image, Result<Vec<u8>, String>);

fn in_threads<'a>(
    wishes: Vec<(usize, Wish<'a>)>,
    new: New<'_>,
    threads: usize,
    cache: &Cache,
) -> Vec<Numbered<'a>> {
    let wishes = Mutex::new(wishes);
    let made = Mutex::new(Vec::new());
    // A lock is poisoned when another thread panicked, which ends the process with this scope.
    let next = || wishes.lock().ok()?.pop();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((number, mut wish)) = next() {
                    let patch = one(&mut wish, new);
                    if let Ok(patch) = &patch {
                        cache.put(&wish.base.sha256, new.sha256, patch);
                    }
                    if let Ok(mut made) = made.lock() {
                        made.push((number, wish.base, patch));
                    }
                }
            });
        }
    });
    made.into_inner().unwrap_or_default()
}

fn one(wish: &mut Wish<'_>, new: New<'_>) -> Result<Vec<u8>, String> {
    let old = read(&mut wish.old, wish.base.length, &wish.base.sha256);
    let old = old.map_err(|error| error.to_string())?;
    make(&old, new.bytes, new.tree).map_err(|error| error.to_string())
}

/// Reads an image into memory.
fn read(file: &mut File, length: u64, sha256: &Sha256Digest) -> io::Result<Vec<u8>> {
    file.rewind()?;
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    file.take(length).read_to_end(&mut bytes)?;
    if Sha256Digest::of(&bytes) != *sha256 {
        return Err(io::Error::other("its bytes have changed"));
    }
    Ok(bytes)
}

/// Whether a patch gives the image that it shall give.
fn gives(wish: &mut Wish<'_>, patch: &[u8], length: u64, sha256: &Sha256Digest) -> bool {
    let mut hasher = Hash(Sha256Hasher::default());
    let patch = Cursor::new(patch);
    sysext_patch::apply(&mut wish.old, wish.base.length, patch, &mut hasher, length).is_ok()
        && hasher.0.finish() == *sha256
}

/// Hashes what is written, and keeps nothing.
pub(crate) struct Hash(pub(crate) Sha256Hasher);

impl io::Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
