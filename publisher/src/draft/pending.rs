//! The documents that people's keys sign, with the signatures that they have so far.
//!
//! Snapshot and timestamp are not among them: they are made from what is published at the moment of publishing, by the
//! online key.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use sysext_formats::key::{KeyId, PublicKey};
use sysext_formats::name::{ExtensionName, NameError, RoleName};
use sysext_formats::role::{Role, RoleKeys, Root, RootRoles, Targets};
use sysext_formats::sign::{Pending, SignError, Signer};
use sysext_formats::verify::{Authority, VerifyError};

use super::{Catalog, Draft, RootOrder};

/// A document, by what it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum DocumentId {
    /// An extension's index, or a group.
    Delegated(RoleName),
    /// The table of contents.
    Targets,
    /// The snapshot.
    Snapshot,
    /// The timestamp.
    Timestamp,
    /// The root.
    Root,
}

impl DocumentId {
    /// The index of an extension.
    #[must_use]
    pub fn index(name: &ExtensionName) -> Self {
        Self::Delegated(RoleName::from(name))
    }

    /// The extension whose index it is.
    #[must_use]
    pub fn extension(&self) -> Option<ExtensionName> {
        match self {
            Self::Delegated(role) => role.as_str().parse().ok(),
            _ => None,
        }
    }

    /// The role, in TUF's words.
    #[must_use]
    pub fn role(&self) -> &str {
        match self {
            Self::Delegated(role) => role.as_str(),
            Self::Targets => "targets",
            Self::Snapshot => "snapshot",
            Self::Timestamp => "timestamp",
            Self::Root => "root",
        }
    }
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.extension()) {
            (_, Some(name)) => write!(f, "the index of {name}"),
            (Self::Delegated(group), None) => write!(f, "the group {group}"),
            (_, None) => f.write_str(self.role()),
        }
    }
}

impl FromStr for DocumentId {
    type Err = NameError;

    fn from_str(role: &str) -> Result<Self, NameError> {
        Ok(match role {
            "targets" => Self::Targets,
            "snapshot" => Self::Snapshot,
            "timestamp" => Self::Timestamp,
            "root" => Self::Root,
            role => Self::Delegated(role.parse()?),
        })
    }
}

/// Somebody who must have signed a document.
#[derive(Debug)]
pub struct Need<'a> {
    /// Whose keys, and how many of them.
    pub keys: &'a RoleKeys,
    /// The same, as clients check it.
    pub authority: Authority<'a>,
    /// Whether it is by the word of the root that is published now, and not of the new one.
    pub former: bool,
}

impl Draft {
    /// Who must sign a document of this draft; each of them must be satisfied. Empty for a role that nobody delegates to.
    #[must_use]
    pub fn needs(&self, document: &DocumentId) -> Vec<Need<'_>> {
        let (old, new) = (&self.before.root, &self.catalog.root);
        // A root is checked against the one before it always; the others only where old readers shall read on.
        let of_old = match document {
            DocumentId::Root => true,
            _ => self.order == RootOrder::Last,
        };
        let of_top = |keys: fn(&RootRoles) -> &RoleKeys, authority: fn(&Root) -> Authority<'_>| {
            let mut needs = vec![Need {
                keys: keys(&new.roles),
                authority: authority(new),
                former: false,
            }];
            if of_old && keys(&old.roles) != keys(&new.roles) {
                needs.push(Need {
                    keys: keys(&old.roles),
                    authority: authority(old),
                    former: true,
                });
            }
            needs
        };
        match document {
            DocumentId::Root => of_top(|roles| &roles.root, Root::root_authority),
            DocumentId::Targets => of_top(|roles| &roles.targets, Root::targets_authority),
            DocumentId::Snapshot => of_top(|roles| &roles.snapshot, Root::snapshot_authority),
            DocumentId::Timestamp => of_top(|roles| &roles.timestamp, Root::timestamp_authority),
            DocumentId::Delegated(role) => self.catalog.delegation_to(role).into_iter().collect(),
        }
    }
}

impl Catalog {
    /// Who signs a delegated role.
    #[must_use]
    pub fn delegation_to(&self, role: &RoleName) -> Option<Need<'_>> {
        let (delegated, delegations) = self.delegation(role)?;
        Some(Need {
            keys: &delegated.keys,
            authority: delegations.authority(role)?,
            former: false,
        })
    }
}

/// Those documents of a draft that people's keys sign.
#[derive(Debug, Clone, Default)]
pub struct PendingDocuments {
    /// A new root.
    pub root: Option<Pending<Root>>,
    /// A new table of contents.
    pub targets: Option<Pending<Targets>>,
    /// New indexes and groups.
    pub delegated: BTreeMap<RoleName, Pending<Targets>>,
}

