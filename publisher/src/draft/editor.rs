//! Taking changes to a catalog.

use std::collections::BTreeMap;

use sysext_formats::catalog::{CatalogInfo, Image};
use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::{ExtensionName, FileName, TargetPath};
use sysext_formats::role::{MetaFile, MetadataVersion, Root, Targets};
use sysext_formats::time::UtcTime;
use sysext_formats::version::Version;

use super::{
    Catalog, Change, Draft, DraftError, PendingDocuments, RootOrder, Touched, differences,
};
use crate::config::Policy;

/// How an image that is offered stands to what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is new.
    New,
    /// The name is there, with the same length and version; its bytes must have this digest.
    Named(Sha256Digest),
}

/// A catalog that is being changed.
#[derive(Debug)]
pub struct Editor {
    pub(super) before: Catalog,
    pub(super) catalog: Catalog,
    pub(super) now: UtcTime,
    pub(super) policy: Policy,
    pub(super) touched: Touched,
    pub(super) renewed: Renewed,
    pub(super) order: RootOrder,
    pub(super) lost: bool,
    pub(super) proposed: PendingDocuments,
    pub(super) images: BTreeMap<FileName, ExtensionName>,
    /// `x-sysext` of `targets.json`, once something of it was needed, and whether it differs from what stands there.
    pub(super) info: Option<CatalogInfo>,
    pub(super) info_differs: bool,
}

#[derive(Debug, Default)]
pub(super) struct Renewed {
    pub(super) snapshot: bool,
    pub(super) timestamp: bool,
}

impl Editor {
    /// Begins with what is published.
    #[must_use]
    pub fn new(catalog: Catalog, now: UtcTime, policy: Policy) -> Self {
        Self {
            before: catalog.clone(),
            catalog,
            now,
            policy,
            touched: Touched::default(),
            renewed: Renewed::default(),
            order: RootOrder::First,
            lost: false,
            proposed: PendingDocuments::default(),
            images: BTreeMap::new(),
            info: None,
            info_differs: false,
        }
    }

    /// Begins with a catalog that nobody has seen: every document is new, and its version stays.
    pub(super) fn of_nothing(catalog: Catalog, now: UtcTime, policy: Policy) -> Self {
        let mut editor = Self::new(catalog, now, policy);
        (
            editor.touched.root,
            editor.touched.targets,
            editor.touched.snapshot,
        ) = (true, true, true);
        editor
    }

    /// The catalog as it is so far.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Hands in the published index of an extension, which any change to it starts from.
    pub fn load_index(&mut self, name: &ExtensionName, index: Targets) {
        if !self.has_index(name) {
            self.before.indexes.insert(name.clone(), index.clone());
            self.catalog.indexes.insert(name.clone(), index);
        }
    }

    /// Whether the index of an extension was handed in.
    #[must_use]
    pub fn has_index(&self, name: &ExtensionName) -> bool {
        self.catalog.indexes.contains_key(name)
    }

    /// How an image stands to what is there: first by what is known without its digest.
    ///
    /// # Errors
    /// When it can not be added, whatever its bytes are.
    pub fn standing(
        &self,
        extension: &ExtensionName,
        file: &FileName,
        version: &Version,
        length: u64,
    ) -> Result<Standing, DraftError> {
        let index = self.index(extension)?;
        let Some(target) = index.targets.get(&TargetPath::from(file)) else {
            return Ok(Standing::New);
        };
        if target.length != length {
            return Err(DraftError::OtherLength {
                file: file.clone(),
                published: target.length,
                offered: length,
            });
        }
        let published = target
            .custom
            .as_ref()
            .and_then(|custom| custom.pointer("/sysext/version")?.as_str());
        if published != Some(version.as_str()) {
            return Err(DraftError::OtherVersion {
                file: file.clone(),
                published: published.unwrap_or("unknown").to_owned(),
                offered: version.clone(),
            });
        }
        // An index of ours has a sha256 of each image; one without can not be compared with.
        Ok(target
            .hashes
            .sha256()
            .map_or(Standing::New, Standing::Named))
    }

    /// Adds an image; one that is there with the same bytes is no change.
    ///
    /// # Errors
    /// When its name is there with other bytes, or it may not be published.
    pub fn add_image(
        &mut self,
        extension: &ExtensionName,
        image: &Image,
    ) -> Result<(), DraftError> {
        match self.standing(extension, &image.file, &image.version, image.length)? {
            Standing::Named(published) if published == image.sha256 => return Ok(()),
            Standing::Named(published) => {
                return Err(DraftError::OtherBytes {
                    file: image.file.clone(),
                    published,
                    offered: image.sha256,
                });
            }
            Standing::New => {}
        }
        self.check_new(extension, image)?;
        let target = image.to_target()?;
        self.touch_index(extension)?
            .targets
            .insert((&image.file).into(), target);
        self.images.insert(image.file.clone(), extension.clone());
        Ok(())
    }

