//! A whole refresh, and the search for a file, over two traits that the caller implements.
//!
//! This is the one driver of [`trust`](crate::trust): the client, the conformance client, the publisher's self-check and
//! the tests all run it.
//!
//! - Bytes are saved exactly as they were received, and only after every check of their step has passed.
//! - Cached documents are read back as if they were foreign: one that no longer verifies is ignored, never an error.
//! - Expected absences (the root after the last one) are `None`; every other failure to fetch is an error.

mod ahead;
mod files;

pub use self::ahead::Needed;
pub use self::files::{CachedFile, RemoteFile};
use crate::limits::Limits;
use crate::name::{RoleName, TargetPath};
use crate::role::{MetadataVersion, TargetFile, Targets};
use crate::trust::{
    Clock, Delegator, RoleRequest, RootNews, RootStage, Search, SearchStep, SnapshotStage,
    TargetsStage, TimestampNews, TimestampStage, TrustError,
};
use crate::verify::Verified;

/// Where documents come from.
pub trait Remote {
    /// Why one could not be fetched.
    type Error;

    /// Fetches a document of at most `limit` bytes; `None` when there is none.
    ///
    /// # Errors
    /// For every other failure, a body over the limit included.
    fn fetch(&mut self, file: &RemoteFile, limit: u64) -> Result<Option<Vec<u8>>, Self::Error>;
}

/// Where trusted documents are kept.
pub trait Cache {
    /// Why it failed.
    type Error;

    /// The stored bytes, if any.
    ///
    /// # Errors
    /// When the store can not be read.
    fn load(&mut self, file: &CachedFile) -> Result<Option<Vec<u8>>, Self::Error>;

    /// Stores bytes that passed every check; `version` is theirs.
    ///
    /// # Errors
    /// When the store can not be written.
    fn save(
        &mut self,
        file: &CachedFile,
        version: MetadataVersion,
        bytes: &[u8],
    ) -> Result<(), Self::Error>;

    /// Removes a document; that it is not there is no error.
    ///
    /// # Errors
    /// When the store can not be written.
    fn remove(&mut self, file: &CachedFile) -> Result<(), Self::Error>;
}

/// What ends a refresh.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError<R, C> {
    /// A document was refused.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The remote side failed.
    #[error("{}: fetching it failed", file.url_name())]
    Remote {
        /// The document.
        file: RemoteFile,
        /// Why.
        source: R,
    },
    /// A document that must be there is not.
    #[error("{} is not there", .0.url_name())]
    Missing(RemoteFile),
    /// The host's store failed.
    #[error("{}: the stored copy can not be used", file.storage_name())]
    Cache {
        /// The document.
        file: CachedFile,
        /// Why.
        source: C,
    },
    /// Nothing is trusted yet.
    #[error("no root is trusted yet")]
    NoRoot,
    /// Without a network: what is needed is not stored, or not current.
    #[error("{0} is not stored on this host, and no network may be used")]
    Offline(String),
}

/// A catalog that was refreshed just now: root, timestamp, snapshot and `targets.json` are current; delegated roles are
/// fetched on demand.
#[derive(Debug)]
pub struct Fresh<R, C> {
    stage: TargetsStage,
    driver: Driver<R, C>,
}

type Outcome<T, R, C> = Result<T, RefreshError<<R as Remote>::Error, <C as Cache>::Error>>;

/// Refreshes the top roles. Without a `remote`, cached documents must do, and expiry still counts.
///
/// # Errors
/// When a document is refused, can not be fetched or can not be stored; what was trusted before still is.
pub fn refresh<R: Remote, C: Cache>(
    remote: Option<R>,
    cache: C,
    clock: Clock,
    limits: Limits,
) -> Outcome<Fresh<R, C>, R, C> {
    let mut driver = Driver {
        remote,
        cache,
        limits,
    };
    let timestamp = driver.root(clock)?;
    let snapshot = driver.timestamp(timestamp)?;
    let mut stage = driver.snapshot(snapshot)?;
    if let Some(request) = stage.request_targets()? {
        driver.targets(&mut stage, &request)?;
    }
    Ok(Fresh { stage, driver })
}

#[derive(Debug)]
struct Driver<R, C> {
    remote: Option<R>,
    cache: C,
    limits: Limits,
}

