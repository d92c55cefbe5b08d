//! `set`: change what is wanted of an extension; the file stays readable, with its comments.
//!
//! As with `install`, the file is written only after what it leads to was planned and fetched.

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::Args;
use sysext_formats::name::{CatalogId, ExtensionName};
use toml_edit::{Array, Value};

use crate::cli::Global;
use crate::config::{self, Wish};
use crate::failure::{Failure, Kind};
use crate::plan::{Plan, UnlinkReason};
use crate::reconcile::{self, Caller, Options, Planned};
use crate::session::Session;
use crate::ui::Ui;

/// `set NAME KEY=VALUE…`
#[derive(Debug, Args)]
pub struct Set {
    /// The extension
    name: ExtensionName,
    /// catalog, channel, version, hold, enabled, apply, restart, on-incompatible, skip or min-age; lists with commas
    #[arg(required = true, value_name = "KEY=VALUE")]
    values: Vec<String>,
}

impl Set {
    /// Writes the change, then makes it so.
    ///
    /// # Errors
    /// When a key or value is wrong, the extension is not installed, or nothing could be done.
    pub fn run(self, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
        let values = self
            .values
            .iter()
            .map(|text| parse(text))
            .collect::<Result<Vec<_>, _>>()?;
        change(global, ui, "set", &[self.name], &values)
    }
}

/// Changes the wish of installed extensions and reconciles them.
pub(super) fn change(
    global: &Global,
    ui: Ui,
    command: &str,
    names: &[ExtensionName],
    values: &[(&'static str, Value)],
) -> Result<ExitCode, Failure> {
    let mut session = Session::open_to_change(global, ui)?;
    for name in names {
        let Some(extension) = session.config.extensions.get_mut(name) else {
            let failure = Failure::usage(format!("{name} is not installed"));
            return Err(failure.hint(format!("sysext-fetch install {name}")));
        };
        extension.wish = changed_wish(&extension.wish, values)?;
        let wish = extension.wish.clone();
        if !wish.min_age.0.is_zero() {
            ui.warn("min-age has no effect in this version");
        }
        wish.catalog
            .iter()
            .try_for_each(|id| known_catalog(&session, id))?;
    }
    let planned = planned(&session, names, values)?;
    let staged = reconcile::stage_all(&session, planned)?;
    reconcile::all_or_nothing(
        staged.plan(),
        "nothing was changed, and no configuration was written",
    )?;
    let mut written = false;
    for name in names {
        written |= config::edit::set_extension(&session.root, name, values)?;
    }
    let outcome = reconcile::activate(&session, staged, Caller::Person)?;
    Ok(outcome
        .with_configuration(written)
        .report(&session, command))
}

/// What a change leads to. Taking a link away, and what only counts later, needs no catalog.
fn planned(
    session: &Session,
    names: &[ExtensionName],
    values: &[(&'static str, Value)],
) -> Result<Planned, Failure> {
    const SELECTING: [&str; 6] = ["catalog", "channel", "version", "hold", "enabled", "skip"];
    let mut plan = Plan::default();
    let linked = session.linked()?;
    let selects = values.iter().any(|(key, _)| SELECTING.contains(key));
    let enabled: BTreeSet<_> = names
        .iter()
        .filter(|name| is_enabled(session, name))
        .cloned()
        .collect();
    if selects && !enabled.is_empty() {
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

/// The wish with the changes, checked as if it had been read from the file.
fn changed_wish(wish: &Wish, values: &[(&'static str, Value)]) -> Result<Wish, Failure> {
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

/// Reads the value of one key.
type Read = fn(&str) -> Option<Value>;

fn parse(text: &str) -> Result<(&'static str, Value), Failure> {
    const KEYS: [(&str, Read); 10] = [
        ("catalog", string),
        ("channel", string),
        ("version", string),
        ("hold", boolean),
        ("enabled", boolean),
        ("apply", string),
        ("restart", list),
        ("on-incompatible", string),
        ("skip", list),
        ("min-age", string),
    ];
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| Failure::usage(format!("{text:?} is not KEY=VALUE")))?;
    let Some((known, read)) = KEYS.iter().find(|(known, _)| *known == key) else {
        let known: Vec<_> = KEYS.iter().map(|(known, _)| *known).collect();
        return Err(Failure::usage(format!("there is no key {key:?}"))
            .hint(format!("keys are {}", known.join(", "))));
    };
    let value = read(value)
        .ok_or_else(|| Failure::usage(format!("{key}: {value:?} is neither true nor false")))?;
    Ok((known, value))
}

fn string(text: &str) -> Option<Value> {
    Some(text.into())
}

fn boolean(text: &str) -> Option<Value> {
    text.parse::<bool>().ok().map(Value::from)
}

fn list(text: &str) -> Option<Value> {
    Some(Value::Array(
        text.split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .collect::<Array>(),
    ))
}
