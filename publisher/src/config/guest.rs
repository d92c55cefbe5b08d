//! The configuration that `join` writes: one extension of somebody else's catalog.

use std::path::Path;

use sysext_formats::name::{CatalogId, ExtensionName};
use toml_edit::Value;

use super::template::extension_table;

/// What `join` knows.
#[derive(Debug)]
pub struct Guest<'a> {
    /// The catalog.
    pub id: &'a CatalogId,
    /// Where it is read.
    pub location: &'a str,
    /// The addresses that it states.
    pub url: &'a [url::Url],
    /// The extension.
    pub extension: &'a ExtensionName,
    /// Its key, relative to the configuration.
    pub key: &'a Path,
}

impl Guest<'_> {
    /// The text of the file.
    #[must_use]
    pub fn text(&self) -> String {
        let quoted = |text: &str| Value::from(text).to_string().trim().to_owned();
        let urls: Vec<_> = self.url.iter().map(|url| quoted(url.as_str())).collect();
        let key = quoted(&format!("file:{}", self.key.display()));
        format!(
            "\
# One extension of the catalog {id}, which somebody else publishes. Commit this file and root.json; never commit keys/.
id = {id_quoted}
url = [{urls}]
location = {location}  # where it is read; changes go to its owner as proposals

[keys]  # none of the catalog's own

{table}",
            id = self.id,
            id_quoted = quoted(self.id.as_str()),
            urls = urls.join(", "),
            location = quoted(self.location),
            table = extension_table(self.extension).replacen("key = \"\"", &format!("key = {key}"), 1),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn what_join_writes_can_be_read_and_names_one_key() {
        let name: ExtensionName = "k3s".parse().unwrap();
        let text = Guest {
            id: &"distro".parse().unwrap(),
            location: "https://sysext.example/",
            url: &["https://sysext.example/".parse().unwrap()],
            extension: &name,
            key: Path::new("keys/ci/k3s.pem"),
        }
        .text();
        let config: Config =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(config.index_sources(&name).len(), 1);
        assert!(config.keys.release.is_empty() && config.keys.online.is_empty());
    }
}
