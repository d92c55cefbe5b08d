//! Changing who may sign what.
//!
//! - Whatever a key that goes has signed is signed again: nothing that only the old key vouches for stays published.
//! - Where the keys of `targets`, `snapshot` or `timestamp` change, the root becomes visible last ([`RootOrder::Last`]),
//!   unless the old keys are lost: then it goes first, and until the timestamp follows a moment later, hosts that read in
//!   between keep what they have.
//! - A threshold that its keys can not reach is never written.

use std::collections::BTreeSet;

use sysext_formats::key::{KeyId, PublicKey};
use sysext_formats::name::ExtensionName;
use sysext_formats::role::{RoleKeys, Root, Threshold};

use super::groups::{drop_unused_keys, is_group};
use super::{DraftError, Editor, RootOrder, Table};
use crate::config::Office;

/// A change of keys.
#[derive(Debug, Clone, PartialEq)]
pub enum KeyEdit {
    /// One more may sign.
    Add(PublicKey),
    /// One may not sign any more.
    Remove(KeyId),
    /// One takes another's place.
    Replace {
        /// Who goes.
        old: KeyId,
        /// Who comes.
        new: PublicKey,
    },
    /// So many must sign.
    Threshold(Threshold),
}

impl KeyEdit {
    fn goes(&self) -> Option<&KeyId> {
        match self {
            Self::Remove(id) | Self::Replace { old: id, .. } => Some(id),
            Self::Add(_) | Self::Threshold(_) => None,
        }
    }

    fn comes(&self) -> Option<&PublicKey> {
        match self {
            Self::Add(key) | Self::Replace { new: key, .. } => Some(key),
            Self::Remove(_) | Self::Threshold(_) => None,
        }
    }

    /// Changes the keys of `role`; the answer is whether they are others now.
    fn apply(&self, role: &str, keys: &mut RoleKeys) -> Result<bool, DraftError> {
        let comes = self.comes().map(PublicKey::canonical_id);
        if comes.is_some() && comes.as_ref() == self.goes() {
            return Ok(false);
        }
        if let (Some(id), Some(_)) = (&comes, self.goes())
            && keys.keyids.contains(id)
        {
            return Err(DraftError::SignsAlready {
                role: role.to_owned(),
                id: id.clone(),
            });
        }
        let mut new = keys.clone();
        if let Some(id) = self.goes() {
            let place = new.keyids.iter().position(|other| other == id);
            let Some(place) = place else {
                return Err(DraftError::NoSuchKey {
                    role: role.to_owned(),
                    id: id.clone(),
                    keys: keys.keyids.iter().map(KeyId::short).collect(),
                });
            };
            new.keyids.remove(place);
        }
        if let Some(id) = comes.filter(|id| !new.keyids.contains(id)) {
            new.keyids.push(id);
        }
        if let Self::Threshold(threshold) = self {
            new.threshold = *threshold;
        }
        if !new.threshold.is_met_by(new.keyids.len()) {
            return Err(DraftError::Threshold {
                threshold: new.threshold.get(),
                keys: new.keyids.len(),
            });
        }
        let changed = new != *keys;
        *keys = new;
        Ok(changed)
    }
}

/// A change of who may sign.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyChange {
    /// Whose keys.
    pub office: Office,
    /// What happens to them, one after the other.
    pub edits: Vec<KeyEdit>,
    /// The configured release keys, which count where the root keys sign the table of contents.
    pub release: Vec<KeyId>,
    /// Whether the keys that go can not sign any more.
    pub lost: bool,
    /// Whether the index of the extension is left unsigned: whoever has the new key hands one in.
    pub revoke: bool,
}

impl KeyChange {
    /// The key that goes.
    #[must_use]
    pub fn goes(&self) -> Option<&KeyId> {
        self.edits.iter().find_map(KeyEdit::goes)
    }
}

impl Editor {
    /// The extensions whose indexes such a change makes necessary to sign again: they must be handed in first, as far as
    /// there is an index.
    #[must_use]
    pub fn signed_again(&self, change: &KeyChange) -> Vec<ExtensionName> {
        let only_adds = change
            .edits
            .iter()
            .all(|edit| matches!(edit, KeyEdit::Add(_)));
        if only_adds || change.revoke {
            return Vec::new();
        }
        self.concerned(change)
    }

    /// The extensions whose delegation changes.
    fn concerned(&self, change: &KeyChange) -> Vec<ExtensionName> {
        let release: BTreeSet<&KeyId> = match self.catalog.targets_by_root() {
            true => change.release.iter().collect(),
            false => self.catalog.root.roles.targets.keyids.iter().collect(),
        };
        let is_concerned = |name: &ExtensionName| {
            let keys = self.catalog.index_keys(name);
            keys.is_some_and(|keys| match change.goes() {
                Some(id) => keys.keyids.contains(id),
                None => keys.keyids.iter().any(|id| release.contains(id)),
            })
        };
        match &change.office {
            Office::Root | Office::Online => Vec::new(),
            Office::Release => self.catalog.extensions().filter(is_concerned).collect(),
            Office::Extension(name) => vec![name.clone()],
        }
    }