    fn check_new(&self, extension: &ExtensionName, image: &Image) -> Result<(), DraftError> {
        let index = self.index(extension)?;
        let said = sysext_formats::catalog::ExtensionIndex::read(extension, index)?;
        if said.info.retired.is_some() {
            return Err(DraftError::Retired(extension.clone()));
        }
        let stable = image
            .channels
            .iter()
            .find(|channel| channel.as_str() == sysext_formats::catalog::DEFAULT_CHANNEL);
        if let Some(channel) = stable.filter(|_| image.version.is_prerelease()) {
            return Err(DraftError::Prerelease {
                extension: extension.clone(),
                version: image.version.clone(),
                channel: channel.clone(),
            });
        }
        let same = |other: &&Image| {
            other.version == image.version
                && other.architecture == image.architecture
                && other.extension_release == image.extension_release
        };
        match said.images.iter().find(same) {
            Some(other) => Err(DraftError::SameOrder {
                file: other.file.clone(),
                published: other.version.clone(),
                offered: image.version.clone(),
            }),
            None => Ok(()),
        }
    }

    /// The draft; `None` when nothing changed.
    ///
    /// # Errors
    /// When a version can not be counted up.
    pub fn finish(mut self) -> Result<Option<Draft>, DraftError> {
        // What others have drafted is taken as it is.
        if self.proposed.is_empty() {
            self.split_tables()?;
        }
        let changed = self.touched.targets
            || !self.touched.groups.is_empty()
            || !self.touched.indexes.is_empty();
        if !(changed || self.touched.root || self.renewed.timestamp || self.renewed.snapshot) {
            return Ok(None);
        }
        // Whatever is published needs the online key, and a snapshot that has expired would hide it.
        if changed || self.renewed.snapshot || self.snapshot_is_due() {
            let snapshot = &mut self.catalog.snapshot;
            snapshot.version = next(snapshot.version, "snapshot")?;
            snapshot.expires = self.now.plus(self.policy.expires.snapshot.duration());
            self.touched.snapshot = true;
        }
        let timestamp = &mut self.catalog.timestamp;
        timestamp.version = next(timestamp.version, "timestamp")?;
        timestamp.expires = self.now.plus(self.policy.expires.timestamp.duration());
        let renewal = |role: &str, expires| Change::Renewal {
            role: role.to_owned(),
            expires,
        };
        let mut renewals = Vec::new();
        if self.renewed.snapshot {
            renewals.push(renewal("snapshot", self.catalog.snapshot.expires));
        }
        if self.renewed.timestamp {
            renewals.push(renewal("timestamp", self.catalog.timestamp.expires));
        }
        let mut draft = self.complete()?;
        for difference in differences(&draft)? {
            for change in difference.changes {
                // The summary of an extension stands in two documents.
                if !draft.changes.contains(&change) {
                    draft.changes.push(change);
                }
            }
        }
        draft.changes.extend(renewals);
        Ok(Some(draft))
    }

    /// The draft of what was edited: versions and expiry stay as they are, the documents that list others follow.
    pub(super) fn complete(mut self) -> Result<Draft, DraftError> {
        if let (true, Some(info)) = (self.info_differs, &self.info) {
            self.catalog.targets.x_sysext = Some(serde_json::to_value(info)?);
        }
        let catalog = &mut self.catalog;
        let listed = |version| MetaFile::version_only(version);
        let meta = &mut catalog.snapshot.meta;
        meta.insert("targets.json".to_owned(), listed(catalog.targets.version));
        for name in &self.touched.indexes {
            if let Some(index) = catalog.indexes.get(name) {
                meta.insert(format!("{name}.json"), listed(index.version));
            }
        }
        for role in &self.touched.groups {
            if let Some(group) = catalog.groups.get(role) {
                meta.insert(format!("{role}.json"), listed(group.version));
            }
        }
        catalog.timestamp.meta.snapshot.version = catalog.snapshot.version;
        Ok(Draft {
            before: self.before,
            catalog: self.catalog,
            order: self.order,
            lost: self.lost,
            proposed: self.proposed,
            touched: self.touched,
            changes: Vec::new(),
            images: self.images,
        })
    }

    pub(super) fn index(&self, name: &ExtensionName) -> Result<&Targets, DraftError> {
        let index = self.catalog.indexes.get(name);
        index.ok_or_else(|| DraftError::UnknownExtension(name.clone()))
    }

    /// The index, with its next version and expiry from the first change on.
    pub(super) fn touch_index(&mut self, name: &ExtensionName) -> Result<&mut Targets, DraftError> {
        let unknown = || DraftError::UnknownExtension(name.clone());
        let index = self.catalog.indexes.get_mut(name).ok_or_else(unknown)?;
        if self.touched.indexes.insert(name.clone()) {
            index.version = next(index.version, name.as_str())?;
            index.expires = self.now.plus(self.policy.expires.index.duration());
        }
        Ok(index)
    }

    pub(super) fn touch_root(&mut self) -> Result<&mut Root, DraftError> {
        let root = &mut self.catalog.root;
        if !std::mem::replace(&mut self.touched.root, true) {
            root.version = next(root.version, "root")?;
            root.expires = self.now.plus(self.policy.expires.root.duration());
        }
        Ok(root)
    }

    pub(super) fn touch_targets(&mut self) -> Result<&mut Targets, DraftError> {
        let targets = &mut self.catalog.targets;
        if !std::mem::replace(&mut self.touched.targets, true) {
            targets.version = next(targets.version, "targets")?;
            targets.expires = self.now.plus(self.policy.expires.targets.duration());
        }
        Ok(targets)
    }
}

pub(super) fn next(version: MetadataVersion, role: &str) -> Result<MetadataVersion, DraftError> {
    version
        .next()
        .ok_or_else(|| DraftError::LastVersion(role.to_owned()))
}