impl<R: Remote, C: Cache> Driver<R, C> {
    fn load(&mut self, file: &CachedFile) -> Outcome<Option<Vec<u8>>, R, C> {
        self.cache.load(file).map_err(|source| RefreshError::Cache {
            file: file.clone(),
            source,
        })
    }

    fn save(
        &mut self,
        file: CachedFile,
        version: MetadataVersion,
        bytes: &[u8],
    ) -> Outcome<(), R, C> {
        self.cache
            .save(&file, version, bytes)
            .map_err(|source| RefreshError::Cache { file, source })
    }

    fn remove(&mut self, file: CachedFile) -> Outcome<(), R, C> {
        self.cache
            .remove(&file)
            .map_err(|source| RefreshError::Cache { file, source })
    }

    fn fetch(&mut self, file: RemoteFile, limit: u64) -> Outcome<Option<Vec<u8>>, R, C> {
        let Some(remote) = &mut self.remote else {
            return Err(RefreshError::Offline(file.url_name()));
        };
        remote
            .fetch(&file, limit)
            .map_err(|source| RefreshError::Remote { file, source })
    }

    fn fetch_existing(&mut self, file: RemoteFile, limit: u64) -> Outcome<Vec<u8>, R, C> {
        self.fetch(file.clone(), limit)?
            .ok_or(RefreshError::Missing(file))
    }

    fn root(&mut self, clock: Clock) -> Outcome<TimestampStage, R, C> {
        let trusted = self.load(&CachedFile::Root)?.ok_or(RefreshError::NoRoot)?;
        let mut stage = RootStage::trust(&trusted, clock)?;
        if self.remote.is_some() {
            for _ in 0..self.limits.new_roots {
                let Some(version) = stage.next_version() else {
                    break;
                };
                let Some(bytes) = self.fetch(RemoteFile::Root(version), self.limits.root)? else {
                    break;
                };
                if stage.update(&bytes)? == RootNews::FreshnessKeysRotated {
                    self.remove(CachedFile::Timestamp)?;
                    self.remove(CachedFile::Snapshot)?;
                }
                self.save(CachedFile::Root, version, &bytes)?;
            }
        }
        Ok(stage.finish()?)
    }

    fn timestamp(&mut self, mut stage: TimestampStage) -> Outcome<SnapshotStage, R, C> {
        if let Some(bytes) = self.load(&CachedFile::Timestamp)? {
            // One that does not verify any more protects nothing: the fetched one stands alone.
            let _ = stage.load_cached(&bytes);
        }
        if self.remote.is_none() {
            return stage
                .offline()?
                .ok_or_else(|| RefreshError::Offline("timestamp.json".to_owned()));
        }
        let bytes = self.fetch_existing(RemoteFile::Timestamp, self.limits.timestamp)?;
        let (stage, news) = stage.update(&bytes)?;
        if news == TimestampNews::Newer {
            self.save(CachedFile::Timestamp, stage.timestamp().version, &bytes)?;
        }
        Ok(stage)
    }

    fn snapshot(&mut self, mut stage: SnapshotStage) -> Outcome<TargetsStage, R, C> {
        let current = match self.load(&CachedFile::Snapshot)? {
            Some(bytes) => stage.load_cached(&bytes).unwrap_or(false),
            None => false,
        };
        if current {
            if let Some(stage) = stage.keep_cached()? {
                return Ok(stage);
            }
            return Err(RefreshError::Offline("snapshot.json".to_owned()));
        }
        let version = stage.wanted().version;
        let file = RemoteFile::Snapshot(stage.root().consistent_snapshot.then_some(version));
        let limit = stage
            .wanted()
            .length
            .map_or(self.limits.snapshot, |length| {
                length.min(self.limits.snapshot)
            });
        let bytes = self.fetch_existing(file, limit)?;
        let stage = stage.update(&bytes)?;
        self.save(CachedFile::Snapshot, version, &bytes)?;
        Ok(stage)
    }

    fn targets(&mut self, stage: &mut TargetsStage, request: &RoleRequest) -> Outcome<(), R, C> {
        if self.stored(stage, request)? {
            return Ok(());
        }
        let Needed { file, limit } = self.needed(stage, request);
        let bytes = self.fetch_existing(file, limit)?;
        stage.update(request, &bytes)?;
        let cached = CachedFile::Targets(request.role.clone());
        self.save(cached, request.wanted.version, &bytes)
    }

