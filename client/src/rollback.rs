//! What was linked before: from the history of one root to what a rollback puts back. Pure.
//!
//! - Each extension has a past of its own: a stack of what its link named. A change adds to it, a rollback takes from
//!   it, so that rolling back twice goes back twice, and never forth.
//! - What the boot guard did to fit a root is no step of anybody's: it changes what the last step came to.
//! - Only transactions of one root count: another root's links are not this one's past.

use std::collections::BTreeMap;

use sysext_formats::name::ExtensionName;

use crate::history::{Cause, ImageRef, Transaction};

/// What links shall name again; `None` for no link.
pub type Targets = BTreeMap<ExtensionName, Option<ImageRef>>;

/// Why there is nothing to go back to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RollbackError {
    /// Nothing was ever changed on this root.
    #[error("nothing was ever changed on this system, so there is nothing to go back to")]
    NoHistory,
    /// An extension has no past.
    #[error("{0} has no earlier state on this system")]
    NoPast(ExtensionName),
    /// There is no such transaction of this root.
    #[error("this system has no transaction {asked}; {}", has(*first, *last))]
    NoTransaction {
        /// What was asked for.
        asked: u64,
        /// The oldest there is.
        first: u64,
        /// The newest.
        last: u64,
    },
}

fn has(first: u64, last: u64) -> String {
    format!("the oldest that is remembered is {first}, the newest {last}")
}

/// What one step back means: for `names`, or for what the last transaction changed that still holds.
///
/// # Errors
/// When there is no earlier state.
pub fn step_back(
    transactions: &[&Transaction],
    names: &[ExtensionName],
) -> Result<Targets, RollbackError> {
    let pasts = pasts(transactions);
    if !names.is_empty() {
        let target = |name: &ExtensionName| {
            let before = pasts.get(name).and_then(Past::before);
            let before = before.ok_or_else(|| RollbackError::NoPast(name.clone()))?;
            Ok((name.clone(), before.cloned()))
        };
        return names.iter().map(target).collect();
    }
    let last = pasts.values().filter_map(Past::last).max();
    let last = last.ok_or(RollbackError::NoHistory)?;
    let changed_then = pasts.iter().filter(|(_, past)| past.last() == Some(last));
    Ok(changed_then
        .filter_map(|(name, past)| Some((name.clone(), past.before()?.cloned())))
        .collect())
}

/// What was linked right after transaction `number`; for `names`, or for all that changed since.
///
/// # Errors
/// When there is no such transaction of this root.
pub fn as_after(
    transactions: &[&Transaction],
    number: u64,
    names: &[ExtensionName],
) -> Result<Targets, RollbackError> {
    let numbers = || transactions.iter().map(|transaction| transaction.number);
    let (Some(first), Some(last)) = (numbers().min(), numbers().max()) else {
        return Err(RollbackError::NoHistory);
    };
    if !numbers().any(|known| known == number) {
        return Err(RollbackError::NoTransaction {
            asked: number,
            first,
            last,
        });
    }
    let mut targets = Targets::new();
    let later = transactions
        .iter()
        .filter(|transaction| transaction.number > number);
    for change in later.flat_map(|transaction| &transaction.changes) {
        if names.is_empty() || names.contains(&change.name) {
            // The first change since then says what was there.
            let target = targets.entry(change.name.clone());
            target.or_insert_with(|| change.from.clone());
        }
    }
    Ok(targets)
}

/// What the link of one extension named, the present state last, each with the transaction that made it so.
#[derive(Debug, Default)]
struct Past {
    states: Vec<(Option<u64>, Option<ImageRef>)>,
}

impl Past {
    /// The transaction that made the present state, where it is known.
    fn last(&self) -> Option<u64> {
        self.states.last()?.0
    }

    /// What was there before; the inner `None` is no link.
    fn before(&self) -> Option<Option<&ImageRef>> {
        let before = self.states.len().checked_sub(2)?;
        self.states.get(before).map(|(_, image)| image.as_ref())
    }

    /// The boot guard took another image for what is there, and not for something that somebody asked for.
    fn became(&mut self, image: Option<&ImageRef>) {
        if let Some((_, present)) = self.states.last_mut() {
            *present = image.cloned();
        }
    }

    fn went_back_to(&mut self, image: Option<&ImageRef>) -> bool {
        let same = |state: &Option<ImageRef>| {
            state.as_ref().map(|state| state.sha256) == image.map(|image| image.sha256)
        };
        let found = self.states.iter().rposition(|(_, state)| same(state));
        found.is_some_and(|found| {
            self.states.truncate(found + 1);
            true
        })
    }
}

