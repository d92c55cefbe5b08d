//! What differs between the published documents and those of a draft, in words.
//!
//! It is found in the documents themselves, never taken from whoever made the draft: what a signer is shown is what the
//! signature will be over. A member for which there are no words is named ([`Change::Other`]), so that nothing differs
//! silently.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};
use sysext_formats::catalog::{ExtensionIndex, ExtensionInfo, Image};
use sysext_formats::key::KeyId;
use sysext_formats::name::ExtensionName;
use sysext_formats::role::{MetadataVersion, Role, RoleKeys, Root, TargetFile, Targets};
use sysext_formats::time::UtcTime;

mod contents;

use super::change::os_of;
use super::{Change, DocumentId, Draft, DraftError, Table};

/// What is new in one document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The role.
    pub role: String,
    /// Its new version.
    pub version: MetadataVersion,
    /// Until when it was good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_before: Option<UtcTime>,
    /// Until when it is good now.
    pub expires: UtcTime,
    /// What is new; a [`Change::Renewal`] when nothing else is.
    pub changes: Vec<Change>,
}

/// What is new in each document of a draft that people's keys sign: the table of contents, the indexes, the root.
///
/// # Errors
/// When a document can not be understood.
pub fn differences(draft: &Draft) -> Result<Vec<Difference>, DraftError> {
    let (before, after) = (&draft.before, &draft.catalog);
    let mut all = Vec::new();
    let mut contents = contents::differences(before, after)?;
    if draft.touched.targets {
        all.push(difference(
            &DocumentId::Targets,
            Some(&before.targets),
            &after.targets,
            contents.remove(&Table::Top).unwrap_or_default(),
        ));
    }
    for role in &draft.touched.groups {
        if let Some(new) = after.groups.get(role) {
            let changes = contents.remove(&Table::Group(role.clone()));
            all.push(difference(
                &DocumentId::Delegated(role.clone()),
                before.groups.get(role),
                new,
                changes.unwrap_or_default(),
            ));
        }
    }
    for name in &draft.touched.indexes {
        if let Some(new) = after.indexes.get(name) {
            let old = before.indexes.get(name);
            let changes = index(name, old, new)?;
            all.push(difference(&DocumentId::index(name), old, new, changes));
        }
    }
    if draft.touched.root {
        let changes = root(&before.root, &after.root);
        all.push(difference(
            &DocumentId::Root,
            Some(&before.root),
            &after.root,
            changes,
        ));
    }
    Ok(all)
}

fn difference<T: Role>(
    document: &DocumentId,
    old: Option<&T>,
    new: &T,
    mut changes: Vec<Change>,
) -> Difference {
    if changes.is_empty() && old.is_some() {
        changes.push(Change::Renewal {
            role: document.role().to_owned(),
            expires: new.expires(),
        });
    }
    Difference {
        role: document.role().to_owned(),
        version: new.version(),
        expires_before: old.map(Role::expires),
        expires: new.expires(),
        changes,
    }
}

fn root(old: &Root, new: &Root) -> Vec<Change> {
    let (from, to) = (&old.roles, &new.roles);
    let roles = [
        ("root", &from.root, &to.root),
        ("targets", &from.targets, &to.targets),
        ("snapshot", &from.snapshot, &to.snapshot),
        ("timestamp", &from.timestamp, &to.timestamp),
    ];
    let mut changes: Vec<_> = roles
        .into_iter()
        .filter_map(|(role, old, new)| keys(role, old, new))
        .collect();
    let mut members = Vec::new();
    if old.consistent_snapshot != new.consistent_snapshot {
        members.push("consistent_snapshot".to_owned());
    }
    members.extend(differing(&old.extra, &new.extra));
    members.extend(differing(&from.extra, &to.extra));
    // A key under its old id, with another value, would be a swap that the ids do not show.
    let swapped = |(id, key): (&KeyId, _)| new.keys.get(id).is_some_and(|other| other != key);
    if old.keys.iter().any(swapped) {
        members.push("keys".to_owned());
    }
    changes.extend(other("root", members));
    changes
}

