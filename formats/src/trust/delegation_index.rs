//! Which delegations of one document cover a path, and which is of a role, found without looking at each of them.
//!
//! - The answer is a superset of the delegations that cover the path, in the order of the document; who asks confirms
//!   each with [`DelegatedRole::covers`]. So a search over it visits the same roles in the same order as one over the
//!   whole list, and a terminating delegation ends it at the same place: whatever is left out covers nothing.
//! - Nothing that covers is left out. Up to its first `*` or `?` a pattern stands for itself, byte for byte and slash
//!   for slash, so a path that it matches begins with that text, its *head*: a pattern without a glob is all head, and
//!   `EXTENSION_*` has the head `EXTENSION_`. Looking up every beginning of the path among the heads finds each such
//!   pattern. A hash prefix covers the paths whose digest begins with it: those are looked up alike.
//! - The cost is the length of the path, not the number of delegations. Patterns that begin with a glob have the empty
//!   head, and are candidates for every path.

use std::collections::{BTreeSet, HashMap};

use crate::name::{RoleName, TargetPath};
use crate::role::{DelegatedRole, Delegations, Paths, path_digest};

/// The positions of delegations in one document, by what must be true of a path that they cover.
#[derive(Debug, Default)]
pub(super) struct DelegationIndex {
    heads: Positions,
    hash_prefixes: Positions,
    /// A name is delegated once in a document.
    by_name: HashMap<RoleName, usize>,
}

/// Positions by the text that something begins with.
#[derive(Debug, Default)]
struct Positions {
    by_beginning: HashMap<Box<[u8]>, Vec<usize>>,
    longest: usize,
}

impl DelegationIndex {
    pub(super) fn new(delegations: &Delegations) -> Self {
        let mut index = Self::default();
        for (position, role) in delegations.roles.iter().enumerate() {
            index.by_name.insert(role.name.clone(), position);
            match &role.paths {
                Paths::Paths(patterns) => {
                    let heads = patterns.iter().map(|pattern| head(pattern));
                    heads.for_each(|head| index.heads.insert(head.as_bytes(), position));
                }
                Paths::PathHashPrefixes(prefixes) => {
                    for prefix in prefixes {
                        let prefix = prefix.to_ascii_lowercase();
                        index.hash_prefixes.insert(prefix.as_bytes(), position);
                    }
                }
            }
        }
        index
    }

    /// The delegation to a role.
    pub(super) fn of<'a>(
        &self,
        delegations: &'a Delegations,
        name: &RoleName,
    ) -> Option<&'a DelegatedRole> {
        delegations.roles.get(*self.by_name.get(name)?)
    }

    /// The delegations that cover `path`, in the order of `delegations`, which the index was made of.
    pub(super) fn covering<'a>(
        &self,
        delegations: &'a Delegations,
        path: &TargetPath,
    ) -> impl Iterator<Item = &'a DelegatedRole> {
        let mut candidates = BTreeSet::new();
        self.heads
            .beginning(path.as_str().as_bytes(), &mut candidates);
        if !self.hash_prefixes.by_beginning.is_empty() {
            let digest = path_digest(path);
            self.hash_prefixes
                .beginning(digest.as_bytes(), &mut candidates);
        }
        let candidates = candidates.into_iter();
        candidates
            .filter_map(|position| delegations.roles.get(position))
            .filter(move |role| role.covers(path))
    }
}

impl Positions {
    fn insert(&mut self, beginning: &[u8], position: usize) {
        self.longest = self.longest.max(beginning.len());
        let positions = self.by_beginning.entry(beginning.into()).or_default();
        positions.push(position);
    }

    /// Where something stands that `text` begins with.
    fn beginning(&self, text: &[u8], found: &mut BTreeSet<usize>) {
        for length in 0..=text.len().min(self.longest) {
            let positions = text.get(..length).and_then(|it| self.by_beginning.get(it));
            found.extend(positions.into_iter().flatten());
        }
    }
}

fn head(pattern: &str) -> &str {
    let literal = pattern.split(['*', '?']).next();
    literal.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn delegations(paths: &[Paths]) -> Delegations {
        let roles: Vec<_> = paths
            .iter()
            .enumerate()
            .map(|(number, paths)| {
                let mut role = serde_json::to_value(paths).unwrap();
                role["name"] = format!("role-{number}").into();
                role["keyids"] = json!([]);
                role["threshold"] = 1.into();
                role["terminating"] = false.into();
                role
            })
            .collect();
        serde_json::from_value(json!({"keys": {}, "roles": roles})).unwrap()
    }

    fn paths() -> impl Strategy<Value = Paths> {
        let texts = |pattern: &'static str| prop::collection::vec(pattern, 0..3);
        prop_oneof![
            4 => texts("[ab/*?]{0,5}").prop_map(Paths::Paths),
            1 => texts("[0-9a-fA-F]{0,2}").prop_map(Paths::PathHashPrefixes),
        ]
    }

    proptest! {
        #[test]
        fn it_finds_what_a_walk_over_all_finds_in_the_same_order(
            paths in prop::collection::vec(paths(), 0..12),
            path in "[ab]{1,2}(/[ab]{1,2}){0,2}",
        ) {
            let delegations = delegations(&paths);
            let path: TargetPath = path.parse().unwrap();
            let walked: Vec<_> = delegations.roles.iter().filter(|role| role.covers(&path)).collect();
            let index = DelegationIndex::new(&delegations);
            let found: Vec<_> = index.covering(&delegations, &path).collect();
            prop_assert_eq!(found, walked);
            for role in &delegations.roles {
                prop_assert_eq!(index.of(&delegations, &role.name), Some(role));
            }
        }
    }

    #[test]
    fn of_many_delegations_only_those_with_the_head_are_looked_at() {
        let paths = |text: String| Paths::Paths(vec![text]);
        let mut all: Vec<_> = (0..1000)
            .map(|number| paths(format!("e{number}_*")))
            .collect();
        all.push(paths("*.raw".to_owned()));
        let delegations = delegations(&all);
        let index = DelegationIndex::new(&delegations);
        let mut candidates = BTreeSet::new();
        index
            .heads
            .beginning(b"e12_1.0_x86-64.raw", &mut candidates);
        assert_eq!(candidates, BTreeSet::from([12, 1000]));
    }
}
