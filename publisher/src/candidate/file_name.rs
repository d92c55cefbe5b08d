//! What the name of an image file says: `NAME_VERSION[_VARIANT]_ARCH.raw` first, and what other tools write.
//!
//! - A part that could be read in two ways is not read at all: the version of `foo-2-1.0.raw` is for somebody to say.
//! - A `+` of a version is a `.` in the file names that this program writes, so the file name is the last source asked.

use sysext_formats::catalog::Architecture;
use sysext_formats::name::ExtensionName;
use sysext_formats::version::Version;

use crate::pack::elf;

/// What a file name says.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
    pub(super) architecture: Option<String>,
}

/// What an image is.
pub(crate) struct Named<'a> {
    pub(crate) extension: &'a ExtensionName,
    pub(crate) version: &'a Version,
    pub(crate) variant: Option<&'a str>,
    pub(crate) architecture: &'a Architecture,
}

/// Something that a file name says and that is not so.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Contradiction {
    pub(crate) what: &'static str,
    pub(crate) said: String,
    pub(crate) own: String,
}

impl Named<'_> {
    /// What a file name says that is not so. One that says neither version nor architecture is a label.
    pub(crate) fn contradicted_by(&self, file_name: &str) -> Option<Contradiction> {
        let name = read(file_name, None, &[]).name;
        let variants: Vec<_> = self
            .variant
            .iter()
            .flat_map(|variant| [(*variant).to_owned(), variant.replace('+', ".")])
            .collect();
        let extension = self.extension.as_str();
        let parts = read(file_name, Some(extension), &variants);
        if parts.version.is_none() && parts.architecture.is_none() {
            return None;
        }
        let (version, architecture) = (self.version, self.architecture.as_str());
        let versions = [version.as_str(), &version.in_file_name()];
        let checks = [
            ("the name", name, &[extension][..]),
            ("the version", parts.version, &versions),
            ("the architecture", parts.architecture, &[architecture]),
        ];
        checks.into_iter().find_map(|(what, said, own)| {
            let said = said.filter(|said| !own.contains(&said.as_str()))?;
            let own = own.first()?.to_string();
            Some(Contradiction { what, said, own })
        })
    }
}

/// Reads the name of an image file. `name` is the extension's name where that is known already, `variants` is what may
/// stand between the version and the architecture.
pub(super) fn read(file_name: &str, name: Option<&str>, variants: &[String]) -> Parts {
    let (stem, architecture) = split_architecture(stem(file_name));
    let Some((found, rest)) = split_name(stem, name) else {
        let name = (!stem.is_empty()).then(|| stem.to_owned());
        return Parts {
            name,
            version: None,
            architecture,
        };
    };
    let mut version = rest;
    for variant in variants {
        if let Some(shorter) = rest.strip_suffix(variant.as_str())
            && let Some(shorter) = shorter.strip_suffix('_')
        {
            version = shorter;
        }
    }
    Parts {
        name: Some(found.to_owned()),
        version: (!version.is_empty()).then(|| version.to_owned()),
        architecture,
    }
}

/// The file name without what says that it is an image.
fn stem(file_name: &str) -> &str {
    [".raw", ".squashfs", ".erofs", ".img"]
        .iter()
        .find_map(|suffix| file_name.strip_suffix(suffix))
        .unwrap_or(file_name)
}

/// Splits the architecture off the end.
fn split_architecture(stem: &str) -> (&str, Option<String>) {
    let known = elf::ARCHITECTURES.iter().copied().map(|name| (name, name));
    let others = [("noarch", "_any"), ("any", "_any")];
    // Longer ones first: `-x86-64` ends in no shorter name, but `_mips64-le` does.
    let mut names: Vec<(&str, &str)> = known
        .filter(|(name, _)| *name != "_any")
        .chain(others)
        .collect();
    names.extend(
        ["x86_64", "amd64", "aarch64", "i686", "armv7l", "ppc64le"]
            .iter()
            .filter_map(|name| elf::systemd_name(name).map(|ours| (*name, ours))),
    );
    names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    for (name, ours) in names {
        if let Some(rest) = stem.strip_suffix(name)
            && let Some(rest) = rest.strip_suffix(['_', '-'])
            && !rest.is_empty()
        {
            return (rest, Some(ours.to_owned()));
        }
    }
    (stem, None)
}

