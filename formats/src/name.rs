//! Names: extensions, catalogs, channels, files, and the roles and paths of TUF.
//!
//! - Each name is a type with a private text; parsing and deserializing go through the same check.
//! - None of them is a path. A [`FileName`] is one component that is safe to join to a directory handle, and still has
//!   no `AsRef<Path>`: which directory it belongs to is for the caller to say.
//! - [`RoleName`] and [`TargetPath`] belong to the TUF layer, which takes any text; they are encoded for storage and
//!   URLs. The others are the stricter names of catalogs, above it.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::Sha256Digest;
use crate::limits::{MAX_FILE_NAME, MAX_TUF_NAME};

/// A name that breaks the rule of its kind.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {kind}: {rule}")]
pub struct NameError {
    kind: &'static str,
    rule: &'static str,
    text: String,
}

impl NameError {
    fn new(kind: &'static str, rule: &'static str, text: &str) -> Self {
        Self {
            kind,
            rule,
            text: text.chars().take(80).collect(),
        }
    }
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.to_owned())) } else { Err(NameError::new($kind, $rule, text)) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

name_type!(
    /// The name of an extension, such as `k3s`: `[a-z0-9][a-z0-9.-]{0,62}`, and not a top role of TUF.
    ///
    /// It holds no `_`, so the pattern `k3s_*` covers the files of `k3s` and of nothing else.
    ExtensionName,
    "an extension name",
    "1 to 63 of a-z 0-9 . - are needed, the first a letter or digit; root, targets, snapshot and timestamp are taken",
    |text| plain_name(text) && !is_top_role(text)
);

name_type!(
    /// The id of a catalog on a host, such as `k3s`: the alphabet of extension names.
    CatalogId,
    "a catalog id",
    "1 to 63 of a-z 0-9 . - are needed, the first a letter or digit",
    plain_name
);

name_type!(
    /// A release channel, such as `stable`: `[a-z0-9][a-z0-9.-]*`.
    Channel,
    "a channel",
    "1 to 63 of a-z 0-9 . - are needed, the first a letter or digit",
    plain_name
);

name_type!(
    /// The name of a file in a catalog: one path component of printable ASCII that means the same to a file system, a
    /// URL, a shell pattern and systemd-sysupdate.
    FileName,
    "a file name",
    "one path component of at most 200 printable ASCII characters is needed, without a leading dot, a space or any of * ? [ ] { } \\ ! % /",
    is_file_name
);

name_type!(
    /// The name of a delegated role of TUF: any text but the empty one and the names of the top roles.
    RoleName,
    "a role name",
    "1 to 1024 bytes are needed; root, targets, snapshot and timestamp are taken",
    |text| !text.is_empty() && text.len() <= MAX_TUF_NAME && !is_top_role(text)
);

name_type!(
    /// The path of a target of TUF: any text but the empty one. `/` separates components, as patterns see them.
    TargetPath,
    "a target path",
    "1 to 1024 bytes are needed",
    |text| !text.is_empty() && text.len() <= MAX_TUF_NAME
);

name_type!(
    /// A pattern of extension names, such as `k3s-*`: the alphabet of names, where one `*` stands for any text.
    NamePattern,
    "a pattern of extension names",
    "1 to 63 of a-z 0-9 . - are needed, with at most one *",
    |text| plain_name(&text.replacen('*', "0", 1))
);

fn plain_name(text: &str) -> bool {
    let allowed = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-')
    };
    (1..=63).contains(&text.len())
        && text.bytes().all(allowed)
        && text
            .bytes()
            .next()
            .is_some_and(|first| first.is_ascii_alphanumeric())
}

fn is_top_role(text: &str) -> bool {
    matches!(text, "root" | "targets" | "snapshot" | "timestamp")
}

fn is_file_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_graphic() && !b"*?[]{}\\!%/".contains(&byte);
    (1..=MAX_FILE_NAME).contains(&text.len()) && !text.starts_with('.') && text.bytes().all(allowed)
}

impl FileName {
    /// The extension a file belongs to: what stands before the first `_`.
    #[must_use]
    pub fn extension(&self) -> Option<ExtensionName> {
        self.0.split_once('_')?.0.parse().ok()
    }
}

impl NamePattern {
    /// Whether `name` is meant.
    #[must_use]
    pub fn matches(&self, name: &ExtensionName) -> bool {
        match self.0.split_once('*') {
            None => self.0 == name.0,
            Some((before, after)) => {
                name.0.len() >= before.len() + after.len()
                    && name.0.starts_with(before)
                    && name.0.ends_with(after)
            }
        }
    }
}

impl From<&ExtensionName> for RoleName {
    fn from(name: &ExtensionName) -> Self {
        Self(name.0.clone())
    }
}