    /// Takes the stored copy; whether it is the one that is wanted.
    fn stored(&mut self, stage: &mut TargetsStage, request: &RoleRequest) -> Outcome<bool, R, C> {
        let cached = CachedFile::Targets(request.role.clone());
        let Some(bytes) = self.load(&cached)? else {
            return Ok(false);
        };
        match stage.update(request, &bytes) {
            Ok(()) => Ok(true),
            // Nothing can be fetched in its place, and "not stored" would hide why it does not do.
            Err(error) if self.remote.is_none() && is_refused(&error, request.name()) => {
                Err(error.into())
            }
            Err(_) => Ok(false),
        }
    }

    /// What is fetched for a request.
    fn needed(&self, stage: &TargetsStage, request: &RoleRequest) -> Needed {
        let wanted = &request.wanted;
        let version = stage.root().consistent_snapshot.then_some(wanted.version);
        Needed {
            file: RemoteFile::Targets(request.role.clone(), version),
            limit: wanted.length.map_or(self.limits.targets, |length| {
                length.min(self.limits.targets)
            }),
        }
    }
}

/// Whether a stored document is the one that is wanted, and yet may not be used: late, or not signed by those who may
/// sign it now. A damaged or an older one is as good as none.
fn is_refused(error: &TrustError, role: &str) -> bool {
    match error {
        TrustError::Verify(error) => error.is_about_signatures_of(role),
        error => error.is_expiry(),
    }
}

/// A role that a search has reached.
#[derive(Debug)]
pub struct Found<'a> {
    /// The role; `None` for `targets.json`.
    pub role: Option<RoleName>,
    /// Its document.
    pub document: &'a Verified<Targets>,
    /// What it says about the path that was searched.
    pub target: Option<&'a TargetFile>,
}

impl<R: Remote, C: Cache> Fresh<R, C> {
    /// The settled documents.
    #[must_use]
    pub fn stage(&self) -> &TargetsStage {
        &self.stage
    }

    /// The role and file that TUF's ordinary search finds for `path`; `None` when no role lists it.
    ///
    /// # Errors
    /// When a role on the way is refused or can not be fetched.
    pub fn find_target(
        &mut self,
        path: &TargetPath,
    ) -> Outcome<Option<(Option<RoleName>, TargetFile)>, R, C> {
        let mut result = None;
        self.search(path, |found| {
            result = found.target.map(|target| (found.role, target.clone()));
            result.is_some()
        })?;
        Ok(result)
    }

    /// A role that `targets.json` delegates to, fetched where it is not there yet: to read what it says of itself. Which
    /// role may speak for a file is what [`search`](Self::search) tells.
    ///
    /// # Errors
    /// When `targets.json` does not delegate to it, or it is refused or can not be fetched.
    pub fn delegated(&mut self, name: &RoleName) -> Outcome<Option<&Verified<Targets>>, R, C> {
        if let Some(request) = self.stage.request_role(name, Delegator::Targets)? {
            self.driver.targets(&mut self.stage, &request)?;
        }
        Ok(self.stage.role(name, &Delegator::Targets))
    }

    /// Lets go of a role; see [`TargetsStage::forget`].
    pub fn forget(&mut self, name: &RoleName) {
        self.stage.forget(name);
    }

    /// Walks the roles that may speak for `path` in the order of TUF's search until `done` says so.
    ///
    /// # Errors
    /// When a role on the way is refused or can not be fetched.
    pub fn search(
        &mut self,
        path: &TargetPath,
        mut done: impl FnMut(Found<'_>) -> bool,
    ) -> Outcome<(), R, C> {
        let mut search = Search::new(path.clone(), self.driver.limits.roles_per_lookup);
        loop {
            let request = match search.step(&self.stage)? {
                SearchStep::Needs(request) => request,
                SearchStep::Visit {
                    role,
                    document,
                    target,
                } => {
                    if done(Found {
                        role,
                        document,
                        target,
                    }) {
                        return Ok(());
                    }
                    continue;
                }
                SearchStep::End => return Ok(()),
            };
            self.driver.targets(&mut self.stage, &request)?;
        }
    }
}