/// Splits `NAME_REST`, or `NAME-VERSION` where only one `-` can be the one.
fn split_name<'a>(stem: &'a str, name: Option<&str>) -> Option<(&'a str, &'a str)> {
    if let Some(name) = name
        && let Some(rest) = stem.strip_prefix(name)
        && let Some(rest) = rest.strip_prefix(['_', '-'])
    {
        return Some((stem.get(..name.len())?, rest));
    }
    if let Some(parts) = stem.split_once('_') {
        return Some(parts);
    }
    let mut splits = stem.match_indices('-').filter_map(|(at, _)| {
        let (name, version) = (stem.get(..at)?, stem.get(at + 1..)?);
        let digits = version.strip_prefix('v').unwrap_or(version);
        let numbered = digits
            .bytes()
            .next()
            .is_some_and(|first| first.is_ascii_digit());
        (numbered && !name.is_empty()).then_some((name, version))
    });
    splits.next().filter(|_| splits.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(file_name: &str, name: Option<&str>) -> (String, String, String) {
        let variants = [
            "debian-13".to_owned(),
            "opensuse-tumbleweed-20260101".to_owned(),
        ];
        let parts = read(file_name, name, &variants);
        let text = |part: Option<String>| part.unwrap_or_else(|| "?".to_owned());
        (
            text(parts.name),
            text(parts.version),
            text(parts.architecture),
        )
    }

    #[test]
    fn file_names_are_read() {
        for (file_name, wanted) in [
            (
                "k3s_1.31.5.k3s1_x86-64.raw",
                ("k3s", "1.31.5.k3s1", "x86-64"),
            ),
            ("htop_3.4.1_debian-13_arm64.raw", ("htop", "3.4.1", "arm64")),
            (
                "a_1_opensuse-tumbleweed-20260101_x86-64.raw",
                ("a", "1", "x86-64"),
            ),
            ("docs_2_noarch.raw", ("docs", "2", "_any")),
            (
                "kubernetes-v1.31.2-x86-64.raw",
                ("kubernetes", "v1.31.2", "x86-64"),
            ),
            ("tailscale-1.92.3.raw", ("tailscale", "1.92.3", "?")),
            (
                "wasmtime_24.0.0_x86_64.raw",
                ("wasmtime", "24.0.0", "x86-64"),
            ),
            ("a_1_mips64-le.raw", ("a", "1", "mips64-le")),
            ("my-tool-1.0-rc1-arm64.raw", ("my-tool", "1.0-rc1", "arm64")),
            ("k3s.raw", ("k3s", "?", "?")),
            ("k3s-x86-64.raw", ("k3s", "?", "x86-64")),
            ("my-tool.squashfs", ("my-tool", "?", "?")),
        ] {
            let (name, version, architecture) = parts(file_name, None);
            assert_eq!((&*name, &*version, &*architecture), wanted, "{file_name}");
        }
    }

    #[test]
    fn what_has_two_readings_has_none_unless_the_name_is_known() {
        assert_eq!(parts("foo-2-1.0.raw", None).1, "?");
        let known = parts("foo-2-1.0.raw", Some("foo-2"));
        assert_eq!((&*known.0, &*known.1), ("foo-2", "1.0"));
    }

    #[test]
    fn a_file_name_that_says_something_else_is_a_contradiction_and_a_label_is_none() {
        let (extension, version) = ("my-tool".parse().unwrap(), "1.0+a".parse().unwrap());
        let architecture = "_any".parse().unwrap();
        let named = Named {
            extension: &extension,
            version: &version,
            variant: Some("debian-13"),
            architecture: &architecture,
        };
        for good in [
            "my-tool_1.0+a_debian-13_noarch.raw",
            "my-tool_1.0.a_noarch.raw",
            "my-tool-1.0.a.raw",
            "my-tool_1.0.a",
            "my-tool-any.raw",
            "my-tool.raw",
            "built.raw",
        ] {
            assert_eq!(named.contradicted_by(good), None, "{good}");
        }
        for (bad, what, said, own) in [
            (
                "my-tool_1.0.a_x86-64.raw",
                "the architecture",
                "x86-64",
                "_any",
            ),
            ("my-tool_1.1_noarch.raw", "the version", "1.1", "1.0+a"),
            (
                "my-tool_1.0.a_debian-12_noarch.raw",
                "the version",
                "1.0.a_debian-12",
                "1.0+a",
            ),
            ("tool_1.0.a_noarch.raw", "the name", "tool", "my-tool"),
        ] {
            let found = named.contradicted_by(bad).unwrap();
            assert_eq!(
                (found.what, &*found.said, &*found.own),
                (what, said, own),
                "{bad}"
            );
        }
    }
}
