//! The head of a patch and its four streams.
//!
//! ```text
//! 0   8  "SXRELINK"
//! 8   8  length of the old image          all numbers: unsigned, little-endian
//! 16  8  length of the new image
//! 24 64  four times: bytes of the stream in the file, bytes that it unpacks to
//! 88  …  the streams: plan, gaps, words, fresh; nothing between them and nothing behind
//! ```

use std::cell::RefCell;
use std::io::{self, BufRead as _, BufReader, Read, Seek, SeekFrom};
use std::rc::Rc;

use lzma_rust2::LzmaReader;

use crate::{DICTIONARY, MAGIC, MAX_LENGTH, PatchError};

/// Bytes of the head.
pub(crate) const HEAD: usize = 88;
/// Bytes that are read of a stream at once.
const PIECE: usize = 64 << 10;

/// What the bytes of a stream are, and the parameters of LZMA that suit them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) literal_context: u32,
    pub(crate) literal_position: u32,
    pub(crate) position: u32,
}

/// The streams, in their order.
pub(crate) const SHAPES: [Shape; 4] = [
    shape("plan", 3, 0, 0),
    shape("gaps", 3, 0, 0),
    shape("words", 0, 2, 2),
    shape("fresh bytes", 3, 0, 2),
];

const fn shape(
    name: &'static str,
    literal_context: u32,
    literal_position: u32,
    position: u32,
) -> Shape {
    Shape {
        name,
        literal_context,
        literal_position,
        position,
    }
}

/// The streams of a patch, unpacked while they are read.
pub(crate) struct Streams<P: Read + Seek> {
    pub(crate) plan: Stream<P>,
    pub(crate) gaps: Stream<P>,
    pub(crate) words: Stream<P>,
    pub(crate) fresh: Stream<P>,
}

impl<P: Read + Seek> Streams<P> {
    /// Reads the head; the lengths must be these.
    pub(crate) fn open(mut patch: P, old: u64, new: u64) -> Result<Self, PatchError> {
        let failed = PatchError::stream("head");
        let end = patch.seek(SeekFrom::End(0)).map_err(&failed)?;
        patch.rewind().map_err(&failed)?;
        let mut head = [0; HEAD];
        patch.read_exact(&mut head).map_err(&failed)?;
        if !head.starts_with(MAGIC) {
            return Err(PatchError::Magic);
        }
        let mut numbers = head
            .chunks_exact(8)
            .skip(1)
            .map(|bytes| bytes.try_into().map_or(u64::MAX, u64::from_le_bytes));
        let mut number = || numbers.next().unwrap_or(u64::MAX);
        let (from, to) = (number(), number());
        if (from, to) != (old, new) {
            return Err(PatchError::Lengths {
                old: from,
                new: to,
                wanted_old: old,
                wanted_new: new,
            });
        }
        if old > MAX_LENGTH || new > MAX_LENGTH {
            return Err(PatchError::Field("an image of 2 GiB or more"));
        }
        let shared = Rc::new(RefCell::new(patch));
        let mut next = HEAD as u64;
        let mut open = |shape: Shape| {
            let (packed, unpacked) = (number(), number());
            let start = next;
            next = next
                .checked_add(packed)
                .ok_or(PatchError::Field("the length of a stream"))?;
            let section = Section {
                shared: Rc::clone(&shared),
                next: start,
                left: packed,
                broken: None,
            };
            Stream::open(shape, section, unpacked)
        };
        let [plan, gaps, words, fresh] = SHAPES;
        let streams = Self {
            plan: open(plan)?,
            gaps: open(gaps)?,
            words: open(words)?,
            fresh: open(fresh)?,
        };
        if next != end {
            return Err(PatchError::Field("its length is not that of its streams"));
        }
        Ok(streams)
    }
}

/// One stream.
pub(crate) struct Stream<P: Read + Seek> {
    name: &'static str,
    /// `None` when it is empty.
    inner: Option<Unpacking<P>>,
    left: u64,
}

type Unpacking<P> = BufReader<LzmaReader<BufReader<Section<P>>>>;

/// Bytes that an LZMA decoder leaves unread at most: encoders write one more than is needed for some contents.
const UNREAD: u64 = 1;

