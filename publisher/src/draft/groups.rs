//! Groups: tables of contents between `targets.json` and the indexes of a catalog with many extensions.
//!
//! - A group `_PREFIX` names the extensions for which `NAME_` begins with PREFIX; the prefixes of two groups never overlap,
//!   so a host reads one group for each extension that it uses, and a new extension changes one group.
//! - A catalog is either without groups, or every extension is in one. It gets them once it has more extensions than
//!   `group-above`; a group that has more is split. Neither is ever undone.
//! - They are signed by those who sign `targets.json`.

use std::collections::{BTreeMap, BTreeSet};

use sysext_formats::catalog::{CatalogInfo, ExtensionSummary, SCHEMA};
use sysext_formats::key::KeyId;
use sysext_formats::name::{ExtensionName, RoleName};
use sysext_formats::role::{
    DelegatedRole, Delegations, Extra, MetadataVersion, Paths, RoleKeys, Targets,
};

use super::editor::next;
use super::{Catalog, DraftError, Editor};

/// Which table of contents an extension is in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// `targets.json`.
    Top,
    /// A group.
    Group(RoleName),
}

/// The beginning that the paths of a group have in common; `None` for a role that is no group.
#[must_use]
pub fn group_prefix(role: &DelegatedRole) -> Option<&str> {
    let Paths::Paths(patterns) = &role.paths else {
        return None;
    };
    match patterns.as_slice() {
        [pattern] if is_group(&role.name) => pattern.strip_suffix('*'),
        _ => None,
    }
}

/// Whether a role has the name of a group: no extension's begins so.
#[must_use]
pub fn is_group(role: &RoleName) -> bool {
    role.as_str().starts_with('_')
}

impl Catalog {
    /// The groups that `targets.json` delegates to.
    pub fn groups_delegated(&self) -> impl Iterator<Item = &DelegatedRole> {
        let roles = self.targets.delegations.iter().flat_map(|it| &it.roles);
        roles.filter(|role| group_prefix(role).is_some())
    }

    /// The group that an extension is in, or would be.
    #[must_use]
    pub fn group_of(&self, name: &ExtensionName) -> Option<&RoleName> {
        let path = format!("{name}_");
        let mut groups = self.groups_delegated();
        let group = groups.find(|role| group_prefix(role).is_some_and(|it| path.starts_with(it)));
        group.map(|role| &role.name)
    }

    /// The table of contents that an extension is in, or would be.
    #[must_use]
    pub fn table_of(&self, name: &ExtensionName) -> Table {
        self.group_of(name)
            .map_or(Table::Top, |group| Table::Group(group.clone()))
    }

    /// A table of contents, as far as it was read.
    #[must_use]
    pub fn table(&self, table: &Table) -> Option<&Targets> {
        match table {
            Table::Top => Some(&self.targets),
            Table::Group(role) => self.groups.get(role),
        }
    }

    /// `targets.json` and every group that was read.
    pub fn tables(&self) -> impl Iterator<Item = (Table, &Targets)> {
        let groups = self.groups.iter();
        std::iter::once((Table::Top, &self.targets))
            .chain(groups.map(|(role, group)| (Table::Group(role.clone()), group)))
    }

    /// Who delegates to a role, and how.
    pub(super) fn delegation(&self, name: &RoleName) -> Option<(&DelegatedRole, &Delegations)> {
        let table = match name.as_str().parse::<ExtensionName>() {
            Ok(extension) => self.table(&self.table_of(&extension))?,
            Err(_) => &self.targets,
        };
        let delegations = table.delegations.as_ref()?;
        let role = delegations.roles.iter().find(|role| role.name == *name)?;
        Some((role, delegations))
    }
}

impl Editor {
    /// Hands in a published group, which any change to its extensions starts from.
    pub fn load_group(&mut self, role: &RoleName, group: Targets) {
        if !self.catalog.groups.contains_key(role) {
            self.before.groups.insert(role.clone(), group.clone());
            self.catalog.groups.insert(role.clone(), group);
        }
    }

    /// A table of contents, with its next version and expiry from the first change on.
    pub(super) fn touch_table(&mut self, table: &Table) -> Result<&mut Targets, DraftError> {
        let Table::Group(role) = table else {
            return self.touch_targets();
        };
        let group = self.catalog.groups.get_mut(role);
        let group = group.ok_or_else(|| DraftError::UnknownGroup(role.clone()))?;
        if self.touched.groups.insert(role.clone()) {
            group.version = next(group.version, role.as_str())?;
            group.expires = self.now.plus(self.policy.expires.targets.duration());
        }
        Ok(group)
    }

    /// Splits every table of contents that has grown too long.
    pub(super) fn split_tables(&mut self) -> Result<(), DraftError> {
        let most = self.policy.group_above;
        let is_long = |targets: &Targets| {
            let roles = targets.delegations.iter().flat_map(|it| &it.roles);
            roles.filter(|role| !is_group(&role.name)).count() > most
        };
        let tables = self.catalog.tables();
        let long = tables.filter(|(_, targets)| is_long(targets));
        let long: Vec<_> = long.map(|(table, _)| table).collect();
        long.iter().try_for_each(|table| self.split(table))
    }

