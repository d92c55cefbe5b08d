//! What a catalog of extensions puts on top of TUF: indexes, images, the descriptor.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sysext_formats::digest::Sha256Digest;

use super::{Delegation, Simulator};
use crate::image::ImageSpec;

impl Simulator {
    /// An extension with an empty index, signed by a key of its own that is labelled like it.
    pub fn add_extension(&mut self, name: &str) {
        self.add_extension_under("targets", name, name);
    }

    /// The same, delegated by a role of the test's choice, with a key of its choice.
    pub fn add_extension_under(&mut self, delegator: &str, name: &str, label: &str) {
        self.add_delegation(
            delegator,
            Delegation {
                role: name,
                keys: &[label],
                paths: &[&format!("{name}_*")],
                terminating: true,
            },
        );
        let summary = format!("{name}, simulated");
        self.signed_mut(delegator)["x-sysext"]["extensions"][name] = json!({"summary": summary});
        self.signed_mut(name)["x-sysext"] = json!({
            "schema": 1, "summary": summary, "homepage": format!("https://{name}.example/"), "license": "MIT",
            "channels": {"stable": "recommended"},
        });
    }

    /// A group that lists further extensions: those whose files match `paths`.
    pub fn add_group(&mut self, group: &str, paths: &[&str]) {
        self.add_delegation(
            "targets",
            Delegation {
                role: group,
                keys: &["release"],
                paths,
                terminating: true,
            },
        );
        self.signed_mut(group)["x-sysext"] = json!({"schema": 1, "extensions": {}});
    }

    /// Many extensions with empty indexes, each with a key of its own, in groups as a publisher makes them: `_PREFIX` for
    /// the names that begin so, split by one more letter until none holds more than `most`.
    pub fn add_grouped_extensions(&mut self, names: &[String], most: usize) {
        let all = names.iter().map(String::as_str).collect();
        let mut groups = BTreeMap::new();
        divide(all, "", most, &mut groups);
        for (prefix, names) in groups {
            let group = format!("_{prefix}");
            self.add_group(&group, &[&format!("{prefix}*")]);
            for name in names {
                self.add_extension_under(&group, name, name);
            }
        }
    }

    /// Lists an image in the index of `extension` as what it is, and returns its file name.
    pub fn add_image(&mut self, extension: &str, spec: &ImageSpec) -> String {
        let field = |key: &str| spec.release_fields().get(key).map(String::as_str);
        let architecture = field("ARCHITECTURE").unwrap_or("_any");
        let in_file_name = if architecture == "_any" {
            "noarch"
        } else {
            architecture
        };
        let variant = match (field("ID"), field("VERSION_ID").or(field("SYSEXT_LEVEL"))) {
            (None | Some("_any"), _) => String::new(),
            (Some(id), None) => format!("_{id}"),
            (Some(id), Some(version)) => format!("_{id}-{version}"),
        };
        let version = spec.version_text().replace('+', ".");
        let file = format!("{extension}_{version}{variant}_{in_file_name}.raw");
        let released = self.now.to_string();
        let mut image = json!({
            "container": "none", "filesystem": "squashfs", "compressed": spec.is_compressed(),
        });
        if !spec.units().is_empty() {
            image["units"] = json!(spec.units());
        }
        if !spec.setuid_files().is_empty() {
            image["setuid"] = json!(spec.setuid_files());
        }
        let target = self.add_target(extension, &file, spec.build());
        target["custom"]["sysext"] = json!({
            "schema": 1, "class": "sysext", "version": spec.version_text(), "architecture": architecture,
            "extension_release": spec.release_fields(), "channels": ["stable"], "released": released, "image": image,
        });
        file
    }

    /// The member `custom.sysext` of an image.
    ///
    /// # Panics
    /// When the index does not list it.
    pub fn image_mut(&mut self, extension: &str, file: &str) -> &mut Value {
        let target = &mut self.signed_mut(extension)["targets"][file];
        assert!(target.is_object(), "{extension} does not list {file}");
        &mut target["custom"]["sysext"]
    }

    /// Publishes a transport of an image, as any bytes, and lists it.
    pub fn add_transport(
        &mut self,
        extension: &str,
        image: &str,
        kind: &str,
        bytes: Vec<u8>,
    ) -> String {
        let file = match kind {
            "zstd" => format!("{image}.zst"),
            kind => format!("{image}.{kind}"),
        };
        let transport = json!({
            "kind": kind, "file": file, "length": bytes.len(), "sha256": Sha256Digest::of(&bytes).to_string(),
        });
        let transports = &mut self.image_mut(extension, image)["transports"];
        match transports.as_array_mut() {
            Some(list) => list.push(transport),
            None => *transports = json!([transport]),
        }
        self.put(&format!("images/{file}"), bytes);
        file
    }

    /// Publishes an image as one zstd frame too, and lists it.
    ///
    /// # Panics
    /// When the image is not published.
    pub fn add_zstd(&mut self, extension: &str, image: &str) -> String {
        let bytes = self.file(&format!("images/{image}"));
        let packed = zstd::encode_all(bytes, 3).unwrap();
        self.add_transport(extension, image, "zstd", packed)
    }

    /// Retires an extension: its index says why, and lists nothing.
    pub fn retire(&mut self, extension: &str, reason: &str, successor: Option<&str>) {
        let mut retired = json!({"reason": reason});
        if let Some(successor) = successor {
            retired["successor"] = successor.into();
        }
        let signed = self.signed_mut(extension);
        signed["targets"] = json!({});
        signed["x-sysext"]["retired"] = retired;
    }

    /// The digest of a published root: the fingerprint that a host trusts the catalog by.
    #[must_use]
    pub fn fingerprint(&self, root_version: u64) -> String {
        let root = self.file(&format!("metadata/{root_version}.root.json"));
        Sha256Digest::of(root).to_string()
    }

    /// The text of a `catalog.toml` that trusts the newest root.
    #[must_use]
    pub fn descriptor(&self, id: &str, urls: &[&str], extensions: &[&str]) -> String {
        let version = self.version("root");
        let list = |texts: &[&str]| {
            let quoted: Vec<_> = texts.iter().map(|text| format!("{text:?}")).collect();
            quoted.join(", ")
        };
        format!(
            "schema = 1\nid = \"{id}\"\ntitle = \"A simulated catalog\"\nurl = [{}]\nextensions = [{}]\nroot-version = {version}\nroot-sha256 = \"{}\"\n",
            list(urls),
            list(extensions),
            self.fingerprint(version)
        )
    }
}

fn divide<'a>(
    names: Vec<&'a str>,
    prefix: &str,
    most: usize,
    groups: &mut BTreeMap<String, Vec<&'a str>>,
) {
    let mut longer: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for name in names {
        let path = format!("{name}_");
        let prefix = path[..=prefix.len()].to_owned();
        longer.entry(prefix).or_default().push(name);
    }
    for (prefix, names) in longer {
        if names.len() > most {
            divide(names, &prefix, most, groups);
        } else {
            groups.insert(prefix, names);
        }
    }
}
