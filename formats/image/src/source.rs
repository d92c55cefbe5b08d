//! The image as a readable range of bytes.

use std::fmt;
use std::io::{Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::InspectError;
use crate::budget::Budget;

/// A range of the image: all of it, or one partition.
///
/// - Nothing outside the range can be read, whatever offset an image declares.
/// - What is read is paid for from the [`Budget`] that all ranges of one image share.
pub(crate) struct Source<R> {
    shared: Arc<Mutex<Shared<R>>>,
    start: u64,
    length: u64,
}

struct Shared<R> {
    reader: R,
    budget: Budget,
}

impl<R: Read + Seek> Source<R> {
    /// All `length` bytes of `reader`.
    pub(crate) fn new(reader: R, length: u64, max_metadata: u64) -> Self {
        let shared = Shared {
            reader,
            budget: Budget::new(max_metadata),
        };
        Self {
            shared: Arc::new(Mutex::new(shared)),
            start: 0,
            length,
        }
    }

    pub(crate) const fn length(&self) -> u64 {
        self.length
    }

    /// Where the range begins in the reader.
    pub(crate) const fn start(&self) -> u64 {
        self.start
    }

    /// `length` bytes from `offset` as a range of their own.
    pub(crate) fn window(
        &self,
        offset: u64,
        length: u64,
        what: &'static str,
    ) -> Result<Self, InspectError> {
        let start = self.place(offset, length, what)?;
        Ok(Self {
            shared: Arc::clone(&self.shared),
            start,
            length,
        })
    }

    /// Fills `buffer` from `offset`.
    pub(crate) fn read_at(
        &self,
        offset: u64,
        buffer: &mut [u8],
        what: &'static str,
    ) -> Result<(), InspectError> {
        self.spend(buffer.len() as u64)?;
        self.read_paid(offset, buffer, what)
    }

    /// The same, where the caller has paid.
    pub(crate) fn read_paid(
        &self,
        offset: u64,
        buffer: &mut [u8],
        what: &'static str,
    ) -> Result<(), InspectError> {
        let length = buffer.len() as u64;
        let at = self.place(offset, length, what)?;
        let reader = &mut self.lock().reader;
        reader
            .seek(SeekFrom::Start(at))
            .and_then(|_| reader.read_exact(buffer))
            .map_err(|source| match source.kind() {
                // The caller's length was wrong, or the file shrank meanwhile.
                std::io::ErrorKind::UnexpectedEof => InspectError::Truncated {
                    what,
                    needed: offset.saturating_add(length),
                    length: self.length,
                },
                _ => InspectError::Io { offset: at, source },
            })
    }

    /// The `N` bytes at `offset`.
    pub(crate) fn array_at<const N: usize>(
        &self,
        offset: u64,
        what: &'static str,
    ) -> Result<[u8; N], InspectError> {
        let mut bytes = [0; N];
        self.read_at(offset, &mut bytes, what)?;
        Ok(bytes)
    }

    /// Pays for work or memory that is not a read.
    pub(crate) fn spend(&self, bytes: u64) -> Result<(), InspectError> {
        self.lock().budget.spend(bytes)
    }

    /// A new operation on the open image begins.
    pub(crate) fn refill(&self) {
        self.lock().budget.refill();
    }

    /// Where `length` bytes from `offset` of this range are in the reader.
    fn place(&self, offset: u64, length: u64, what: &'static str) -> Result<u64, InspectError> {
        let needed = offset.saturating_add(length);
        if needed > self.length {
            return Err(InspectError::Truncated {
                what,
                needed,
                length: self.length,
            });
        }
        self.start
            .checked_add(offset)
            .ok_or(InspectError::Truncated {
                what,
                needed,
                length: self.length,
            })
    }

    fn lock(&self) -> MutexGuard<'_, Shared<R>> {
        // A panic elsewhere leaves no half-changed state here: the reader is positioned anew for each read.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R> Clone for Source<R> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            start: self.start,
            length: self.length,
        }
    }
}

impl<R> fmt::Debug for Source<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("start", &self.start)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn a_window_can_not_be_left() {
        let source = Source::new(Cursor::new((0..100).collect::<Vec<u8>>()), 100, 1000);
        let window = source.window(10, 20, "partition").unwrap();
        assert_eq!(window.array_at::<2>(18, "end").unwrap(), [28, 29]);
        assert!(matches!(
            window.array_at::<2>(19, "beyond"),
            Err(InspectError::Truncated {
                what: "beyond",
                needed: 21,
                length: 20
            })
        ));
        assert!(window.array_at::<1>(u64::MAX, "wrap").is_err());
        assert!(source.window(u64::MAX, 2, "wrap").is_err());
    }

    #[test]
    fn a_reader_shorter_than_promised_is_truncated_and_reads_cost() {
        let source = Source::new(Cursor::new(vec![0; 5]), 100, 30);
        assert!(matches!(
            source.array_at::<10>(0, "header"),
            Err(InspectError::Truncated { .. })
        ));
        source.spend(10).unwrap();
        source.window(0, 50, "part").unwrap().spend(10).unwrap();
        assert!(matches!(
            source.array_at::<1>(0, "byte"),
            Err(InspectError::TooMuchMetadata { limit: 30 })
        ));
        source.refill();
        source.array_at::<1>(0, "byte").unwrap();
    }
}
