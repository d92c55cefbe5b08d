//! Changing the configuration as a person would: comments, order and everything else stay.

use std::path::Path;

use sysext_durable::Dir;
use sysext_formats::name::ExtensionName;
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, TableLike, TomlError, Value, value};
use url::Url;

use super::{ConfigError, Office, read_text};

/// A change to the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Sets members with text in the table of an extension, which is made where it is missing; the others stay.
    Extension {
        /// The extension.
        name: ExtensionName,
        /// Members and their text.
        members: Vec<(&'static str, String)>,
    },
    /// One more key source. An extension without sources of its own keeps those of the release key besides.
    AddSource {
        /// Whose.
        office: Office,
        /// The source.
        source: String,
    },
    /// One key source less, where it is there.
    RemoveSource {
        /// Whose.
        office: Office,
        /// The source.
        source: String,
    },
    /// Where hosts read the catalog.
    Urls(Vec<Url>),
}

/// The text of a configuration after these changes.
///
/// # Errors
/// When the text is no TOML.
pub fn apply(text: &str, edits: &[Edit]) -> Result<String, TomlError> {
    let mut document: DocumentMut = text.parse()?;
    for edit in edits {
        match edit {
            Edit::Extension { name, members } => set_members(&mut document, name, members),
            Edit::AddSource { office, source } => edit_sources(&mut document, office, |sources| {
                if !sources.contains(source) {
                    sources.push(source.clone());
                }
            }),
            Edit::RemoveSource { office, source } => {
                edit_sources(&mut document, office, |sources| {
                    sources.retain(|other| other != source);
                })
            }
            Edit::Urls(urls) => {
                let urls: Array = urls.iter().map(Url::as_str).collect();
                set(document.as_table_mut(), "url", urls.into());
            }
        }
    }
    Ok(document.to_string())
}

/// Applies changes to the file at `path`; the answer is whether it changed.
///
/// # Errors
/// When it can not be read, edited or written.
pub fn save(path: &Path, edits: &[Edit]) -> Result<bool, ConfigError> {
    let text = read_text(path)?;
    let new = apply(&text, edits).map_err(|source| ConfigError::Edit {
        path: path.to_owned(),
        source,
    })?;
    if new == text {
        return Ok(false);
    }
    if let Some((dir, file)) = Dir::of_existing_file(path)? {
        dir.write(&file, new.as_bytes(), 0o644)?;
    }
    Ok(true)
}

fn set_members(document: &mut DocumentMut, name: &ExtensionName, members: &[(&str, String)]) {
    let Some(table) = extension(document, name) else {
        return;
    };
    for (member, text) in members {
        set(table, member, text.as_str().into());
    }
}

/// The table of an extension, made where it is missing. `None` where something else stands in its place, which the reader
/// of the configuration refuses.
fn extension<'a>(
    document: &'a mut DocumentMut,
    name: &ExtensionName,
) -> Option<&'a mut dyn TableLike> {
    let extensions = document.entry("extension").or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    let extensions = extensions.as_table_like_mut()?;
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
    extensions.get_mut(name.as_str())?.as_table_like_mut()
}

fn edit_sources(document: &mut DocumentMut, office: &Office, edit: impl FnOnce(&mut Vec<String>)) {
    let release = sources(document.get("keys").and_then(|keys| keys.get("release")));
    let (table, member) = match office {
        Office::Extension(name) => (extension(document, name), "key"),
        Office::Root => (keys(document), "root"),
        Office::Release => (keys(document), "release"),
        Office::Online => (keys(document), "online"),
    };
    let Some(table) = table else {
        return;
    };
    let before = sources(table.get(member));
    let mut after = before.clone();
    // Without keys of its own, an extension is signed by the release key: that stays so beside the new one.
    if let (Office::Extension(_), true) = (office, after.is_empty()) {
        after.clone_from(&release);
    }
    let inherited = after.clone();
    edit(&mut after);
    if after == before || after == inherited {
        return;
    }
    let new = match after.as_slice() {
        [] => Value::from(""),
        [one] => Value::from(one.as_str()),
        many => Value::from(many.iter().map(String::as_str).collect::<Array>()),
    };
    set(table, member, new);
}

fn keys(document: &mut DocumentMut) -> Option<&mut dyn TableLike> {
    document.get_mut("keys")?.as_table_like_mut()
}

fn sources(item: Option<&Item>) -> Vec<String> {
    match item.and_then(Item::as_value) {
        Some(Value::String(one)) if one.value().is_empty() => Vec::new(),
        Some(Value::String(one)) => vec![one.value().clone()],
        Some(Value::Array(many)) => {
            let texts = many.iter().filter_map(Value::as_str);
            texts.map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

/// Sets a member; what stands around its old value stays.
fn set(table: &mut dyn TableLike, member: &str, new: Value) {
    match table.get_mut(member).and_then(Item::as_value_mut) {
        Some(old) => {
            let decor = old.decor().clone();
            *old = new;
            *old.decor_mut() = decor;
        }
        None => {
            table.insert(member, value(new));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(text: &str, edit: Edit) -> String {
        apply(text, &[edit]).unwrap()
    }

    #[test]
    fn comments_and_what_was_there_stay() {
        let text = "# mine\nid = \"a\" # why\n\n[extension.a] # ours\nsummary = \"old\" # told to people\nx = 1\n";
        let edit = |name: &str, members| Edit::Extension {
            name: name.parse().unwrap(),
            members,
        };
        let members = vec![
            ("summary", "new \"one\"".to_owned()),
            ("homepage", "https://x.example".to_owned()),
        ];
        let changed = after(text, edit("a", members));
        assert_eq!(
            changed,
            "# mine\nid = \"a\" # why\n\n[extension.a] # ours\nsummary = 'new \"one\"' # told to people\nx = 1\n\
             homepage = \"https://x.example\"\n"
        );
        let added = after(&changed, edit("b.c", Vec::new()));
        assert!(added.starts_with(&changed), "{added}");
        assert!(
            added.contains("[extension.\"b.c\"]\nkey = \"\"\n"),
            "{added}"
        );
    }

    #[test]
    fn key_sources_come_and_go_where_they_stand() {
        let text =
            "[keys]\nrelease = \"env:R\" # CI\nonline = \"env:O\"\n\n[extension.a]\nkey = \"\"\n";
        let add = |office: &str, source: &str| Edit::AddSource {
            office: office.parse().unwrap(),
            source: source.to_owned(),
        };
        let remove = |office: &str, source: &str| Edit::RemoveSource {
            office: office.parse().unwrap(),
            source: source.to_owned(),
        };
        let two = after(text, add("release", "file:r.pem"));
        assert!(
            two.contains("release = [\"env:R\", \"file:r.pem\"] # CI\n"),
            "{two}"
        );
        let one = after(&two, remove("release", "env:R"));
        assert!(one.contains("release = \"file:r.pem\" # CI\n"), "{one}");
        let root = after(text, add("root", "file:root.pem"));
        assert!(root.contains("root = \"file:root.pem\"\n"), "{root}");
        // An extension that the release key signs goes on being signed by it until that is taken away.
        let own = after(text, add("a", "env:A"));
        assert!(own.contains("key = [\"env:R\", \"env:A\"]\n"), "{own}");
        assert!(after(&own, remove("a", "env:R")).contains("key = \"env:A\"\n"));
        for same in [
            remove("a", "env:R"),
            add("online", "env:O"),
            remove("root", "env:X"),
        ] {
            assert_eq!(after(text, same.clone()), text, "{same:?}");
        }
    }
}