fn pasts(transactions: &[&Transaction]) -> BTreeMap<ExtensionName, Past> {
    let mut pasts: BTreeMap<ExtensionName, Past> = BTreeMap::new();
    for transaction in transactions {
        for change in &transaction.changes {
            let past = pasts.entry(change.name.clone()).or_default();
            if past.states.is_empty() {
                past.states.push((None, change.from.clone()));
            }
            let is_new = match transaction.cause {
                Cause::Change => true,
                Cause::Rollback => !past.went_back_to(change.to.as_ref()),
                Cause::Boot => {
                    past.became(change.to.as_ref());
                    false
                }
            };
            if is_new {
                past.states
                    .push((Some(transaction.number), change.to.clone()));
            }
        }
    }
    pasts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Changed;
    use crate::journal::root_id;
    use crate::root::Root;
    use sysext_formats::digest::Sha256Digest;

    fn name(name: &str) -> ExtensionName {
        name.parse().unwrap()
    }

    fn image(version: &str) -> Option<ImageRef> {
        (!version.is_empty()).then(|| ImageRef {
            sha256: Sha256Digest::of(version.as_bytes()),
            file: "a.raw".parse().unwrap(),
            version: Some(version.parse().unwrap()),
            catalog: None,
        })
    }

    /// `(extension, from, to)`; an empty version is no link.
    fn transaction(number: u64, cause: Cause, changes: &[(&str, &str, &str)]) -> Transaction {
        let changes = changes.iter().map(|(extension, from, to)| Changed {
            name: name(extension),
            from: image(from),
            to: image(to),
        });
        let root = root_id(&Root::new("/".into(), None));
        let time = "2026-06-15T00:00:00Z".parse().unwrap();
        let mut transaction = Transaction::new(number, root, time, changes.collect());
        transaction.cause = cause;
        transaction
    }

    fn versions(targets: &Targets) -> Vec<(String, String)> {
        let version = |image: &Option<ImageRef>| {
            let version = image.as_ref().and_then(|image| image.version.clone());
            version
                .map(|version| version.to_string())
                .unwrap_or_default()
        };
        targets
            .iter()
            .map(|(name, image)| (name.to_string(), version(image)))
            .collect()
    }

    fn pair(name: &str, version: &str) -> (String, String) {
        (name.to_owned(), version.to_owned())
    }

    #[test]
    fn each_step_goes_one_transaction_further_back() {
        let mut all = vec![
            transaction(1, Cause::Change, &[("a", "", "1")]),
            transaction(2, Cause::Change, &[("a", "1", "2"), ("b", "", "7")]),
            transaction(5, Cause::Change, &[("a", "2", "3")]),
        ];
        let back = |all: &[Transaction]| {
            let all: Vec<_> = all.iter().collect();
            step_back(&all, &[]).map(|targets| versions(&targets))
        };
        assert_eq!(back(&all).unwrap(), [pair("a", "2")]);
        all.push(transaction(6, Cause::Rollback, &[("a", "3", "2")]));
        assert_eq!(back(&all).unwrap(), [pair("a", "1"), pair("b", "")]);
        all.push(transaction(
            7,
            Cause::Rollback,
            &[("a", "2", "1"), ("b", "7", "")],
        ));
        assert_eq!(back(&all).unwrap(), [pair("a", "")]);
        all.push(transaction(8, Cause::Rollback, &[("a", "1", "")]));
        assert_eq!(back(&all), Err(RollbackError::NoHistory));
        // What comes after a rollback is a change like any other.
        all.push(transaction(9, Cause::Change, &[("b", "", "8")]));
        assert_eq!(back(&all).unwrap(), [pair("b", "")]);
    }

    #[test]
    fn what_a_boot_changed_is_no_step() {
        let all = [
            transaction(1, Cause::Change, &[("a", "", "1")]),
            transaction(2, Cause::Change, &[("a", "1", "2")]),
            transaction(3, Cause::Boot, &[("a", "2", "2-other")]),
        ];
        let all: Vec<_> = all.iter().collect();
        assert_eq!(versions(&step_back(&all, &[]).unwrap()), [pair("a", "1")]);
    }

    #[test]
    fn a_name_goes_back_alone() {
        let all = [
            transaction(1, Cause::Change, &[("a", "", "1"), ("b", "", "7")]),
            transaction(2, Cause::Change, &[("b", "7", "8")]),
        ];
        let all: Vec<_> = all.iter().collect();
        let a = step_back(&all, &[name("a")]).unwrap();
        assert_eq!(versions(&a), [pair("a", "")]);
        assert_eq!(
            step_back(&all, &[name("c")]),
            Err(RollbackError::NoPast(name("c")))
        );
    }

    #[test]
    fn a_transaction_is_gone_back_to_over_all_that_came_since() {
        let all = [
            transaction(3, Cause::Change, &[("a", "", "1")]),
            transaction(4, Cause::Change, &[("a", "1", "2")]),
            transaction(6, Cause::Change, &[("a", "2", "3"), ("b", "", "7")]),
        ];
        let all: Vec<_> = all.iter().collect();
        let after = |number, names: &[ExtensionName]| {
            as_after(&all, number, names).map(|targets| versions(&targets))
        };
        assert_eq!(after(3, &[]).unwrap(), [pair("a", "1"), pair("b", "")]);
        assert_eq!(after(4, &[name("b")]).unwrap(), [pair("b", "")]);
        assert_eq!(after(6, &[]).unwrap(), []);
        let error = after(5, &[]).unwrap_err().to_string();
        assert!(
            error.contains("transaction 5") && error.contains("oldest that is remembered is 3")
        );
    }
}
