//! Upper bounds of everything foreign, in one place.
//!
//! Nothing is ever read without a bound. The TUF limits are configurable through [`Limits`]; the constants are part of
//! the format (FORMAT.md, "Encoding and limits") and bind every reader alike.

/// Nesting of JSON documents.
pub const MAX_DEPTH: usize = 64;
/// Signatures in one document: more than any real role has, few enough that checking them all is cheap.
pub const MAX_SIGNATURES: usize = 256;
/// Bytes of a role name or a target path of the TUF layer.
pub const MAX_TUF_NAME: usize = 1024;
/// Bytes of the patterns of one document that have a wildcard before their end, all together: matching one costs its length
/// times that of the path, and there are thousands of paths.
pub const MAX_SLOW_PATTERNS: usize = 16 << 10;
/// Bytes of a file name in a catalog.
pub const MAX_FILE_NAME: usize = 200;
/// Bytes of an image: 8 GiB.
pub const MAX_IMAGE: u64 = 8 << 30;
/// Bytes of a descriptor, `catalog.toml`.
pub const MAX_DESCRIPTOR: u64 = 64 << 10;
/// Binary logarithm of the largest zstd window a reader accepts: 128 MiB.
pub const MAX_ZSTD_WINDOW_LOG: u32 = 27;
/// Binary logarithm of the largest zstd window a publisher writes: 16 MiB.
pub const WRITTEN_ZSTD_WINDOW_LOG: u32 = 24;

/// Bounds of one TUF refresh; sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// `N.root.json`.
    pub root: u64,
    /// `timestamp.json`.
    pub timestamp: u64,
    /// `N.snapshot.json`.
    pub snapshot: u64,
    /// `N.targets.json` and each delegated role.
    pub targets: u64,
    /// New roots in one refresh; then the walk stops and the expiry of the last one decides.
    pub new_roots: u32,
    /// Roles visited while one target is looked up.
    pub roles_per_lookup: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            root: 512_000,
            timestamp: 16_384,
            snapshot: 2_000_000,
            targets: 5_000_000,
            new_roots: 256,
            roles_per_lookup: 32,
        }
    }
}