/// A document that gathers signatures, whatever its role is.
pub trait PendingDocument {
    /// Adds a signature.
    ///
    /// # Errors
    /// When the signer fails.
    fn sign(&mut self, signer: &dyn Signer) -> Result<(), SignError>;
    /// Whether `key` has signed it.
    fn is_signed_by(&self, key: &PublicKey) -> bool;
    /// Whether its signatures suffice.
    ///
    /// # Errors
    /// When they do not.
    fn check(&self, authority: &Authority<'_>) -> Result<(), VerifyError>;
    /// Drops the signatures of everybody else.
    fn retain(&mut self, keep: &dyn Fn(&KeyId) -> bool);
    /// Its bytes as they are now.
    fn bytes(&self) -> Vec<u8>;
}

impl<T: Role> PendingDocument for Pending<T> {
    fn sign(&mut self, signer: &dyn Signer) -> Result<(), SignError> {
        Pending::sign(self, signer)
    }

    fn is_signed_by(&self, key: &PublicKey) -> bool {
        Pending::is_signed_by(self, key)
    }

    fn check(&self, authority: &Authority<'_>) -> Result<(), VerifyError> {
        Pending::check(self, authority)
    }

    fn retain(&mut self, keep: &dyn Fn(&KeyId) -> bool) {
        Pending::retain(self, keep);
    }

    fn bytes(&self) -> Vec<u8> {
        Pending::bytes(self)
    }
}

impl PendingDocuments {
    /// The documents of a draft: those that were proposed as they came, the others without any signature.
    ///
    /// # Errors
    /// When one can not be signed at all, with its role.
    pub fn of(draft: &Draft) -> Result<Self, (DocumentId, SignError)> {
        let mut documents = draft.proposed.clone();
        let catalog = &draft.catalog;
        let indexes = draft.touched.indexes.iter();
        let indexes = indexes.map(|name| (RoleName::from(name), catalog.indexes.get(name)));
        let groups = draft.touched.groups.iter();
        let groups = groups.map(|role| (role.clone(), catalog.groups.get(role)));
        for (role, document) in indexes.chain(groups) {
            if let (Some(document), false) = (document, documents.delegated.contains_key(&role)) {
                let pending = Pending::new(document.clone());
                let id = || DocumentId::Delegated(role.clone());
                let pending = pending.map_err(|error| (id(), error))?;
                documents.delegated.insert(role, pending);
            }
        }
        if draft.touched.targets && documents.targets.is_none() {
            let pending = Pending::new(catalog.targets.clone());
            documents.targets = Some(pending.map_err(|error| (DocumentId::Targets, error))?);
        }
        if draft.touched.root && documents.root.is_none() {
            let pending = Pending::new(catalog.root.clone());
            documents.root = Some(pending.map_err(|error| (DocumentId::Root, error))?);
        }
        Ok(documents)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.root.is_none() && self.targets.is_none() && self.delegated.is_empty()
    }

    /// Whether a document is among them.
    #[must_use]
    pub fn contains(&self, document: &DocumentId) -> bool {
        match document {
            DocumentId::Root => self.root.is_some(),
            DocumentId::Targets => self.targets.is_some(),
            DocumentId::Delegated(role) => self.delegated.contains_key(role),
            DocumentId::Snapshot | DocumentId::Timestamp => false,
        }
    }

    /// Each document, in the order in which they are signed: indexes, the table of contents, the root.
    pub fn iter(&self) -> impl Iterator<Item = (DocumentId, &dyn PendingDocument)> {
        fn known<T: PendingDocument>(pending: &T) -> &dyn PendingDocument {
            pending
        }
        let delegated = self.delegated.iter();
        delegated
            .map(|(role, pending)| (DocumentId::Delegated(role.clone()), known(pending)))
            .chain(
                self.targets
                    .iter()
                    .map(|it| (DocumentId::Targets, known(it))),
            )
            .chain(self.root.iter().map(|it| (DocumentId::Root, known(it))))
    }

    /// As [`iter`](Self::iter), to sign them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (DocumentId, &mut dyn PendingDocument)> {
        fn known<T: PendingDocument>(pending: &mut T) -> &mut dyn PendingDocument {
            pending
        }
        let delegated = self.delegated.iter_mut();
        delegated
            .map(|(role, pending)| (DocumentId::Delegated(role.clone()), known(pending)))
            .chain(
                self.targets
                    .iter_mut()
                    .map(|it| (DocumentId::Targets, known(it))),
            )
            .chain(self.root.iter_mut().map(|it| (DocumentId::Root, known(it))))
    }
}
