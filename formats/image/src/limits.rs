//! How much of the reader's memory and time an image may cost.

/// Upper bounds for reading one image.
///
/// The defaults leave room for images a hundred times larger than usual. A million entries, as many as they allow, take
/// 220 MB of memory while they are listed; a usual image takes 3 MB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Files, directories and links in the image, the root directory not counted.
    pub max_entries: u64,
    /// Bytes of metadata, each time they are read, decompressed, parsed or kept (paths, link targets); once for opening
    /// the image, and once more for each [`Image::read`](crate::Image::read), which counts the file's own bytes too.
    pub max_metadata: u64,
    /// Bytes of one file that [`Image::read`](crate::Image::read) returns.
    pub max_file: u64,
    /// Bytes of one path, relative to the root of the extension.
    pub max_path: usize,
    /// Directories between the root of the extension and an entry.
    pub max_depth: u16,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_entries: 1_000_000,
            max_metadata: 256 << 20,
            max_file: 1 << 20,
            // Linux's PATH_MAX; a longer path could not be opened on any host.
            max_path: 4096,
            max_depth: 128,
        }
    }
}
