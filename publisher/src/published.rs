//! The catalog as it is published now, verified.
//!
//! - It is read by the TUF workflow that hosts run, starting from the vendor's own `root.json`, and held against what this
//!   machine saw last. What can not be verified is never gone on from.
//! - Expiry does not count: what has expired must be readable to be renewed.
//! - Extension indexes are read when they are asked for, so that a catalog of 10,000 costs no more than one of ten; who looks
//!   at each of them in turn [`peek`](Published::peek)s, and holds one at a time.

use sysext_formats::limits::Limits;
use sysext_formats::name::{ExtensionName, RoleName, TargetPath};
use sysext_formats::role::Targets;
use sysext_formats::time::UtcTime;
use sysext_formats::trust::{Clock, ExpiryPolicy, TargetsStage, TrustError};
use sysext_formats::verify::VerifyError;
use sysext_formats::workflow::{self, CachedFile, Fresh, RefreshError, Remote, RemoteFile};

use crate::draft::{Catalog, group_prefix};
use crate::location::{Location, LocationError, Place};
use crate::memory::{Documents, Memory};

/// Why what is published can not be used.
#[derive(Debug, thiserror::Error)]
pub enum PublishedError {
    /// The workflow ended: something is missing, refused, or could not be read.
    #[error("the catalog at {location} can not be used")]
    Refresh {
        /// Where it is.
        location: String,
        /// What ended it.
        source: RefreshError<LocationError, sysext_durable::Error>,
    },
    /// `targets.json` delegates to nobody of that name, or not as catalogs of ours do.
    #[error("the catalog at {location} has no extension {name}")]
    NoSuchExtension {
        /// Where it is.
        location: String,
        /// The extension.
        name: ExtensionName,
    },
}

impl PublishedError {
    /// Whether what is published is older than what was seen.
    #[must_use]
    pub fn is_rollback(&self) -> bool {
        let Self::Refresh { source, .. } = self else {
            return false;
        };
        matches!(
            source,
            RefreshError::Trust(TrustError::Rollback { .. } | TrustError::Dropped { .. })
        )
    }
}

/// What is published of an extension that somebody is delegated to.
#[derive(Debug)]
pub enum LookUp {
    /// Its index.
    Index(Targets),
    /// Nothing yet: whoever has its keys has handed nothing in.
    Unpublished,
    /// An index that those who may sign it now did not sign. The host alone vouches for it.
    Disowned(VerifyError),
}

/// A location as the TUF workflow reads it.
#[derive(Debug)]
pub struct Reader<'a> {
    location: &'a dyn Location,
}

impl<'a> Reader<'a> {
    /// Reads from `location`.
    #[must_use]
    pub fn new(location: &'a dyn Location) -> Self {
        Self { location }
    }
}

impl Remote for Reader<'_> {
    type Error = LocationError;

    fn fetch(&mut self, file: &RemoteFile, limit: u64) -> Result<Option<Vec<u8>>, LocationError> {
        self.location.read(&Place::Metadata(file.clone()), limit)
    }
}

/// A published catalog.
#[derive(Debug)]
pub struct Published<'a> {
    location: String,
    source: &'a dyn Location,
    fresh: Fresh<Reader<'a>, Memory>,
    memory: Memory,
}

impl<'a> Published<'a> {
    /// Reads the catalog at `location`, from the root in `memory` on.
    ///
    /// # Errors
    /// When it is not there, can not be verified, or is older than what `memory` has seen.
    pub fn read(
        location: &'a dyn Location,
        memory: Memory,
        now: UtcTime,
    ) -> Result<Self, PublishedError> {
        Self::read_with(location, memory, now, ExpiryPolicy::Ignore)
    }

    /// As [`read`](Self::read), as a host would: what has expired is refused.
    ///
    /// # Errors
    /// As [`read`](Self::read), and when something has expired.
    pub fn read_as_host(
        location: &'a dyn Location,
        memory: Memory,
        now: UtcTime,
    ) -> Result<Self, PublishedError> {
        Self::read_with(location, memory, now, ExpiryPolicy::Enforce)
    }

    fn read_with(
        location: &'a dyn Location,
        memory: Memory,
        now: UtcTime,
        expiry: ExpiryPolicy,
    ) -> Result<Self, PublishedError> {
        let clock = Clock { now, expiry };
        let fresh = workflow::refresh(
            Some(Reader::new(location)),
            memory.clone(),
            clock,
            Limits::default(),
        );
        Ok(Self {
            location: location.name(),
            source: location,
            fresh: fresh.map_err(|source| PublishedError::Refresh {
                location: location.name(),
                source,
            })?,
            memory,
        })
    }

