//! Where a tree and its data are.

use crate::Parameters;

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

    /// Where the tree ends.
    #[must_use]
    pub fn tree_end(&self) -> u64 {
        self.tree.saturating_add(self.parameters.tree_length())
    }
}
