//! `IMAGE.json`: what is known about an image where it was built, for whoever publishes it later.
//!
//! - It lies beside the image and is called as the image is, with `.json` behind it: the Open Build Service keeps no other
//!   name. It holds no time and no path, so the same image has the same fragment.
//! - It is not signed and nothing in it is believed against the image: `add` and `sync` read the image themselves, take name
//!   and version from here, and refuse a fragment whose `length` or `sha256` is another image's.
//! - A manifest of mkosi that has the same name stays: its members and ours are in one object.
//! - The file of somebody else (a list of materials, say) is never overwritten.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use sysext_durable::Dir;
use sysext_formats::digest::Sha256Digest;

use crate::candidate::Candidate;
use crate::lint::Finding;

/// The schema of fragments.
pub const SCHEMA: u64 = 1;

/// Bytes of a fragment that are read at most; the manifest in one lists every package.
pub(crate) const MAX_BYTES: u64 = 16 << 20;
const MODE: u32 = 0o644;

/// The members that are ours; every other belongs to whoever wrote it.
const MEMBERS: [&str; 10] = [
    "schema",
    "name",
    "version",
    "architecture",
    "variant",
    "file_name",
    "length",
    "sha256",
    "findings",
    "provenance",
];

/// A fragment of a later version of this program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("its schema is {0}; this version knows {SCHEMA}")]
pub struct UnknownSchema(Value);

/// Why a fragment was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum FragmentError {
    /// A fragment that can not be understood.
    #[error("{} is a fragment that can not be used", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// Why.
        source: UnknownSchema,
    },
    /// A file of that name is there, and says something else.
    #[error("{} is there and is no fragment: {found}", path.display())]
    SomebodyElses {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: String,
    },
    /// It can not be read or written.
    #[error(transparent)]
    Disk(#[from] sysext_durable::Error),
}

/// What is known about an image.
#[derive(Debug, Clone)]
pub struct Fragment(Map<String, Value>);

/// What was written beside an image.
#[derive(Debug)]
pub struct Written {
    /// The fragment.
    pub path: PathBuf,
    /// The file with the fragment's digest, where one was asked for.
    pub sha256_path: Option<PathBuf>,
    /// Whether anything of it is new.
    pub changed: bool,
}

/// Whether digests are written beside a fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Companion {
    /// `IMAGE.json.sha256` as sha256sum writes it, and `IMAGE.sha256` where a build has not made one: what a build service
    /// makes its SHA256SUMS of.
    Sha256,
    /// None.
    None,
}

impl Fragment {
    /// That of an image with these bytes, in which the lint found this.
    #[must_use]
    pub fn new(candidate: &Candidate, sha256: Sha256Digest, findings: &[Finding]) -> Self {
        let provenance: Map<_, _> = candidate
            .provenance
            .iter()
            .map(|(what, origin)| ((*what).to_owned(), Value::from(origin.as_str())))
            .collect();
        let value = json!({
            "schema": SCHEMA,
            "name": candidate.extension,
            "version": candidate.version,
            "architecture": candidate.architecture,
            "variant": candidate.variant,
            "file_name": candidate.file_name,
            "length": candidate.length,
            "sha256": sha256,
            "findings": findings,
            "provenance": provenance,
        });
        Self(match value {
            Value::Object(members) => members,
            _ => Map::new(),
        })
    }

