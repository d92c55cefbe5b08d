//! Both sides of a refresh in memory: a repository that answers, a host that remembers.

use std::collections::BTreeMap;
use std::convert::Infallible;

use sysext_formats::role::MetadataVersion;
use sysext_formats::workflow::{Cache, CachedFile, Remote, RemoteFile};

use super::Simulator;

/// Published files, as [`Remote`]; keeps what was asked for.
#[derive(Debug, Clone)]
pub struct MemoryRemote {
    files: BTreeMap<String, Vec<u8>>,
    /// The documents that were asked for, in order.
    pub requests: Vec<RemoteFile>,
}

/// A document that is longer than the caller allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFailure {
    /// The document.
    pub path: String,
    /// Its length.
    pub length: u64,
    /// What the caller allows.
    pub limit: u64,
}

impl std::fmt::Display for RemoteFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            path,
            length,
            limit,
        } = self;
        write!(f, "{path} has {length} bytes, {limit} are allowed")
    }
}

impl std::error::Error for RemoteFailure {}

impl MemoryRemote {
    /// Answers from these files.
    #[must_use]
    pub fn new(files: BTreeMap<String, Vec<u8>>) -> Self {
        Self {
            files,
            requests: Vec::new(),
        }
    }
}

impl Remote for MemoryRemote {
    type Error = RemoteFailure;

    fn fetch(&mut self, file: &RemoteFile, limit: u64) -> Result<Option<Vec<u8>>, RemoteFailure> {
        self.requests.push(file.clone());
        let path = path_of(file);
        let Some(bytes) = self.files.get(&path) else {
            return Ok(None);
        };
        let length = bytes.len() as u64;
        if length > limit {
            return Err(RemoteFailure {
                path,
                length,
                limit,
            });
        }
        Ok(Some(bytes.clone()))
    }
}

/// The path in [`Simulator::files`], where names stand as they are.
fn path_of(file: &RemoteFile) -> String {
    let (version, name) = match file {
        RemoteFile::Root(version) => (Some(*version), "root"),
        RemoteFile::Timestamp => (None, "timestamp"),
        RemoteFile::Snapshot(version) => (*version, "snapshot"),
        RemoteFile::Targets(None, version) => (*version, "targets"),
        RemoteFile::Targets(Some(role), version) => (*version, role.as_str()),
    };
    match version {
        Some(version) => format!("metadata/{version}.{name}.json"),
        None => format!("metadata/{name}.json"),
    }
}

/// What a host has stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryCache(BTreeMap<CachedFile, Vec<u8>>);

impl MemoryCache {
    /// A host that trusts this root and has seen nothing else.
    #[must_use]
    pub fn trusting(root: &[u8]) -> Self {
        Self(BTreeMap::from([(CachedFile::Root, root.to_vec())]))
    }

    /// The stored bytes of a document.
    #[must_use]
    pub fn get(&self, file: &CachedFile) -> Option<&[u8]> {
        self.0.get(file).map(Vec::as_slice)
    }

    /// Every stored document.
    pub fn iter(&self) -> impl Iterator<Item = (&CachedFile, &[u8])> {
        self.0.iter().map(|(file, bytes)| (file, bytes.as_slice()))
    }
}

/// By reference, so that a test looks at it after a refresh that failed.
impl Cache for &mut MemoryCache {
    type Error = Infallible;

    fn load(&mut self, file: &CachedFile) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.0.get(file).cloned())
    }

    fn save(
        &mut self,
        file: &CachedFile,
        _version: MetadataVersion,
        bytes: &[u8],
    ) -> Result<(), Infallible> {
        self.0.insert(file.clone(), bytes.to_vec());
        Ok(())
    }

    fn remove(&mut self, file: &CachedFile) -> Result<(), Infallible> {
        self.0.remove(file);
        Ok(())
    }
}

impl Simulator {
    /// What is published now, as a remote side.
    #[must_use]
    pub fn remote(&self) -> MemoryRemote {
        MemoryRemote::new(self.files())
    }

    /// A host that trusts the first root and has seen nothing else.
    #[must_use]
    pub fn host(&self) -> MemoryCache {
        MemoryCache::trusting(self.file("metadata/1.root.json"))
    }
}
