//! Makes squashfs images that no tool would make: metadata are stored uncompressed, and every number is the test's.

/// A squashfs image in the making. An inode is called by its offset in the inode table.
pub(crate) struct Maker {
    /// Number of the compression, 1 for gzip.
    pub(crate) compression: u16,
    data: Vec<u8>,
    inodes: Vec<u8>,
    directories: Vec<u8>,
}

/// What a file holds.
pub(crate) enum Content {
    /// One block as it is.
    Stored(Vec<u8>),
    /// One compressed block, said to be this long once it is decompressed.
    Compressed(Vec<u8>, u32),
    /// A length, and nothing behind it.
    Declared(u64),
    /// A length, and only holes behind it.
    Hole(u32),
}

const BLOCK: u32 = 1 << 20;
const SUPERBLOCK: usize = 96;

impl Default for Maker {
    fn default() -> Self {
        Self {
            compression: 1,
            data: vec![0; SUPERBLOCK],
            inodes: Vec::new(),
            directories: Vec::new(),
        }
    }
}

impl Maker {
    /// What the next inode will be called.
    pub(crate) fn next_inode(&self) -> u64 {
        self.inodes.len() as u64
    }

    pub(crate) fn file(&mut self, content: Content) -> u64 {
        let start = self.data.len() as u64;
        let (size, lengths) = match content {
            Content::Stored(bytes) => {
                self.data.extend_from_slice(&bytes);
                (bytes.len() as u64, vec![bytes.len() as u32 | 1 << 24])
            }
            Content::Compressed(bytes, size) => {
                self.data.extend_from_slice(&bytes);
                (size.into(), vec![bytes.len() as u32])
            }
            Content::Declared(size) => (size, Vec::new()),
            Content::Hole(size) => (size.into(), vec![0; size.div_ceil(BLOCK) as usize]),
        };
        let inode = self.inode(9, 0o644);
        self.inodes.extend(start.to_le_bytes());
        self.inodes.extend(size.to_le_bytes());
        self.inodes.extend(0_u64.to_le_bytes());
        self.inodes.extend(1_u32.to_le_bytes());
        self.inodes.extend(u32::MAX.to_le_bytes());
        self.inodes.extend(0_u32.to_le_bytes());
        self.inodes.extend(u32::MAX.to_le_bytes());
        self.inodes
            .extend(lengths.into_iter().flat_map(u32::to_le_bytes));
        inode
    }

    pub(crate) fn dir(&mut self, entries: &[(&[u8], u64)]) -> u64 {
        let start = self.directories.len();
        for (name, inode) in entries {
            // A run for each entry.
            self.directories.extend(0_u32.to_le_bytes());
            self.directories
                .extend(((inode / 8192 * 8194) as u32).to_le_bytes());
            self.directories.extend(1_u32.to_le_bytes());
            self.directories
                .extend(((inode % 8192) as u16).to_le_bytes());
            self.directories.extend([0, 0, 2, 0]);
            self.directories
                .extend((name.len() as u16 - 1).to_le_bytes());
            self.directories.extend_from_slice(name);
        }
        let size = (self.directories.len() - start) as u32 + 3;
        let inode = self.inode(8, 0o755);
        self.inodes.extend(2_u32.to_le_bytes());
        self.inodes.extend(size.to_le_bytes());
        self.inodes
            .extend(((start / 8192 * 8194) as u32).to_le_bytes());
        self.inodes.extend(1_u32.to_le_bytes());
        self.inodes.extend([0, 0]);
        self.inodes.extend(((start % 8192) as u16).to_le_bytes());
        self.inodes.extend(u32::MAX.to_le_bytes());
        inode
    }

    /// Puts zeros into the inode table.
    pub(crate) fn zeros(&mut self, count: usize) {
        self.inodes.resize(self.inodes.len() + count, 0);
    }

    /// The image, with the root directory `root`.
    pub(crate) fn finish(self, root: u64) -> Vec<u8> {
        let mut image = self.data;
        let inode_table = image.len() as u64;
        chain(&mut image, &self.inodes);
        let directory_table = image.len() as u64;
        chain(&mut image, &self.directories);
        let ids = image.len() as u64;
        chain(&mut image, &[0; 4]);
        let id_table = image.len() as u64;
        image.extend(ids.to_le_bytes());

        let mut superblock = b"hsqs".to_vec();
        superblock.extend([0; 8]);
        superblock.extend(BLOCK.to_le_bytes());
        superblock.extend([0; 4]);
        for number in [self.compression, BLOCK.trailing_zeros() as u16, 0, 1, 4, 0] {
            superblock.extend(number.to_le_bytes());
        }
        let root = ((root / 8192 * 8194) << 16) | (root % 8192);
        for number in [
            root,
            image.len() as u64,
            id_table,
            u64::MAX,
            inode_table,
            directory_table,
            u64::MAX,
            u64::MAX,
        ] {
            superblock.extend(number.to_le_bytes());
        }
        image[..SUPERBLOCK].copy_from_slice(&superblock);
        image
    }

    fn inode(&mut self, kind: u16, mode: u16) -> u64 {
        let inode = self.next_inode();
        for number in [kind, mode, 0, 0] {
            self.inodes.extend(number.to_le_bytes());
        }
        self.inodes.extend([0; 8]);
        inode
    }
}

/// Appends `bytes` as uncompressed metadata blocks.
fn chain(image: &mut Vec<u8>, bytes: &[u8]) {
    for block in bytes.chunks(8192) {
        image.extend((block.len() as u16 | 1 << 15).to_le_bytes());
        image.extend_from_slice(block);
    }
}
