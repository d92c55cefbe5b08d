//! 5.6: targets, delegated roles, and the search for a file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::delegation_index::DelegationIndex;
use super::{Clock, TrustError};
use crate::name::{RoleName, TargetPath};
use crate::role::{MetaFile, Role as _, Root, Snapshot, TargetFile, Targets, Timestamp};
use crate::verify::{Authority, Verified, verify};

/// Who delegates: the top of the tree, or a role in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Delegator {
    /// The root, for `targets.json` itself.
    Root,
    /// `targets.json`.
    Targets,
    /// A delegated role, itself delegated by another.
    Role(RoleName),
}

impl fmt::Display for Delegator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Root => "root",
            Self::Targets => "targets",
            Self::Role(name) => name.as_str(),
        })
    }
}

/// Root, timestamp and snapshot are settled; targets documents are taken as they are needed.
#[derive(Debug)]
pub struct TargetsStage {
    root: Verified<Root>,
    timestamp: Verified<Timestamp>,
    snapshot: Verified<Snapshot>,
    clock: Clock,
    targets: Option<Verified<Targets>>,
    /// By role *and* delegator: what one delegator vouches for says nothing about another's word.
    roles: BTreeMap<(RoleName, Delegator), Verified<Targets>>,
    /// Of each document above, which is the same by the word of several delegators.
    indexes: BTreeMap<Option<RoleName>, DelegationIndex>,
}

/// A targets document that is needed next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRequest {
    /// The role; `None` for `targets.json`.
    pub role: Option<RoleName>,
    /// Who vouches for it.
    pub delegator: Delegator,
    /// What the snapshot says about it.
    pub wanted: MetaFile,
}

impl RoleRequest {
    /// The role's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.role.as_ref().map_or("targets", RoleName::as_str)
    }
}

impl TargetsStage {
    pub(super) fn new(
        root: Verified<Root>,
        timestamp: Verified<Timestamp>,
        snapshot: Verified<Snapshot>,
        clock: Clock,
    ) -> Self {
        Self {
            root,
            timestamp,
            snapshot,
            clock,
            targets: None,
            roles: BTreeMap::new(),
            indexes: BTreeMap::new(),
        }
    }

    /// The root of this refresh.
    #[must_use]
    pub fn root(&self) -> &Verified<Root> {
        &self.root
    }

    /// The timestamp of this refresh.
    #[must_use]
    pub fn timestamp(&self) -> &Verified<Timestamp> {
        &self.timestamp
    }

    /// The snapshot of this refresh.
    #[must_use]
    pub fn snapshot(&self) -> &Verified<Snapshot> {
        &self.snapshot
    }

    /// `targets.json`, once it was taken.
    #[must_use]
    pub fn targets(&self) -> Option<&Verified<Targets>> {
        self.targets.as_ref()
    }

    /// A delegated role as `delegator` vouches for it, once it was taken.
    #[must_use]
    pub fn role(&self, name: &RoleName, delegator: &Delegator) -> Option<&Verified<Targets>> {
        self.roles.get(&(name.clone(), delegator.clone()))
    }

    /// What must be fetched to have `targets.json`; `None` when it is there.
    ///
    /// # Errors
    /// When the snapshot does not list it.
    pub fn request_targets(&self) -> Result<Option<RoleRequest>, TrustError> {
        if self.targets.is_some() {
            return Ok(None);
        }
        self.request(None, Delegator::Root).map(Some)
    }

    /// What must be fetched to have a role that `delegator` delegates to; `None` when it is there.
    ///
    /// # Errors
    /// When the snapshot does not list it.
    pub fn request_role(
        &self,
        name: &RoleName,
        delegator: Delegator,
    ) -> Result<Option<RoleRequest>, TrustError> {
        if self.role(name, &delegator).is_some() {
            return Ok(None);
        }
        self.request(Some(name.clone()), delegator).map(Some)
    }

