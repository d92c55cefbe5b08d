//! The first documents of a catalog.

use std::collections::BTreeMap;

use sysext_formats::catalog::{CatalogInfo, ExtensionInfo, SCHEMA};
use sysext_formats::key::PublicKey;
use sysext_formats::name::ExtensionName;
use sysext_formats::role::{
    Delegations, Extra, MetaFile, MetadataVersion, RoleKeys, Root, RootRoles, Snapshot, Targets,
    Threshold, Timestamp, TimestampMeta,
};
use sysext_formats::time::UtcTime;

use super::{Catalog, Change, Draft, DraftError, Editor};
use crate::config::Policy;

/// The keys of a new catalog.
#[derive(Debug)]
pub struct FirstKeys {
    /// Sign the root.
    pub root: Vec<PublicKey>,
    /// How many of them must.
    pub root_threshold: u64,
    /// Signs indexes, and the table of contents unless `targets_by_root`.
    pub release: PublicKey,
    /// Signs snapshot and timestamp.
    pub online: PublicKey,
    /// Whether the root keys sign the table of contents.
    pub targets_by_root: bool,
}

/// A catalog that comes to be.
#[derive(Debug)]
pub struct First<'a> {
    /// Its keys.
    pub keys: FirstKeys,
    /// Its title.
    pub title: &'a str,
    /// What is said about the extensions it begins with.
    pub extensions: BTreeMap<ExtensionName, ExtensionInfo>,
    /// For how long signatures are good, and when extensions are grouped.
    pub policy: Policy,
    /// The time.
    pub now: UtcTime,
}

impl First<'_> {
    /// The draft of all its documents.
    ///
    /// # Errors
    /// When the threshold can not be reached, or a document can not be written.
    pub fn draft(self) -> Result<Draft, DraftError> {
        let names: Vec<_> = self.extensions.keys().cloned().collect();
        let release = self.keys.release.clone();
        let mut editor = Editor::of_nothing(self.catalog()?, self.now, self.policy);
        for (name, info) in self.extensions {
            editor.add_extension(&name, std::slice::from_ref(&release), info)?;
        }
        editor.split_tables()?;
        let mut draft = editor.complete()?;
        draft.changes = vec![Change::Catalog { extensions: names }];
        Ok(draft)
    }

    /// The four top documents, without extensions.
    fn catalog(&self) -> Result<Catalog, DraftError> {
        let keys = &self.keys;
        let threshold = Threshold::new(keys.root_threshold)
            .filter(|threshold| threshold.is_met_by(keys.root.len()));
        let threshold = threshold.ok_or(DraftError::Threshold {
            threshold: keys.root_threshold,
            keys: keys.root.len(),
        })?;
        let role = |keys: &[PublicKey], threshold| RoleKeys {
            keyids: keys.iter().map(PublicKey::canonical_id).collect(),
            threshold,
            extra: Extra::new(),
        };
        let online = role(std::slice::from_ref(&keys.online), Threshold::ONE);
        let all = keys.root.iter().chain([&keys.release, &keys.online]);
        let root = Root {
            version: MetadataVersion::ONE,
            expires: self.now.plus(self.policy.expires.root.duration()),
            consistent_snapshot: true,
            keys: all.map(|key| (key.canonical_id(), key.clone())).collect(),
            roles: RootRoles {
                root: role(&keys.root, threshold),
                targets: if keys.targets_by_root {
                    role(&keys.root, threshold)
                } else {
                    role(std::slice::from_ref(&keys.release), Threshold::ONE)
                },
                snapshot: online.clone(),
                timestamp: online,
                extra: Extra::new(),
            },
            extra: Extra::new(),
        };
        let info = CatalogInfo {
            schema: SCHEMA,
            role: "targets".to_owned(),
            title: self.title.to_owned(),
            ..CatalogInfo::default()
        };
        let targets = Targets {
            version: MetadataVersion::ONE,
            expires: self.now.plus(self.policy.expires.targets.duration()),
            targets: BTreeMap::new(),
            delegations: Some(Delegations {
                keys: BTreeMap::new(),
                roles: Vec::new(),
                extra: Extra::new(),
            }),
            x_sysext: Some(serde_json::to_value(info)?),
            extra: Extra::new(),
        };
        let snapshot = Snapshot {
            version: MetadataVersion::ONE,
            expires: self.now.plus(self.policy.expires.snapshot.duration()),
            meta: BTreeMap::from([(
                "targets.json".to_owned(),
                MetaFile::version_only(MetadataVersion::ONE),
            )]),
            extra: Extra::new(),
        };
        let timestamp = Timestamp {
            version: MetadataVersion::ONE,
            expires: self.now.plus(self.policy.expires.timestamp.duration()),
            meta: TimestampMeta {
                snapshot: MetaFile::version_only(MetadataVersion::ONE),
                extra: Extra::new(),
            },
            extra: Extra::new(),
        };
        Ok(Catalog {
            root,
            targets,
            snapshot,
            timestamp,
            groups: BTreeMap::new(),
            indexes: BTreeMap::new(),
        })
    }
}
