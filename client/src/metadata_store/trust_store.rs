//! Which catalogs this host trusts, and since which root: the directories of all of them.

use std::path::PathBuf;

use sysext_durable::{Dir, Error, Kind};
use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::CatalogId;
use sysext_formats::role::MetadataVersion;
use sysext_formats::workflow::{Cache, CachedFile};

use super::MetadataStore;
use crate::root::{DIRECTORY_MODE, Root};

const CATALOGS: &str = "catalogs";
/// Digits of the first root's digest in the name of the directory.
const DIGITS: usize = 16;

/// `STORE/catalogs`: what this host trusts of which catalog.
#[derive(Debug, Clone)]
pub struct TrustStore {
    store: PathBuf,
}

/// What this host trusts of one catalog, seen from a pinned root.
#[derive(Debug)]
pub enum Known {
    /// Nothing.
    Nothing,
    /// The pinned root is the first one, or in the chain from it: the trust goes on.
    Trusted(MetadataStore),
    /// Another root, from which no chain leads to the pinned one so far.
    Other(MetadataStore),
}

impl TrustStore {
    /// That of a host.
    #[must_use]
    pub fn new(root: &Root) -> Self {
        Self {
            store: root.store(),
        }
    }

    /// What is trusted of the catalog `id`, whose pinned root has the digest `pin`.
    ///
    /// # Errors
    /// When the store can not be read.
    pub fn find(&self, id: &CatalogId, pin: Sha256Digest) -> Result<Known, Error> {
        let mut other = Known::Nothing;
        let own = directory_name(id, pin);
        let mut names = self.directories(id)?;
        // The directory of this very root first.
        names.sort_by_key(|name| *name != own);
        let Some(catalogs) = self.catalogs()? else {
            return Ok(other);
        };
        for name in names {
            let Some(dir) = catalogs.existing_subdir(&name)? else {
                continue;
            };
            let mut store = MetadataStore::new(dir);
            if store.anchor(|digest| digest == pin)? {
                return Ok(Known::Trusted(store));
            }
            let digits = name.rsplit('@').next().unwrap_or_default();
            if name != own && store.anchor(|digest| digest.short(DIGITS) == digits)? {
                other = Known::Other(store);
            }
        }
        Ok(other)
    }

    /// Begins to trust a catalog by its first root, whose digest the caller has compared with the pin.
    ///
    /// # Errors
    /// When the store can not be written.
    pub fn begin(
        &self,
        id: &CatalogId,
        version: MetadataVersion,
        root: &[u8],
    ) -> Result<MetadataStore, Error> {
        let name = directory_name(id, Sha256Digest::of(root));
        let dir = Dir::create_all(&self.store, DIRECTORY_MODE)?;
        let dir = dir.create_subdir(CATALOGS, DIRECTORY_MODE)?;
        let mut store = MetadataStore::new(dir.create_subdir(&name, DIRECTORY_MODE)?);
        let mut handle = &mut store;
        handle.save(&CachedFile::Root, version, root)?;
        store.anchored = Some(root.to_vec());
        Ok(store)
    }

    /// Forgets all that is trusted of a catalog, rollback protection included; whether there was something.
    ///
    /// # Errors
    /// When it can not be removed.
    pub fn forget(&self, id: &CatalogId) -> Result<bool, Error> {
        let names = self.directories(id)?;
        if let Some(dir) = self.catalogs()? {
            names.iter().try_for_each(|name| dir.remove_tree(name))?;
        }
        Ok(!names.is_empty())
    }

    fn catalogs(&self) -> Result<Option<Dir>, Error> {
        match Dir::open_existing(&self.store)? {
            Some(store) => store.existing_subdir(CATALOGS),
            None => Ok(None),
        }
    }

    fn directories(&self, id: &CatalogId) -> Result<Vec<String>, Error> {
        let Some(dir) = self.catalogs()? else {
            return Ok(Vec::new());
        };
        let is_it = |name: &str| {
            name.split_once('@')
                .is_some_and(|(found, _)| found == id.as_str())
        };
        let entries = dir.entries()?.into_iter();
        let directories =
            entries.filter(|entry| entry.kind == Kind::Directory && is_it(&entry.name));
        Ok(directories.map(|entry| entry.name).collect())
    }
}

fn directory_name(id: &CatalogId, first_root: Sha256Digest) -> String {
    format!("{id}@{}", first_root.short(DIGITS))
}
