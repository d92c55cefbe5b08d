//! Follows symbolic links, inside the image only.

use std::collections::VecDeque;

use crate::{Entry, EntryKind, InspectError};

/// As many as Linux follows in one path.
const MAX_LINKS: u32 = 40;

/// The entry called `path`, without following a link in its last component or anywhere else.
pub(crate) fn position(entries: &[Entry], path: &str) -> Option<usize> {
    entries
        .binary_search_by(|entry| entry.path.as_str().cmp(path))
        .ok()
}

/// Where `path` leads once all links are followed; empty for the root of the extension.
///
/// - The root is the end of every way up: `..` there stays there, and absolute targets begin there.
pub(crate) fn resolve(entries: &[Entry], path: &str) -> Result<String, InspectError> {
    let not_found = || InspectError::NotFound {
        path: path.to_owned(),
    };
    let mut todo: VecDeque<String> = components(path).collect();
    let mut done: Vec<String> = Vec::new();
    let mut links = 0;
    while let Some(component) = todo.pop_front() {
        if component == ".." {
            done.pop();
            continue;
        }
        done.push(component);
        let here = done.join("/");
        let entry = position(entries, &here)
            .and_then(|index| entries.get(index))
            .ok_or_else(not_found)?;
        match &entry.kind {
            EntryKind::Dir => {}
            EntryKind::Symlink { target } => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(InspectError::TooManyLinks {
                        path: path.to_owned(),
                        limit: MAX_LINKS,
                    });
                }
                if target.starts_with('/') {
                    done.clear();
                } else {
                    done.pop();
                }
                for component in components(target).rev() {
                    todo.push_front(component);
                }
            }
            _ if todo.is_empty() => {}
            // `file/..` leads nowhere, as on Linux.
            _ => return Err(not_found()),
        }
    }
    Ok(done.join("/"))
}

fn components(path: &str) -> impl DoubleEndedIterator<Item = String> {
    path.split('/')
        .filter(|component| !component.is_empty() && *component != ".")
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ImagePath, Limits};

    fn image(entries: &[(&str, Option<&str>)]) -> Vec<Entry> {
        let mut entries: Vec<Entry> = entries
            .iter()
            .map(|(path, target)| Entry {
                path: ImagePath::join(
                    path.rsplit_once('/').map_or("", |(parent, _)| parent),
                    path.rsplit('/').next().unwrap().as_bytes(),
                    &Limits::default(),
                )
                .unwrap(),
                kind: match target {
                    Some("file") => EntryKind::File,
                    Some(target) => EntryKind::Symlink {
                        target: (*target).to_owned(),
                    },
                    None => EntryKind::Dir,
                },
                mode: 0o755,
                uid: 0,
                gid: 0,
                size: 0,
            })
            .collect();
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        entries
    }

    #[test]
    fn links_are_followed_from_where_they_are() {
        let image = image(&[
            ("usr", None),
            ("usr/lib", None),
            ("usr/lib64", Some("lib")),
            ("usr/lib/real", Some("file")),
            ("usr/lib/alias", Some("/usr/lib64/./real")),
            ("usr/up", Some("../../../../usr/lib//alias")),
        ]);
        for path in [
            "usr/lib/real",
            "/usr/lib64/real",
            "usr/lib/alias",
            "usr/up",
            "usr/lib/../up",
        ] {
            assert_eq!(resolve(&image, path).unwrap(), "usr/lib/real", "{path}");
        }
        assert_eq!(resolve(&image, "usr/../..").unwrap(), "");
    }

    #[test]
    fn ways_that_lead_nowhere_end() {
        let image = image(&[
            ("a", Some("b")),
            ("b", Some("a")),
            ("double", Some("double/double")),
            ("gone", Some("nowhere")),
            ("file", Some("file")),
        ]);
        for path in ["a", "double"] {
            assert!(
                matches!(
                    resolve(&image, path),
                    Err(InspectError::TooManyLinks { limit: 40, .. })
                ),
                "{path}"
            );
        }
        for path in ["gone", "file/..", "file/x", "missing"] {
            assert!(
                matches!(resolve(&image, path), Err(InspectError::NotFound { .. })),
                "{path}"
            );
        }
    }
}
