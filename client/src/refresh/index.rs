//! The indexes of the extensions that this host uses.
//!
//! - An extension's index is the role of its name on the way of TUF's ordinary search for `EXTENSION_`.
//! - Each image in it is looked up once more by its own path, over the roles that were read already: when another role
//!   comes first there, the image is none of this extension's.
//! - The documents of several extensions are fetched at once, and then verified one after the other, each for itself.

use std::collections::{BTreeMap, BTreeSet};

use sysext_formats::catalog::{Descriptor, ExtensionIndex, Ignored};
use sysext_formats::limits::Limits;
use sysext_formats::name::{ExtensionName, RoleName, TargetPath};
use sysext_formats::time::UtcTime;
use sysext_formats::trust::{Search, SearchStep, TargetsStage, TrustError};
use sysext_formats::workflow::{Fresh, RefreshError, RemoteFile};

use super::groups::is_group;
use super::remote::CatalogRemote;
use super::{Notes, RefreshProblem};
use crate::metadata_store::MetadataStore;

/// Extensions whose documents are fetched ahead before the first of them is verified: so many lie in memory. How many
/// requests there are at once is for [`CatalogRemote::fetch_ahead`].
pub(super) const BATCH: usize = 32;
/// An extension is in the table of contents, or in a group there.
const LEVELS: usize = 2;

pub(super) type Catalog<'a> = Fresh<CatalogRemote, &'a mut MetadataStore>;
pub(super) type Indexes = BTreeMap<ExtensionName, Result<ExtensionIndex, RefreshProblem>>;

/// What was read of the indexes.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) indexes: Indexes,
    pub(super) expires: BTreeMap<ExtensionName, UtcTime>,
}

/// Reads the indexes of `wanted`; where a mirror fails, the others are asked, from the one in use on.
pub(super) fn read_all(
    catalog: &mut Catalog<'_>,
    remote: Option<&CatalogRemote>,
    descriptor: &Descriptor,
    wanted: &BTreeSet<ExtensionName>,
    notes: &mut Notes<'_>,
) -> Read {
    let mut read = Read::default();
    let wanted: Vec<_> = wanted.iter().collect();
    for batch in wanted.chunks(BATCH) {
        if let Some(remote) = remote {
            let names = batch.iter().filter(|name| descriptor.may_provide(name));
            fetch_ahead(catalog, remote, &names.copied().collect::<Vec<_>>());
        }
        for name in batch.iter().copied() {
            let index = if descriptor.may_provide(name) {
                from_any_mirror(catalog, remote, descriptor, name, notes)
            } else {
                Err(RefreshProblem::NotAllowed {
                    catalog: descriptor.id.clone(),
                    extension: name.clone(),
                    patterns: patterns(descriptor),
                })
            };
            let index = index.map(|(index, expires)| {
                read.expires.insert(name.clone(), expires);
                confirmed(index, catalog.stage())
            });
            read.indexes.insert(name.clone(), index);
        }
    }
    read
}

/// Has the documents on the way to several extensions ready, so that finding each costs no round trip: first those that
/// are next for any of them, then those that the groups among them lead to.
fn fetch_ahead(catalog: &mut Catalog<'_>, remote: &CatalogRemote, names: &[&ExtensionName]) {
    remote.forget_ahead();
    if names.len() < 2 {
        return;
    }
    for _ in 0..LEVELS {
        let mut needed = Vec::new();
        for name in names {
            let Ok(path) = path_of(name) else { continue };
            let role = RoleName::from(*name);
            let next = catalog.needed(&path, |found| found.role.as_ref() == Some(&role));
            needed.extend(next.filter(|next| !needed.contains(next)));
        }
        remote.fetch_ahead(&needed);
        let groups = needed.iter().filter(|needed| remote.is_ahead(&needed.file));
        let groups: Vec<_> = groups.filter_map(|needed| group(&needed.file)).collect();
        if groups.is_empty() {
            return;
        }
        for group in groups {
            // One that does not verify is fetched once more, by the search that needs it.
            let _ = catalog.delegated(group);
        }
    }
}

/// The role of a document that is a group.
fn group(file: &RemoteFile) -> Option<&RoleName> {
    match file {
        RemoteFile::Targets(Some(role), _) if is_group(role) => Some(role),
        _ => None,
    }
}

/// What an extension's files are called, as far as the search for its index goes by it.
fn path_of(name: &ExtensionName) -> Result<TargetPath, impl Sized> {
    format!("{name}_").parse::<TargetPath>()
}

