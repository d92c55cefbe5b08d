//! Which fields are addresses: those contexts where working them out was right more often than it did harm.

use crate::plan::{CONTEXTS, Fields, Plan};
use crate::predict::{Field, Walk};
use crate::shifts::Shifts;

/// Rounds of counting: what is chosen changes what is seen.
const ROUNDS: usize = 3;

pub(crate) fn none() -> Fields {
    Fields {
        contexts: vec![0; CONTEXTS],
        absolute: 0,
    }
}

/// Chooses the fields of a plan.
pub(crate) fn learn(plan: &mut Plan, shifts: &Shifts, old: &[u8], new: &[u8]) {
    // Everything may be an address at first.
    plan.fields.contexts.fill(0xff);
    plan.fields.absolute = 0xff;
    for round in 0..ROUNDS {
        let counts = count(plan, shifts, old, new, round == 0);
        plan.fields = counts.chosen();
    }
}

struct Counts {
    relative: Vec<i32>,
    absolute: [i32; 8],
}

impl Counts {
    fn chosen(&self) -> Fields {
        let mut fields = none();
        for (index, count) in self.relative.iter().enumerate() {
            fields.contexts[index >> 3] |= u8::from(*count > 1) << (index & 7);
        }
        for (index, count) in self.absolute.iter().enumerate() {
            fields.absolute |= u8::from(*count > 1) << index;
        }
        fields
    }
}

/// What was worked out of a field that was this and became that.
fn worth(before: &[u8], worked_out: &[u8], after: &[u8]) -> i32 {
    if before == worked_out {
        0
    } else if worked_out == after {
        1
    } else if before == after {
        -2
    } else {
        -1
    }
}

fn count(plan: &Plan, shifts: &Shifts, old: &[u8], new: &[u8], is_first: bool) -> Counts {
    let mut counts = Counts {
        relative: vec![0; CONTEXTS << 3],
        absolute: [0; 8],
    };
    for item in &plan.moves {
        let walk = Walk::new(plan, shifts, *item);
        let (start, length) = (item.old as usize, item.length as usize);
        let before = &old[start..start + length];
        let after = &new[item.new as usize..item.new as usize + length];
        let mut at = 0;
        let mut context = 0_u16;
        let mut current = None;
        while at < length {
            let here = item.old + at as u32;
            if current.is_none_or(|(_, end)| here >= end) {
                current = plan.old.at(here).and_then(|index| {
                    let piece = plan.old.piece(index)?;
                    Some((index, piece.offset + piece.bytes))
                });
            }
            let mut width = 1;
            if let Some((index, _)) = current
                && let Some(piece) = plan.old.piece(index)
            {
                let address = piece.address_of(here);
                let rest = &before[at..];
                let field = walk.field(rest, (address, here, index), context);
                let (worth, is_long) = match field {
                    None => (0, None),
                    Some(Field::Absolute(value)) => {
                        let worth = worth(&rest[..8], &value.to_le_bytes(), &after[at..at + 8]);
                        counts.absolute[(address & 7) as usize] += worth;
                        (worth, Some(8))
                    }
                    Some(Field::Relative(value)) => {
                        let worth = worth(&rest[..4], &value.to_le_bytes(), &after[at..at + 4]);
                        counts.relative[Fields::context(address, context)] += worth;
                        (worth, Some(4))
                    }
                };
                // At first, only what is right keeps others from being seen.
                if let Some(long) = is_long.filter(|_| !is_first || worth > 0) {
                    width = long;
                }
            }
            for byte in &before[at..at + width] {
                context = context << 8 | u16::from(*byte);
            }
            at += width;
        }
    }
    counts
}
