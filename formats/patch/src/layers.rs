//! Stretches that may lie over each other, and which of them counts where: the heaviest, of equally heavy ones the first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// One stretch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layer {
    pub(crate) start: u64,
    /// Where it ends, which is no part of it.
    pub(crate) end: u64,
    pub(crate) weight: u64,
}

/// Tells, in order, each place where another of the stretches with these numbers begins to count, or none does.
pub(crate) fn layers(
    mut numbers: Vec<u32>,
    get: impl Fn(u32) -> Layer,
    mut changed: impl FnMut(u64, Option<u32>),
) {
    numbers.sort_by_key(|number| (get(*number).start, *number));
    let mut active: BinaryHeap<(u64, Reverse<u32>)> = BinaryHeap::new();
    let mut waiting = numbers.into_iter().peekable();
    let mut last = None;
    // Each round is one place where a stretch begins, or the one that counts ends.
    loop {
        let begins = waiting.peek().map(|number| get(*number).start);
        let ends = active.peek().map(|(_, Reverse(number))| get(*number).end);
        let place = match (begins, ends) {
            (Some(begins), Some(ends)) => begins.min(ends),
            (Some(place), None) | (None, Some(place)) => place,
            (None, None) => break,
        };
        while let Some(number) = waiting.next_if(|number| get(*number).start == place) {
            active.push((get(number).weight, Reverse(number)));
        }
        while active
            .peek()
            .is_some_and(|(_, Reverse(number))| get(*number).end <= place)
        {
            active.pop();
        }
        let counts = active.peek().map(|(_, Reverse(number))| *number);
        if counts != last {
            changed(place, counts);
            last = counts;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn everywhere_the_heaviest_counts_and_of_equal_ones_the_first(
            stretches in prop::collection::vec((0_u64..60, 1_u64..30, 0_u64..4), 0..20),
        ) {
            let stretches: Vec<Layer> = stretches
                .into_iter()
                .map(|(start, length, weight)| Layer { start, end: start + length, weight })
                .collect();
            let mut changes = Vec::new();
            layers(
                (0..stretches.len() as u32).collect(),
                |number| stretches[number as usize],
                |place, counts| changes.push((place, counts)),
            );
            prop_assert!(changes.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 != pair[1].1));
            for place in 0..100 {
                let mut wanted: Option<u32> = None;
                for (number, stretch) in (0..).zip(&stretches) {
                    let holds = (stretch.start..stretch.end).contains(&place);
                    if holds && wanted.is_none_or(|best| stretch.weight > stretches[best as usize].weight) {
                        wanted = Some(number);
                    }
                }
                let found = changes.iter().rev().find(|(from, _)| *from <= place);
                prop_assert_eq!(found.and_then(|(_, counts)| *counts), wanted, "at {}", place);
            }
        }
    }
}