fn patterns(descriptor: &Descriptor) -> String {
    let patterns: Vec<_> = descriptor
        .extensions
        .iter()
        .map(ToString::to_string)
        .collect();
    if patterns.is_empty() {
        "nothing".to_owned()
    } else {
        patterns.join(", ")
    }
}

type Found = (ExtensionIndex, UtcTime);

fn from_any_mirror(
    catalog: &mut Catalog<'_>,
    remote: Option<&CatalogRemote>,
    descriptor: &Descriptor,
    name: &ExtensionName,
    notes: &mut Notes<'_>,
) -> Result<Found, RefreshProblem> {
    let Some(remote) = remote else {
        return find(catalog, descriptor, name);
    };
    let first = remote.current();
    let mut worst: Option<RefreshProblem> = None;
    for offset in 0..remote.count() {
        let mirror = (first + offset) % remote.count();
        remote.switch_to(mirror);
        match find(catalog, descriptor, name) {
            Err(problem) if is_of_the_mirror(&problem) => {
                notes.mirror(mirror, &problem);
                if worst
                    .as_ref()
                    .is_none_or(|worst| problem.kind() > worst.kind())
                {
                    worst = Some(problem);
                }
            }
            result => return result,
        }
    }
    Err(worst.unwrap_or_else(|| RefreshProblem::Missing(format!("{name}.json"))))
}

/// What is signed is the same on every mirror.
fn is_of_the_mirror(problem: &RefreshProblem) -> bool {
    problem.is_of_the_mirror()
        && !matches!(
            problem,
            RefreshProblem::NotOffered { .. }
                | RefreshProblem::NotPublished { .. }
                | RefreshProblem::Content(_)
                | RefreshProblem::Overdue(_)
        )
}

fn find(
    catalog: &mut Catalog<'_>,
    descriptor: &Descriptor,
    name: &ExtensionName,
) -> Result<Found, RefreshProblem> {
    let not_offered = || RefreshProblem::NotOffered {
        catalog: descriptor.id.clone(),
        extension: name.clone(),
    };
    let role = RoleName::from(name);
    let path = path_of(name).map_err(|_| not_offered())?;
    let mut index = None;
    let searched = catalog.search(&path, |found| {
        if found.role.as_ref() == Some(&role) {
            let read = ExtensionIndex::read(name, found.document);
            index = Some(read.map(|index| (index, found.document.expires)));
        }
        index.is_some()
    });
    searched.map_err(|error| match error {
        // Delegated to, and not there yet: nobody has done anything wrong.
        RefreshError::Trust(TrustError::NotInSnapshot { role }) if role == name.as_str() => {
            RefreshProblem::NotPublished {
                catalog: descriptor.id.clone(),
                extension: name.clone(),
            }
        }
        error => error.into(),
    })?;
    Ok(index.ok_or_else(not_offered)??)
}

/// The index without the images for which another role speaks.
fn confirmed(mut index: ExtensionIndex, stage: &TargetsStage) -> ExtensionIndex {
    let role = RoleName::from(&index.name);
    let (images, refused): (Vec<_>, Vec<_>) = index
        .images
        .into_iter()
        .map(|image| {
            let speaker = speaker(stage, &TargetPath::from(&image.file));
            (image, speaker)
        })
        .partition(|(_, speaker)| speaker.as_deref() == Ok(role.as_str()));
    index.images = images.into_iter().map(|(image, _)| image).collect();
    index
        .ignored
        .extend(refused.into_iter().map(|(image, speaker)| {
            let reason = match speaker {
                Ok(other) => format!("the role {other} speaks for this file before {role} does"),
                Err(reason) => reason,
            };
            Ignored {
                file: image.file.to_string(),
                reason,
            }
        }));
    index
}

/// The role that TUF's search finds for `path` first, as far as the roles are read.
fn speaker(stage: &TargetsStage, path: &TargetPath) -> Result<String, String> {
    let mut search = Search::new(path.clone(), Limits::default().roles_per_lookup);
    loop {
        match search.step(stage) {
            Ok(SearchStep::Visit {
                role,
                target: Some(_),
                ..
            }) => {
                return Ok(role.map_or_else(|| "targets".to_owned(), |role| role.to_string()));
            }
            Ok(SearchStep::Visit { .. }) => {}
            Ok(SearchStep::Needs(request)) => {
                let name = request.name();
                return Err(format!(
                    "the role {name} may speak for this file, though not for its extension"
                ));
            }
            Ok(SearchStep::End) => {
                return Err("no role that may speak for this file lists it".to_owned());
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}
