//! Two publishers at once, a hundred times, while hosts read.
//!
//! The readers are what a host is: TUF's workflow over the published folder, from a root that was pinned before the
//! first change. One forgets everything after each look, the other remembers as a host does and so notices what goes
//! back. Each state that they saw must verify, down to the bytes of its images.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sysext_formats::digest::Sha256Digest;
use sysext_formats::limits::Limits;
use sysext_formats::name::{ExtensionName, RoleName, TargetPath};
use sysext_formats::role::{MetadataVersion, Targets};
use sysext_formats::trust::Clock;
use sysext_formats::workflow::{Cache, CachedFile, Remote, RemoteFile, refresh};
use sysext_publish::context::Environment;

use crate::common::Vendor;

/// A hundred rounds, in catalogs that stay small: what a round costs grows with the index, and shows nothing more.
const CATALOGS: usize = 4;
const ROUNDS: usize = 25;

#[test]
fn two_that_publish_at_once_a_hundred_times_lose_nothing_and_readers_verify_every_state() {
    for _ in 0..CATALOGS {
        publish_and_read(&Vendor::with_catalog());
    }
}

fn publish_and_read(vendor: &Vendor) {
    let pinned = vendor.read("root.json");
    let published = vendor.path("public");
    let done = AtomicBool::new(false);
    let (seen, expected) = std::thread::scope(|scope| {
        let readers = [Memory::Kept, Memory::Forgotten].map(|memory| {
            let mut host = Host::new(&published, &pinned, memory);
            let done = &done;
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    host.look();
                    // The processors are for the publishers; a round takes a hundred times as long.
                    std::thread::sleep(Duration::from_millis(2));
                }
                // The last state too.
                host.look();
                host
            })
        });
        let expected = Done(&done).after(|| publish_all(vendor));
        let seen = readers.map(|reader| reader.join().unwrap());
        (seen, expected)
    });
    assert_eq!(vendor.images("hello"), expected);
    for host in seen {
        assert_eq!(host.images, expected.len());
        let states = host.states;
        assert!(states > ROUNDS, "{states} states are none of those between");
    }
    vendor.run(&["verify", "--all"]).ends(0);
    let left = |name: &String| name.contains(".tmp-");
    assert!(
        !vendor.published().keys().any(left),
        "nothing temporary is left"
    );
}

/// Publishes two images at once in each round; the names of all of them, sorted.
fn publish_all(vendor: &Vendor) -> Vec<String> {
    let mut expected = Vec::new();
    for round in 0..ROUNDS {
        let versions = [format!("{round}.1"), format!("{round}.2")];
        let images = versions.map(|version| vendor.image("hello", &version));
        let children = images.each_ref().map(|image| add(vendor, image));
        for child in children {
            let output = child.wait_with_output().unwrap();
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        let names = images.map(|path| path.rsplit('/').next().unwrap().to_owned());
        // Each time, not only in the end: a lost image could come back with a later round.
        let there = vendor.images("hello");
        assert!(
            names.iter().all(|name| there.contains(name)),
            "round {round}: {names:?} are not both in {there:?}"
        );
        expected.extend(names);
    }
    expected.sort();
    expected
}

fn add(vendor: &Vendor, image: &str) -> Child {
    let words = ["--quiet", "add", "--zstd-level", "1", image];
    let mut command = vendor.command(&words);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Tells the readers to end, also when publishing panics.
struct Done<'a>(&'a AtomicBool);

impl Done<'_> {
    fn after<T>(self, work: impl FnOnce() -> T) -> T {
        work()
    }
}

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What a host does with what it has verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Memory {
    Kept,
    Forgotten,
}

/// A host that trusts one root.
struct Host {
    published: PathBuf,
    pinned: Vec<u8>,
    memory: Memory,
    cache: Stored,
    /// Images that were seen, which need no second look: they never change.
    checked: BTreeMap<String, Sha256Digest>,
    last: u64,
    /// Timestamps that differ.
    states: usize,
    images: usize,
}

impl Host {
    fn new(published: &Path, pinned: &[u8], memory: Memory) -> Self {
        Self {
            published: published.to_owned(),
            pinned: pinned.to_owned(),
            memory,
            cache: Stored::from_root(pinned),
            checked: BTreeMap::new(),
            last: 0,
            states: 0,
            images: 0,
        }
    }

    /// Refreshes, and holds every image of the index against what was signed.
    fn look(&mut self) {
        if self.memory == Memory::Forgotten {
            self.cache = Stored::from_root(&self.pinned);
        }
        let remote = Folder(self.published.join("metadata"));
        let clock = Clock::enforcing(Environment::of_process().now);
        let mut fresh = refresh(Some(remote), &mut self.cache, clock, Limits::default())
            .unwrap_or_else(|error| panic!("a state does not verify: {error:?}"));
        let version = fresh.stage().timestamp().version.get();
        assert!(
            version >= self.last,
            "timestamp {version} came after {}",
            self.last
        );
        let mut index = None;
        let extension: ExtensionName = "hello".parse().unwrap();
        let path: TargetPath = "hello_".parse().unwrap();
        fresh
            .search(&path, |found| {
                if found.role == Some(RoleName::from(&extension)) {
                    index = Some(Targets::clone(found.document));
                }
                index.is_some()
            })
            .unwrap_or_else(|error| panic!("an index does not verify: {error:?}"));
        let targets = index.expect("the catalog has the extension").targets;
        assert!(targets.len() >= self.images, "an image is gone");
        for (path, target) in &targets {
            let signed = target.hashes.sha256().unwrap();
            let known = self.checked.insert(path.to_string(), signed);
            assert!(known.is_none_or(|known| known == signed), "{path} changed");
            if known.is_none() {
                let bytes = std::fs::read(self.published.join("images").join(path.to_string()))
                    .unwrap_or_else(|error| panic!("{path} is signed before it is there: {error}"));
                assert_eq!(Sha256Digest::of(&bytes), signed, "{path}");
            }
        }
        self.images = targets.len();
        if version > self.last {
            self.states += 1;
        }
        self.last = version;
    }
}

/// The published metadata.
#[derive(Debug)]
struct Folder(PathBuf);

impl Remote for Folder {
    type Error = std::io::Error;

    fn fetch(&mut self, file: &RemoteFile, limit: u64) -> Result<Option<Vec<u8>>, Self::Error> {
        let bytes = match std::fs::read(self.0.join(file.url_name())) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        assert!(u64::try_from(bytes.len()).unwrap() <= limit);
        Ok(Some(bytes))
    }
}

/// What a host has verified.
#[derive(Debug)]
struct Stored(BTreeMap<CachedFile, Vec<u8>>);

impl Stored {
    fn from_root(root: &[u8]) -> Self {
        Self(BTreeMap::from([(CachedFile::Root, root.to_owned())]))
    }
}

impl Cache for &mut Stored {
    type Error = std::convert::Infallible;

    fn load(&mut self, file: &CachedFile) -> Result<Option<Vec<u8>>, Self::Error> {
        Ok(self.0.get(file).cloned())
    }

    fn save(
        &mut self,
        file: &CachedFile,
        _: MetadataVersion,
        bytes: &[u8],
    ) -> Result<(), Self::Error> {
        self.0.insert(file.clone(), bytes.to_owned());
        Ok(())
    }

    fn remove(&mut self, file: &CachedFile) -> Result<(), Self::Error> {
        self.0.remove(file);
        Ok(())
    }
}
