//! Tells what an image is from its first bytes.

use std::io::{Read, Seek};

use crate::source::Source;
use crate::{Filesystem, InspectError};

/// Enough for the magic numbers of everything that is told apart here.
const HEAD: usize = 4608;

/// What an image, or a partition of one, is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Filesystem(Filesystem),
    /// A GUID partition table with sectors of this size.
    Gpt(u64),
}

/// Tells what `source` is.
pub(crate) fn probe<R: Read + Seek>(source: &Source<R>) -> Result<Kind, InspectError> {
    let mut head = [0; HEAD];
    let length = usize::try_from(source.length()).map_or(HEAD, |length| length.min(HEAD));
    let head = head.get_mut(..length).unwrap_or_default();
    source.read_at(0, head, "the first bytes")?;
    let is = |offset: usize, magic: &[u8]| {
        head.get(offset..)
            .is_some_and(|rest| rest.starts_with(magic))
    };
    if is(0, b"hsqs") {
        Ok(Kind::Filesystem(Filesystem::Squashfs))
    } else if is(0, b"LUKS\xba\xbe") || is(0, b"SKUL\xba\xbe") {
        Err(InspectError::Encrypted)
    } else if is(512, b"EFI PART") {
        Ok(Kind::Gpt(512))
    } else if is(4096, b"EFI PART") {
        Ok(Kind::Gpt(4096))
    } else if is(1024, &[0xe2, 0xe1, 0xf5, 0xe0]) {
        Ok(Kind::Filesystem(Filesystem::Erofs))
    } else if is(1080, &[0x53, 0xef]) {
        Ok(Kind::Filesystem(Filesystem::Ext4))
    } else {
        Err(not_an_image(head))
    }
}

fn not_an_image(head: &[u8]) -> InspectError {
    const KNOWN: [(usize, &[u8], &str); 15] = [
        (
            0,
            b"\x28\xb5\x2f\xfd",
            "zstd-compressed data: decompress it first",
        ),
        (0, b"\xfd7zXZ\0", "xz-compressed data: decompress it first"),
        (0, b"\x1f\x8b", "gzip-compressed data: decompress it first"),
        (0, b"BZh", "bzip2-compressed data: decompress it first"),
        (0, b"sqsh", "a big-endian squashfs, older than version 4"),
        (0, b"\x7fELF", "an ELF program"),
        (0, b"PK\x03\x04", "a zip archive"),
        (0, b"QFI\xfb", "a qcow2 disk image: convert it to a raw one"),
        (0, b"XFSB", "an XFS file system"),
        (0, b"\xed\xab\xee\xdb", "an RPM package"),
        (0, b"!<arch>\n", "an ar archive or Debian package"),
        (257, b"ustar", "a tar archive"),
        (0, b"<!", "a web page"),
        (0, b"<html", "a web page"),
        (
            510,
            b"\x55\xaa",
            "a disk image without a GUID partition table, or a FAT file system",
        ),
    ];
    let known = KNOWN.iter().find(|(offset, magic, _)| {
        head.get(*offset..)
            .is_some_and(|rest| rest.starts_with(magic))
    });
    let looks_like = match known {
        Some((_, _, name)) => name,
        None if head.is_empty() => "an empty file",
        None if head.iter().all(|&byte| byte == 0) => "zeros",
        None => "unknown data",
    };
    let first_bytes: Vec<String> = head
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    InspectError::NotAnImage {
        first_bytes: first_bytes.join(" "),
        looks_like,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn probe_bytes(bytes: &[u8]) -> Result<Kind, InspectError> {
        probe(&Source::new(
            Cursor::new(bytes.to_vec()),
            bytes.len() as u64,
            1 << 20,
        ))
    }

    fn with(offset: usize, magic: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 8192];
        bytes[offset..offset + magic.len()].copy_from_slice(magic);
        bytes
    }

    #[test]
    fn images_are_told_by_their_magic() {
        for (offset, magic, kind) in [
            (0, &b"hsqs"[..], Kind::Filesystem(Filesystem::Squashfs)),
            (
                1024,
                b"\xe2\xe1\xf5\xe0",
                Kind::Filesystem(Filesystem::Erofs),
            ),
            (1080, b"\x53\xef", Kind::Filesystem(Filesystem::Ext4)),
            (512, b"EFI PART", Kind::Gpt(512)),
            (4096, b"EFI PART", Kind::Gpt(4096)),
        ] {
            assert_eq!(probe_bytes(&with(offset, magic)).unwrap(), kind);
        }
        assert!(matches!(
            probe_bytes(&with(0, b"LUKS\xba\xbe")),
            Err(InspectError::Encrypted)
        ));
    }

    #[test]
    fn other_files_are_called_by_their_name() {
        for (bytes, wanted) in [
            (Vec::new(), "an empty file"),
            (vec![0; 100], "zeros"),
            (
                b"\x28\xb5\x2f\xfd....".to_vec(),
                "zstd-compressed data: decompress it first",
            ),
            (with(257, b"ustar"), "a tar archive"),
            (b"hello".to_vec(), "unknown data"),
        ] {
            match probe_bytes(&bytes) {
                Err(InspectError::NotAnImage { looks_like, .. }) => assert_eq!(looks_like, wanted),
                other => panic!("{other:?}"),
            }
        }
        let message = probe_bytes(b"hello").unwrap_err().to_string();
        assert!(
            message.ends_with("found unknown data (first bytes 68 65 6c 6c 6f)"),
            "{message}"
        );
    }
}
