//! The tables of contents: a catalog's, and one extension's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use url::Url;

use super::link::{link, link_text};
use super::{Image, SCHEMA};
use crate::name::{Channel, ExtensionName, FileName};
use crate::role::{Extra, Targets};

/// `x-sysext` of `targets.json` and `_GROUP` roles.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogInfo {
    /// [`SCHEMA`].
    pub schema: u64,
    /// The role that this document is of; checked by [`TargetsStage`](crate::trust::TargetsStage).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub role: String,
    /// The catalog's title.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// Every extension, so that listing and searching need no index.
    #[serde(default)]
    pub extensions: BTreeMap<ExtensionName, ExtensionSummary>,
    /// Where the catalog has moved to, as it was signed; [`moved_to`](Self::moved_to) is what hosts follow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Members this code does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// One line about an extension.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtensionSummary {
    /// What it is.
    #[serde(default)]
    pub summary: String,
    /// Members this code does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `x-sysext` of an extension's index.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtensionInfo {
    /// [`SCHEMA`].
    pub schema: u64,
    /// The role that this document is of; checked by [`TargetsStage`](crate::trust::TargetsStage).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub role: String,
    /// What it is, in one line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// Its web page, as it was signed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub homepage: String,
    /// Its licence, as an SPDX expression.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub license: String,
    /// Its documentation, as it was signed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub documentation: String,
    /// Its channels and what they are for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub channels: BTreeMap<Channel, String>,
    /// Set when nothing more will come; the index lists no images then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired: Option<Retired>,
    /// Members this code does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Why an extension is retired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retired {
    /// For people.
    pub reason: String,
    /// What to install instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<ExtensionName>,
}

/// What an index lists and this code can not use: an image, or one transport of an image that is usable without it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ignored {
    /// The target's path; of a transport, that of its image.
    pub file: String,
    /// Why.
    pub reason: String,
}

/// One extension's images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtensionIndex {
    /// The extension.
    pub name: ExtensionName,
    /// What the index says about the extension itself.
    pub info: ExtensionInfo,
    /// The images, newest version first, among equals the later released first.
    pub images: Vec<Image>,
    /// What could not be used.
    pub ignored: Vec<Ignored>,
}

/// An `x-sysext` member that can not be used.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// Another schema.
    #[error(
        "the index of {role} has schema {found:?}; this version knows {SCHEMA}: update this program"
    )]
    Schema {
        /// The role.
        role: String,
        /// What there is.
        found: Option<u64>,
    },
    /// The wrong shape.
    #[error("the x-sysext member of {role} can not be read: {source}")]
    Shape {
        /// The role.
        role: String,
        /// What serde found.
        source: serde_json::Error,
    },
}

fn member<T: serde::de::DeserializeOwned + Default>(
    role: &str,
    targets: &Targets,
) -> Result<T, IndexError> {
    let Some(value) = &targets.x_sysext else {
        return Ok(T::default());
    };
    let found = value.get("schema").and_then(serde_json::Value::as_u64);
    if found != Some(SCHEMA) {
        return Err(IndexError::Schema {
            role: role.to_owned(),
            found,
        });
    }
    T::deserialize(value).map_err(|source| IndexError::Shape {
        role: role.to_owned(),
        source,
    })
}

impl CatalogInfo {
    /// Reads `x-sysext` of `targets.json` or of a group; empty where there is none.
    ///
    /// # Errors
    /// When the member is there and can not be used.
    pub fn read(role: &str, targets: &Targets) -> Result<Self, IndexError> {
        member(role, targets)
    }

    /// Where the catalog has moved to: hosts follow it only from here, where it is signed, and only links.
    pub fn moved_to(&self) -> impl Iterator<Item = Url> {
        self.urls.iter().filter_map(|text| link(text))
    }
}

impl ExtensionInfo {
    /// The same with links alone where URLs stand: what people and programs of a host are shown.
    #[must_use]
    pub fn shown(&self) -> Self {
        Self {
            homepage: link_text(&self.homepage).to_owned(),
            documentation: link_text(&self.documentation).to_owned(),
            ..self.clone()
        }
    }
}

impl ExtensionIndex {
    /// Reads the index of `name`.
    ///
    /// # Errors
    /// When its `x-sysext` member is there and can not be used. Single images that can not be used are listed in
    /// [`ignored`](Self::ignored).
    pub fn read(name: &ExtensionName, targets: &Targets) -> Result<Self, IndexError> {
        let info = member(name.as_str(), targets)?;
        let mut images = Vec::new();
        let mut ignored = Vec::new();
        for (path, target) in &targets.targets {
            let mut ignore = |reason| {
                let file = path.to_string();
                ignored.push(Ignored { file, reason });
            };
            let file = path.file_name().map_err(|error| error.to_string());
            let image = file.and_then(|file| {
                check_prefix(name, &file)?;
                Image::read_with(file, target, |file| check_prefix(name, file))
            });
            match image {
                Ok((image, skipped)) => {
                    images.push(image);
                    skipped.into_iter().for_each(|reason| {
                        ignore(format!(
                            "a transport is skipped, the image is not: {reason}"
                        ));
                    });
                }
                Err(reason) => ignore(reason),
            }
        }
        images.sort_by(|a, b| (&b.version, b.released).cmp(&(&a.version, a.released)));
        Ok(Self {
            name: name.clone(),
            info,
            images,
            ignored,
        })
    }
}

