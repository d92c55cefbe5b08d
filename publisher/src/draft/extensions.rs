//! Adding extensions, and saying what they and the catalog are.

use std::collections::BTreeMap;

use sysext_formats::catalog::{
    CatalogInfo, ExtensionIndex, ExtensionInfo, ExtensionSummary, Retired, SCHEMA,
};
use sysext_formats::key::PublicKey;
use sysext_formats::name::{ExtensionName, RoleName};
use sysext_formats::role::{
    DelegatedRole, Extra, MetadataVersion, Paths, RoleKeys, Targets, Threshold,
};

use super::editor::next;
use super::groups::{empty_delegations, insert_sorted};
use super::{DraftError, Editor, Table};

impl Editor {
    /// Adds an extension. One that is there with the same keys only gets a new description.
    ///
    /// # Errors
    /// When it is there with other keys.
    pub fn add_extension(
        &mut self,
        name: &ExtensionName,
        keys: &[PublicKey],
        info: ExtensionInfo,
    ) -> Result<(), DraftError> {
        let keyids: Vec<_> = keys.iter().map(PublicKey::canonical_id).collect();
        if let Some(there) = self.catalog.index_keys(name) {
            if there.keyids != keyids {
                return Err(DraftError::OtherKeys(name.clone()));
            }
            self.summarize(name, &info.summary)?;
            return self.describe(name, info);
        }
        let summary = info.summary.clone();
        self.insert_delegation(name, keys, Threshold::ONE)?;
        self.summarize(name, &summary)?;
        self.begin_index(name, info)
    }

    /// Begins an index that lists nothing. A name that was there before goes on counting: a host never takes a lower
    /// version.
    ///
    /// # Errors
    /// When its version can not be counted up.
    pub fn begin_index(
        &mut self,
        name: &ExtensionName,
        info: ExtensionInfo,
    ) -> Result<(), DraftError> {
        let listed = self.catalog.snapshot.role(name.as_str());
        let version = match listed {
            Some(listed) => next(listed.version, name.as_str())?,
            None => MetadataVersion::ONE,
        };
        let index = Targets {
            version,
            expires: self.now.plus(self.policy.expires.index.duration()),
            targets: BTreeMap::new(),
            delegations: None,
            x_sysext: Some(serde_json::to_value(stated(name, info))?),
            extra: Extra::new(),
        };
        self.catalog.indexes.insert(name.clone(), index);
        self.touched.indexes.insert(name.clone());
        Ok(())
    }

    /// Lets somebody else sign the index of an extension: with their first index, which comes as a proposal, it is there.
    ///
    /// # Errors
    /// When it is there with other keys, or its keys can not reach the threshold.
    pub fn delegate(
        &mut self,
        name: &ExtensionName,
        keys: &[PublicKey],
        threshold: Threshold,
        summary: &str,
    ) -> Result<(), DraftError> {
        let keyids: Vec<_> = keys.iter().map(PublicKey::canonical_id).collect();
        match self.catalog.index_keys(name) {
            Some(there) if there.keyids == keyids && there.threshold == threshold => {}
            Some(_) => return Err(DraftError::OtherKeys(name.clone())),
            None => self.insert_delegation(name, keys, threshold)?,
        }
        self.summarize(name, summary)
    }

    fn insert_delegation(
        &mut self,
        name: &ExtensionName,
        keys: &[PublicKey],
        threshold: Threshold,
    ) -> Result<(), DraftError> {
        if !threshold.is_met_by(keys.len()) {
            return Err(DraftError::Threshold {
                threshold: threshold.get(),
                keys: keys.len(),
            });
        }
        let table = self.catalog.table_of(name);
        let delegations = &mut self.touch_table(&table)?.delegations;
        let delegations = delegations.get_or_insert_with(empty_delegations);
        delegations
            .keys
            .extend(keys.iter().map(|key| (key.canonical_id(), key.clone())));
        insert_sorted(
            delegations,
            DelegatedRole {
                name: RoleName::from(name),
                paths: Paths::Paths(vec![format!("{name}_*")]),
                terminating: true,
                keys: RoleKeys {
                    keyids: keys.iter().map(PublicKey::canonical_id).collect(),
                    threshold,
                    extra: Extra::new(),
                },
            },
        );
        Ok(())
    }

