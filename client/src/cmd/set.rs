//! `set`: change what is wanted of an extension; the file stays readable, with its comments.

use std::process::ExitCode;

use clap::Args;
use sysext_formats::name::ExtensionName;
use toml_edit::{Array, Value};

use super::edit::{Edit, change};
use crate::cli::Global;
use crate::failure::Failure;
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
        change(global, ui, "set", &[self.name], &Edit::Values(values))
    }
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
