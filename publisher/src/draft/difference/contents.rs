//! What differs between tables of contents: `targets.json` and the groups, taken as one. An extension that moves from one to
//! another is no change to it.

use std::collections::{BTreeMap, BTreeSet};

use sysext_formats::catalog::{CatalogInfo, ExtensionSummary};
use sysext_formats::key::KeyId;
use sysext_formats::name::ExtensionName;
use sysext_formats::role::{DelegatedRole, Delegations, Targets};

use super::{differing, keys, other};
use crate::draft::{Catalog, Change, DraftError, Table, is_group};

/// The changes to each table of contents. Those to an extension are with the table that it is in afterwards.
pub(super) fn differences(
    before: &Catalog,
    after: &Catalog,
) -> Result<BTreeMap<Table, Vec<Change>>, DraftError> {
    let (old, new) = (Contents::read(before)?, Contents::read(after)?);
    let mut all: BTreeMap<Table, Vec<Change>> = BTreeMap::new();
    let mut say = |table: &Table, change| all.entry(table.clone()).or_default().push(change);
    for (name, (table, role)) in &new.extensions {
        match old.extensions.get(name) {
            None => say(table, gained(name, role)),
            Some((_, before)) => {
                if let Some(change) = keys(name.as_str(), &before.keys, &role.keys) {
                    say(table, change);
                }
                if (&before.paths, before.terminating) != (&role.paths, role.terminating) {
                    let member = vec![format!("delegations.{name}")];
                    other("targets", member)
                        .into_iter()
                        .for_each(|it| say(table, it));
                }
                if old.summaries.get(name) != new.summaries.get(name) {
                    let extension = Some(name.clone());
                    say(table, Change::Description { extension });
                }
            }
        }
    }
    for (name, (table, _)) in &old.extensions {
        if !new.extensions.contains_key(name) {
            say(table, Change::ExtensionGone { name: name.clone() });
        }
    }
    let (from, to) = (&old.top, &new.top);
    if from.urls != to.urls {
        let urls = to.urls.clone();
        say(&Table::Top, Change::Moved { urls });
    }
    if from.title != to.title {
        say(&Table::Top, Change::Description { extension: None });
    }
    for (table, change) in groups(before, after, &old, &new) {
        say(&table, change);
    }
    for (table, document) in after.tables() {
        let none = Targets {
            extra: document.extra.clone(),
            targets: BTreeMap::new(),
            delegations: None,
            x_sysext: None,
            ..document.clone()
        };
        let there = before.table(&table).unwrap_or(&none);
        let role = match &table {
            Table::Top => "targets",
            Table::Group(role) => role.as_str(),
        };
        let mut members = unexplained(there, document);
        if table == Table::Top {
            members.extend(differing(&from.extra, &to.extra));
        }
        other(role, members)
            .into_iter()
            .for_each(|it| say(&table, it));
    }
    Ok(all)
}

struct Contents {
    top: CatalogInfo,
    extensions: BTreeMap<ExtensionName, (Table, DelegatedRole)>,
    summaries: BTreeMap<ExtensionName, ExtensionSummary>,
}

impl Contents {
    fn read(catalog: &Catalog) -> Result<Self, DraftError> {
        let top = CatalogInfo::read("targets", &catalog.targets)?;
        let mut contents = Self {
            summaries: top.extensions.clone(),
            top,
            extensions: BTreeMap::new(),
        };
        for (table, document) in catalog.tables() {
            if let Table::Group(role) = &table {
                let info = CatalogInfo::read(role.as_str(), document)?;
                contents.summaries.extend(info.extensions);
            }
            for role in document.delegations.iter().flat_map(|it| &it.roles) {
                if let Ok(name) = role.name.as_str().parse() {
                    let entry = (table.clone(), role.clone());
                    contents.extensions.insert(name, entry);
                }
            }
        }
        Ok(contents)
    }
}

fn gained(name: &ExtensionName, role: &DelegatedRole) -> Change {
    let keys = role.keys.keyids.iter();
    Change::Extension {
        name: name.clone(),
        keys: keys.map(|id| format!("key {}", id.short())).collect(),
    }
}

/// Groups that come, go, or are signed by others.
fn groups(
    before: &Catalog,
    after: &Catalog,
    old: &Contents,
    new: &Contents,
) -> Vec<(Table, Change)> {
    let roles = |catalog: &Catalog| -> BTreeMap<String, DelegatedRole> {
        let roles = catalog.groups_delegated();
        roles
            .map(|role| (role.name.to_string(), role.clone()))
            .collect()
    };
    let (from, to) = (roles(before), roles(after));
    let mut changes = Vec::new();
    if from.keys().ne(to.keys()) {
        let moved = new.extensions.iter().filter(|(name, (table, _))| {
            let there = old.extensions.get(*name);
            there.is_some_and(|(before, _)| before != table)
        });
        let grouped = Change::Grouped {
            groups: to
                .keys()
                .filter(|name| !from.contains_key(*name))
                .cloned()
                .collect(),
            extensions: moved.count(),
        };
        changes.push((Table::Top, grouped));
    }
    for (name, role) in &to {
        let there = from.get(name);
        if let Some(change) = there.and_then(|there| keys(name, &there.keys, &role.keys)) {
            changes.push((Table::Top, change));
        }
    }
    changes
}

/// The members that differ and that nothing above has words for.
fn unexplained(old: &Targets, new: &Targets) -> Vec<String> {
    let mut members: Vec<_> = differing(&old.extra, &new.extra).collect();
    if old.targets != new.targets {
        members.push("targets".to_owned());
    }
    let strange = |targets: &Targets| -> BTreeSet<String> {
        let roles = targets.delegations.iter().flat_map(|it| &it.roles);
        let names = roles.map(|role| &role.name);
        names
            .filter(|name| !is_group(name) && name.as_str().parse::<ExtensionName>().is_err())
            .map(ToString::to_string)
            .collect()
    };
    let (from, to) = (strange(old), strange(new));
    members.extend(
        from.symmetric_difference(&to)
            .map(|name| format!("delegations.{name}")),
    );
    if let (Some(old), Some(new)) = (&old.delegations, &new.delegations) {
        members.extend(delegations(old, new));
    }
    members
}

fn delegations(old: &Delegations, new: &Delegations) -> Option<String> {
    // A key under its old id, with another value, would be a swap that the ids do not show.
    let swapped = |(id, key): (&KeyId, _)| new.keys.get(id).is_some_and(|other| other != key);
    let differs = old.keys.iter().any(swapped) || old.extra != new.extra;
    differs.then(|| "delegations".to_owned())
}