impl From<&FileName> for TargetPath {
    fn from(name: &FileName) -> Self {
        Self(name.0.clone())
    }
}

impl TargetPath {
    /// The path as a file name of a catalog, which is flat.
    ///
    /// # Errors
    /// When it is not one.
    pub fn file_name(&self) -> Result<FileName, NameError> {
        self.0.parse()
    }

    /// The path for a URL: each component percent-encoded once, with `prefix` (a hash and a dot, or nothing) before
    /// the last one.
    #[must_use]
    pub fn url_path(&self, prefix: &str) -> String {
        let (directories, base) = match self.0.rsplit_once('/') {
            Some((directories, base)) => (Some(directories), base),
            None => (None, self.0.as_str()),
        };
        let mut out = String::new();
        for directory in directories.into_iter().flat_map(|text| text.split('/')) {
            out.push_str(&url_component(directory));
            out.push('/');
        }
        out.push_str(&url_component(&format!("{prefix}{base}")));
        out
    }

    /// A name for this path in one flat directory; see [`RoleName::storage_name`].
    #[must_use]
    pub fn storage_name(&self) -> String {
        storage_name(&self.0)
    }
}

impl RoleName {
    /// A name for this role in one flat directory: one-to-one, never a special name, at most 250 bytes.
    #[must_use]
    pub fn storage_name(&self) -> String {
        storage_name(&self.0)
    }
}

/// One component of a URL path, percent-encoded: all but letters, digits and `-._~`.
///
/// The components `.` and `..` mean something to every URL parser and have no encoding; they come out as `%2E` ones,
/// which parsers treat the same, so callers never pass them (a version or `.json` always stands beside).
#[must_use]
pub fn url_component(text: &str) -> String {
    percent_encode(text, b"-._~")
}

fn storage_name(text: &str) -> String {
    let encoded = percent_encode(text, b"-_");
    if encoded.len() <= 240 {
        return encoded;
    }
    // "%+" can not come out of percent_encode, so a digest never stands where another name could.
    format!("%+{}", Sha256Digest::of(text.as_bytes()))
}

fn percent_encode(text: &str, unreserved: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || unreserved.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extension_names_follow_their_alphabet() {
        for good in ["k3s", "0ad", "a", "a.b-c", &"x".repeat(63)] {
            assert!(good.parse::<ExtensionName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "K3s",
            "k3s_",
            ".k3s",
            "-k3s",
            "k3s/",
            "k3s\0",
            "é",
            "root",
            "targets",
            &"x".repeat(64),
        ] {
            assert!(bad.parse::<ExtensionName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn file_names_are_one_harmless_component() {
        for good in [
            "k3s_1.31.5.k3s1_x86-64.raw",
            "k3s_1.0+1_x86-64.raw",
            "a~b^c",
        ] {
            assert!(good.parse::<FileName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            ".k3s",
            "a/b",
            "a\\b",
            "a b",
            "a%2Fb",
            "a*",
            "a?",
            "a[b]",
            "{a}",
            "a!",
            "a\n",
            "a\0",
            "é",
            &"x".repeat(201),
        ] {
            assert!(bad.parse::<FileName>().is_err(), "{bad}");
        }
        assert_eq!(
            "k3s_1_x86-64.raw"
                .parse::<FileName>()
                .unwrap()
                .extension()
                .unwrap()
                .as_str(),
            "k3s"
        );
        assert_eq!(
            "noversion.raw".parse::<FileName>().unwrap().extension(),
            None
        );
    }

    #[test]
    fn patterns_hold_one_star() {
        let matches = |pattern: &str, name: &str| {
            pattern
                .parse::<NamePattern>()
                .unwrap()
                .matches(&name.parse().unwrap())
        };
        assert!(matches("*", "k3s"));
        assert!(matches("k3s-*", "k3s-selinux"));
        assert!(!matches("k3s-*", "k3s"));
        assert!(!matches("a*a", "a"));
        assert!(matches("k*s", "ks"));
        assert!("a*b*".parse::<NamePattern>().is_err());
    }

    #[test]
    fn roles_and_paths_are_encoded_one_to_one() {
        let role = |text: &str| text.parse::<RoleName>().unwrap().storage_name();
        assert_eq!(role("k3s"), "k3s");
        assert_eq!(role("../a"), "%2E%2E%2Fa");
        assert_eq!(role("?"), "%3F");
        assert_eq!(role("%3F"), "%253F");
        assert!(role(&"é".repeat(100)).len() <= 250);
        assert_eq!(url_component("../a"), "..%2Fa");
        let path = |text: &str| text.parse::<TargetPath>().unwrap().url_path("00.");
        assert_eq!(path("a b/c?/d"), "a%20b/c%3F/00.d");
        assert_eq!(path("d"), "00.d");
    }
}
