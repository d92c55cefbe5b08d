//! The tree of some data.

use sha2::{Digest as _, Sha256};

use crate::Parameters;

/// Bytes of a digest.
pub const DIGEST: usize = 32;

/// A tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// The root hash.
    pub root: [u8; DIGEST],
    /// Its levels as they are stored, the top one first; empty where they were not kept.
    pub levels: Vec<Vec<u8>>,
}

impl Tree {
    /// Its levels in a row.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.levels.concat()
    }
}

/// Computes a tree from its data, which come in order.
#[derive(Debug)]
pub struct TreeHasher {
    parameters: Parameters,
    keeps: bool,
    /// With the salt in it already.
    salted: Sha256,
    /// Of the block that is not complete, and its bytes so far.
    block: Sha256,
    have: usize,
    /// The lowest first.
    levels: Vec<Level>,
}

/// One level.
#[derive(Debug, Default)]
struct Level {
    /// Its complete blocks, where they are kept.
    before: Vec<u8>,
    /// The one that digests are put into.
    block: Vec<u8>,
}

impl TreeHasher {
    /// For the root hash alone.
    #[must_use]
    pub fn new(parameters: Parameters) -> Self {
        Self::with(parameters, false)
    }

    /// For the whole tree, which takes [`Parameters::tree_length`] bytes of memory in the end.
    #[must_use]
    pub fn keeping(parameters: Parameters) -> Self {
        Self::with(parameters, true)
    }

    fn with(parameters: Parameters, keeps: bool) -> Self {
        let salted = Sha256::new_with_prefix(parameters.salt());
        Self {
            block: salted.clone(),
            salted,
            parameters,
            keeps,
            have: 0,
            levels: Vec::new(),
        }
    }

    /// More data. What does not fill a block at the end is part of none.
    pub fn update(&mut self, mut bytes: &[u8]) {
        let size = self.parameters.data_block() as usize;
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at(bytes.len().min(size - self.have));
            self.block.update(now);
            self.have += now.len();
            if self.have == size {
                let block = std::mem::replace(&mut self.block, self.salted.clone());
                self.push(block.finalize().into());
                self.have = 0;
            }
            bytes = rest;
        }
    }

    /// The tree of what came.
    #[must_use]
    pub fn finish(mut self) -> Tree {
        let mut index = 0;
        let root = loop {
            let is_top = index + 1 >= self.levels.len();
            let Some(level) = self.levels.get_mut(index) else {
                break self.salted.clone().finalize().into();
            };
            // The only digest of all is the root itself: no block is made of it.
            if let (true, Ok(root)) = (is_top, <[u8; DIGEST]>::try_from(level.block.as_slice())) {
                break root;
            }
            level.block.resize(self.parameters.hash_block() as usize, 0);
            let digest = self.close(index);
            index += 1;
            self.push_at(index, digest);
        };
        let kept = self.levels.into_iter().rev().map(|level| level.before);
        Tree {
            root,
            levels: kept.filter(|level| !level.is_empty()).collect(),
        }
    }

    fn push(&mut self, digest: [u8; DIGEST]) {
        self.push_at(0, digest);
    }

    /// Adds a digest to a level, and the digest of the level's block to the one above once the block is full.
    fn push_at(&mut self, mut index: usize, mut digest: [u8; DIGEST]) {
        loop {
            if self.levels.len() <= index {
                let mut level = Level::default();
                if self.keeps {
                    // Once, so that it is never copied to a larger place.
                    let length = self.parameters.level_length(index);
                    level
                        .before
                        .reserve_exact(usize::try_from(length).unwrap_or(0));
                }
                self.levels.push(level);
            }
            let size = self.parameters.hash_block() as usize;
            let Some(level) = self.levels.get_mut(index) else {
                return;
            };
            // A full block waits for the next digest: if there is none, it is the top.
            if level.block.len() < size {
                level.block.extend_from_slice(&digest);
                return;
            }
            let full = self.close(index);
            if let Some(level) = self.levels.get_mut(index) {
                level.block.extend_from_slice(&digest);
            }
            digest = full;
            index += 1;
        }
    }

    /// Takes a level's block out of it; its digest.
    fn close(&mut self, index: usize) -> [u8; DIGEST] {
        let mut hasher = self.salted.clone();
        if let Some(level) = self.levels.get_mut(index) {
            hasher.update(&level.block);
            if self.keeps {
                level.before.append(&mut level.block);
            }
            level.block.clear();
        }
        hasher.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition: hash each layer whole, until one digest is left.
    fn plainly(parameters: &Parameters, data: &[u8]) -> Tree {
        let digest = |block: &[u8]| -> [u8; DIGEST] {
            let salted = Sha256::new_with_prefix(parameters.salt());
            salted.chain_update(block).finalize().into()
        };
        let blocks = data.chunks_exact(parameters.data_block() as usize);
        let mut layer: Vec<_> = blocks.map(digest).collect();
        let mut levels = Vec::new();
        while layer.len() > 1 {
            let digests = parameters.hash_block() as usize / DIGEST;
            let blocks: Vec<Vec<u8>> = layer
                .chunks(digests)
                .map(|digests| {
                    let mut block = digests.concat();
                    block.resize(parameters.hash_block() as usize, 0);
                    block
                })
                .collect();
            layer = blocks.iter().map(|block| digest(block)).collect();
            levels.insert(0, blocks.concat());
        }
        Tree {
            root: layer[0],
            levels,
        }
    }

    #[test]
    fn the_tree_is_the_defined_one_for_every_number_of_blocks() {
        // Sixteen digests a block, so that few blocks make several levels.
        for count in (1..40).chain([255, 256, 257, 272, 273, 4096, 4097]) {
            let parameters = Parameters::new(512, 512, count, &[7; 3]).unwrap();
            let data: Vec<u8> = (0..count * 512).map(|at| (at * at % 251) as u8).collect();
            let defined = plainly(&parameters, &data);
            assert_eq!(defined.bytes().len() as u64, parameters.tree_length());
            let steps: &[usize] = if count < 300 {
                &[1, 511, 512, 5000]
            } else {
                &[5000]
            };
            for &step in steps {
                let mut hasher = TreeHasher::keeping(parameters.clone());
                let mut rootly = TreeHasher::new(parameters.clone());
                for part in data.chunks(step) {
                    hasher.update(part);
                    rootly.update(part);
                }
                assert_eq!(hasher.finish(), defined, "{count} blocks by {step}");
                let root = rootly.finish();
                assert_eq!(root.root, defined.root, "{count} blocks by {step}");
                assert_eq!(root.levels, [[0; 0]; 0]);
            }
        }
    }
}
