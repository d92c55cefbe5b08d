//! The configuration that `init` writes: every default spelled out, with what it means beside it.

use std::fmt::Write as _;

use sysext_formats::name::{CatalogId, ExtensionName};
use toml_edit::Value;
use url::Url;

use super::{Expires, Span};

/// How a vendor works.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    /// Release and online keys are secrets of a CI; a daily job renews
    #[default]
    Ci,
    /// Somebody runs this program by hand, and seldom: snapshot and timestamp are good for 90 days
    Manual,
    /// As ci, and the table of contents is signed by the root keys
    Team,
}

impl Profile {
    /// For how long signatures are good.
    #[must_use]
    pub fn expires(self) -> Expires {
        match self {
            Self::Ci | Self::Team => Expires::default(),
            Self::Manual => Expires {
                snapshot: Span::days(90),
                timestamp: Span::days(90),
                ..Expires::default()
            },
        }
    }
}

/// What `init` knows.
#[derive(Debug)]
pub struct Template<'a> {
    /// `id`.
    pub id: &'a CatalogId,
    /// `title`.
    pub title: &'a str,
    /// `url`.
    pub url: &'a [Url],
    /// `location`.
    pub location: &'a str,
    /// How the vendor works.
    pub profile: Profile,
    /// The extensions to begin with.
    pub extensions: &'a [ExtensionName],
    /// How many root keys there are.
    pub root_keys: u8,
}

impl Template<'_> {
    /// The text of the file.
    #[must_use]
    pub fn text(&self) -> String {
        let quoted = |text: &str| Value::from(text).to_string().trim().to_owned();
        let list = |texts: Vec<String>| {
            let quoted: Vec<_> = texts.iter().map(|text| quoted(text)).collect();
            format!("[{}]", quoted.join(", "))
        };
        let sources = |variable: &str, file: &str| match self.profile {
            Profile::Manual => list(vec![format!("file:{file}")]),
            Profile::Ci | Profile::Team => {
                list(vec![format!("env:{variable}"), format!("file:{file}")])
            }
        };
        let roots =
            (1..=self.root_keys).map(|number| format!("file:keys/offline/root-{number}.pem"));
        let expires = self.profile.expires();
        let mut text = format!(
            "\
# The catalog that hosts know as {id}. Commit this file and root.json; never commit keys/.
id = {id_quoted}
title = {title}
url = {url}            # where hosts read it, in the order they try
location = {location}  # where it is written: a directory, relative to this file, git:BRANCH or s3://BUCKET/PREFIX
provides = [\"*\"]       # which extension names hosts let this catalog provide, such as \"k3s\" or \"k3s-*\"
hashed-names = \"link\"  # second names for stock TUF clients: \"link\", which in an object store is \"copy\", or \"none\"
transports = [\"zstd\", \"patch\"]  # cheaper ways to get an image, besides the image itself
patches-from = 4       # from how many versions before it there are patches to a new image
patch-memory = 2000    # megabytes that making them may take
zstd-level = 19        # 1 (fast) to 22 (small)
openpgp = \"\"           # such as \"cmd:gpg --detach-sign\": systemd-sysupdate can read the catalog, too
keep = 5               # how many images of each kind `sysext-publish prune` keeps in an index
images-url = \"\"        # where hosts find images, when something copies images/ elsewhere: a URL of that folder
group-above = 200      # from how many extensions on the table of contents is split by name

[keys]
# file:PATH, env:VARIABLE (the PEM text) or cmd:PROGRAM ARGUMENTS (a message on stdin, its raw signature on stdout).
# Of several, those that are there are used until enough have signed.
release = {release}  # signs what is published
online = {online}  # signs freshness, in a daily job
root = {root}  # only for new keys and once a year

[expires]  # how long a signature is good; `sysext-publish status` shows what is left
root = \"{root_span}\"
targets = \"{targets_span}\"
index = \"{index_span}\"
snapshot = \"{snapshot_span}\"
timestamp = \"{timestamp_span}\"
",
            id = self.id,
            id_quoted = quoted(self.id.as_str()),
            title = quoted(self.title),
            url = list(self.url.iter().map(ToString::to_string).collect()),
            location = quoted(self.location),
            release = sources("SYSEXT_RELEASE_KEY", "keys/ci/release.pem"),
            online = sources("SYSEXT_ONLINE_KEY", "keys/ci/online.pem"),
            root = list(roots.collect()),
            root_span = expires.root,
            targets_span = expires.targets,
            index_span = expires.index,
            snapshot_span = expires.snapshot,
            timestamp_span = expires.timestamp,
        );
        for extension in self.extensions {
            // Writing to a string does not fail.
            let _ = write!(text, "\n{}", extension_table(extension));
        }
        text
    }
}

/// An extension's table, with every member.
pub(super) fn extension_table(name: &ExtensionName) -> String {
    // A bare key may not hold a dot.
    let key = if name.as_str().contains('.') {
        format!("\"{name}\"")
    } else {
        name.to_string()
    };
    format!(
        "[extension.{key}]\nkey = \"\"            # its own key; empty: the release key\nsummary = \"\"\nhomepage = \"\"\n\
         license = \"\"        # an SPDX expression\ndocumentation = \"\"\nchannels = {{ stable = \"recommended\" }}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn what_init_writes_can_be_read_and_says_the_defaults() {
        for (profile, timestamp) in [
            (Profile::Ci, 14),
            (Profile::Manual, 90),
            (Profile::Team, 14),
        ] {
            let text = Template {
                id: &"k3s".parse().unwrap(),
                title: "It's \"k3s\" \\ more",
                url: &["https://sysext.k3s.io".parse().unwrap()],
                location: "public",
                profile,
                extensions: &["k3s".parse().unwrap(), "a.b".parse().unwrap()],
                root_keys: 2,
            }
            .text();
            let config: Config =
                toml::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert_eq!(config.title, "It's \"k3s\" \\ more");
            assert_eq!(config.expires, profile.expires());
            assert_eq!(config.expires.timestamp, Span::days(timestamp));
            assert_eq!(config.keys.root.len(), 2);
            assert_eq!(config.extension.len(), 2);
        }
    }
}
