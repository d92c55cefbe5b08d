//! A TUF repository in memory that a test changes, publishes, and breaks.
//!
//! ```
//! use test_repos::image::ImageSpec;
//! use test_repos::simulator::Simulator;
//!
//! let mut catalog = Simulator::new("2026-11-23T00:00:00Z");
//! catalog.add_extension("k3s");
//! catalog.add_image("k3s", &ImageSpec::new("k3s").version("1.31.5"));
//! catalog.publish();
//! let files = catalog.files(); // for a server, or for `catalog.remote()` in memory
//! # assert!(files.contains_key("metadata/2.snapshot.json"));
//! ```
//!
//! - Documents are JSON values, not typed roles: an attack has to write documents that no type allows.
//!   [`Simulator::signed_mut`] gives any of them, [`Simulator::tamper`] changes what is published already.
//! - [`Simulator::publish`] is the honest publisher: what changed gets its next version, and is linked by a new snapshot
//!   and timestamp. [`Simulator::write`] signs and stores one document as it is, linked or not.
//! - Keys are made from labels ([`secret_key`]), and time is what the test says: the same calls give the same bytes.
//! - Nothing is refreshed behind the test's back: a document's `expires` changes only when it is asked for.
//!
//! It does not check that what it writes makes sense.

mod authority;
mod catalog;
mod keys;
mod memory;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use sysext_formats::canonical;
use sysext_formats::digest::Sha256Digest;
use sysext_formats::role::SPEC_VERSION;
use sysext_formats::time::UtcTime;

pub use self::authority::Delegation;
pub use self::keys::{key_id, key_object, secret_key, signature};
pub use self::memory::{MemoryCache, MemoryRemote, RemoteFailure};

const TOP_ROLES: [&str; 4] = ["root", "targets", "snapshot", "timestamp"];
const DAY: u64 = 86_400;

/// A repository.
#[derive(Debug, Clone)]
pub struct Simulator {
    now: UtcTime,
    documents: BTreeMap<String, Document>,
    /// Labels of keys that sign the next root too: those of the root before it.
    root_cosigners: Vec<String>,
    /// Roles that get a new version at the next publication though nothing in them changed.
    touched: BTreeSet<String>,
    files: BTreeMap<String, Vec<u8>>,
    /// Whether snapshot and timestamp give length and hashes of what they list, beside the version.
    pub with_hashes: bool,
    /// Whether images are published under `HASH.NAME` too.
    pub with_hashed_names: bool,
}

#[derive(Debug, Clone)]
struct Document {
    signed: Value,
    /// Labels of the keys that sign it.
    signers: Vec<String>,
    /// What was written last, by whom.
    written: Option<(Value, Vec<String>)>,
}

impl Document {
    fn version(&self) -> u64 {
        self.signed["version"].as_u64().unwrap_or(1)
    }

    fn has_changed(&self) -> bool {
        let current = (&self.signed, &self.signers);
        self.written.as_ref().map(|(value, by)| (value, by)) != Some(current)
    }
}

impl Simulator {
    /// A published repository without extensions: two root keys (`root-1`, `root-2`; either suffices), `release` for
    /// targets, `online` for snapshot and timestamp. Every document has version 1.
    ///
    /// # Panics
    /// When `now` is no time.
    #[must_use]
    pub fn new(now: &str) -> Self {
        let now = now.parse().unwrap();
        let mut simulator = Self {
            now,
            documents: BTreeMap::new(),
            root_cosigners: Vec::new(),
            touched: BTreeSet::new(),
            files: BTreeMap::new(),
            with_hashes: false,
            with_hashed_names: false,
        };
        simulator.add_document(
            "root",
            json!({"consistent_snapshot": true, "keys": {}, "roles": {}}),
        );
        let info = json!({"schema": 1, "title": "A simulated catalog", "extensions": {}});
        simulator.add_document("targets", json!({"targets": {}, "x-sysext": info}));
        simulator.add_document("snapshot", json!({"meta": {}}));
        simulator.add_document("timestamp", json!({"meta": {}}));
        for (role, labels) in [
            ("root", &["root-1", "root-2"][..]),
            ("targets", &["release"]),
            ("snapshot", &["online"]),
            ("timestamp", &["online"]),
        ] {
            simulator.set_keys(role, labels);
            simulator.set_signers(role, &labels[..1]);
        }
        simulator.publish();
        simulator
    }