fn index(
    name: &ExtensionName,
    old: Option<&Targets>,
    new: &Targets,
) -> Result<Vec<Change>, DraftError> {
    let mut changes = Vec::new();
    let said = ExtensionIndex::read(name, new)?;
    let none = BTreeMap::new();
    let from = old.map_or(&none, |old| &old.targets);
    let mut members = Vec::new();
    // In the order of the versions, oldest first: as they were added.
    for image in said.images.iter().rev() {
        match from.get(image.file.as_str()) {
            None => changes.push(gained(name, image)),
            Some(before) => changes.append(&mut described(name, before, image)?),
        }
    }
    for ignored in &said.ignored {
        let path = new
            .targets
            .iter()
            .find(|(path, _)| path.to_string() == ignored.file);
        if path.is_some_and(|(path, target)| from.get(path) != Some(target)) {
            members.push(format!("targets.{}", ignored.file));
        }
    }
    let (before, images) = match old {
        Some(old) => {
            let before = ExtensionIndex::read(name, old)?;
            (before.info, before.images)
        }
        None => {
            let extra = said.info.extra.clone();
            let info = ExtensionInfo {
                extra,
                ..ExtensionInfo::default()
            };
            (info, Vec::new())
        }
    };
    for path in from.keys().filter(|path| !new.targets.contains_key(*path)) {
        let image = images.iter().find(|it| it.file.as_str() == path.as_str());
        changes.push(Change::ImageGone {
            extension: name.clone(),
            version: image.map(|it| it.version.clone()),
            architecture: image.map(|it| it.architecture.clone()),
            os: image.and_then(os_of),
            file: path.to_string(),
        });
    }
    if let Some(retired) = said
        .info
        .retired
        .as_ref()
        .filter(|_| before.retired != said.info.retired)
    {
        changes.push(Change::Retired {
            extension: name.clone(),
            reason: retired.reason.clone(),
            successor: retired.successor.clone(),
        });
    } else if before.retired != said.info.retired {
        members.push("retired".to_owned());
    }
    let plain = |info: &ExtensionInfo| ExtensionInfo {
        retired: None,
        extra: Map::new(),
        ..info.clone()
    };
    if old.is_some() && plain(&before) != plain(&said.info) {
        let extension = Some(name.clone());
        changes.push(Change::Description { extension });
    }
    members.extend(differing(&before.extra, &said.info.extra));
    if let Some(old) = old {
        members.extend(differing(&old.extra, &new.extra));
    }
    if old.and_then(|old| old.delegations.as_ref()) != new.delegations.as_ref() {
        members.push("delegations".to_owned());
    }
    changes.extend(other(name.as_str(), members));
    Ok(changes)
}

fn gained(name: &ExtensionName, image: &Image) -> Change {
    let download = image
        .transports
        .iter()
        .map(|transport| transport.length)
        .min();
    Change::Image {
        extension: name.clone(),
        version: image.version.clone(),
        architecture: image.architecture.clone(),
        os: os_of(image),
        channels: image.channels.clone(),
        file: image.file.clone(),
        length: image.length,
        download: download.unwrap_or(image.length).min(image.length),
    }
}

/// What differs in an entry that is there already.
fn described(
    name: &ExtensionName,
    before: &TargetFile,
    image: &Image,
) -> Result<Vec<Change>, DraftError> {
    let after = image.to_target()?;
    let mut members = Vec::new();
    if before.length != after.length {
        members.push("length".to_owned());
    }
    if before.hashes != after.hashes {
        members.push("hashes".to_owned());
    }
    let sysext = |target: &TargetFile| {
        let custom = target.custom.as_ref();
        let member = custom.and_then(|custom| custom.get("sysext")?.as_object().cloned());
        member.unwrap_or_default()
    };
    let mut changes = Vec::new();
    for member in differing(&sysext(before), &sysext(&after)) {
        let (extension, file) = (name.clone(), image.file.to_string());
        match member.as_str() {
            "withdrawn" => changes.push(Change::Withdrawn {
                extension,
                file,
                reason: image.withdrawn.as_ref().map(|it| it.reason.clone()),
            }),
            "channels" => changes.push(Change::Channels {
                extension,
                file,
                channels: image.channels.clone(),
            }),
            "rollout" => changes.push(Change::Rollout {
                extension,
                file,
                rollout: image.rollout.clone(),
            }),
            _ => members.push(member),
        }
    }
    if !members.is_empty() {
        changes.push(Change::ImageDescription {
            extension: name.clone(),
            file: image.file.to_string(),
            members,
        });
    }
    Ok(changes)
}

pub(super) fn keys(role: &str, old: &RoleKeys, new: &RoleKeys) -> Option<Change> {
    let only_in = |one: &RoleKeys, other: &RoleKeys| -> Vec<String> {
        let ids = one.keyids.iter().filter(|id| !other.keyids.contains(id));
        ids.map(KeyId::short).collect()
    };
    (old != new).then(|| Change::Keys {
        role: role.to_owned(),
        added: only_in(new, old),
        removed: only_in(old, new),
        threshold: new.threshold.get(),
    })
}

pub(super) fn other(role: &str, members: Vec<String>) -> Option<Change> {
    (!members.is_empty()).then(|| Change::Other {
        role: role.to_owned(),
        members,
    })
}

/// The names of members that are in one only, or not the same.
pub(super) fn differing<'a>(
    old: &'a Map<String, Value>,
    new: &'a Map<String, Value>,
) -> impl Iterator<Item = String> + use<'a> {
    let gone = old.keys().filter(|name| !new.contains_key(*name));
    let other = new
        .iter()
        .filter(|(name, value)| old.get(*name) != Some(value));
    gone.chain(other.map(|(name, _)| name)).cloned()
}
