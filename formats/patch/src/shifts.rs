//! How far each place of the old image went.
//!
//! A place may be in several moves, and in none. The longest move counts, of equally long ones the first; behind it, what
//! was last goes on.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::MIN_TELLING;
use crate::plan::Move;

/// Binary logarithm of the bytes of which each has an entry in the table of contents.
const PAGE: u32 = 12;

/// Distances by place.
#[derive(Debug)]
pub(crate) struct Shifts {
    /// From which place on, how far.
    steps: Vec<(u32, i32)>,
    /// For each page of the old image, the step that holds at its start.
    pages: Vec<u32>,
}

impl Shifts {
    pub(crate) fn new(moves: &[Move], old: u32) -> Self {
        let mut order: Vec<u32> = (0_u32..)
            .zip(moves)
            .filter(|(_, item)| item.length >= MIN_TELLING)
            .map(|(index, _)| index)
            .collect();
        let get = |index: u32| {
            usize::try_from(index)
                .ok()
                .and_then(|index| moves.get(index).copied())
                .unwrap_or_default()
        };
        order.sort_by_key(|index| (get(*index).old, *index));
        let mut steps: Vec<(u32, i32)> = Vec::new();
        let mut active: BinaryHeap<(u32, Reverse<u32>)> = BinaryHeap::new();
        let mut waiting = order.into_iter().peekable();
        // Each round is one place where a move begins, or the one that counts ends.
        loop {
            let begins = waiting.peek().map(|index| get(*index).old);
            let ends = active
                .peek()
                .map(|(_, Reverse(index))| get(*index).old_end());
            let place = match (begins, ends) {
                (Some(begins), Some(ends)) => begins.min(ends),
                (Some(place), None) | (None, Some(place)) => place,
                (None, None) => break,
            };
            while let Some(index) = waiting.next_if(|index| get(*index).old == place) {
                active.push((get(index).length, Reverse(index)));
            }
            while active
                .peek()
                .is_some_and(|(_, Reverse(index))| get(*index).old_end() <= place)
            {
                active.pop();
            }
            let Some((_, Reverse(index))) = active.peek() else {
                continue;
            };
            let shift = get(*index).shift();
            if steps.last().is_none_or(|(_, last)| *last != shift) {
                steps.push((place, shift));
            }
        }
        let mut pages = Vec::new();
        let mut step: u32 = 0;
        let mut next = steps.iter().skip(1).map(|(place, _)| *place).peekable();
        for page in 0..=(old >> PAGE) {
            while next.next_if(|place| *place <= page << PAGE).is_some() {
                step += 1;
            }
            pages.push(step);
        }
        Self { steps, pages }
    }

    /// How far the byte at this place of the old image went; 0 before the first that went anywhere.
    pub(crate) fn at(&self, place: u32) -> i32 {
        let page = usize::try_from(place >> PAGE).unwrap_or(usize::MAX);
        let step = |page| {
            let step = self.pages.get(page).copied();
            step.and_then(|step| usize::try_from(step).ok())
        };
        let first = step(page).unwrap_or(0);
        let end = step(page + 1).map_or(self.steps.len(), |last| last + 1);
        let steps = self.steps.get(first..end).unwrap_or_default();
        let behind = steps.partition_point(|(from, _)| *from <= place);
        behind
            .checked_sub(1)
            .and_then(|index| steps.get(index))
            .map_or(0, |(_, shift)| *shift)
    }
}
