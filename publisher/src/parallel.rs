//! The same work for many things, on all cores.

use std::num::NonZero;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Threads at most: what they do holds files open and memory.
const MAX: usize = 16;

/// How many things are worked on at once.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism()
        .map_or(1, NonZero::get)
        .min(MAX)
}

/// Does `work` for each thing; the results are in the order of the things. After one of which `goes_on` says no, nothing
/// more is begun, and what was not done has no result.
pub fn each<T: Sync, R: Send>(
    things: &[T],
    work: impl Fn(&T) -> R + Sync,
    goes_on: impl Fn(&R) -> bool + Sync,
) -> Vec<Option<R>> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    results_of(&results).resize_with(things.len(), || None);
    let worker = || {
        while let Some((at, thing)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            things.get(at).map(|thing| (at, thing))
        } {
            let result = work(thing);
            if !goes_on(&result) {
                next.store(things.len(), Ordering::Relaxed);
            }
            if let Some(place) = results_of(&results).get_mut(at) {
                *place = Some(result);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..cores().min(things.len()) {
            scope.spawn(worker);
        }
        worker();
    });
    results.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn results_of<R>(results: &Mutex<Vec<R>>) -> std::sync::MutexGuard<'_, Vec<R>> {
    results.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_is_worked_on_once_and_results_are_in_order() {
        let things: Vec<usize> = (0..1_000).collect();
        let results = each(&things, |thing| thing * 2, |_| true);
        let expected: Vec<_> = things.iter().map(|thing| Some(thing * 2)).collect();
        assert_eq!(results, expected);
        assert!(each(&[], |thing: &u8| *thing, |_| true).is_empty());
    }

    #[test]
    fn nothing_is_begun_after_a_failure() {
        let things: Vec<usize> = (0..100_000).collect();
        let results = each(&things, |thing| *thing, |thing| *thing != 10);
        assert_eq!(results[10], Some(10));
        assert!(results.iter().filter(|result| result.is_some()).count() < 50_000);
    }
}
