//! Which stretches of the new image are taken from where in the old one.
//!
//! Colin Percival's way ("Naive differences of executable code", 2003): go on with the last stretch, over differences, until
//! another place has a match that is clearly longer than what the last one has of the same bytes; then both stretches
//! grow towards each other as long as at least half of their bytes are the same.

use super::search::{COMPARED, Search, common};
use crate::MAX_MOVES;
use crate::plan::Move;

/// Bytes by which another place has to be better: what beginning a new stretch costs, and more, since each also says
/// where references went. Measured with ci/bench/patches.
const BETTER: usize = 16;
/// Bytes that a stretch grows backwards at most.
const BACKWARDS: usize = 64 << 10;
/// Bytes of a match elsewhere that are looked at: where it is longer, the stretch that begins with it goes on by itself. Without
/// a bound, long runs of one byte are compared again from each of their places.
const LONGEST: usize = 16 * COMPARED;

/// The stretches, in the order of the new image; `None` when they are too many.
pub(crate) fn moves(search: &Search<'_>, new: &[u8]) -> Option<Vec<Move>> {
    let old = search.old;
    let mut moves = Vec::new();
    // The stretch that is being grown, its distance, and where the next match is looked for.
    let (mut last_new, mut last_old) = (0_usize, 0_usize);
    let mut scan = 0;
    let mut matched = 0;
    while scan < new.len() {
        scan += matched;
        let follows = |at: usize| {
            let place = (at + last_old).checked_sub(last_new)?;
            old.get(place).map(|byte| (place, *byte == new[at]))
        };
        let is_same = |at: usize| follows(at).is_some_and(|(_, same)| same);
        // How many of the bytes of the match the last stretch has as well.
        let mut score = 0;
        let mut scored = scan;
        let mut found = 0;
        while scan < new.len() {
            (found, matched) = search.find(&new[scan..]);
            if matched == COMPARED {
                let here = follows(scan).map(|(place, _)| {
                    let same = common(&old[place..], &new[scan..]);
                    (place, same)
                });
                match here {
                    // It is passed over as a whole.
                    Some((place, same)) if same >= COMPARED => (found, matched) = (place, same),
                    _ => {
                        let wanted = &new[scan..new.len().min(scan + LONGEST)];
                        matched = common(&old[found..], wanted);
                    }
                }
            }
            while scored < scan + matched {
                score += usize::from(is_same(scored));
                scored += 1;
            }
            if (matched == score && matched > 0) || matched > score + BETTER {
                break;
            }
            score -= usize::from(scored > scan && is_same(scan));
            scan += 1;
            scored = scored.max(scan);
        }
        if matched == score && scan < new.len() {
            continue;
        }
        let mut forwards = grow(scan - last_new, |index| {
            (last_old + index < old.len()).then(|| old[last_old + index] == new[last_new + index])
        });
        let mut backwards = 0;
        if scan < new.len() {
            backwards = grow((scan - last_new).min(found).min(BACKWARDS), |index| {
                Some(old[found - 1 - index] == new[scan - 1 - index])
            });
        }
        // Where both have a byte, the border is put where it is best for both.
        let both = (last_new + forwards).saturating_sub(scan - backwards);
        if both > 0 {
            let (begin_new, begin_old) = (last_new + forwards - both, last_old + forwards - both);
            let (mut score, mut best, mut border) = (0_i64, 0, 0);
            for index in 0..both {
                let byte = new[begin_new + index];
                score += i64::from(byte == old[begin_old + index]);
                score -= i64::from(byte == old[found - backwards + index]);
                if score > best {
                    (best, border) = (score, index + 1);
                }
            }
            forwards = forwards - both + border;
            backwards -= border;
        }
        add(&mut moves, last_new, last_old, forwards);
        if moves.len() > MAX_MOVES {
            return None;
        }
        last_new = scan - backwards;
        last_old = found.saturating_sub(backwards);
    }
    Some(moves)
}

/// How far a stretch goes on when the bytes that are the same shall outweigh the others.
fn grow(most: usize, is_same: impl Fn(usize) -> Option<bool>) -> usize {
    let (mut score, mut best, mut length) = (0_i64, 0, 0);
    for index in 0..most {
        let Some(same) = is_same(index) else { break };
        score += if same { 1 } else { -1 };
        if score > best {
            (best, length) = (score, index + 1);
        }
    }
    length
}

fn add(moves: &mut Vec<Move>, new: usize, old: usize, length: usize) {
    let number = |value| u32::try_from(value).unwrap_or(u32::MAX);
    if length > 0 {
        moves.push(Move {
            old: number(old),
            new: number(new),
            length: number(length),
        });
    }
}
