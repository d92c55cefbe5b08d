//! Where in the old image bytes of the new one stand, by a suffix array.

use divsufsort::sort_in_place;

/// Bytes that a search compares at most: longer matches are found by going on from one.
pub(crate) const COMPARED: usize = 1024;

/// The old image, sorted.
pub(crate) struct Search<'a> {
    pub(crate) old: &'a [u8],
    suffixes: Vec<i32>,
    /// For each pair of bytes, the first suffix that begins with it or a later one.
    pairs: Vec<u32>,
}

impl<'a> Search<'a> {
    pub(crate) fn new(old: &'a [u8]) -> Self {
        let mut suffixes = vec![0; old.len()];
        sort_in_place(old, &mut suffixes);
        let mut pairs = vec![0_u32; (1 << 16) + 1];
        for pair in old.windows(2) {
            pairs[pair_of(pair) + 1] += 1;
        }
        // The last suffix has no pair; it stands before all that begin with its byte.
        if let Some(last) = old.last() {
            pairs[(usize::from(*last) << 8) + 1] += 1;
        }
        for index in 1..pairs.len() {
            pairs[index] += pairs[index - 1];
        }
        Self {
            old,
            suffixes,
            pairs,
        }
    }

    /// A place where as many of these bytes stand as anywhere, and how many; [`COMPARED`] means at least.
    pub(crate) fn find(&self, wanted: &[u8]) -> (usize, usize) {
        let wanted = &wanted[..wanted.len().min(COMPARED)];
        if wanted.len() < 2 {
            return (0, 0);
        }
        let pair = pair_of(wanted);
        let (mut low, mut high) = (self.pairs[pair] as usize, self.pairs[pair + 1] as usize);
        // How much of the suffixes just outside the range is known to be the same.
        let (mut low_same, mut high_same) = (0, 0);
        let mut best = (0, 0);
        while low < high {
            let middle = low.midpoint(high);
            let place = usize::try_from(self.suffixes[middle]).unwrap_or(0);
            let suffix = &self.old[place..];
            let known = low_same.min(high_same).min(suffix.len());
            let same = known + common(&suffix[known..], &wanted[known..]);
            if same > best.1 {
                best = (place, same);
            }
            if same == wanted.len() {
                break;
            }
            if suffix.get(same).is_none_or(|byte| *byte < wanted[same]) {
                low = middle + 1;
                low_same = same;
            } else {
                high = middle;
                high_same = same;
            }
        }
        best
    }
}

fn pair_of(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

/// Bytes that are the same at the beginning of both.
pub(crate) fn common(one: &[u8], other: &[u8]) -> usize {
    let (ones, _) = one.as_chunks::<8>();
    let (others, _) = other.as_chunks::<8>();
    let mut same = 0;
    for (one, other) in ones.iter().zip(others) {
        let difference = u64::from_le_bytes(*one) ^ u64::from_le_bytes(*other);
        if difference != 0 {
            return same + difference.trailing_zeros() as usize / 8;
        }
        same += 8;
    }
    let rest = one[same..].iter().zip(&other[same..]);
    same + rest.take_while(|(one, other)| one == other).count()
}
