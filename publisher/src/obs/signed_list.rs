//! `SHA256SUMS` as OBS makes it: of every `*.sha256` file the lines that sha256sum wrote, put together and sorted.
//!
//! - Foreign: whoever may build a package of the project chooses what its lines say. A name is taken only when it is one
//!   plain name; a name with two digests has none.

use std::collections::BTreeMap;

use sysext_formats::digest::Sha256Digest;

/// Bytes of the list; 10,000 files of usual names have 1.2 MB.
pub const MAX_BYTES: u64 = 8 << 20;

/// Files that are taken from one list.
pub const MAX_FILES: usize = 20_000;

/// Bytes of a name.
const MAX_NAME: usize = 255;

/// What a list promises of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// These bytes.
    Once(Sha256Digest),
    /// Several packages made a file of this name.
    Twice(Sha256Digest, Sha256Digest),
}

/// A list that is too long.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("it lists more than {MAX_FILES} files")]
pub struct TooMany;

/// The names in a list. Lines that are none, and names that lead elsewhere, are left out.
///
/// # Errors
/// When there are more than [`MAX_FILES`].
pub fn read(text: &str) -> Result<BTreeMap<String, Listed>, TooMany> {
    let mut files = BTreeMap::new();
    for (digest, name) in text.lines().filter_map(line) {
        files
            .entry(name.to_owned())
            .and_modify(|there| {
                if let Listed::Once(first) = *there
                    && first != digest
                {
                    *there = Listed::Twice(first, digest);
                }
            })
            .or_insert(Listed::Once(digest));
        if files.len() > MAX_FILES {
            return Err(TooMany);
        }
    }
    Ok(files)
}

/// A line of sha256sum: digest, two spaces (or one and a `*`), name.
pub(super) fn line(text: &str) -> Option<(Sha256Digest, &str)> {
    let (digest, name) = text.split_once(' ')?;
    let name = name.strip_prefix(' ').or_else(|| name.strip_prefix('*'))?;
    is_plain(name).then_some(())?;
    Some((digest.parse().ok()?, name))
}

/// Whether a name is one file in the directory, and nothing hidden, absolute or above it.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_NAME
        && !name.starts_with(['.', '-'])
        && name
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'/' && byte != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_digest_of_its_line_and_leads_nowhere() {
        let (one, two) = ("1".repeat(64), "2".repeat(64));
        let text = format!(
            "{one}  a.raw\n{one} *b.raw\n{two}  a.raw.json\n{one}  a.raw\n\
             {one}  ../../etc/passwd\n{one}  .hidden\n{one}  -o\n{one}  x/y.raw\n{one} c.raw\n{}  d.raw\nnonsense\n\n{one}  \n",
            "A".repeat(64)
        );
        let files = read(&text).unwrap();
        let names: Vec<_> = files.keys().map(String::as_str).collect();
        assert_eq!(names, ["a.raw", "a.raw.json", "b.raw"]);
        assert_eq!(files["a.raw"], Listed::Once(one.parse().unwrap()));
    }

    #[test]
    fn two_packages_with_one_name_are_seen() {
        let (one, two) = ("1".repeat(64), "2".repeat(64));
        let files = read(&format!("{one}  a.raw\n{two}  a.raw\n{one}  a.raw\n")).unwrap();
        let twice = Listed::Twice(one.parse().unwrap(), two.parse().unwrap());
        assert_eq!(files["a.raw"], twice);
    }

    #[test]
    fn a_list_without_an_end_is_refused() {
        let line = |number: usize| format!("{}  {number}.raw\n", "1".repeat(64));
        let text: String = (0..=MAX_FILES).map(line).collect();
        assert_eq!(read(&text), Err(TooMany));
    }
}
