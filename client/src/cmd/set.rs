//! `set`: change what is wanted of an extension; the file stays readable, with its comments.

use std::process::ExitCode;

use clap::Args;
use sysext_formats::name::ExtensionName;
use toml_edit::{Array, Value};

use crate::cli::Global;
use crate::config::{self, Wish};
use crate::failure::{Failure, Kind};
use crate::reconcile::{self, Caller, Options};
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
    }
    let mut changed = false;
    for name in names {
        changed |= config::edit::set_extension(&session.root, name, values)?;
    }
    let planned = reconcile::plan(&session, &Options::typed(names.iter().cloned().collect()))?;
    let staged = reconcile::stage_all(&session, planned)?;
    let mut outcome = reconcile::activate(&session, staged, Caller::Person)?;
    outcome.changed |= changed;
    Ok(outcome.report(&session, command))
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