    fn request(
        &self,
        role: Option<RoleName>,
        delegator: Delegator,
    ) -> Result<RoleRequest, TrustError> {
        let name = role.as_ref().map_or("targets", RoleName::as_str);
        let wanted = self.snapshot.role(name).cloned();
        let wanted = wanted.ok_or_else(|| TrustError::NotInSnapshot {
            role: name.to_owned(),
        })?;
        Ok(RoleRequest {
            role,
            delegator,
            wanted,
        })
    }

    /// Takes a targets document, fetched or from the cache: both are checked alike, against the *current* delegator.
    ///
    /// # Errors
    /// When its bytes are not the promised ones (5.6.2), its delegator's keys did not sign it (5.6.3), it has another
    /// version than the snapshot says (5.6.4), says that it is of another role, or has expired (5.6.5). Delegated roles
    /// are spared none of it.
    pub fn update(&mut self, request: &RoleRequest, bytes: &[u8]) -> Result<(), TrustError> {
        let name = request.name().to_owned();
        // The promise is looked up again: a request is data that the caller holds.
        let wanted = self
            .request(request.role.clone(), request.delegator.clone())?
            .wanted;
        wanted.check(bytes).map_err(|source| TrustError::Content {
            role: name.clone(),
            source,
        })?;
        let received = verify::<Targets>(bytes, &self.authority(request)?)?;
        if received.version() != wanted.version {
            return Err(TrustError::Version {
                role: name,
                expected: wanted.version,
                found: received.version(),
            });
        }
        // Nothing of TUF's in the document says which role it is of, a key may sign many roles, and our snapshots promise
        // versions only: whoever holds the server could pass one role's document off as another's.
        if let Some(found) = received.stated_role().filter(|found| *found != name) {
            return Err(TrustError::OtherRole {
                role: name,
                found: found.to_owned(),
            });
        }
        self.clock.check(&name, &*received)?;
        let index = received.delegations.as_ref().map(DelegationIndex::new);
        match &request.role {
            None => self.targets = Some(received),
            Some(role) => {
                self.check_the_same(role, &received)?;
                self.roles
                    .insert((role.clone(), request.delegator.clone()), received);
            }
        }
        self.indexes
            .insert(request.role.clone(), index.unwrap_or_default());
        Ok(())
    }

    /// Lets go of a role, by whoever's word it is there: to go through thousands of them in bounded memory. What needs it again
    /// asks for it, and it is verified anew.
    pub fn forget(&mut self, name: &RoleName) {
        self.roles.retain(|(role, _), _| role != name);
        self.indexes.remove(&Some(name.clone()));
    }

    fn authority(&self, request: &RoleRequest) -> Result<Authority<'_>, TrustError> {
        let Some(role) = &request.role else {
            return Ok(self.root.targets_authority());
        };
        self.delegated(role, &request.delegator)
            .ok_or_else(|| TrustError::NotDelegated {
                role: role.to_string(),
                delegator: request.delegator.to_string(),
            })
    }

    fn delegated(&self, role: &RoleName, delegator: &Delegator) -> Option<Authority<'_>> {
        let delegations = self.delegations_of(delegator)?.delegations.as_ref()?;
        let index = self.indexes.get(&match delegator {
            Delegator::Root => return None,
            Delegator::Targets => None,
            Delegator::Role(name) => Some(name.clone()),
        })?;
        Some(delegations.authority_of(index.of(delegations, role)?))
    }

    /// A role may be there by the word of several delegators, each with keys of its own, and the snapshot promises a version
    /// only: two documents of one role and version would let the one be read with the delegations of the other.
    fn check_the_same(
        &self,
        role: &RoleName,
        received: &Verified<Targets>,
    ) -> Result<(), TrustError> {
        let mut others = self.roles.range((role.clone(), Delegator::Root)..);
        match others.next() {
            Some(((other, _), document))
                if other == role && document.sha256() != received.sha256() =>
            {
                Err(TrustError::TwoDocuments {
                    role: role.to_string(),
                    version: received.version,
                })
            }
            _ => Ok(()),
        }
    }

    /// A document that was read.
    fn document(
        &self,
        role: &Option<RoleName>,
        delegator: &Delegator,
    ) -> Option<&Verified<Targets>> {
        match role {
            None => self.targets(),
            Some(name) => self.role(name, delegator),
        }
    }

    /// The document of a delegator. A delegated role may be there by the word of several delegators: its bytes are the same,
    /// so any of them serves.
    fn delegations_of(&self, delegator: &Delegator) -> Option<&Verified<Targets>> {
        match delegator {
            Delegator::Root => None,
            Delegator::Targets => self.targets.as_ref(),
            Delegator::Role(name) => self
                .roles
                .range((name.clone(), Delegator::Root)..)
                .next()
                .filter(|((role, _), _)| role == name)
                .map(|(_, document)| document),
        }
    }
}