    fn split(&mut self, table: &Table) -> Result<(), DraftError> {
        let keys = self.catalog.root.roles.targets.clone();
        let root_keys = self.catalog.root.keys.clone();
        let summaries = self.take_summaries(table)?;
        let source = self.touch_table(table)?;
        let Some(delegations) = source.delegations.as_mut() else {
            return Ok(());
        };
        let known = delegations.keys.clone();
        let (moving, staying) = std::mem::take(&mut delegations.roles)
            .into_iter()
            .partition(|role| !is_group(&role.name));
        delegations.roles = staying;
        let mut prefix = String::new();
        if let Table::Group(role) = table {
            role.as_str()
                .trim_start_matches('_')
                .clone_into(&mut prefix);
            self.catalog.groups.remove(role);
            self.touched.groups.remove(role);
            let top = self.touch_targets()?.delegations.as_mut();
            if let Some(top) = top {
                top.roles.retain(|other| other.name != *role);
            }
        }
        let mut parts = BTreeMap::new();
        divide(moving, &prefix, self.policy.group_above, &mut parts);
        for (prefix, roles) in parts {
            let role = self.begin_group(&prefix, roles, &known, &summaries)?;
            let top = self.touch_targets()?;
            let delegations = top.delegations.get_or_insert_with(empty_delegations);
            let used = keys.keyids.iter();
            let used = used.filter_map(|id| Some((id.clone(), root_keys.get(id)?.clone())));
            delegations.keys.extend(used);
            insert_sorted(
                delegations,
                DelegatedRole {
                    name: role,
                    paths: Paths::Paths(vec![format!("{prefix}*")]),
                    terminating: true,
                    keys: RoleKeys {
                        extra: Extra::new(),
                        ..keys.clone()
                    },
                },
            );
        }
        let top = self.touch_targets()?.delegations.as_mut();
        if let Some(top) = top {
            drop_unused_keys(top);
        }
        Ok(())
    }

    fn begin_group(
        &mut self,
        prefix: &str,
        roles: Vec<DelegatedRole>,
        known: &BTreeMap<KeyId, sysext_formats::key::PublicKey>,
        summaries: &BTreeMap<ExtensionName, ExtensionSummary>,
    ) -> Result<RoleName, DraftError> {
        let name: RoleName = format!("_{prefix}").parse()?;
        // A name that was there before goes on counting: a host never takes a lower version.
        let version = match self.catalog.snapshot.role(name.as_str()) {
            Some(listed) => next(listed.version, name.as_str())?,
            None => MetadataVersion::ONE,
        };
        let is_here = |extension: &ExtensionName| format!("{extension}_").starts_with(prefix);
        let info = CatalogInfo {
            schema: SCHEMA,
            role: name.to_string(),
            extensions: summaries
                .iter()
                .filter(|(extension, _)| is_here(extension))
                .map(|(extension, summary)| (extension.clone(), summary.clone()))
                .collect(),
            ..CatalogInfo::default()
        };
        let mut delegations = Delegations {
            keys: known.clone(),
            roles,
            extra: Extra::new(),
        };
        drop_unused_keys(&mut delegations);
        let group = Targets {
            version,
            expires: self.now.plus(self.policy.expires.targets.duration()),
            targets: BTreeMap::new(),
            delegations: Some(delegations),
            x_sysext: Some(serde_json::to_value(info)?),
            extra: Extra::new(),
        };
        self.catalog.groups.insert(name.clone(), group);
        self.touched.groups.insert(name.clone());
        Ok(name)
    }
}

/// Parts roles by the beginning of their `NAME_` until no part has more than `most`. Names differ, so this ends.
fn divide(
    roles: Vec<DelegatedRole>,
    prefix: &str,
    most: usize,
    parts: &mut BTreeMap<String, Vec<DelegatedRole>>,
) {
    let mut next: BTreeMap<String, Vec<DelegatedRole>> = BTreeMap::new();
    for role in roles {
        let path = format!("{}_", role.name);
        let longer = path.get(..=prefix.len()).unwrap_or(&path);
        next.entry(longer.to_owned()).or_default().push(role);
    }
    for (prefix, roles) in next {
        if roles.len() > most.max(1) {
            divide(roles, &prefix, most, parts);
        } else {
            parts.insert(prefix, roles);
        }
    }
}

pub(super) fn empty_delegations() -> Delegations {
    Delegations {
        keys: BTreeMap::new(),
        roles: Vec::new(),
        extra: Extra::new(),
    }
}

/// In the order of their names, so that a person finds one.
pub(super) fn insert_sorted(delegations: &mut Delegations, role: DelegatedRole) {
    let roles = &mut delegations.roles;
    let at = roles.partition_point(|other| other.name < role.name);
    roles.insert(at, role);
}

pub(super) fn drop_unused_keys(delegations: &mut Delegations) {
    let roles = delegations.roles.iter();
    let used: BTreeSet<&KeyId> = roles.flat_map(|role| &role.keys.keyids).collect();
    delegations.keys.retain(|id, _| used.contains(id));
}
