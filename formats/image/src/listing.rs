//! Collects what a file system holds, the same way for every file system.

use crate::source::Source;
use crate::{Entry, EntryKind, ImagePath, InspectError, Limits};

/// Owner and permissions of one entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attributes {
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) size: u64,
}

/// The entries found so far.
///
/// - Names, path lengths, depth and the number of entries are checked here and nowhere else.
#[derive(Debug)]
pub(crate) struct Listing {
    limits: Limits,
    found: Vec<(Entry, u64)>,
}

impl Listing {
    /// An empty list; with a `prefix`, the file system's root is that directory of the extension.
    pub(crate) fn new(
        limits: &Limits,
        prefix: &str,
        root: Attributes,
    ) -> Result<Self, InspectError> {
        let mut found = Vec::new();
        if !prefix.is_empty() {
            let path = ImagePath::join("", prefix.as_bytes(), limits)?;
            found.push((entry(path, EntryKind::Dir, root), NO_NODE));
        }
        Ok(Self {
            limits: *limits,
            found,
        })
    }

    /// Adds `name` in the directory `parent`; `node` is what the file system's reader finds it by. Answers with its path.
    pub(crate) fn add<R: std::io::Read + std::io::Seek>(
        &mut self,
        source: &Source<R>,
        parent: &str,
        name: &[u8],
        kind: EntryKind,
        attributes: Attributes,
        node: u64,
    ) -> Result<&ImagePath, InspectError> {
        if self.found.len() as u64 >= self.limits.max_entries {
            return Err(InspectError::TooManyEntries {
                limit: self.limits.max_entries,
            });
        }
        let path = ImagePath::join(parent, name, &self.limits)?;
        source.spend(path.as_str().len() as u64)?;
        self.found.push((entry(path, kind, attributes), node));
        let (added, _) = self
            .found
            .last()
            .ok_or_else(|| InspectError::corrupt("no entries"))?;
        Ok(&added.path)
    }

    /// The entries sorted by path, and for each of them its node.
    pub(crate) fn finish(mut self) -> Result<(Vec<Entry>, Vec<u64>), InspectError> {
        self.found
            .sort_unstable_by(|(a, _), (b, _)| a.path.cmp(&b.path));
        if let Some(twice) = self
            .found
            .array_windows()
            .find_map(|[(a, _), (b, _)]| (a.path == b.path).then_some(a))
        {
            return Err(InspectError::corrupt(format!(
                "it has two entries called {:?}",
                twice.path.as_str()
            )));
        }
        Ok(self.found.into_iter().unzip())
    }
}

/// The node of an entry that no file system holds.
pub(crate) const NO_NODE: u64 = u64::MAX;

fn entry(path: ImagePath, kind: EntryKind, attributes: Attributes) -> Entry {
    let Attributes {
        mode,
        uid,
        gid,
        size,
    } = attributes;
    let size = match kind {
        EntryKind::File | EntryKind::Symlink { .. } => size,
        _ => 0,
    };
    Entry {
        path,
        kind,
        mode: mode & 0o7777,
        uid,
        gid,
        size,
    }
}

/// A link target as it is shown, or the reason why no link has it.
pub(crate) fn target(bytes: &[u8]) -> Result<EntryKind, InspectError> {
    if bytes.is_empty() || bytes.contains(&0) {
        return Err(InspectError::corrupt("a symbolic link leads nowhere"));
    }
    Ok(EntryKind::Symlink {
        target: crate::path::escape(bytes),
    })
}

/// The length of a link target, if it is one that Linux would follow.
pub(crate) fn target_length(declared: u64, limits: &Limits) -> Result<usize, InspectError> {
    usize::try_from(declared)
        .ok()
        .filter(|length| (1..=limits.max_path).contains(length))
        .ok_or_else(|| {
            InspectError::corrupt(format!("a symbolic link's target has {declared} bytes"))
        })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    const PLAIN: Attributes = Attributes {
        mode: 0o100_644,
        uid: 0,
        gid: 0,
        size: 5,
    };

    fn source() -> Source<Cursor<Vec<u8>>> {
        Source::new(Cursor::new(Vec::new()), 0, 1000)
    }

    #[test]
    fn entries_come_out_sorted_with_their_nodes() {
        let mut listing = Listing::new(&Limits::default(), "usr", PLAIN).unwrap();
        listing
            .add(&source(), "usr", b"b", EntryKind::File, PLAIN, 7)
            .unwrap();
        listing
            .add(&source(), "usr", b"a", EntryKind::Dir, PLAIN, 8)
            .unwrap();
        let (entries, nodes) = listing.finish().unwrap();
        let paths: Vec<_> = entries.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(
            (paths, nodes),
            (vec!["usr", "usr/a", "usr/b"], vec![NO_NODE, 8, 7])
        );
        assert_eq!(
            (entries[1].size, entries[2].size, entries[2].mode),
            (0, 5, 0o644)
        );
    }

    #[test]
    fn equal_names_are_refused_even_when_only_their_text_is_equal() {
        let mut listing = Listing::new(&Limits::default(), "", PLAIN).unwrap();
        listing
            .add(&source(), "", b"\xff", EntryKind::File, PLAIN, 1)
            .unwrap();
        listing
            .add(&source(), "", b"\\xff", EntryKind::File, PLAIN, 2)
            .unwrap();
        assert!(matches!(
            listing.finish(),
            Err(InspectError::Corrupt { .. })
        ));
    }

    #[test]
    fn the_number_of_entries_and_their_paths_are_bounded() {
        let limits = Limits {
            max_entries: 1,
            ..Limits::default()
        };
        let mut listing = Listing::new(&limits, "", PLAIN).unwrap();
        listing
            .add(&source(), "", b"a", EntryKind::File, PLAIN, 1)
            .unwrap();
        let second = listing.add(&source(), "", b"b", EntryKind::File, PLAIN, 2);
        assert!(matches!(
            second,
            Err(InspectError::TooManyEntries { limit: 1 })
        ));
        let mut listing = Listing::new(&Limits::default(), "", PLAIN).unwrap();
        let source = source();
        let many = (0..100).try_for_each(|_| {
            listing
                .add(&source, "", &[b'a'; 100], EntryKind::File, PLAIN, 1)
                .map(drop)
        });
        assert!(matches!(many, Err(InspectError::TooMuchMetadata { .. })));
    }
}