impl<P: Read + Seek> Stream<P> {
    fn open(shape: Shape, section: Section<P>, unpacked: u64) -> Result<Self, PatchError> {
        let name = shape.name;
        if unpacked > MAX_LENGTH {
            return Err(PatchError::Field("a stream of 2 GiB or more"));
        }
        if unpacked == 0 {
            if section.left != 0 {
                return Err(PatchError::Field("bytes of an empty stream"));
            }
            let inner = None;
            let left = 0;
            return Ok(Self { name, inner, left });
        }
        // No distance is longer than what there is.
        let dictionary =
            u32::try_from(unpacked).map_or(DICTIONARY, |length| length.min(DICTIONARY));
        let lzma = LzmaReader::new(
            BufReader::with_capacity(PIECE, section),
            unpacked,
            shape.literal_context,
            shape.literal_position,
            shape.position,
            dictionary.max(lzma_rust2::DICT_SIZE_MIN),
            None,
        )
        .map_err(PatchError::stream(name))?;
        Ok(Self {
            name,
            inner: Some(BufReader::with_capacity(PIECE, lzma)),
            left: unpacked,
        })
    }

    /// Bytes that nobody has read.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// Fills the buffer.
    pub(crate) fn read(&mut self, bytes: &mut [u8]) -> Result<(), PatchError> {
        let count = bytes.len() as u64;
        let inner = self.inner.as_mut().filter(|_| count <= self.left);
        let read = match inner {
            Some(inner) => inner.read_exact(bytes),
            None if bytes.is_empty() => Ok(()),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        };
        self.left = self.left.saturating_sub(count);
        self.checked(read)
    }

    /// What came of a read. The decoder goes on over errors of what it reads, and knows nothing of the end.
    fn checked<T>(&mut self, read: io::Result<T>) -> Result<T, PatchError> {
        let is_end = self.left == 0;
        let broken = self.inner.as_mut().and_then(|inner| {
            let section = inner.get_mut().inner_mut();
            let unread = section.buffer().len() as u64 + section.get_ref().left;
            let broken = section.get_mut().broken.take();
            broken.or_else(|| {
                let trailing = io::ErrorKind::InvalidData;
                (is_end && unread > UNREAD)
                    .then(|| io::Error::new(trailing, "something is behind it"))
            })
        });
        match (broken, read) {
            (Some(error), _) | (None, Err(error)) => Err(PatchError::stream(self.name)(error)),
            (None, Ok(value)) => Ok(value),
        }
    }

    /// Reads a number in groups of seven bits, the lowest first, each with its eighth bit set but the last.
    pub(crate) fn number(&mut self) -> Result<u64, PatchError> {
        let mut number = 0;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(PatchError::Field("a number of more than 63 bits"))
    }

    /// The same, with the sign in the lowest bit.
    pub(crate) fn signed(&mut self) -> Result<i64, PatchError> {
        let number = self.number()?;
        let half = i64::try_from(number >> 1).unwrap_or(i64::MAX);
        Ok(if number & 1 == 0 { half } else { -1 - half })
    }

    fn byte(&mut self) -> Result<u8, PatchError> {
        let byte = match (&mut self.inner, self.left) {
            (Some(inner), 1..) => match inner.buffer().first().copied() {
                // Nothing new was read of the patch, unless it is the last.
                Some(byte) if self.left > 1 => {
                    inner.consume(1);
                    self.left -= 1;
                    return Ok(byte);
                }
                _ => {
                    let mut byte = [0];
                    inner.read_exact(&mut byte).map(|()| byte)
                }
            },
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        };
        self.left = self.left.saturating_sub(1);
        self.checked(byte).map(|[byte]| byte)
    }
}

/// Some bytes of the patch.
struct Section<P> {
    shared: Rc<RefCell<P>>,
    next: u64,
    left: u64,
    /// The first thing that went wrong; more was asked for than there is, too.
    broken: Option<io::Error>,
}

impl<P: Read + Seek> Read for Section<P> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match self.left {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => self.read_some(buffer),
        };
        // The decoder may take no notice of it.
        if let Err(error) = &read
            && error.kind() != io::ErrorKind::Interrupted
        {
            let same = || io::Error::new(error.kind(), error.to_string());
            self.broken.get_or_insert_with(same);
        }
        read
    }
}

impl<P: Read + Seek> Section<P> {
    fn read_some(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let buffer = buffer.get_mut(..wanted).unwrap_or_default();
        let mut patch = self.shared.borrow_mut();
        patch.seek(SeekFrom::Start(self.next))?;
        let count = patch.read(buffer)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.next += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}
