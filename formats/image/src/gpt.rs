//! GPT disk images: which partition holds the extension.
//!
//! An own reader of two structures: the crate gpt wants a device it could write to, panics on entries that are not 128 bytes
//! long, and allocates by the number of entries that an image declares.
//!
//! - Only the primary header and table are read, and their checksums must match. An image whose first copy is damaged is
//!   damaged, although a disk could be repaired from the second.
//! - The choice is systemd's for an image without an image policy: a root or usr partition by its type, else the only
//!   partition of the generic Linux type. Partitions with the flag "no auto" or the label "_empty" are not there.
//! - An extension is for one architecture and has one partition to merge; where systemd would choose by the host's
//!   architecture or by a version in the label, the image is refused.

use std::io::{Read, Seek};

use crc::{CRC_32_ISO_HDLC, Crc};

use crate::fields::Fields;
use crate::partition_types::{Designator, LINUX_GENERIC, Part, PartitionType, partition_type};
use crate::source::Source;
use crate::{InspectError, Verity};

const HEADER: usize = 92;
/// The specification asks for room for 128 entries; no tool writes more.
const MAX_ENTRIES: u32 = 1024;
const ENTRY: usize = 128;
const MAX_ENTRY: u32 = 4096;
/// "Do not mount this by itself."
const NO_AUTO: u64 = 1 << 63;
const CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// The partition that holds the extension.
#[derive(Debug)]
pub(crate) struct Chosen<R> {
    pub(crate) data: Source<R>,
    /// The directory of the extension that is the partition's root.
    pub(crate) prefix: &'static str,
    pub(crate) verity: Option<VerityTree<R>>,
}

/// The partition with the hash tree of the chosen one.
#[derive(Debug)]
pub(crate) struct VerityTree<R> {
    pub(crate) verity: Verity,
    pub(crate) tree: Source<R>,
}

#[derive(Debug, Clone)]
struct Partition {
    /// Counted from 1, as tools do.
    number: u32,
    type_uuid: u128,
    uuid: u128,
    start: u64,
    length: u64,
}

/// Chooses the partition of the disk image in `source`, whose sectors have `sector` bytes.
pub(crate) fn choose<R: Read + Seek>(
    source: &Source<R>,
    sector: u64,
) -> Result<Chosen<R>, InspectError> {
    let partitions = read_table(source, sector)?;
    let of_part = |part: Part| -> Vec<Known<'_>> {
        let known = partitions
            .iter()
            .filter_map(|found| Some((partition_type(found.type_uuid)?, found)));
        known.filter(|(kind, _)| kind.part == part).collect()
    };
    let data = of_part(Part::Data);
    one_architecture(&data)?;
    let (kind, chosen) = match data.as_slice() {
        [] => return generic(source, &partitions),
        [only] => *only,
        [(first, _), ..]
            if data
                .iter()
                .all(|(kind, _)| kind.designator == first.designator) =>
        {
            return Err(several(name(first.designator), &data));
        }
        _ => return Err(several("root and usr", &data)),
    };
    let belonging = |part: Part| -> Vec<Known<'_>> {
        let same = |other: &PartitionType| {
            (other.designator, other.architecture) == (kind.designator, kind.architecture)
        };
        of_part(part)
            .into_iter()
            .filter(|(other, _)| same(other))
            .collect()
    };
    let trees = belonging(Part::Verity);
    let verity = match trees.as_slice() {
        [] => None,
        [(_, tree)] => Some(VerityTree {
            verity: Verity {
                root_hash: format!("{:032x}{:032x}", chosen.uuid, tree.uuid),
                signed: !belonging(Part::VeritySignature).is_empty(),
            },
            tree: tree.window(source)?,
        }),
        _ => return Err(several("verity", &trees)),
    };
    let prefix = if kind.designator == Designator::Usr {
        "usr"
    } else {
        ""
    };
    Ok(Chosen {
        data: chosen.window(source)?,
        prefix,
        verity,
    })
}

/// A partition of a type that stands for something.
type Known<'a> = (PartitionType, &'a Partition);

/// The only partition of the generic type, which systemd takes for the root.
fn generic<R: Read + Seek>(
    source: &Source<R>,
    partitions: &[Partition],
) -> Result<Chosen<R>, InspectError> {
    let mut generic = partitions
        .iter()
        .filter(|partition| partition.type_uuid == LINUX_GENERIC);
    match (generic.next(), generic.next()) {
        (Some(only), None) => Ok(Chosen {
            data: only.window(source)?,
            prefix: "",
            verity: None,
        }),
        _ => {
            let types: Vec<String> = partitions
                .iter()
                .map(|partition| hyphenated(partition.type_uuid))
                .collect();
            let found = if types.is_empty() {
                "none".to_owned()
            } else {
                types.join(", ")
            };
            Err(InspectError::NoUsablePartition { found })
        }
    }
}

