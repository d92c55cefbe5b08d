//! The list of versions that are not to be chosen again: `NAME.toml.d/90-skip.toml`, each with its reason as a comment.
//!
//! A drop-in replaces what weaker files list, so this one repeats it.

use std::collections::BTreeSet;

use sysext_formats::plain::one_line;
use sysext_formats::version::Version;
use toml_edit::{Array, Item, Value};

use super::{EditError, Entry, parse, write};
use crate::config::Extension;
use crate::root::Root;

const SKIP_DROP_IN: &str = "90-skip.toml";

/// Lists a version that is not to be chosen again, with the reason as a comment; whether anything changed.
///
/// # Errors
/// When it can not be written.
pub fn skip(
    root: &Root,
    extension: &Extension,
    version: &Version,
    reason: &str,
) -> Result<bool, EditError> {
    skip_all(root, extension, std::slice::from_ref(version), reason)
}

/// The same for several versions, all for one reason.
///
/// # Errors
/// When it can not be written.
pub fn skip_all(
    root: &Root,
    extension: &Extension,
    versions: &[Version],
    reason: &str,
) -> Result<bool, EditError> {
    let listed = &extension.wish.skip;
    let new: BTreeSet<_> = versions
        .iter()
        .filter(|version| !listed.contains(version))
        .collect();
    if new.is_empty() {
        return Ok(false);
    }
    edit_skip_list(root, extension, |list| {
        for version in new {
            list.push_formatted(on_own_line(version, reason));
        }
    })
}

/// Lets these versions, or all where none is named, be chosen again; whether anything changed.
///
/// # Errors
/// When it can not be written.
pub fn unskip(root: &Root, extension: &Extension, versions: &[Version]) -> Result<bool, EditError> {
    let meant = |listed: &str| {
        versions.is_empty() || versions.iter().any(|version| version.as_str() == listed)
    };
    let mut listed = extension.wish.skip.iter();
    if !listed.any(|version| meant(version.as_str())) {
        return Ok(false);
    }
    edit_skip_list(root, extension, |list| {
        list.retain(|item| !item.as_str().is_some_and(meant));
    })
}

/// Changes the list in the drop-in, which hides what weaker files list and therefore repeats it.
fn edit_skip_list(
    root: &Root,
    extension: &Extension,
    change: impl FnOnce(&mut Array),
) -> Result<bool, EditError> {
    let entry = Entry::extension(root, &extension.name)?;
    let drop_ins = entry.directory().join(format!("{}.d", entry.main_name()));
    let file = drop_ins.join(SKIP_DROP_IN);
    let mut document = parse(&file, entry.text(&file))?;
    let list = document.get("skip").and_then(Item::as_array);
    let mut list = list.cloned().unwrap_or_default();
    for version in &extension.wish.skip {
        let is_it = |item: &Value| item.as_str() == Some(version.as_str());
        if !list.iter().any(is_it) {
            list.push_formatted(on_own_line(version, "listed in a weaker file"));
        }
    }
    change(&mut list);
    list.set_trailing("\n");
    list.set_trailing_comma(true);
    document.insert("skip", Item::Value(Value::Array(list)));
    write(&file, &document.to_string())
}

fn on_own_line(version: &Version, reason: &str) -> Value {
    let reason: String = reason
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(400)
        .collect();
    // Who reads the file reads it in a terminal.
    let reason = one_line(&reason);
    Value::from(version.as_str()).decorated(format!("\n  # {reason}\n  "), "")
}
