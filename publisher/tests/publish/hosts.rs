//! What hosts see of a published folder: TUF's workflow, from a root that was pinned before the first change.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sysext_formats::digest::Sha256Digest;
use sysext_formats::limits::Limits;
use sysext_formats::name::{ExtensionName, RoleName, TargetPath};
use sysext_formats::role::{MetadataVersion, Targets};
use sysext_formats::trust::Clock;
use sysext_formats::workflow::{Cache, CachedFile, Remote, RemoteFile, refresh};
use sysext_publish::context::Environment;

/// What a host does with what it has verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Memory {
    Kept,
    Forgotten,
}

/// A host that trusts one root.
pub(crate) struct Host {
    published: PathBuf,
    pinned: Vec<u8>,
    memory: Memory,
    cache: Stored,
    /// Images that were seen, which need no second look: they never change.
    checked: BTreeMap<String, Sha256Digest>,
    last: u64,
    /// Timestamps that differ.
    pub(crate) states: usize,
    pub(crate) images: usize,
}

impl Host {
    pub(crate) fn new(published: &Path, pinned: &[u8], memory: Memory) -> Self {
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
    pub(crate) fn look(&mut self) {
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
