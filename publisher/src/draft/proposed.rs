//! Taking documents that somebody else has drafted, with their signatures.
//!
//! They are held against what is published as if they were made here: versions go on by one, no published name gets
//! other bytes, and what may not be published is refused.

use sysext_formats::catalog::ExtensionIndex;
use sysext_formats::name::{ExtensionName, FileName, RoleName};
use sysext_formats::role::{MetadataVersion, Role, Targets};

use super::editor::next;
use super::groups::is_group;
use super::{DraftError, Editor, PendingDocuments, RootOrder};

impl Editor {
    /// Takes proposed documents into the draft. The published indexes that they replace must have been handed in.
    /// `lost` says that keys which change can not sign any more.
    ///
    /// # Errors
    /// When a document is not the next one of its role, or says what may not be published.
    pub fn take_proposed(
        &mut self,
        documents: PendingDocuments,
        lost: bool,
    ) -> Result<(), DraftError> {
        self.lost |= lost;
        if let Some(root) = &documents.root {
            let new = root.unverified().clone();
            let old = &self.catalog.root;
            follows("root", old, &new)?;
            let keys = |root: &sysext_formats::role::Root| {
                let roles = root.roles.clone();
                (roles.targets, roles.snapshot, roles.timestamp)
            };
            let (was, is) = (keys(old), keys(&new));
            if was != is && !lost && old.expires > self.now {
                self.order = RootOrder::Last;
            }
            if (was.1, was.2) != (is.1, is.2) {
                (self.renewed.snapshot, self.renewed.timestamp) = (true, true);
            }
            self.catalog.root = new;
            self.touched.root = true;
        }
        if let Some(targets) = &documents.targets {
            let new = targets.unverified().clone();
            follows("targets", &self.catalog.targets, &new)?;
            self.catalog.targets = new;
            self.touched.targets = true;
            // What was read of the old one says nothing any more.
            self.info = None;
        }
        let groups = documents
            .delegated
            .iter()
            .filter(|(role, _)| is_group(role));
        for (role, group) in groups {
            self.take_group(role, group.unverified().clone())?;
        }
        let indexes = documents
            .delegated
            .iter()
            .filter(|(role, _)| !is_group(role));
        for (role, index) in indexes {
            let name: ExtensionName = role
                .as_str()
                .parse()
                .map_err(|_| DraftError::NotAnIndex(role.to_string()))?;
            self.take_index(&name, index.unverified().clone())?;
        }
        self.proposed = documents;
        Ok(())
    }

    fn take_group(&mut self, role: &RoleName, new: Targets) -> Result<(), DraftError> {
        let expected = match (
            self.catalog.groups.get(role),
            self.catalog.snapshot.role(role.as_str()),
        ) {
            (Some(old), _) => next(old.version, role.as_str())?,
            (None, Some(listed)) => next(listed.version, role.as_str())?,
            (None, None) => MetadataVersion::ONE,
        };
        is_version(role.as_str(), expected, new.version)?;
        self.catalog.groups.insert(role.clone(), new);
        self.touched.groups.insert(role.clone());
        Ok(())
    }

    fn take_index(&mut self, name: &ExtensionName, new: Targets) -> Result<(), DraftError> {
        if self.catalog.index_keys(name).is_none() {
            return Err(DraftError::UnknownExtension(name.clone()));
        }
        let old = self.catalog.indexes.get(name).cloned();
        match &old {
            Some(old) => follows(name.as_str(), old, &new)?,
            None => {
                let listed = self.catalog.snapshot.role(name.as_str());
                let expected = match listed {
                    Some(listed) => next(listed.version, name.as_str())?,
                    None => MetadataVersion::ONE,
                };
                is_version(name.as_str(), expected, new.version)?;
            }
        }
        if new.delegations.is_some() {
            return Err(DraftError::Delegates(name.clone()));
        }
        if new.expires <= self.now {
            return Err(DraftError::Expired {
                role: name.to_string(),
                expires: new.expires,
            });
        }
        let said = ExtensionIndex::read(name, &new)?;
        if let Some(ignored) = said.ignored.first() {
            return Err(DraftError::Ignored {
                extension: name.clone(),
                file: ignored.file.clone(),
                reason: ignored.reason.clone(),
            });
        }
        // One after the other over the published ones, as `add` does: each is held against all before it.
        let start = old.unwrap_or_else(|| Targets {
            targets: Default::default(),
            ..new.clone()
        });
        let mut start = start;
        if said.info.retired.is_none() {
            start.x_sysext = new.x_sysext.clone();
        }
        self.catalog.indexes.insert(name.clone(), start);
        self.touched.indexes.insert(name.clone());
        for image in said.images.iter().rev() {
            self.add_image(name, image)?;
        }
        self.catalog.indexes.insert(name.clone(), new);
        Ok(())
    }

    /// The images that are new, with their extensions.
    pub fn new_images(&self) -> impl Iterator<Item = (&FileName, &ExtensionName)> {
        self.images.iter()
    }
}

fn follows<T: Role>(role: &str, old: &T, new: &T) -> Result<(), DraftError> {
    is_version(role, next(old.version(), role)?, new.version())
}

fn is_version(
    role: &str,
    expected: MetadataVersion,
    found: MetadataVersion,
) -> Result<(), DraftError> {
    if found == expected {
        return Ok(());
    }
    Err(DraftError::NotNext {
        role: role.to_owned(),
        expected,
        found,
    })
}