/// An index speaks for `NAME_*` only, and NAME holds no `_`.
fn check_prefix(name: &ExtensionName, file: &FileName) -> Result<(), String> {
    if file.extension().as_ref() == Some(name) {
        return Ok(());
    }
    Err(format!(
        "{file} does not start with \"{name}_\", so it is not a file of this extension"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn index(targets: Value) -> ExtensionIndex {
        let targets = json!({
            "version": 1, "expires": "2030-01-01T00:00:00Z", "targets": targets, "x-sysext": {"schema": 1, "summary": "s"},
        });
        ExtensionIndex::read(
            &"k3s".parse().unwrap(),
            &serde_json::from_value(targets).unwrap(),
        )
        .unwrap()
    }

    fn target(version: &str, change: impl Fn(&mut Value)) -> Value {
        let mut sysext = json!({
            "schema": 1, "class": "sysext", "version": version, "architecture": "x86-64", "channels": ["stable"],
            "extension_release": {"ID": "_any"}, "released": "2026-01-01T00:00:00Z", "x-new": true,
            "image": {"container": "none", "filesystem": "squashfs", "compressed": false},
        });
        change(&mut sysext);
        json!({"length": 1, "hashes": {"sha256": "00".repeat(32)}, "custom": {"sysext": sysext}})
    }

    #[test]
    fn images_come_newest_first_and_keep_unknown_members() {
        let index = index(
            json!({"k3s_1.9_x86-64.raw": target("1.9", |_| ()), "k3s_1.10_x86-64.raw": target("1.10", |_| ())}),
        );
        let versions: Vec<_> = index
            .images
            .iter()
            .map(|image| image.version.as_str())
            .collect();
        assert_eq!(versions, ["1.10", "1.9"]);
        let image = index.images.first().unwrap();
        assert_eq!(image.extra["x-new"], true);
        assert_eq!(
            &Image::read(image.file.clone(), &image.to_target().unwrap()).unwrap(),
            image
        );
    }

    #[test]
    fn a_transport_that_can_not_be_used_is_skipped_alone() {
        let transport = |kind: &str, file: &str| json!({"kind": kind, "file": file, "length": 1, "sha256": "00".repeat(32)});
        let transports = json!([
            transport("zstd", "other_1.zst"),
            transport("zstd", "../k3s_1.zst"),
            transport("new", "k3s_1.new"),
            {"kind": "newest", "pieces": ["k3s_1.a", "k3s_1.b"]},
            "k3s_1.zst",
            transport("zstd", "k3s_1.zst"),
        ]);
        let change = |sysext: &mut Value| sysext["transports"] = transports.clone();
        let index = index(json!({"k3s_1_x86-64.raw": target("1", change)}));
        let image = index.images.first().unwrap();
        let usable: Vec<_> = image.transports.iter().map(|it| it.file.as_str()).collect();
        assert_eq!(usable, ["k3s_1.new", "k3s_1.zst"]);
        assert_eq!(index.ignored.len(), 4, "{:?}", index.ignored);
        for word in ["other_1.zst", "../k3s_1.zst", "newest", "no object"] {
            let names = |ignored: &Ignored| ignored.reason.contains(word);
            let named = index.ignored.iter().find(|ignored| names(ignored));
            assert_eq!(
                named.map(|it| it.file.as_str()),
                Some("k3s_1_x86-64.raw"),
                "{word}: {:?}",
                index.ignored
            );
        }
        // A list that is none says nothing that could be skipped.
        let broken = |sysext: &mut Value| sysext["transports"] = json!({});
        let index = self::index(json!({"k3s_1_x86-64.raw": target("1", broken)}));
        assert!(index.images.is_empty());
    }

    #[test]
    fn only_links_are_shown_and_followed() {
        let info = ExtensionInfo {
            homepage: "https://k3s.io/".to_owned(),
            documentation: "javascript:alert(1)".to_owned(),
            ..ExtensionInfo::default()
        };
        let shown = info.shown();
        assert_eq!(
            (shown.homepage.as_str(), shown.documentation.as_str()),
            ("https://k3s.io/", "")
        );
        let info = CatalogInfo {
            urls: ["file:///srv", "https://new.example/k3s", "http://10.0.0.1/"]
                .map(str::to_owned)
                .into(),
            ..CatalogInfo::default()
        };
        let moved: Vec<_> = info.moved_to().map(String::from).collect();
        assert_eq!(moved, ["https://new.example/k3s"]);
    }

    #[test]
    fn what_can_not_be_used_is_listed_with_its_reason() {
        let index = index(json!({
            "k3s_1_x86-64.raw": target("1", |_| ()),
            "k3s_2_x86-64.raw": target("2", |sysext| sysext["schema"] = json!(2)),
            "k3s_3_x86-64.raw": target("3", |sysext| sysext["class"] = json!("confext")),
            "k3s_4_x86-64.raw": target("4", |sysext| sysext["channels"] = json!([])),
            "k3s_5_x86-64.raw": target("5/..", |_| ()),
            "other_6.raw": target("6", |_| ()),
            "dir/k3s_7.raw": target("7", |_| ()),
            "k3s_8_x86-64.raw": target("8", |sysext| {
                sysext["transports"] = json!([{"kind": "zstd", "file": "other_8.zst", "length": 1, "sha256": "00".repeat(32)}]);
            }),
        }));
        let usable: Vec<_> = index
            .images
            .iter()
            .map(|image| image.version.as_str())
            .collect();
        assert_eq!(usable, ["8", "1"]);
        let reasons: Vec<_> = index
            .ignored
            .iter()
            .map(|ignored| ignored.reason.as_str())
            .collect();
        for word in [
            "schema",
            "confext",
            "channels",
            "not a version",
            "other_6",
            "file name",
            "other_8",
        ] {
            assert!(
                reasons.iter().any(|reason| reason.contains(word)),
                "{word}: {reasons:?}"
            );
        }
    }
}