    /// Where it is read, images too.
    #[must_use]
    pub fn source(&self) -> &'a dyn Location {
        self.source
    }

    /// The verified documents.
    #[must_use]
    pub fn stage(&self) -> &TargetsStage {
        self.fresh.stage()
    }

    /// The extensions it has, in the order of its tables of contents.
    ///
    /// # Errors
    /// When a group can not be verified.
    pub fn extensions(&mut self) -> Result<Vec<ExtensionName>, PublishedError> {
        Ok(self.whole_catalog()?.extensions().collect())
    }

    /// Every group, in the order of the table of contents.
    ///
    /// # Errors
    /// When one can not be verified.
    pub fn groups(&mut self) -> Result<Vec<(RoleName, Targets)>, PublishedError> {
        let delegated = self
            .stage()
            .targets()
            .and_then(|it| it.delegations.as_ref());
        let roles = delegated.iter().flat_map(|delegations| &delegations.roles);
        let prefixes =
            roles.filter_map(|role| Some((role.name.clone(), group_prefix(role)?.to_owned())));
        let prefixes: Vec<_> = prefixes.collect();
        let mut groups = Vec::new();
        for (role, prefix) in prefixes {
            groups.extend(self.group(&role, &prefix)?);
        }
        Ok(groups)
    }

    /// The group that an extension is in, where there are groups.
    ///
    /// # Errors
    /// When it can not be verified.
    pub fn group_of(
        &mut self,
        name: &ExtensionName,
    ) -> Result<Option<(RoleName, Targets)>, PublishedError> {
        let path = format!("{name}_");
        let delegated = self
            .stage()
            .targets()
            .and_then(|it| it.delegations.as_ref());
        let mut roles = delegated.iter().flat_map(|delegations| &delegations.roles);
        let group = roles.find(|role| group_prefix(role).is_some_and(|it| path.starts_with(it)));
        match group.map(|role| role.name.clone()) {
            Some(role) => self.group(&role, &path),
            None => Ok(None),
        }
    }

    /// The group `role`, which the search for `path` reaches.
    fn group(
        &mut self,
        role: &RoleName,
        path: &str,
    ) -> Result<Option<(RoleName, Targets)>, PublishedError> {
        let Ok(path) = path.parse::<TargetPath>() else {
            return Ok(None);
        };
        let mut group = None;
        let searched = self.fresh.search(&path, |found| {
            if found.role.as_ref() == Some(role) {
                group = Some((role.clone(), (**found.document).clone()));
            }
            group.is_some()
        });
        searched.map_err(|source| PublishedError::Refresh {
            location: self.location.clone(),
            source,
        })?;
        Ok(group)
    }

    /// What is published of one extension.
    ///
    /// # Errors
    /// When nobody is delegated to, or its index is there and wrong.
    pub fn look_up(&mut self, name: &ExtensionName) -> Result<LookUp, PublishedError> {
        let is_its = |role: &str| role == name.as_str();
        match find_index(&mut self.fresh, name) {
            Ok(Some(index)) => Ok(LookUp::Index(index)),
            Ok(None) => Err(PublishedError::NoSuchExtension {
                location: self.location.clone(),
                name: name.clone(),
            }),
            Err(RefreshError::Trust(TrustError::NotInSnapshot { role })) if is_its(&role) => {
                Ok(LookUp::Unpublished)
            }
            Err(RefreshError::Trust(TrustError::Verify(error)))
                if error.is_about_signatures_of(name.as_str()) =>
            {
                Ok(LookUp::Disowned(error))
            }
            Err(source) => Err(PublishedError::Refresh {
                location: self.location.clone(),
                source,
            }),
        }
    }

    /// As [`look_up`](Self::look_up), for a pass over all extensions: nothing of the index is kept.
    ///
    /// # Errors
    /// As [`look_up`](Self::look_up).
    pub fn peek(&mut self, name: &ExtensionName) -> Result<LookUp, PublishedError> {
        let file = CachedFile::Targets(Some(name.into()));
        let was_there = self.memory.has(&file);
        let looked_up = self.look_up(name);
        if !was_there {
            self.fresh.forget(&name.into());
            self.memory.forget(&file);
        }
        looked_up
    }

    /// The top documents, to draft from; indexes come as they are asked for.
    #[must_use]
    pub fn catalog(&self) -> Option<Catalog> {
        let stage = self.stage();
        Some(Catalog {
            root: (**stage.root()).clone(),
            targets: (**stage.targets()?).clone(),
            snapshot: (**stage.snapshot()).clone(),
            timestamp: (**stage.timestamp()).clone(),
            groups: Default::default(),
            indexes: Default::default(),
        })
    }

    /// The top documents with every group.
    ///
    /// # Errors
    /// When there is no table of contents, or a group can not be verified.
    pub fn whole_catalog(&mut self) -> Result<Catalog, PublishedError> {
        let groups = self.groups()?;
        let missing = || PublishedError::Refresh {
            location: self.location.clone(),
            source: RefreshError::Missing(RemoteFile::Targets(None, None)),
        };
        let mut catalog = self.catalog().ok_or_else(missing)?;
        catalog.groups.extend(groups);
        Ok(catalog)
    }

    /// What a host has stored that refreshed now and looked at the same indexes.
    #[must_use]
    pub fn documents(&self) -> Documents {
        self.memory.documents()
    }

    /// Where what is seen is remembered.
    #[must_use]
    pub fn memory(&self) -> Memory {
        self.memory.clone()
    }
}

/// The index that TUF's ordinary search reaches for the files of `name`.
///
/// # Errors
/// When a document on the way is refused or can not be read.
pub fn find_index<R: Remote, C: workflow::Cache>(
    fresh: &mut Fresh<R, C>,
    name: &ExtensionName,
) -> Result<Option<Targets>, RefreshError<R::Error, C::Error>> {
    let role = RoleName::from(name);
    let Ok(path) = format!("{name}_").parse::<TargetPath>() else {
        return Ok(None);
    };
    let mut index = None;
    fresh.search(&path, |found| {
        if found.role.as_ref() == Some(&role) {
            index = Some((**found.document).clone());
        }
        index.is_some()
    })?;
    Ok(index)
}
