//! Where a tree and its data are.

use crate::{Parameters, TreeHasher};

/// Data under dm-verity and their tree in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// What the tree is made with.
    pub parameters: Parameters,
    /// Where the data begin.
    pub data: u64,
    /// Where the tree begins, behind its superblock.
    pub tree: u64,
}

impl Layout {
    /// Where the data end.
    #[must_use]
    pub fn data_end(&self) -> u64 {
        self.data.saturating_add(self.parameters.data_length())
    }

    /// The tree of the data in an image, whatever stands at its place; `None` where the image ends before its data.
    #[must_use]
    pub fn tree_of(&self, image: &[u8]) -> Option<Vec<u8>> {
        let place = |offset: u64| usize::try_from(offset).ok();
        let data = image.get(place(self.data)?..place(self.data_end())?)?;
        let mut hasher = TreeHasher::keeping(self.parameters.clone());
        hasher.update(data);
        Some(hasher.finish().bytes())
    }

    /// Where the tree ends.
    #[must_use]
    pub fn tree_end(&self) -> u64 {
        self.tree.saturating_add(self.parameters.tree_length())
    }
}
