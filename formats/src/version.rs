//! Versions of extensions, in the order of the UAPI.10 version format specification.
//!
//! - The order is systemd's: `1.0~rc1 < 1.0 < 1.0^git1`, digits compare as numbers, leading zeros do not count, and
//!   `1.0.0-rc1 > 1.0.0` (this is not SemVer).
//! - [`compare`] takes any text; a [`Version`] is what a catalog may say.
//! - `ci/oracles` holds the order against `systemd-analyze compare-versions`.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The version of an image: `[A-Za-z0-9][A-Za-z0-9._+-]*`, 64 bytes at most.
///
/// Two versions are equal when they order the same (`1.02` and `1.2`), whatever their text.
#[derive(Debug, Clone)]
pub struct Version(String);

/// A text that is not a version.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a version: 1 to 64 of A-Z a-z 0-9 . _ + - are needed, the first a letter or digit"
)]
pub struct VersionError(String);

impl Version {
    /// The version as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The version as it stands in file names: `+` becomes `.`, since servers and URL decoders disagree about `+`.
    #[must_use]
    pub fn in_file_name(&self) -> String {
        self.0.replace('+', ".")
    }

    /// Whether the version looks like a pre-release, which this order sorts *above* its release.
    #[must_use]
    pub fn is_prerelease(&self) -> bool {
        let lower = self.0.to_ascii_lowercase();
        let mut words = lower.split(|c: char| !c.is_ascii_alphabetic());
        words.any(|word| {
            matches!(
                word,
                "rc" | "alpha" | "beta" | "pre" | "preview" | "dev" | "nightly" | "snapshot"
            )
        })
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte);
        let good = (1..=64).contains(&text.len())
            && text.bytes().all(allowed)
            && text
                .bytes()
                .next()
                .is_some_and(|first| first.is_ascii_alphanumeric());
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(VersionError(text.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0)
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Compares two texts in UAPI.10 order.
#[must_use]
pub fn compare(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.as_bytes(), right.as_bytes());
    loop {
        left = skip_ignored(left);
        right = skip_ignored(right);

        // "~" sorts before everything, the end of the text included. What follows a separator that both sides have is
        // compared in the same round, without skipping again: systemd does it so.
        match separators(left, right, b'~') {
            Separator::Both => (left, right) = (tail(left), tail(right)),
            Separator::One(order) => return order,
            Separator::Neither => {}
        }
        if left.is_empty() || right.is_empty() {
            return left.len().cmp(&right.len());
        }
        // "-" separates version and release, "^" a later snapshot, "." parts: each sorts before whatever else goes on.
        for separator in *b"-^." {
            match separators(left, right, separator) {
                Separator::Both => (left, right) = (tail(left), tail(right)),
                Separator::One(order) => return order,
                Separator::Neither => {}
            }
        }
        let digits = starts_with_digit(left) || starts_with_digit(right);
        let kind: fn(&u8) -> bool = if digits {
            u8::is_ascii_digit
        } else {
            u8::is_ascii_alphabetic
        };
        let ((left_part, left_rest), (right_part, right_rest)) =
            (split(left, kind), split(right, kind));
        let order = if digits {
            numbers(left_part, right_part)
        } else {
            words(left_part, right_part)
        };
        if order != Ordering::Equal {
            return order;
        }
        (left, right) = (left_rest, right_rest);
    }
}

enum Separator {
    Both,
    /// Only one side has it, which decides.
    One(Ordering),
    Neither,
}

fn separators(left: &[u8], right: &[u8], separator: u8) -> Separator {
    match (
        left.first() == Some(&separator),
        right.first() == Some(&separator),
    ) {
        (true, true) => Separator::Both,
        (true, false) => Separator::One(Ordering::Less),
        (false, true) => Separator::One(Ordering::Greater),
        (false, false) => Separator::Neither,
    }
}

fn skip_ignored(text: &[u8]) -> &[u8] {
    let counts = |byte: &u8| byte.is_ascii_alphanumeric() || b"~-^.".contains(byte);
    let start = text.iter().position(counts).unwrap_or(text.len());
    text.get(start..).unwrap_or_default()
}

fn tail(text: &[u8]) -> &[u8] {
    text.get(1..).unwrap_or_default()
}

fn starts_with_digit(text: &[u8]) -> bool {
    text.first().is_some_and(u8::is_ascii_digit)
}

fn split(text: &[u8], kind: fn(&u8) -> bool) -> (&[u8], &[u8]) {
    text.split_at(
        text.iter()
            .position(|byte| !kind(byte))
            .unwrap_or(text.len()),
    )
}

fn strip_zeros(digits: &[u8]) -> &[u8] {
    digits
        .get(digits.iter().take_while(|digit| **digit == b'0').count()..)
        .unwrap_or_default()
}

/// As numbers of any size; a number that is missing is less than one that is there, zero included.
fn numbers(left: &[u8], right: &[u8]) -> Ordering {
    let (left_value, right_value) = (strip_zeros(left), strip_zeros(right));
    (!left.is_empty())
        .cmp(&!right.is_empty())
        .then(left_value.len().cmp(&right_value.len()))
        .then(left_value.cmp(right_value))
}

/// By bytes; of a word and its beginning, the longer one is greater.
fn words(left: &[u8], right: &[u8]) -> Ordering {
    left.cmp(right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_order_of_the_specification() {
        let ascending = [
            "~",
            "",
            "~1",
            "1.0~rc1",
            "1.0",
            "1.0-1",
            "1.0-1.1",
            "1.0^git1",
            "1.0.1",
            "1.1",
            "1.9",
            "1.10",
            "1.31.5+k3s1",
            "1.31.6+k3s1",
        ];
        // "~" sorts before "" and "~1" between them: written apart to keep the list readable.
        assert_eq!(compare("~", ""), Ordering::Less);
        assert_eq!(compare("~1", ""), Ordering::Less);
        for pair in ascending[3..].windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
        }
    }

    #[test]
    fn surprises_that_systemd_agrees_with() {
        for (less, greater) in [
            ("v1.2", "1.2"),
            ("1.0.0", "1.0.0-rc1"),
            ("24.04.01", "24.04.2"),
            ("1.a", "1.1"),
            ("abc", "abcd"),
            ("A", "a"),
        ] {
            assert_eq!(compare(less, greater), Ordering::Less, "{less} {greater}");
        }
        for (one, other) in [
            ("1.2.03", "1.2.3"),
            ("1_2", "12"),
            ("1+", "1"),
            ("", "_"),
            ("0", "00"),
        ] {
            assert_eq!(
                compare(one, other),
                compare(other, one).reverse(),
                "{one} {other}"
            );
        }
        assert_eq!(compare("1.2.03", "1.2.3"), Ordering::Equal);
    }

    #[test]
    fn versions_compare_as_their_texts_do_and_keep_them() {
        let version = |text: &str| text.parse::<Version>().unwrap();
        assert_eq!(version("1.02"), version("1.2"));
        assert_ne!(version("1.2"), version("1.3"));
        assert!(version("1.9") < version("1.10") && version("1.10") > version("1.9"));
        assert!(version("1.02") <= version("1.2") && version("1.2") <= version("1.02"));
        assert_eq!(version("1.02").as_str(), "1.02");
        assert_eq!(version("1.02").to_string(), "1.02");
    }

    #[test]
    fn pre_releases_are_recognised_as_words() {
        for yes in ["1.0-rc1", "1.0.0-beta.2", "2.0-alpha", "1.0.dev5"] {
            assert!(yes.parse::<Version>().unwrap().is_prerelease(), "{yes}");
        }
        for no in ["1.0", "1.31.5+k3s1", "1.0-arc1", "1.0-1"] {
            assert!(!no.parse::<Version>().unwrap().is_prerelease(), "{no}");
        }
    }

    proptest! {
        #[test]
        fn the_order_is_total(a in "[0a1.~^_+-]{0,8}", b in "[0a1.~^_+-]{0,8}", c in "[0a1.~^_+-]{0,8}") {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            prop_assert_eq!(compare(&a, &a), Ordering::Equal);
            if compare(&a, &b).is_le() && compare(&b, &c).is_le() {
                prop_assert!(compare(&a, &c).is_le(), "{} {} {}", a, b, c);
            }
        }
    }
}