    fn add_document(&mut self, role: &str, members: Value) {
        let kind = if TOP_ROLES.contains(&role) {
            role
        } else {
            "targets"
        };
        let mut signed = members;
        signed["_type"] = kind.into();
        signed["spec_version"] = SPEC_VERSION.into();
        signed["version"] = 1.into();
        let document = Document {
            signed,
            signers: Vec::new(),
            written: None,
        };
        self.documents.insert(role.to_owned(), document);
        self.renew(role);
    }

    /// The time that new documents are dated by.
    #[must_use]
    pub fn now(&self) -> UtcTime {
        self.now
    }

    /// Lets days pass. No document changes by that.
    pub fn advance_days(&mut self, days: u64) {
        self.now = self.now.plus(Duration::from_secs(days * DAY));
    }

    /// The payload of a document, to be read.
    #[must_use]
    pub fn signed(&self, role: &str) -> &Value {
        &self.document(role).signed
    }

    /// The payload of a document, to be changed in any way.
    pub fn signed_mut(&mut self, role: &str) -> &mut Value {
        &mut self.document_mut(role).signed
    }

    /// The version of a document as it stands.
    #[must_use]
    pub fn version(&self, role: &str) -> u64 {
        self.document(role).version()
    }

    /// Sets the version of a document. [`publish`](Self::publish) keeps it when it is above the published one.
    pub fn set_version(&mut self, role: &str, version: u64) {
        self.signed_mut(role)["version"] = version.into();
    }

    /// Sets when a document expires.
    pub fn set_expires(&mut self, role: &str, expires: &str) {
        self.signed_mut(role)["expires"] = expires.into();
    }

    /// A document expired a day ago.
    pub fn expire(&mut self, role: &str) {
        let yesterday = UtcTime::from_unix(self.now.unix() - DAY.cast_signed());
        self.set_expires(role, &yesterday.to_string());
    }

    /// Sets the usual expiry of a document, from now on.
    pub fn renew(&mut self, role: &str) {
        let days = match role {
            "root" | "targets" => 365,
            "snapshot" => 30,
            "timestamp" => 14,
            _ => 180,
        };
        let expires = self.now.plus(Duration::from_secs(days * DAY));
        self.set_expires(role, &expires.to_string());
    }

    /// Gives a document its next version at the next publication, changed or not.
    pub fn touch(&mut self, role: &str) {
        self.touched.insert(role.to_owned());
    }

    /// Lists a file in a role and stores it under `images/`.
    pub fn add_target(&mut self, role: &str, path: &str, bytes: impl Into<Vec<u8>>) -> &mut Value {
        let bytes = bytes.into();
        let sha256 = Sha256Digest::of(&bytes).to_string();
        let target = json!({"length": bytes.len(), "hashes": {"sha256": sha256}});
        if self.with_hashed_names {
            let hashed = match path.rsplit_once('/') {
                Some((directory, name)) => format!("images/{directory}/{sha256}.{name}"),
                None => format!("images/{sha256}.{path}"),
            };
            self.files.insert(hashed, bytes.clone());
        }
        self.files.insert(format!("images/{path}"), bytes);
        let targets = &mut self.signed_mut(role)["targets"];
        targets[path] = target;
        &mut targets[path]
    }

    /// Publishes honestly: every document that changed or was touched gets its next version, unless a higher one was
    /// set; the snapshot lists what was written, the timestamp lists the snapshot.
    pub fn publish(&mut self) {
        if self.is_due("root") {
            self.write_next("root");
        }
        let roles: Vec<String> = self.documents.keys().cloned().collect();
        for role in roles {
            let is_listed = !matches!(role.as_str(), "root" | "snapshot" | "timestamp");
            if is_listed && self.is_due(&role) {
                self.write_next(&role);
                self.list("snapshot", &role);
            }
        }
        if self.is_due("snapshot") {
            self.write_next("snapshot");
            self.list("timestamp", "snapshot");
        }
        if self.is_due("timestamp") {
            self.write_next("timestamp");
        }
        self.touched.clear();
    }

