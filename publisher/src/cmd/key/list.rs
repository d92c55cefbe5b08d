//! `key list`: the configured keys, and what each may sign.

use serde::Serialize;
use serde_json::json;
use sysext_formats::key::{KeyId, PublicKey};

use crate::context::{Context, Outcome, Verdict};
use crate::draft::Catalog;
use crate::session::Session;

#[derive(Serialize)]
struct Listed {
    source: String,
    id: Option<KeyId>,
    state: String,
    /// What it may sign.
    signs: Vec<String>,
}

/// Runs it.
///
/// # Errors
/// When the catalog can not be read.
pub(super) fn run(context: &Context) -> Outcome {
    let session = Session::open(context)?;
    let base = session.base(context)?;
    let mut published = session.published(context, base.as_ref())?;
    let catalog = published.whole_catalog()?;
    let keys = &session.config.keys;
    let own = session
        .config
        .extension
        .values()
        .flat_map(|extension| &extension.key);
    let mut sources: Vec<_> = keys
        .root
        .iter()
        .chain(&keys.release)
        .chain(&keys.online)
        .chain(own)
        .collect();
    let mut seen = std::collections::BTreeSet::new();
    sources.retain(|source| seen.insert(*source));
    let mut listed: Vec<_> = sources
        .into_iter()
        .map(|source| {
            let (key, state) = session.ring.describe(source);
            let id = key.as_ref().map(PublicKey::canonical_id);
            Listed {
                source: source.to_string(),
                signs: id
                    .as_ref()
                    .map(|id| signs(&catalog, id))
                    .unwrap_or_default(),
                id,
                state,
            }
        })
        .collect();
    // Keys of the catalog that the configuration has no source for.
    let delegated = catalog
        .tables()
        .flat_map(|(_, table)| table.delegations.iter().flat_map(|it| it.keys.keys()));
    let known: Vec<_> = listed.iter().filter_map(|entry| entry.id.clone()).collect();
    let mut others: Vec<_> = catalog
        .root
        .keys
        .keys()
        .chain(delegated)
        .filter(|id| !known.contains(id))
        .collect();
    others.sort();
    others.dedup();
    listed.extend(others.into_iter().map(|id| Listed {
        source: "-".to_owned(),
        signs: signs(&catalog, id),
        id: Some(id.clone()),
        state: "not configured, or not there".to_owned(),
    }));
    context.ui.data("key list", &json!({"keys": listed}), || {
        listed.iter().map(line).collect()
    });
    Ok(Verdict::Good)
}

/// The roles that a key may sign.
fn signs(catalog: &Catalog, id: &KeyId) -> Vec<String> {
    let roles = &catalog.root.roles;
    let top = [
        ("root", &roles.root),
        ("targets", &roles.targets),
        ("snapshot", &roles.snapshot),
        ("timestamp", &roles.timestamp),
    ];
    let top = top
        .into_iter()
        .filter(|(_, keys)| keys.keyids.contains(id))
        .map(|(name, _)| name.to_owned());
    let of_key = |name: &sysext_formats::name::ExtensionName| {
        catalog
            .index_keys(name)
            .is_some_and(|keys| keys.keyids.contains(id))
    };
    top.chain(
        catalog
            .extensions()
            .filter(of_key)
            .map(|name| name.to_string()),
    )
    .collect()
}

fn line(entry: &Listed) -> String {
    const SHOWN: usize = 8;
    let id = entry
        .id
        .as_ref()
        .map_or_else(|| "-".to_owned(), KeyId::short);
    let mut signs: Vec<_> = entry.signs.iter().take(SHOWN).cloned().collect();
    if entry.signs.len() > SHOWN {
        signs.push(format!("and {} more", entry.signs.len() - SHOWN));
    }
    let signs = if signs.is_empty() {
        "-".to_owned()
    } else {
        signs.join(", ")
    };
    format!(
        "{id:<12}  {:<32}  {signs} ({})\n",
        entry.source, entry.state
    )
}
