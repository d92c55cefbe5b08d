//! What can be wrong with a patch.

use std::io;

/// Why a patch does not give an image.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// The patch can not be read, or one of its streams is none.
    #[error("its {stream} can not be read: {source}")]
    Stream {
        /// Which part.
        stream: &'static str,
        /// Why.
        source: io::Error,
    },
    /// Not a patch.
    #[error("it does not begin as a patch does")]
    Magic,
    /// It is for images of other lengths.
    #[error("it leads from {old} to {new} bytes, wanted is from {wanted_old} to {wanted_new}")]
    Lengths {
        /// Of the image that it starts from.
        old: u64,
        /// Of the one that it gives.
        new: u64,
        /// What the old image has.
        wanted_old: u64,
        /// What the new one must have.
        wanted_new: u64,
    },
    /// A number is larger than it may be, or does not fit the others.
    #[error("it says something impossible: {0}")]
    Field(&'static str),
    /// The old image can not be read.
    #[error("the image that it starts from can not be read")]
    Old(#[source] io::Error),
    /// The new image can not be written: this host's fault, not the patch's.
    #[error("the new image can not be written")]
    Write(#[source] io::Error),
}

impl PatchError {
    pub(crate) fn stream(stream: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Stream { stream, source }
    }
}