    /// Changes who may sign.
    ///
    /// # Errors
    /// When there is no such key, or too few would be left.
    pub fn edit_keys(&mut self, change: &KeyChange) -> Result<(), DraftError> {
        self.lost |= change.lost;
        let concerned = self.concerned(change);
        let again = self.signed_again(change);
        let by_root = self.catalog.targets_by_root();
        let old_root = self.catalog.root.clone();
        for edit in &change.edits {
            match &change.office {
                Office::Root => self.edit_root(edit, |root| match by_root {
                    true => vec![
                        ("root", &mut root.roles.root),
                        ("targets", &mut root.roles.targets),
                    ],
                    false => vec![("root", &mut root.roles.root)],
                })?,
                Office::Online => self.edit_root(edit, |root| {
                    let roles = &mut root.roles;
                    vec![
                        ("snapshot", &mut roles.snapshot),
                        ("timestamp", &mut roles.timestamp),
                    ]
                })?,
                // With the profile `team` only indexes are signed by it.
                Office::Release if by_root => {}
                Office::Release => {
                    self.edit_root(edit, |root| vec![("targets", &mut root.roles.targets)])?;
                }
                Office::Extension(_) => {}
            }
            for name in &concerned {
                self.edit_delegation(name, edit)?;
            }
        }
        let (old, new) = (&old_root.roles, &self.catalog.root.roles);
        let freshness = (&old.snapshot, &old.timestamp) != (&new.snapshot, &new.timestamp);
        let contents = old.targets != new.targets;
        let delegations_changed = self.touched.targets || !self.touched.groups.is_empty();
        if freshness {
            (self.renewed.snapshot, self.renewed.timestamp) = (true, true);
        }
        if contents {
            self.follow_targets_keys()?;
        }
        if (freshness || contents) && !change.lost && old_root.expires > self.now {
            self.order = RootOrder::Last;
        }
        if contents || delegations_changed {
            for name in again {
                // One of which nothing is published yet has nothing to be signed.
                if self.has_index(&name) {
                    self.touch_index(&name)?;
                }
            }
        }
        Ok(())
    }

    /// Signs every table of contents again, and lets the groups be signed by whoever signs `targets.json` now.
    fn follow_targets_keys(&mut self) -> Result<(), DraftError> {
        let keys = self.catalog.root.roles.targets.clone();
        let known = self.catalog.root.keys.clone();
        let groups: Vec<_> = self
            .catalog
            .groups_delegated()
            .map(|it| it.name.clone())
            .collect();
        let top = self.touch_targets()?;
        if let Some(delegations) = top.delegations.as_mut().filter(|_| !groups.is_empty()) {
            for role in &mut delegations.roles {
                if is_group(&role.name) {
                    role.keys.keyids.clone_from(&keys.keyids);
                    role.keys.threshold = keys.threshold;
                }
            }
            let used = keys.keyids.iter();
            let used = used.filter_map(|id| Some((id.clone(), known.get(id)?.clone())));
            delegations.keys.extend(used);
            drop_unused_keys(delegations);
        }
        for role in groups {
            self.touch_table(&Table::Group(role))?;
        }
        Ok(())
    }

    fn edit_root(
        &mut self,
        edit: &KeyEdit,
        roles: impl Fn(&mut Root) -> Vec<(&'static str, &mut RoleKeys)>,
    ) -> Result<(), DraftError> {
        let mut root = self.catalog.root.clone();
        let mut changed = false;
        for (name, keys) in roles(&mut root) {
            changed |= edit.apply(name, keys)?;
        }
        if !changed {
            return Ok(());
        }
        if let Some(key) = edit.comes() {
            root.keys.insert(key.canonical_id(), key.clone());
        }
        let roles = &root.roles;
        let all = [
            &roles.root,
            &roles.targets,
            &roles.snapshot,
            &roles.timestamp,
        ];
        let used: BTreeSet<&KeyId> = all.into_iter().flat_map(|keys| &keys.keyids).collect();
        root.keys.retain(|id, _| used.contains(id));
        self.catalog.root = root;
        self.touch_root().map(drop)
    }

    fn edit_delegation(&mut self, name: &ExtensionName, edit: &KeyEdit) -> Result<(), DraftError> {
        let unknown = || DraftError::UnknownExtension(name.clone());
        let mut keys = self.catalog.index_keys(name).ok_or_else(unknown)?.clone();
        if !edit.apply(name.as_str(), &mut keys)? {
            return Ok(());
        }
        let table = self.catalog.table_of(name);
        let targets = self.touch_table(&table)?;
        let delegations = targets.delegations.as_mut().ok_or_else(unknown)?;
        if let Some(key) = edit.comes() {
            delegations.keys.insert(key.canonical_id(), key.clone());
        }
        let role = delegations
            .roles
            .iter_mut()
            .find(|role| role.name.as_str() == name.as_str());
        role.ok_or_else(unknown)?.keys = keys;
        drop_unused_keys(delegations);
        Ok(())
    }
}
