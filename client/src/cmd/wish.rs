//! What a command line wants of an extension that may be new to this host: what `install` and `import` share.

use std::str::FromStr;

use sysext_formats::name::{CatalogId, Channel, ExtensionName};

use crate::config::{self, Extension, VersionConstraint};
use crate::failure::Failure;
use crate::session::{Catalogs, Session};

/// `NAME[@VERSION]`
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) name: ExtensionName,
    pub(super) version: Option<VersionConstraint>,
}

impl FromStr for Request {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        let version = version
            .map(|version| version.parse().map_err(|error| format!("{error}")))
            .transpose()?;
        Ok(Self {
            name: name.parse().map_err(|error| format!("{error}"))?,
            version,
        })
    }
}

/// The catalog to take an extension from: the one that is named, the one it is bound to, or the only one that offers it.
pub(super) fn catalog_of(
    session: &Session,
    catalogs: &Catalogs,
    name: &ExtensionName,
    from: Option<&CatalogId>,
) -> Result<CatalogId, Failure> {
    let bound = session
        .config
        .extensions
        .get(name)
        .and_then(|extension| extension.wish.catalog.as_ref());
    match from.or(bound) {
        Some(catalog) => Ok(catalog.clone()),
        None => only_offer(catalogs, name),
    }
}

/// What is wanted of an extension, begun with the defaults where nothing was.
pub(super) fn wanted<'a>(session: &'a mut Session, name: &ExtensionName) -> &'a mut Extension {
    let directory = session.root.path("/etc/sysext-fetch/extensions.d");
    session
        .config
        .extensions
        .entry(name.clone())
        .or_insert_with(|| Extension {
            name: name.clone(),
            wish: config::Wish::default(),
            file: directory.join(format!("{name}.toml")),
        })
}

/// What a command line changes of a wish.
#[derive(Debug)]
pub(super) struct Edit {
    pub(super) catalog: CatalogId,
    pub(super) channel: Option<Channel>,
    pub(super) version: Option<VersionConstraint>,
}

impl Edit {
    pub(super) fn apply(&self, wish: &mut config::Wish) {
        wish.catalog = Some(self.catalog.clone());
        wish.enabled = true;
        if let Some(channel) = &self.channel {
            wish.channel = channel.clone();
        }
        if let Some(version) = &self.version {
            wish.version = version.clone();
            // Whoever asks for a version by name wants it now.
            if let VersionConstraint::Exactly(version) = version {
                wish.skip.retain(|skipped| skipped != version);
            }
        }
    }

    pub(super) fn values(&self) -> Vec<(&'static str, toml_edit::Value)> {
        let mut values = vec![
            ("catalog", self.catalog.as_str().into()),
            ("enabled", true.into()),
        ];
        values.extend(
            self.channel
                .as_ref()
                .map(|channel| ("channel", channel.as_str().into())),
        );
        values.extend(
            self.version
                .as_ref()
                .map(|version| ("version", version.to_string().into())),
        );
        values
    }
}

/// The one catalog that offers `name`; two are never guessed between.
fn only_offer(catalogs: &Catalogs, name: &ExtensionName) -> Result<CatalogId, Failure> {
    let fresh = || {
        catalogs
            .iter()
            .filter_map(|(id, catalog)| Some((id, catalog.as_ref().ok()?)))
    };
    let offering: Vec<_> = fresh()
        .filter(|(_, catalog)| catalog.offers(name))
        .map(|(id, _)| id)
        .collect();
    match offering.as_slice() {
        [id] => Ok((*id).clone()),
        [first, ..] => {
            let names: Vec<_> = offering.iter().map(|id| format!("\"{id}\"")).collect();
            let failure = Failure::usage(format!(
                "{name} is offered by the catalogs {}",
                names.join(" and ")
            ));
            Err(failure.hint(format!(
                "say which: sysext-fetch install {name} --from {first}"
            )))
        }
        [] => Err(nobody_offers(catalogs, name)),
    }
}

pub(super) fn nobody_offers(catalogs: &Catalogs, name: &ExtensionName) -> Failure {
    if catalogs.is_empty() {
        let failure = Failure::usage(format!(
            "{name} can not be found: this host knows no catalog"
        ));
        return failure.hint("sysext-fetch catalog add URL#sha256=HEX");
    }
    let failed: Vec<_> = catalogs
        .values()
        .filter_map(|catalog| catalog.as_ref().err())
        .collect();
    if let Some(problem) = failed.first() {
        let mut failure = Failure::from(*problem);
        failure
            .messages
            .insert(0, format!("{name} is in no catalog that could be read"));
        return failure;
    }
    let ids: Vec<_> = catalogs.keys().map(|id| format!("\"{id}\"")).collect();
    let failure = Failure::usage(format!(
        "no catalog offers {name}; looked into {}",
        ids.join(", ")
    ));
    failure.hint("sysext-fetch search shows what there is")
}