impl Partition {
    fn window<R: Read + Seek>(&self, source: &Source<R>) -> Result<Source<R>, InspectError> {
        source.window(self.start, self.length, "the partition")
    }
}

fn several(designator: &'static str, partitions: &[Known<'_>]) -> InspectError {
    let numbers: Vec<String> = partitions
        .iter()
        .map(|(_, partition)| partition.number.to_string())
        .collect();
    let architecture = partitions.first().map_or("", |(kind, _)| kind.architecture);
    InspectError::SeveralPartitions {
        designator,
        architecture,
        numbers: numbers.join(", "),
    }
}

fn one_architecture(data: &[Known<'_>]) -> Result<(), InspectError> {
    let mut architectures: Vec<&str> = data.iter().map(|(kind, _)| kind.architecture).collect();
    architectures.sort_unstable();
    architectures.dedup();
    if architectures.len() > 1 {
        return Err(InspectError::SeveralArchitectures {
            architectures: architectures.join(", "),
        });
    }
    Ok(())
}

fn read_table<R: Read + Seek>(
    source: &Source<R>,
    sector: u64,
) -> Result<Vec<Partition>, InspectError> {
    let header: [u8; HEADER] = source.array_at(sector, "the partition table's header")?;
    let at = |offset: usize| Fields(header.get(offset..).unwrap_or_default());
    let (header_length, declared) = (at(12).u32(), at(16).u32());
    if header_length != HEADER as u32 {
        return Err(InspectError::corrupt(format!(
            "the partition table's header has {header_length} bytes"
        )));
    }
    let mut digest = CHECKSUM.digest();
    digest.update(header.get(..16).unwrap_or_default());
    digest.update(&[0; 4]);
    digest.update(header.get(20..).unwrap_or_default());
    if digest.finalize() != declared {
        return Err(InspectError::corrupt(
            "the partition table's header does not match its checksum",
        ));
    }
    let (start, count, size, table_checksum) =
        (at(72).u64(), at(80).u32(), at(84).u32(), at(88).u32());
    if count > MAX_ENTRIES || !(ENTRY as u32..=MAX_ENTRY).contains(&size) || !size.is_power_of_two()
    {
        return Err(InspectError::corrupt(format!(
            "the partition table has {count} entries of {size} bytes"
        )));
    }
    let mut table = vec![0; count as usize * size as usize];
    source.read_at(
        start.saturating_mul(sector),
        &mut table,
        "the partition table",
    )?;
    if CHECKSUM.checksum(&table) != table_checksum {
        return Err(InspectError::corrupt(
            "the partition table does not match its checksum",
        ));
    }
    table
        .chunks_exact(size as usize)
        .zip(1..)
        .filter_map(|(entry, number)| partition(entry, number, sector))
        .collect()
}

/// One entry of the table, or nothing for one that is unused.
fn partition(entry: &[u8], number: u32, sector: u64) -> Option<Result<Partition, InspectError>> {
    let (type_uuid, uuid) = (uuid(entry.get(..16)?)?, uuid(entry.get(16..32)?)?);
    let mut fields = Fields(entry.get(32..)?);
    let (first, last, flags) = (fields.u64(), fields.u64(), fields.u64());
    let label: Vec<u16> = (0..36)
        .map(|_| fields.u16())
        .take_while(|&unit| unit != 0)
        .collect();
    if type_uuid == 0 || flags & NO_AUTO != 0 || String::from_utf16_lossy(&label) == "_empty" {
        return None;
    }
    let Some(sectors) = last
        .checked_sub(first)
        .and_then(|span| span.checked_add(1))
        .filter(|_| first > 0)
    else {
        let what = format!("partition {number} goes from sector {first} to sector {last}");
        return Some(Err(InspectError::corrupt(what)));
    };
    let (start, length) = (first.saturating_mul(sector), sectors.saturating_mul(sector));
    Some(Ok(Partition {
        number,
        type_uuid,
        uuid,
        start,
        length,
    }))
}

/// A UUID as partition tables store it: the first three groups little-endian.
fn uuid(bytes: &[u8]) -> Option<u128> {
    let mut bytes = *bytes.first_chunk::<16>()?;
    for group in [0..4, 4..6, 6..8] {
        bytes.get_mut(group)?.reverse();
    }
    Some(u128::from_be_bytes(bytes))
}

fn hyphenated(uuid: u128) -> String {
    let hex = format!("{uuid:032x}");
    let group = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
    [
        group(0..8),
        group(8..12),
        group(12..16),
        group(16..20),
        group(20..32),
    ]
    .join("-")
}

fn name(designator: Designator) -> &'static str {
    match designator {
        Designator::Root => "root",
        Designator::Usr => "usr",
    }
}
