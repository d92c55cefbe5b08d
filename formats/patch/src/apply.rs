//! Makes the new image of the old one and a patch.
//!
//! Each move is read from the old image in pieces; its addresses are worked out, then what was worked out wrongly is put
//! right: `gaps` says how many bytes are right before the next word, `words` what is added to it. The hash tree, where the
//! new image has one, is made of what was written.

use std::io::{Read, Seek, SeekFrom, Write};

use crate::PatchError;
use crate::plan::{Move, Plan, without};
use crate::predict::{AHEAD, Walk};
use crate::shifts::Shifts;
use crate::stream::{Stream, Streams};
use crate::tree::TreeWriter;

/// Bytes of the old image that are read at once.
const PIECE: usize = 64 << 10;
/// Bytes of a word that puts things right.
pub(crate) const WORD: usize = 4;

/// Writes the new image, of `new_length` bytes, made of the old one, which has `old_length`, and `patch`.
///
/// What is written is only known to have the right length: hash it, and the old image before.
///
/// # Errors
/// When the patch is none, is for other lengths or says something impossible, and when something can not be read or written.
pub fn apply(
    mut old: impl Read + Seek,
    old_length: u64,
    mut patch: impl Read + Seek,
    mut out: impl Write,
    new_length: u64,
) -> Result<(), PatchError> {
    run(&mut old, old_length, &mut patch, &mut out, new_length)
}

/// What patches and images are read through: one piece of code for all of them, so that it is optimized as this crate is,
/// whoever calls it.
trait Source: Read + Seek {}
impl<T: Read + Seek> Source for T {}

fn run(
    old: &mut dyn Source,
    old_length: u64,
    patch: &mut dyn Source,
    out: &mut dyn Write,
    new_length: u64,
) -> Result<(), PatchError> {
    let mut streams = Streams::open(patch, old_length, new_length)?;
    let plan = Plan::read(&mut streams.plan, old_length, new_length)?;
    let Streams {
        plan: done,
        gaps,
        words,
        mut fresh,
    } = streams;
    // Its dictionary is not needed any more.
    drop(done);
    let mut out = TreeWriter::new(out, plan.tree.as_ref());
    let shifts = Shifts::new(&plan.moves, u32::try_from(old_length).unwrap_or(u32::MAX));
    let mut buffer = vec![0; PIECE];
    let mut fixes = Fixes {
        gaps,
        words,
        right: Some(0),
    };
    fixes.next()?;
    let mut written = 0_u64;
    for item in &plan.moves {
        let until = u64::from(item.new);
        copy_fresh(&mut fresh, &mut out, &mut buffer, until - written)?;
        one_move(
            *item,
            &plan,
            &shifts,
            old,
            &mut fixes,
            &mut out,
            &mut buffer,
        )?;
        written = u64::from(item.new_end());
    }
    let rest = without(plan.tree.as_ref(), new_length).saturating_sub(written);
    copy_fresh(&mut fresh, &mut out, &mut buffer, rest)?;
    out.put().map_err(PatchError::Write)?;
    if fresh.left() > 0 || fixes.words.left() > 0 || fixes.gaps.left() > 0 || fixes.right.is_some()
    {
        return Err(PatchError::Field("something is left over"));
    }
    Ok(())
}

fn copy_fresh<P: Read + Seek>(
    fresh: &mut Stream<P>,
    out: &mut impl Write,
    buffer: &mut [u8],
    mut count: u64,
) -> Result<(), PatchError> {
    while count > 0 {
        let piece = usize::try_from(count).map_or(buffer.len(), |count| count.min(buffer.len()));
        let bytes = buffer.get_mut(..piece).unwrap_or_default();
        fresh.read(bytes)?;
        out.write_all(bytes).map_err(PatchError::Write)?;
        count -= piece as u64;
    }
    Ok(())
}

fn one_move<P: Read + Seek>(
    item: Move,
    plan: &Plan,
    shifts: &Shifts,
    old: &mut dyn Source,
    fixes: &mut Fixes<P>,
    out: &mut impl Write,
    buffer: &mut [u8],
) -> Result<(), PatchError> {
    old.seek(SeekFrom::Start(u64::from(item.old)))
        .map_err(PatchError::Old)?;
    let mut walk = Walk::new(plan, shifts, item);
    // In the buffer: `have` bytes, of which the first `known` are worked out. What is put right is written at once.
    let (mut have, mut known) = (0, 0);
    let mut place = item.old;
    let mut unread = usize::try_from(item.length).unwrap_or(usize::MAX);
    while unread > 0 || have > 0 {
        let count = unread.min(buffer.len() - have);
        let room = buffer.get_mut(have..have + count).unwrap_or_default();
        old.read_exact(room).map_err(PatchError::Old)?;
        have += count;
        unread -= count;
        let is_end = unread == 0;
        let unknown = buffer.get_mut(known..have).unwrap_or_default();
        let ahead = u32::try_from(known).unwrap_or(u32::MAX);
        known += walk.go(unknown, place.saturating_add(ahead), is_end);
        let done = fixes.put(buffer.get_mut(..known).unwrap_or_default(), is_end)?;
        let bytes = buffer.get(..done).unwrap_or_default();
        out.write_all(bytes).map_err(PatchError::Write)?;
        buffer.copy_within(done..have, 0);
        place = place.saturating_add(u32::try_from(done).unwrap_or(u32::MAX));
        have -= done;
        known -= done;
    }
    Ok(())
}

// A full buffer has to get emptier in every round.
const _: () = assert!(PIECE > 2 * (AHEAD + WORD));

/// What puts right.
struct Fixes<P: Read + Seek> {
    gaps: Stream<P>,
    words: Stream<P>,
    /// Bytes that are right before the next word; `None` when all of them are.
    right: Option<u64>,
}

impl<P: Read + Seek> Fixes<P> {
    fn next(&mut self) -> Result<(), PatchError> {
        self.right = match self.gaps.left() {
            0 => None,
            _ => Some(self.gaps.number()?),
        };
        Ok(())
    }

    /// Puts bytes right; answers how many are. Less than a word is left over, nothing when the move ends.
    fn put(&mut self, bytes: &mut [u8], is_end: bool) -> Result<usize, PatchError> {
        let mut done = 0;
        loop {
            let rest = bytes.get_mut(done..).unwrap_or_default();
            let right = self.right.map_or(usize::MAX, |right| {
                usize::try_from(right).unwrap_or(usize::MAX)
            });
            if right >= rest.len() {
                if let Some(right) = &mut self.right {
                    *right -= rest.len() as u64;
                }
                return Ok(done + rest.len());
            }
            let wrong = rest.get_mut(right..).unwrap_or_default();
            let width = wrong.len().min(WORD);
            if width < WORD && !is_end {
                self.right = Some(0);
                return Ok(done + right);
            }
            let mut word = [0; WORD];
            self.words.read(&mut word)?;
            let mut value = [0; WORD];
            let wrong = wrong.get_mut(..width).unwrap_or_default();
            for (to, from) in value.iter_mut().zip(&*wrong) {
                *to = *from;
            }
            let sum = u32::from_le_bytes(value).wrapping_add(u32::from_le_bytes(word));
            for (to, from) in wrong.iter_mut().zip(sum.to_le_bytes()) {
                *to = from;
            }
            done += right + width;
            self.next()?;
        }
    }
}
