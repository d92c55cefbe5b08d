//! Paths inside an image.

use std::fmt;

use crate::{InspectError, Limits};

/// A path inside an image: relative to the root of the extension, components separated by `/`, no leading slash.
///
/// - No component is empty, `.` or `..`, or holds a NUL byte.
/// - Bytes that are not UTF-8 are shown as `\xNN`; two names in one directory that look the same after that make the image
///   corrupt, so a path still names one entry.
/// - Not a [`std::path::Path`], on purpose: it comes from an image and must never be opened on the host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImagePath(String);

impl ImagePath {
    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last component.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The directory that holds the entry; empty for an entry of the root directory.
    #[must_use]
    pub fn parent(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(parent, _)| parent)
    }

    /// The components, outermost first.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// `name` inside the directory `parent`, where an empty `parent` is the root.
    pub(crate) fn join(parent: &str, name: &[u8], limits: &Limits) -> Result<Self, InspectError> {
        let shown = show(name)?;
        let separator = usize::from(!parent.is_empty());
        let length = parent
            .len()
            .saturating_add(separator)
            .saturating_add(shown.len());
        if length > limits.max_path {
            return Err(InspectError::PathTooLong {
                directory: parent.to_owned(),
                limit: limits.max_path,
            });
        }
        let mut path = String::with_capacity(length);
        path.push_str(parent);
        if !parent.is_empty() {
            path.push('/');
        }
        path.push_str(&shown);
        if path.split('/').count() > usize::from(limits.max_depth) {
            return Err(InspectError::TooDeep {
                directory: parent.to_owned(),
                limit: limits.max_depth,
            });
        }
        Ok(Self(path))
    }
}

impl fmt::Display for ImagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for ImagePath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for ImagePath {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for ImagePath {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

/// Refuses what no file can be called, and makes the rest printable text.
fn show(name: &[u8]) -> Result<String, InspectError> {
    if name.is_empty() || name == b"." || name == b".." || name.contains(&b'/') || name.contains(&0)
    {
        return Err(InspectError::corrupt(format!(
            "{:?} is not a file name",
            String::from_utf8_lossy(name)
        )));
    }
    Ok(escape(name))
}

/// The text of `bytes`, with `\xNN` for what is not UTF-8.
pub(crate) fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(parent: &str, name: &[u8]) -> Result<ImagePath, InspectError> {
        ImagePath::join(parent, name, &Limits::default())
    }

    #[test]
    fn names_that_would_lead_elsewhere_are_refused() {
        for name in [&b""[..], b".", b"..", b"a/b", b"/", b"a\0b"] {
            assert!(
                matches!(join("usr", name), Err(InspectError::Corrupt { .. })),
                "{name:?}"
            );
        }
    }

    #[test]
    fn other_names_are_kept_as_they_are() {
        assert_eq!(join("", b"usr").unwrap(), "usr");
        let path = join("usr/lib", "dev-disk-by\\x2duuid.swap".as_bytes()).unwrap();
        assert_eq!(
            (path.parent(), path.file_name()),
            ("usr/lib", "dev-disk-by\\x2duuid.swap")
        );
        assert_eq!(
            join("usr", b"caf\xc3\xa9 \xff").unwrap(),
            "usr/caf\u{e9} \\xff"
        );
    }

    #[test]
    fn long_and_deep_paths_are_refused() {
        let limits = Limits {
            max_path: 9,
            max_depth: 2,
            ..Limits::default()
        };
        assert!(ImagePath::join("usr", b"12345", &limits).is_ok());
        assert!(matches!(
            ImagePath::join("usr", b"123456", &limits),
            Err(InspectError::PathTooLong { limit: 9, .. })
        ));
        assert!(matches!(
            ImagePath::join("a/b", b"c", &limits),
            Err(InspectError::TooDeep { limit: 2, .. })
        ));
    }
}
