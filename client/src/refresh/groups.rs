//! The lines about extensions in a catalog's groups, so that those are found whose names nobody knows yet.
//!
//! - A group speaks for the names that it may sign for, and for no other.
//! - One that can not be read costs its own lines only.
//! - Bounded in number and in bytes that are fetched; what is left out is said.
//!
//! What it does not do: read groups of groups. Indexes behind them are found all the same.

use std::collections::BTreeMap;

use sysext_formats::catalog::{CatalogInfo, ExtensionSummary};
use sysext_formats::name::{ExtensionName, RoleName, TargetPath};
use sysext_formats::role::DelegatedRole;

use super::RefreshProblem;
use super::index::{BATCH, Catalog};
use super::remote::CatalogRemote;

/// Groups that are read: a publisher makes one for some hundred extensions.
const MAX_GROUPS: usize = 512;
/// Bytes that are read of them in one refresh, the last one's rest besides, and what was fetched ahead of it.
const MAX_FETCHED: u64 = 16_000_000;

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) extensions: BTreeMap<ExtensionName, ExtensionSummary>,
    /// Groups that could not be read.
    pub(super) unread: usize,
    /// What the list lacks, in words.
    pub(super) notes: Vec<String>,
}

/// Reads the groups that `targets.json` delegates to.
pub(super) fn read(catalog: &mut Catalog<'_>, remote: Option<&CatalogRemote>) -> Read {
    let groups = groups(catalog);
    let begun = remote.map_or(0, CatalogRemote::fetched);
    let fetched = || remote.map_or(0, CatalogRemote::fetched) - begun;
    let mut read = Read::default();
    let mut problem = None;
    let mut left_out = groups.len().saturating_sub(MAX_GROUPS);
    let within = groups.get(..MAX_GROUPS).unwrap_or(&groups);
    for batch in within.chunks(BATCH) {
        if let Some(remote) = remote.filter(|_| fetched() <= MAX_FETCHED) {
            let needed = batch
                .iter()
                .filter_map(|group| catalog.needed_role(&group.name));
            remote.forget_ahead();
            remote.fetch_ahead(&needed.collect::<Vec<_>>());
        }
        for group in batch {
            if fetched() > MAX_FETCHED {
                left_out += 1;
                continue;
            }
            match read_one(catalog, group) {
                Ok(extensions) => read.extensions.extend(extensions),
                Err(error) => {
                    read.unread += 1;
                    problem.get_or_insert(error);
                }
            }
        }
    }
    let all = groups.len();
    let unread = read.unread;
    read.notes.extend(problem.map(|problem| {
        let why = problem.in_one_line();
        format!("the extensions of {unread} of {all} groups are not listed: {why}")
    }));
    read.notes.extend((left_out > 0).then(|| {
        format!("the extensions of {left_out} of {all} groups are not listed: that is more than is read at once; by its name each can be looked at and installed")
    }));
    read
}

fn groups(catalog: &Catalog<'_>) -> Vec<DelegatedRole> {
    let targets = catalog.stage().targets();
    let delegations = targets.and_then(|targets| targets.delegations.as_ref());
    let roles = delegations
        .into_iter()
        .flat_map(|delegations| &delegations.roles);
    roles.filter(|role| is_group(&role.name)).cloned().collect()
}

/// No extension's name begins so.
pub(super) fn is_group(role: &RoleName) -> bool {
    role.as_str().starts_with('_')
}

fn read_one(
    catalog: &mut Catalog<'_>,
    group: &DelegatedRole,
) -> Result<BTreeMap<ExtensionName, ExtensionSummary>, RefreshProblem> {
    let mut info = match catalog.delegated(&group.name)? {
        Some(document) => CatalogInfo::read(group.name.as_str(), document)?,
        None => CatalogInfo::default(),
    };
    let is_its_own = |name: &ExtensionName| {
        let path = format!("{name}_").parse::<TargetPath>();
        path.is_ok_and(|path| group.covers(&path))
    };
    info.extensions.retain(|name, _| is_its_own(name));
    Ok(info.extensions)
}
