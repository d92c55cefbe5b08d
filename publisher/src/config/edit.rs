//! Changing the configuration as a person would: comments, order and everything else stay.

use std::path::Path;

use sysext_formats::name::ExtensionName;
use toml_edit::{DocumentMut, InlineTable, Item, Table, value};

use super::{ConfigError, directory_of, read_text};

/// Members of an extension's table that a command sets; the others stay.
#[derive(Debug, Default)]
pub struct Members<'a> {
    /// Members with text.
    pub texts: Vec<(&'a str, &'a str)>,
}

/// The configuration with these members in the table of `name`, which is made where it is missing.
///
/// # Errors
/// When the text is no TOML.
pub fn with_extension(
    text: &str,
    name: &ExtensionName,
    members: &Members<'_>,
) -> Result<String, toml_edit::TomlError> {
    let mut document: DocumentMut = text.parse()?;
    let extensions = document.entry("extension").or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    let Some(extensions) = extensions.as_table_like_mut() else {
        // The reader of the configuration has refused this already.
        return Ok(text.to_owned());
    };
    if !extensions.contains_key(name.as_str()) {
        let mut table = Table::new();
        for member in ["key", "summary", "homepage", "license", "documentation"] {
            table.insert(member, value(""));
        }
        let mut channels = InlineTable::new();
        channels.insert("stable", "recommended".into());
        table.insert("channels", value(channels));
        extensions.insert(name.as_str(), Item::Table(table));
    }
    if let Some(table) = extensions
        .get_mut(name.as_str())
        .and_then(Item::as_table_like_mut)
    {
        for (member, text) in &members.texts {
            match table.get_mut(member).and_then(Item::as_value_mut) {
                Some(old) => {
                    let decor = old.decor().clone();
                    *old = (*text).into();
                    *old.decor_mut() = decor;
                }
                None => {
                    table.insert(member, value(*text));
                }
            }
        }
    }
    Ok(document.to_string())
}

/// Applies [`with_extension`] to the file at `path`; the answer is whether it changed.
///
/// # Errors
/// When it can not be read, edited or written.
pub fn extension(
    path: &Path,
    name: &ExtensionName,
    members: &Members<'_>,
) -> Result<bool, ConfigError> {
    let text = read_text(path)?;
    let new = with_extension(&text, name, members).map_err(|source| ConfigError::Edit {
        path: path.to_owned(),
        source,
    })?;
    if new == text {
        return Ok(false);
    }
    if let Some((dir, file)) = directory_of(path)? {
        dir.write(&file, new.as_bytes(), 0o644)?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_what_was_there_stay() {
        let text = "# mine\nid = \"a\" # why\n\n[extension.a] # ours\nsummary = \"old\" # told to people\nx = 1\n";
        let members = Members {
            texts: vec![
                ("summary", "new \"one\""),
                ("homepage", "https://x.example"),
            ],
        };
        let changed = with_extension(text, &"a".parse().unwrap(), &members).unwrap();
        assert_eq!(
            changed,
            "# mine\nid = \"a\" # why\n\n[extension.a] # ours\nsummary = 'new \"one\"' # told to people\nx = 1\n\
             homepage = \"https://x.example\"\n"
        );
        let added = with_extension(&changed, &"b.c".parse().unwrap(), &Members::default()).unwrap();
        assert!(added.starts_with(&changed), "{added}");
        assert!(
            added.contains("[extension.\"b.c\"]\nkey = \"\"\n"),
            "{added}"
        );
        assert_eq!(
            with_extension(&added, &"b.c".parse().unwrap(), &Members::default()).unwrap(),
            added
        );
    }
}
