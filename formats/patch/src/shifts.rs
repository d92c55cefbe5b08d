//! How far each place of the old image went.
//!
//! A place may be in several moves, and in none. The longest move counts, of equally long ones the first; behind it, what
//! was last goes on.

use crate::MIN_TELLING;
use crate::layers::{Layer, layers};
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
        let telling = (0_u32..)
            .zip(moves)
            .filter(|(_, item)| item.length >= MIN_TELLING)
            .map(|(number, _)| number)
            .collect();
        let get = |number: u32| moves.get(number as usize).copied().unwrap_or_default();
        let layer = |number| {
            let item = get(number);
            Layer {
                start: item.old.into(),
                end: item.old_end().into(),
                weight: item.length.into(),
            }
        };
        let mut steps: Vec<(u32, i32)> = Vec::new();
        layers(telling, layer, |place, counts| {
            let Some(shift) = counts.map(|number| get(number).shift()) else {
                return;
            };
            if steps.last().is_none_or(|(_, last)| *last != shift) {
                // Moves lie within the old image, which has less than 2^31 bytes.
                steps.push((place as u32, shift));
            }
        });
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
