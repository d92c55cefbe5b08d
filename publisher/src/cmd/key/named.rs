//! The keys that a person names: those that come, by where they are, and those that go, by what is known of them.

use std::path::Path;

use sysext_formats::key::{KeyId, PublicKey};
use sysext_formats::role::RoleKeys;

use crate::config::Office;
use crate::context::Context;
use crate::draft::{Catalog, DraftError};
use crate::failure::{Failure, Kind};
use crate::signer::{KeyRing, KeySource, SignerError, read_public_file};

/// A key that comes.
pub(super) struct NewKey {
    pub(super) public: PublicKey,
    /// Its source, where its private half is here.
    pub(super) source: Option<String>,
}

/// The key that a person means, out of those that there are.
pub(super) fn resolve(office: &Office, text: &str, keys: &[KeyId]) -> Result<KeyId, Failure> {
    let shown: Vec<_> = keys.iter().map(KeyId::short).collect();
    let file = Path::new(text.strip_prefix("file:").unwrap_or(text));
    let public = if file.extension().is_some_and(|extension| extension == "pub") {
        file.to_owned()
    } else {
        file.with_extension("pub")
    };
    let wanted = match read_public_file(&public) {
        Ok(Some(key)) => key.canonical_id().to_string(),
        _ => text.to_owned(),
    };
    let found: Vec<_> = keys
        .iter()
        .filter(|id| id.as_str().starts_with(&wanted) && !wanted.is_empty())
        .collect();
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(Failure::usage(format!(
            "no key of {office} is {text:?}; there are {}",
            shown.join(", ")
        ))
        .hint("`sysext-publish key list` shows which keys sign what")),
        many => Err(Failure::usage(format!(
            "{} keys of {office} begin with {text:?}: {}",
            many.len(),
            shown.join(", ")
        ))
        .hint("write more of the id")),
    }
}

/// The one key that there is.
pub(super) fn the_only(office: &Office, keys: &[KeyId]) -> Result<KeyId, Failure> {
    match keys {
        [one] => Ok(one.clone()),
        many => {
            let shown: Vec<_> = many.iter().map(KeyId::short).collect();
            Err(Failure::usage(format!(
                "{office} has {} keys: {}",
                many.len(),
                shown.join(", ")
            ))
            .hint("--old says which of them goes"))
        }
    }
}

/// A key by its source, or by its public half where the private one is somebody else's.
pub(super) fn new_key(context: &Context, text: &str) -> Result<NewKey, Failure> {
    if text.ends_with(".pub") && !text.starts_with("cmd:") {
        let path = Path::new(text.strip_prefix("file:").unwrap_or(text));
        let public =
            read_public_file(path)?.ok_or_else(|| SignerError::Missing(path.to_owned()))?;
        return Ok(NewKey {
            public,
            source: None,
        });
    }
    let source: KeySource = text
        .parse()
        .map_err(|error| Failure::of(Kind::Usage, &error))?;
    Ok(NewKey {
        public: KeyRing::new(context).public_key(&source)?,
        source: Some(source.to_string()),
    })
}

/// The keys of an office.
pub(super) fn keys_of(
    catalog: &Catalog,
    office: &Office,
    release: &[KeyId],
) -> Result<Vec<KeyId>, Failure> {
    let roles = &catalog.root.roles;
    let of = |keys: &RoleKeys| keys.keyids.clone();
    Ok(match office {
        Office::Root => of(&roles.root),
        Office::Online => of(&roles.timestamp),
        Office::Release if catalog.targets_by_root() => release.to_vec(),
        Office::Release => of(&roles.targets),
        Office::Extension(name) => {
            let keys = catalog.index_keys(name);
            of(keys.ok_or_else(|| DraftError::UnknownExtension(name.clone()))?)
        }
    })
}

/// The ids of those sources that are here.
pub(super) fn ids(ring: &KeyRing, sources: &[KeySource]) -> Vec<KeyId> {
    let key = |source| ring.public_key(source).ok();
    let keys = sources.iter().filter_map(key);
    keys.map(|key| key.canonical_id()).collect()
}
