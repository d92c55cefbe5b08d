//! Why an image can not be read.

use crate::{EntryKind, Filesystem};

/// Why an image, or one file in it, can not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// The reader itself failed; this says nothing about the image.
    #[error("cannot read the image at byte {offset}")]
    Io {
        /// Where in the image file.
        offset: u64,
        /// What the reader said.
        #[source]
        source: std::io::Error,
    },
    /// The image is shorter than it says; most often a download or copy that was cut off.
    #[error("the image is truncated: {what} ends at byte {needed}, the image at byte {length}")]
    Truncated {
        /// What was looked for.
        what: &'static str,
        /// First byte behind it.
        needed: u64,
        /// Length of the image, or of the partition that was being read.
        length: u64,
    },
    /// Neither a file system nor a disk image that systemd-sysext knows.
    #[error(
        "not a system extension image: expected squashfs, erofs, ext4 or a GPT disk image, found {looks_like} (first bytes {first_bytes})"
    )]
    NotAnImage {
        /// The first bytes, in hexadecimal.
        first_bytes: String,
        /// What they are the beginning of, as far as that is known.
        looks_like: &'static str,
    },
    /// The file system is compressed with a method that this reader does not have.
    #[error(
        "{filesystem} compressed with {method} is not supported; pack the image without compression, or with zstd"
    )]
    UnsupportedCompression {
        /// The file system of the image.
        filesystem: Filesystem,
        /// Name of the compression.
        method: String,
    },
    /// The file system uses a feature that this reader does not know.
    #[error("the {filesystem} file system cannot be read: {feature} is not supported")]
    UnsupportedFeature {
        /// The file system of the image.
        filesystem: Filesystem,
        /// What it uses.
        feature: String,
    },
    /// The hash tree has parameters that this reader does not know.
    #[error("the verity partition can not be used: {0}")]
    Verity(#[from] sysext_verity::ParameterError),
    /// The data are not the ones that the root hash was made of.
    #[error(
        "the data partition does not match the dm-verity root hash: the image says {declared}, its data {computed}"
    )]
    VerityMismatch {
        /// Root hash by the partitions' UUIDs.
        declared: String,
        /// Root hash of the data.
        computed: String,
    },
    /// A LUKS volume; extensions are not secret, and there is no key here.
    #[error("the image is encrypted (LUKS): only unencrypted images can be published and checked")]
    Encrypted,
    /// A disk image without anything that systemd-sysext would mount.
    #[error("the disk image has no root or usr partition; its partitions are: {found}")]
    NoUsablePartition {
        /// Types of the partitions that are there.
        found: String,
    },
    /// A disk image in which it is not clear what would be mounted.
    #[error(
        "the disk image has several {designator} partitions for {architecture} (numbers {numbers}); an extension has one"
    )]
    SeveralPartitions {
        /// `root`, `usr`, `root and usr`, or `verity`.
        designator: &'static str,
        /// Architecture in systemd's words.
        architecture: &'static str,
        /// The partition numbers, counted from 1.
        numbers: String,
    },
    /// A disk image for several architectures at once; an extension has one.
    #[error(
        "the disk image has partitions for several architectures ({architectures}); publish one image for each"
    )]
    SeveralArchitectures {
        /// The architectures in systemd's words.
        architectures: String,
    },
    /// A structure of the image contradicts itself or its neighbours.
    #[error("the image is corrupt: {what}")]
    Corrupt {
        /// What is wrong.
        what: String,
    },
    /// More entries than [`Limits::max_entries`](crate::Limits::max_entries).
    #[error("the image has more than {limit} entries")]
    TooManyEntries {
        /// The limit.
        limit: u64,
    },
    /// More metadata than [`Limits::max_metadata`](crate::Limits::max_metadata): a bomb, or a corrupt image.
    #[error("the image needs more than {limit} bytes of metadata to be read")]
    TooMuchMetadata {
        /// The limit, in bytes.
        limit: u64,
    },
    /// A path longer than [`Limits::max_path`](crate::Limits::max_path).
    #[error("a path below {directory:?} in the image is longer than {limit} bytes")]
    PathTooLong {
        /// The directory that holds the entry.
        directory: String,
        /// The limit, in bytes.
        limit: usize,
    },
    /// Directories nested deeper than [`Limits::max_depth`](crate::Limits::max_depth).
    #[error("{directory:?} in the image is more than {limit} directories deep")]
    TooDeep {
        /// The directory.
        directory: String,
        /// The limit.
        limit: u16,
    },
    /// A file larger than [`Limits::max_file`](crate::Limits::max_file).
    #[error("{path:?} in the image has {size} bytes; at most {limit} are read")]
    FileTooLarge {
        /// The file.
        path: String,
        /// Its size.
        size: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// No such file in the image.
    #[error("{path:?} is not in the image")]
    NotFound {
        /// The path that was asked for.
        path: String,
    },
    /// The path is there, but is not a regular file.
    #[error("{path:?} in the image is not a regular file but a {kind}")]
    NotAFile {
        /// The path that was asked for.
        path: String,
        /// What it is.
        kind: EntryKind,
    },
    /// Symbolic links that lead to each other, or too many of them.
    #[error("{path:?} in the image leads through more than {limit} symbolic links")]
    TooManyLinks {
        /// The path that was asked for.
        path: String,
        /// The limit.
        limit: u32,
    },
}

impl InspectError {
    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into() }
    }
}
