//! Changing what is wanted of installed extensions, and making it so: what `set`, `enable`, `hold`, `skip` and their
//! opposites share.
//!
//! As with `install`, a file is written only after what it leads to was planned and fetched.

use std::collections::BTreeSet;
use std::process::ExitCode;

use sysext_formats::name::{CatalogId, ExtensionName};
use sysext_formats::version::Version;
use toml_edit::Value;

use crate::cli::Global;
use crate::config::edit::{self, EditError};
use crate::config::{Extension, Wish};
use crate::failure::{Failure, Kind};
use crate::plan::{Plan, UnlinkReason};
use crate::reconcile::{self, Caller, Options, Planned};
use crate::root::Root;
use crate::session::Session;
use crate::ui::Ui;

/// A change of what is wanted of an extension.
#[derive(Debug)]
pub(super) enum Edit {
    /// Members with their new values.
    Values(Vec<(&'static str, Value)>),
    /// These versions are not to be chosen.
    Skip(Vec<Version>),
    /// These versions may be chosen again; all, where none is named.
    Unskip(Vec<Version>),
}

impl Edit {
    /// One member.
    pub(super) fn value(key: &'static str, value: impl Into<Value>) -> Self {
        Self::Values(vec![(key, value.into())])
    }

    /// Whether another image may have to be chosen. Holding one, and what only counts later, needs no catalog.
    fn selects(&self) -> bool {
        const SELECTING: [&str; 6] = [
            "catalog", "channel", "version", "enabled", "skip", "min-age",
        ];
        match self {
            Self::Values(values) => values.iter().any(|(key, value)| {
                SELECTING.contains(key) || (*key == "hold" && value.as_bool() != Some(true))
            }),
            Self::Skip(_) | Self::Unskip(_) => true,
        }
    }

    /// The wish with the change, checked as if it had been read from the file.
    fn apply(&self, wish: &Wish) -> Result<Wish, Failure> {
        match self {
            Self::Values(values) => with_values(wish, values),
            Self::Skip(versions) => {
                let mut wish = wish.clone();
                for version in versions {
                    if !wish.skip.contains(version) {
                        wish.skip.push(version.clone());
                    }
                }
                Ok(wish)
            }
            Self::Unskip(versions) => {
                let mut wish = wish.clone();
                wish.skip
                    .retain(|version| !versions.is_empty() && !versions.contains(version));
                Ok(wish)
            }
        }
    }

    /// Writes the change of `extension`, as it was before; whether any file changed.
    fn write(&self, root: &Root, extension: &Extension) -> Result<bool, EditError> {
        match self {
            Self::Values(values) => edit::set_extension(root, &extension.name, values),
            Self::Skip(versions) => edit::skip_all(root, extension, versions, "skipped by hand"),
            Self::Unskip(versions) => edit::unskip(root, extension, versions),
        }
    }
}

/// Changes the wish of installed extensions and reconciles them.
pub(super) fn change(
    global: &Global,
    ui: Ui,
    command: &str,
    names: &[ExtensionName],
    edit: &Edit,
) -> Result<ExitCode, Failure> {
    let mut session = Session::open_to_change(global, ui)?;
    let mut before = Vec::new();
    for name in names {
        let Some(extension) = session.config.extensions.get_mut(name) else {
            let failure = Failure::usage(format!("{name} is not installed"));
            return Err(failure.hint(format!("sysext-fetch install {name}")));
        };
        before.push(extension.clone());
        extension.wish = edit.apply(&extension.wish)?;
        let wish = extension.wish.clone();
        wish.catalog
            .iter()
            .try_for_each(|id| known_catalog(&session, id))?;
    }
    let planned = planned(&session, names, edit)?;
    let staged = reconcile::stage_all(&session, planned)?;
    reconcile::all_or_nothing(
        staged.plan(),
        "nothing was changed, and no configuration was written",
    )?;
    let mut written = false;
    for extension in &before {
        written |= edit.write(&session.root, extension)?;
    }
    let outcome = reconcile::activate(&session, staged, Caller::Person)?;
    Ok(outcome
        .with_configuration(written)
        .report(&session, command))
}

/// What a change leads to. Taking a link away needs no catalog.
fn planned(session: &Session, names: &[ExtensionName], edit: &Edit) -> Result<Planned, Failure> {
    let mut plan = Plan::default();
    let linked = session.linked()?;
    let enabled: BTreeSet<_> = names
        .iter()
        .filter(|name| is_enabled(session, name))
        .cloned()
        .collect();
    if edit.selects() && !enabled.is_empty() {
        return reconcile::plan(session, &Options::typed(names.iter().cloned().collect()));
    }
    for name in names.iter().filter(|name| !enabled.contains(*name)) {
        if let Some(image) = linked.get(name) {
            plan.unlink(name, Some(image.version()), UnlinkReason::Disabled);
        }
    }
    Ok(plan.into())
}

fn is_enabled(session: &Session, name: &ExtensionName) -> bool {
    session
        .config
        .extensions
        .get(name)
        .is_some_and(|extension| extension.wish.enabled)
}

/// A binding to a catalog that this host does not know would stop every later update.
pub(super) fn known_catalog(session: &Session, id: &CatalogId) -> Result<(), Failure> {
    if session.config.catalogs.contains_key(id) {
        return Ok(());
    }
    let known: Vec<_> = session
        .config
        .catalogs
        .keys()
        .map(|id| format!("\"{id}\""))
        .collect();
    let failure = Failure::usage(format!("this host knows no catalog \"{id}\""));
    Err(if known.is_empty() {
        failure.hint("sysext-fetch catalog add URL#sha256=HEX")
    } else {
        failure.hint(format!("it knows {}", known.join(", ")))
    })
}

/// The wish with some members changed.
fn with_values(wish: &Wish, values: &[(&'static str, Value)]) -> Result<Wish, Failure> {
    let text = toml::to_string(wish).map_err(|error| Failure::of(Kind::Failed, &error))?;
    let mut document: toml_edit::DocumentMut = text
        .parse()
        .map_err(|error| Failure::of(Kind::Failed, &error))?;
    for (key, value) in values {
        document.insert(key, toml_edit::value(value.clone()));
    }
    toml::from_str(&document.to_string())
        .map_err(|error| Failure::usage(error.message().to_owned()))
}