    /// Ends an extension: its index is empty from now on, and says why. Hosts keep what they run.
    ///
    /// # Errors
    /// When its index was not handed in, or can not be understood.
    pub fn retire(&mut self, name: &ExtensionName, retired: Retired) -> Result<(), DraftError> {
        let mut info = ExtensionIndex::read(name, self.index(name)?)?.info;
        if info.retired.as_ref() == Some(&retired) {
            return Ok(());
        }
        info.retired = Some(retired);
        let info = serde_json::to_value(stated(name, info))?;
        let index = self.touch_index(name)?;
        index.targets.clear();
        index.x_sysext = Some(info);
        Ok(())
    }

    /// Tells hosts where the catalog is from now on; with no URL, nothing any more.
    ///
    /// # Errors
    /// When `targets.json` can not be understood.
    pub fn set_urls(&mut self, urls: &[String]) -> Result<(), DraftError> {
        if self.info()?.urls != urls {
            urls.clone_into(&mut self.info_mut()?.urls);
        }
        Ok(())
    }

    /// Says something else about an extension in its index, where it is something else.
    ///
    /// # Errors
    /// When its index was not handed in.
    pub fn describe(
        &mut self,
        name: &ExtensionName,
        info: ExtensionInfo,
    ) -> Result<(), DraftError> {
        let info = serde_json::to_value(stated(name, info))?;
        if self.index(name)?.x_sysext.as_ref() != Some(&info) {
            self.touch_index(name)?.x_sysext = Some(info);
        }
        Ok(())
    }

    /// Says something else about an extension in its table of contents, where it is something else.
    ///
    /// # Errors
    /// When that can not be understood.
    pub fn summarize(&mut self, name: &ExtensionName, summary: &str) -> Result<(), DraftError> {
        let differs = |info: &CatalogInfo| {
            let there = info.extensions.get(name);
            there.is_none_or(|entry| entry.summary != summary)
        };
        let set = |info: &mut CatalogInfo| {
            let entry = info.extensions.entry(name.clone());
            summary.clone_into(&mut entry.or_default().summary);
        };
        let table = self.catalog.table_of(name);
        let Table::Group(role) = &table else {
            if differs(self.info()?) {
                set(self.info_mut()?);
            }
            return Ok(());
        };
        let group = self.catalog.table(&table);
        let group = group.ok_or_else(|| DraftError::UnknownGroup(role.clone()))?;
        let mut info = CatalogInfo::read(role.as_str(), group)?;
        if differs(&info) {
            set(&mut info);
            self.touch_table(&table)?.x_sysext = Some(serde_json::to_value(info)?);
        }
        Ok(())
    }

    /// What a table of contents says about its extensions, which it does not say any more afterwards.
    pub(super) fn take_summaries(
        &mut self,
        table: &Table,
    ) -> Result<BTreeMap<ExtensionName, ExtensionSummary>, DraftError> {
        match table {
            Table::Top => Ok(std::mem::take(&mut self.info_mut()?.extensions)),
            Table::Group(role) => {
                let group = self.catalog.table(table);
                let group = group.ok_or_else(|| DraftError::UnknownGroup(role.clone()))?;
                Ok(CatalogInfo::read(role.as_str(), group)?.extensions)
            }
        }
    }

    /// Says something else about the catalog, where it is something else.
    ///
    /// # Errors
    /// When `targets.json` can not be understood.
    pub fn set_title(&mut self, title: &str) -> Result<(), DraftError> {
        if self.info()?.title != title {
            title.clone_into(&mut self.info_mut()?.title);
        }
        Ok(())
    }

    /// What the table of contents says besides its delegations; read once, since it is long.
    fn info(&mut self) -> Result<&CatalogInfo, DraftError> {
        let info = match self.info.take() {
            Some(info) => info,
            None => CatalogInfo::read("targets", &self.catalog.targets)?,
        };
        Ok(self.info.insert(info))
    }

    /// The same, to be changed; it is written back at the end.
    fn info_mut(&mut self) -> Result<&mut CatalogInfo, DraftError> {
        self.info()?;
        self.touch_targets()?;
        self.info_differs = true;
        Ok(self.info.get_or_insert_default())
    }
}

/// A key may sign several indexes: each says whose it is.
fn stated(name: &ExtensionName, info: ExtensionInfo) -> ExtensionInfo {
    ExtensionInfo {
        schema: SCHEMA,
        role: name.to_string(),
        ..info
    }
}