/// The pre-order search for the role that speaks for a path (5.6.7), one step at a time: the caller fetches what a step
/// asks for, or ends the search.
///
/// - A role is visited once, so cycles end; `limit` roles are visited at most.
/// - A terminating delegation that covers the path ends the search with what lies below it.
/// - A document that says something about exactly the path ends it, too (5.6.7.2).
#[derive(Debug)]
pub struct Search {
    path: TargetPath,
    limit: usize,
    visited: BTreeSet<Option<RoleName>>,
    /// Still to visit, the next one last.
    pending: Vec<(Option<RoleName>, Delegator)>,
    /// Visited last, and not descended from yet: a caller that has what it wants pays for no patterns.
    above: Option<(Option<RoleName>, Delegator)>,
}

/// Where a search stands.
#[derive(Debug)]
pub enum SearchStep<'a> {
    /// This document is needed: give it to [`TargetsStage::update`] and go on.
    Needs(RoleRequest),
    /// A role that may speak for the path.
    Visit {
        /// The role; `None` for `targets.json`.
        role: Option<RoleName>,
        /// Its document.
        document: &'a Verified<Targets>,
        /// What it says about exactly this path.
        target: Option<&'a TargetFile>,
    },
    /// No further role may speak for it.
    End,
}

impl Search {
    /// A search for `path`, from `targets.json` on, over `limit` roles at most.
    #[must_use]
    pub fn new(path: TargetPath, limit: usize) -> Self {
        Self {
            path,
            limit,
            visited: BTreeSet::new(),
            pending: vec![(None, Delegator::Root)],
            above: None,
        }
    }

    /// The next step.
    ///
    /// # Errors
    /// When the snapshot does not list a role that is needed.
    pub fn step<'a>(&mut self, stage: &'a TargetsStage) -> Result<SearchStep<'a>, TrustError> {
        if let Some((role, delegator)) = self.above.take()
            && let Some(document) = stage.document(&role, &delegator)
        {
            if document.targets.contains_key(&self.path) {
                self.pending.clear();
            } else {
                self.descend(&role, document, stage.indexes.get(&role));
            }
        }
        while let Some((role, delegator)) = self.pending.pop() {
            if self.visited.contains(&role) || self.visited.len() >= self.limit {
                continue;
            }
            let Some(document) = stage.document(&role, &delegator) else {
                let request = stage.request(role.clone(), delegator.clone())?;
                self.pending.push((role, delegator));
                return Ok(SearchStep::Needs(request));
            };
            self.visited.insert(role.clone());
            self.above = Some((role.clone(), delegator));
            return Ok(SearchStep::Visit {
                role,
                document,
                target: document.targets.get(&self.path),
            });
        }
        Ok(SearchStep::End)
    }

    fn descend(
        &mut self,
        role: &Option<RoleName>,
        document: &Targets,
        index: Option<&DelegationIndex>,
    ) {
        let (Some(delegations), Some(index)) = (&document.delegations, index) else {
            return;
        };
        let delegator = role.clone().map_or(Delegator::Targets, Delegator::Role);
        let mut children = Vec::new();
        for child in index.covering(delegations, &self.path) {
            children.push((Some(child.name.clone()), delegator.clone()));
            if child.terminating {
                self.pending.clear();
                break;
            }
        }
        self.pending.extend(children.into_iter().rev());
    }
}