    fn is_due(&self, role: &str) -> bool {
        self.touched.contains(role) || self.document(role).has_changed()
    }

    fn write_next(&mut self, role: &str) {
        let document = self.document(role);
        if let Some((written, _)) = &document.written {
            let written = written["version"].as_u64().unwrap_or(0);
            if document.version() <= written {
                self.set_version(role, written + 1);
            }
        }
        self.write(role);
    }

    /// Says in `parent` (snapshot or timestamp) which version of `role` is current, as it was written last.
    pub fn list(&mut self, parent: &str, role: &str) {
        let mut meta = json!({"version": self.version(role)});
        if self.with_hashes {
            let bytes = &self.files[&self.path(role)];
            meta["length"] = bytes.len().into();
            meta["hashes"] = json!({"sha256": Sha256Digest::of(bytes).to_string()});
        }
        self.signed_mut(parent)["meta"][format!("{role}.json")] = meta;
    }

    /// Signs a document as it is and stores it under its version, linked or not. Returns its path.
    ///
    /// # Panics
    /// When it has no canonical form.
    pub fn write(&mut self, role: &str) -> String {
        let mut labels = self.document(role).signers.clone();
        if role == "root" {
            let cosigners = std::mem::take(&mut self.root_cosigners);
            labels.extend(cosigners.into_iter().filter(|label| {
                let signers = &self.documents["root"].signers;
                !signers.contains(label)
            }));
        }
        let signed = self.signed(role).clone();
        let signatures: Vec<_> = labels
            .iter()
            .map(|label| signature(label, &signed))
            .collect();
        let document = self.document_mut(role);
        document.written = Some((signed.clone(), document.signers.clone()));
        let path = self.path(role);
        self.put(
            &path,
            to_bytes(&json!({"signatures": signatures, "signed": signed})),
        );
        path
    }

    /// Where a document is stored, in the version it has now.
    #[must_use]
    pub fn path(&self, role: &str) -> String {
        let consistent = self.signed("root")["consistent_snapshot"] == true;
        if role == "timestamp" || (role != "root" && !consistent) {
            format!("metadata/{role}.json")
        } else {
            format!("metadata/{}.{role}.json", self.version(role))
        }
    }

    /// Takes away all metadata that is not current, but every root.
    pub fn prune(&mut self) {
        let current: BTreeSet<_> = self.documents.keys().map(|role| self.path(role)).collect();
        self.files.retain(|path, _| {
            !path.starts_with("metadata/") || path.ends_with(".root.json") || current.contains(path)
        });
    }

    /// Changes what is published already, its signatures too. Nothing is signed again.
    ///
    /// # Panics
    /// When there is no such document.
    pub fn tamper(&mut self, path: &str, change: impl FnOnce(&mut Value)) {
        let mut document = serde_json::from_slice(&self.files[path]).unwrap();
        change(&mut document);
        self.put(path, to_bytes(&document));
    }

    /// Publishes any bytes at any path.
    pub fn put(&mut self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.files.insert(path.to_owned(), bytes.into());
    }

    /// Takes a published file away.
    ///
    /// # Panics
    /// When there is none.
    pub fn remove(&mut self, path: &str) {
        let removed = self.files.remove(path);
        assert!(removed.is_some(), "{path} is not published");
    }

    /// The published file at a path.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn file(&self, path: &str) -> &[u8] {
        self.files
            .get(path)
            .unwrap_or_else(|| panic!("{path} is not published"))
    }

    /// Everything that is published, by path.
    #[must_use]
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        self.files.clone()
    }

    fn document(&self, role: &str) -> &Document {
        self.documents
            .get(role)
            .unwrap_or_else(|| panic!("there is no role {role}"))
    }

    fn document_mut(&mut self, role: &str) -> &mut Document {
        self.documents
            .get_mut(role)
            .unwrap_or_else(|| panic!("there is no role {role}"))
    }
}

/// Compact JSON with sorted keys: the canonical form, with control characters escaped, which it leaves as they are. Not
/// serde_json's order, which depends on features that other crates switch on.
fn to_bytes(document: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    for byte in canonical::encode(document).unwrap() {
        if byte < b' ' {
            bytes.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
        } else {
            bytes.push(byte);
        }
    }
    bytes
}

#[cfg(test)]
mod tests;