    /// Its members.
    #[must_use]
    pub fn members(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The fragment beside an image, where that is about these very bytes and says the same name, version and
    /// architecture: what is known from a fragment was known from somewhere else when that was made.
    #[must_use]
    pub fn with_provenance_of(mut self, there: Option<&Self>) -> Self {
        let same = |there: &&Self| {
            let members = ["name", "version", "architecture", "sha256"];
            members
                .iter()
                .all(|member| there.0.get(*member) == self.0.get(*member))
        };
        if let Some(provenance) = there.filter(same).and_then(|it| it.0.get("provenance")) {
            self.0.insert("provenance".to_owned(), provenance.clone());
        }
        self
    }

    /// Writes it for `image`, into `directory` or else beside the image; with `dry_run` it only says what it would write.
    ///
    /// # Errors
    /// When a file of somebody else has its name, or it can not be written.
    pub fn write(
        &self,
        image: &Path,
        directory: Option<&Path>,
        companion: Companion,
        dry_run: bool,
    ) -> Result<Written, FragmentError> {
        let path = path_for(image, directory);
        let (directory, name) = Dir::of_file(&path)?;
        let there = directory.read(&name, MAX_BYTES)?;
        let mut whole = match &there {
            Some(bytes) => foreign_members(&path, bytes)?,
            None => Map::new(),
        };
        whole.extend(self.0.clone());
        let text = format!("{:#}\n", Value::Object(whole));
        let mut new = Vec::new();
        let mut sha256_path = None;
        if companion == Companion::Sha256 {
            let line = sum(Sha256Digest::of(text.as_bytes()), &name);
            let companion = format!("{name}.sha256");
            sha256_path = Some(with_suffix(&path, "sha256"));
            if directory.read(&companion, MAX_BYTES)?.as_deref() != Some(line.as_bytes()) {
                new.push((companion, line));
            }
            let image = name.strip_suffix(".json").unwrap_or(&name);
            let companion = format!("{image}.sha256");
            if let (Some(sha256), None) = (self.sha256(), directory.kind(&companion)?) {
                new.push((companion, sum(sha256, image)));
            }
        }
        if there.as_deref() != Some(text.as_bytes()) {
            new.insert(0, (name, text));
        }
        for (name, text) in new.iter().filter(|_| !dry_run) {
            directory.write(name, text.as_bytes(), MODE)?;
        }
        Ok(Written {
            path,
            sha256_path,
            changed: !new.is_empty(),
        })
    }

    /// The fragment that lies beside an image; `None` where there is none, or something else.
    ///
    /// # Errors
    /// When what is there can not be read.
    pub fn beside(image: &Path) -> Result<Option<Self>, FragmentError> {
        let path = path_for(image, None);
        let Some((directory, name)) = Dir::of_existing_file(&path)? else {
            return Ok(None);
        };
        let Some(bytes) = directory.read(&name, MAX_BYTES)? else {
            return Ok(None);
        };
        Self::parse(&bytes).map_err(|source| FragmentError::Schema { path, source })
    }

    /// The fragment that these bytes are; `None` where they are something else.
    ///
    /// # Errors
    /// When they are a fragment of another version.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, UnknownSchema> {
        // Not the strict parser of signed data: other people's files may hold floats.
        serde_json::from_slice(bytes).map_or(Ok(None), Self::of)
    }

    /// The fragment that this value is; `None` where it is something else. The schemas of other people's files are texts.
    ///
    /// # Errors
    /// When it is a fragment of another version.
    pub fn of(value: Value) -> Result<Option<Self>, UnknownSchema> {
        let Value::Object(members) = value else {
            return Ok(None);
        };
        match members.get("schema") {
            Some(schema) if schema.as_u64() == Some(SCHEMA) => Ok(Some(Self(members))),
            Some(schema) if schema.is_number() => Err(UnknownSchema(schema.clone())),
            _ => Ok(None),
        }
    }

    /// What it says there, where that is a text.
    #[must_use]
    pub fn text(&self, member: &str) -> Option<&str> {
        self.0.get(member)?.as_str()
    }

    /// The length of the image that it was made for, in bytes.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.0.get("length")?.as_u64()
    }

    /// The digest of the image that it was made for.
    #[must_use]
    pub fn sha256(&self) -> Option<Sha256Digest> {
        self.0.get("sha256")?.as_str()?.parse().ok()
    }
}

/// A line of sha256sum.
fn sum(sha256: Sha256Digest, name: &str) -> String {
    format!("{sha256}  {name}\n")
}

/// The fragment of an image: in `directory`, or else beside the image.
#[must_use]
pub fn path_for(image: &Path, directory: Option<&Path>) -> PathBuf {
    let beside = with_suffix(image, "json");
    match (directory, beside.file_name()) {
        (Some(directory), Some(name)) => directory.join(name),
        _ => beside,
    }
}

/// What is called as a file is, with something behind it.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

/// What in a file is not ours and stays: mkosi's manifest.
fn foreign_members(path: &Path, bytes: &[u8]) -> Result<Map<String, Value>, FragmentError> {
    let refused = |found: &str| FragmentError::SomebodyElses {
        path: path.to_owned(),
        found: found.to_owned(),
    };
    let value: Value = serde_json::from_slice(bytes).map_err(|_| refused("it is not JSON"))?;
    let Value::Object(mut members) = value.clone() else {
        return Err(refused("it is not a JSON object"));
    };
    let is_ours = Fragment::of(value).map_err(|source| FragmentError::Schema {
        path: path.to_owned(),
        source,
    })?;
    if is_ours.is_none() && !members.contains_key("manifest_version") {
        return Err(refused(
            "it has neither a \"schema\" of ours nor mkosi's \"manifest_version\"",
        ));
    }
    members.retain(|member, _| !MEMBERS.contains(&member.as_str()));
    Ok(members)
}
