//! The hash tree of a disk image under dm-verity, which is made of the image's own data instead of being in the patch.
//!
//! All but the tree comes as moves and fresh bytes; while it is written, the data are hashed, and where the tree belongs it is
//! put between. So the data have to stand before their tree, as every known tool puts them.

use std::io::{self, Read, Seek, Write};

use sysext_verity::{Layout, MAX_SALT, Parameters, TreeHasher};

use crate::stream::Stream;
use crate::{MAX_TREE, PatchError};

const WRONG: PatchError = PatchError::Field("the hash tree");

/// Reads where the tree of the new image is, if it has one.
pub(crate) fn read<P: Read + Seek>(
    stream: &mut Stream<P>,
    new_length: u64,
) -> Result<Option<Layout>, PatchError> {
    match stream.number()? {
        0 => return Ok(None),
        1 => {}
        _ => return Err(WRONG),
    }
    let size = |log: u64| 1_u32.checked_shl(u32::try_from(log).ok()?);
    let data_block = size(stream.number()?).ok_or(WRONG)?;
    let hash_block = size(stream.number()?).ok_or(WRONG)?;
    let data_blocks = stream.number()?;
    let mut salt = [0; MAX_SALT];
    let length = usize::try_from(stream.number()?).map_err(|_| WRONG)?;
    let salt = salt.get_mut(..length).ok_or(WRONG)?;
    stream.read(salt)?;
    let parameters =
        Parameters::new(data_block, hash_block, data_blocks, salt).map_err(|_| WRONG)?;
    let data = stream.number()?;
    let layout = Layout {
        tree: data
            .saturating_add(parameters.data_length())
            .saturating_add(stream.number()?),
        data,
        parameters,
    };
    if !is_usable(&layout, new_length) {
        return Err(WRONG);
    }
    Ok(Some(layout))
}

/// Whether a tree can be left out of a patch to an image of this length.
pub(crate) fn is_usable(layout: &Layout, new_length: u64) -> bool {
    let length = layout.parameters.tree_length();
    (1..=MAX_TREE).contains(&length)
        && layout.data_end() <= layout.tree
        && layout.tree_end() <= new_length
}

/// Takes an image without its tree and writes it with it.
pub(crate) struct TreeWriter<W> {
    out: W,
    /// Bytes that came.
    place: u64,
    /// `None` once the tree was written, or where there is none.
    tree: Option<(Layout, TreeHasher)>,
}

impl<W: Write> TreeWriter<W> {
    pub(crate) fn new(out: W, layout: Option<&Layout>) -> Self {
        let tree = layout.map(|layout| {
            let hasher = TreeHasher::keeping(layout.parameters.clone());
            (layout.clone(), hasher)
        });
        Self {
            out,
            place: 0,
            tree,
        }
    }

    /// Writes the tree, where it is time.
    pub(crate) fn put(&mut self) -> io::Result<()> {
        let Some((_, hasher)) = self.tree.take_if(|(layout, _)| self.place == layout.tree) else {
            return Ok(());
        };
        let mut levels = hasher.finish().levels.into_iter();
        levels.try_for_each(|level| self.out.write_all(&level))
    }
}

impl<W: Write> Write for TreeWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put()?;
        let Some((layout, hasher)) = &mut self.tree else {
            return self.out.write(bytes);
        };
        let until = usize::try_from(layout.tree - self.place).unwrap_or(usize::MAX);
        let count = self.out.write(bytes.get(..until).unwrap_or(bytes))?;
        let (start, end) = (self.place, self.place + count as u64);
        let from = layout.data.clamp(start, end) - start;
        let to = layout.data_end().clamp(start, end) - start;
        hasher.update(bytes.get(from as usize..to as usize).unwrap_or_default());
        self.place = end;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MAX_LENGTH;

    fn layout(blocks: u64, data: u64, tree: u64) -> Layout {
        Layout {
            parameters: Parameters::new(4096, 4096, blocks, b"").unwrap(),
            data,
            tree,
        }
    }

    #[test]
    fn a_tree_stands_behind_its_data_and_in_the_image() {
        let end = 10 + 4 * 4096;
        assert!(is_usable(&layout(4, 10, end), end + 4096));
        assert!(!is_usable(&layout(4, 10, end), end + 4095));
        assert!(!is_usable(&layout(4, 10, end - 1), end + 4096));
        assert!(!is_usable(&layout(4, u64::MAX, u64::MAX), MAX_LENGTH));
        // One block has no tree; this many have one that is too large.
        assert!(!is_usable(&layout(1, 0, 4096), 8192));
        let many = MAX_TREE / 32;
        assert!(!is_usable(&layout(many, 0, many * 4096), u64::MAX));
    }

    #[test]
    fn the_tree_is_put_between_however_the_rest_comes() {
        let layout = layout(4, 10, 20_000);
        let image: Vec<u8> = (0..30_000_u32).map(|at| (at * at % 251) as u8).collect();
        let tree = layout.tree_of(&image).unwrap();
        let (before, behind) = image.split_at(20_000);
        let whole = [before, &tree, behind].concat();
        for step in [1, 11, 4096, 20_000, 30_000] {
            let mut out = Vec::new();
            let mut writer = TreeWriter::new(&mut out, Some(&layout));
            for piece in image.chunks(step) {
                writer.write_all(piece).unwrap();
            }
            writer.put().unwrap();
            assert!(out == whole, "by {step}");
        }
        let mut out = Vec::new();
        TreeWriter::new(&mut out, None).write_all(&image).unwrap();
        assert!(out == image);
    }
}
