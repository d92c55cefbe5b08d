//! Changing the configuration: what an editor would do, with the comments kept.
//!
//! - Only files below `/etc` are written, and only when something changes.
//! - A change to what the distribution ships becomes a drop-in, `NAME.toml.d/50-cli.toml`; removing it becomes a link to
//!   `/dev/null`.
//! - After a change the configuration is read again: a stronger drop-in that makes the change meaningless is an error.

mod skip;

use std::collections::{BTreeMap, btree_map};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use sysext_durable::{Dir, Kind, checkpoint};
use sysext_formats::catalog::Descriptor;
use sysext_formats::name::{CatalogId, ExtensionName, NamePattern};
use toml_edit::{Array, DocumentMut, Item, Value};

pub use self::skip::{skip, skip_all, unskip};
use super::ConfigError;
use super::files::{Files, Layer, Layers, MAX_FILE};
use super::load::{CATALOGS, EXTENSIONS, table};
use crate::root::{DIRECTORY_MODE, Root};

const FILE_MODE: u32 = 0o644;
/// What a file begins with that this program begins.
const HEADER: &str = "# Written by sysext-fetch. Comments and other changes are kept.\n\n";
const DROP_IN: &str = "50-cli.toml";

/// Why the configuration was not changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// What is there can not be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The file can not be written.
    #[error(transparent)]
    Write(#[from] sysext_durable::Error),
    /// There is no such catalog or extension.
    #[error("{0} is not configured")]
    Unknown(String),
    /// A stronger file says something else.
    #[error("{key} was set in {}, but {} sets it too and is stronger", written.display(), stronger.display())]
    Overridden {
        /// The member.
        key: String,
        /// Where it was set.
        written: PathBuf,
        /// Which file is stronger.
        stronger: PathBuf,
    },
    /// The result would be too long to be read back.
    #[error("{} would be longer than {MAX_FILE} bytes", .0.display())]
    TooLong(PathBuf),
}

/// Writes down a catalog; whether anything changed.
///
/// # Errors
/// When it can not be written, or a stronger file contradicts.
pub fn write_catalog(root: &Root, descriptor: &Descriptor) -> Result<bool, EditError> {
    let strings = |texts: Vec<String>| Value::Array(texts.into_iter().collect());
    let mut members: Vec<(&str, Value)> = vec![
        (
            "schema",
            i64::try_from(descriptor.schema).unwrap_or(i64::MAX).into(),
        ),
        ("id", descriptor.id.as_str().into()),
    ];
    if !descriptor.title.is_empty() {
        members.push(("title", descriptor.title.as_str().into()));
    }
    members.push((
        "url",
        strings(descriptor.url.iter().map(ToString::to_string).collect()),
    ));
    if let Some(url) = &descriptor.images_url {
        members.push(("images-url", url.as_str().into()));
    }
    members.push((
        "extensions",
        strings(
            descriptor
                .extensions
                .iter()
                .map(ToString::to_string)
                .collect(),
        ),
    ));
    let version = i64::try_from(descriptor.root_version.get()).unwrap_or(i64::MAX);
    members.push(("root-version", version.into()));
    if let Some(digest) = descriptor.root_sha256 {
        members.push(("root-sha256", digest.to_string().into()));
    }
    Entry::catalog(root, &descriptor.id)?.set(&members)
}

/// Forgets a catalog; whether anything changed.
///
/// # Errors
/// When it can not be written.
pub fn remove_catalog(root: &Root, id: &CatalogId) -> Result<bool, EditError> {
    let removed = Entry::catalog(root, id)?.remove()?;
    let [etc, ..] = root.configuration();
    if let Some(dir) = Dir::open_existing(&etc.join(CATALOGS))? {
        dir.remove(&format!("{id}.root.json"))?;
    }
    Ok(removed)
}

/// Says which extensions a catalog may provide; whether anything changed.
///
/// # Errors
/// When there is no such catalog, or it can not be written.
pub fn narrow_catalog(
    root: &Root,
    id: &CatalogId,
    patterns: &[NamePattern],
) -> Result<bool, EditError> {
    let entry = Entry::catalog(root, id)?;
    if !entry.layers.exist() {
        return Err(EditError::Unknown(id.to_string()));
    }
    let patterns: Array = patterns.iter().map(NamePattern::as_str).collect();
    entry.set(&[("extensions", patterns.into())])
}

/// Says something about an extension, which is wanted from then on; whether anything changed.
///
/// # Errors
/// When it can not be written, or a stronger file contradicts.
pub fn set_extension(
    root: &Root,
    name: &ExtensionName,
    members: &[(&str, Value)],
) -> Result<bool, EditError> {
    Entry::extension(root, name)?.set(members)
}

/// Forgets that an extension is wanted; whether anything changed.
///
/// # Errors
/// When it can not be written.
pub fn remove_extension(root: &Root, name: &ExtensionName) -> Result<bool, EditError> {
    Entry::extension(root, name)?.remove()
}

/// A catalog or an extension in the configuration.
#[derive(Debug)]
struct Entry<'a> {
    root: &'a Root,
    folder: &'static str,
    name: String,
    layers: Layers,
}

impl<'a> Entry<'a> {
    fn catalog(root: &'a Root, id: &CatalogId) -> Result<Self, EditError> {
        Self::read(root, CATALOGS, id.to_string())
    }

    fn extension(root: &'a Root, name: &ExtensionName) -> Result<Self, EditError> {
        Self::read(root, EXTENSIONS, name.to_string())
    }

    fn read(root: &'a Root, folder: &'static str, name: String) -> Result<Self, EditError> {
        let layers = Files::open(root)?.layers(&format!("{folder}/{name}"))?;
        Ok(Self {
            root,
            folder,
            name,
            layers,
        })
    }

    /// Where files of ours are: the strongest directory.
    fn directory(&self) -> PathBuf {
        let [etc, ..] = self.root.configuration();
        etc.join(self.folder)
    }

    fn main_name(&self) -> String {
        format!("{}.toml", self.name)
    }

    fn main(&self) -> PathBuf {
        self.directory().join(self.main_name())
    }

    fn set(mut self, members: &[(&str, Value)]) -> Result<bool, EditError> {
        let mut documents = BTreeMap::new();
        let mut changed = false;
        if !self.layers.exist() {
            changed = self.create(&mut documents)?;
        }
        let mut placed = Vec::new();
        for (key, value) in members {
            if self
                .effective(key)?
                .is_some_and(|(_, present)| same(&present, value))
            {
                continue;
            }
            let file = self.place(key)?;
            let document = match documents.entry(file.clone()) {
                btree_map::Entry::Occupied(entry) => entry.into_mut(),
                btree_map::Entry::Vacant(entry) => entry.insert(parse(&file, self.text(&file))?),
            };
            replace(document, key, value.clone());
            placed.push((*key, value, file));
        }
        for (file, document) in &documents {
            // A file that this program begins says so first.
            let begun = *file == self.main() && self.text(file).is_empty();
            let header = if begun { HEADER } else { "" };
            changed |= write(file, &format!("{header}{document}"))?;
        }
        let now = Self::read(self.root, self.folder, self.name)?;
        for (key, value, written) in placed {
            if let Some((stronger, present)) = now.effective(key)?
                && !same(&present, value)
            {
                let key = key.to_owned();
                return Err(EditError::Overridden {
                    key,
                    written,
                    stronger,
                });
            }
        }
        Ok(changed)
    }

    /// Makes it exist: takes away what hides it (the answer is whether that changed something), or begins a file.
    fn create(
        &mut self,
        documents: &mut BTreeMap<PathBuf, DocumentMut>,
    ) -> Result<bool, EditError> {
        let main = self.main();
        if self.shipped()? {
            Dir::create_all(&self.directory(), DIRECTORY_MODE)?.remove(&self.main_name())?;
            self.layers = Self::read(self.root, self.folder, self.name.clone())?.layers;
            return Ok(true);
        }
        documents.insert(main.clone(), DocumentMut::new());
        self.layers.main = Some(Layer {
            file: main,
            text: Some(String::new()),
        });
        Ok(false)
    }

    fn text(&self, file: &Path) -> &str {
        let mut texts = self.layers.texts();
        texts
            .find(|(path, _)| *path == file)
            .map_or("", |(_, text)| text)
    }

    /// Whether somebody else than the admin provides it.
    fn shipped(&self) -> Result<bool, EditError> {
        let directory = self.directory();
        let mains = Files::open(self.root)?.mains(&format!("{}/{}", self.folder, self.name))?;
        let mut others = mains
            .iter()
            .filter(|layer| !layer.file.starts_with(&directory));
        Ok(others
            .next()
            .is_some_and(|strongest| strongest.text.is_some()))
    }

    /// What counts for `key`, and the file that says it.
    fn effective(&self, key: &str) -> Result<Option<(PathBuf, toml::Value)>, EditError> {
        for (file, text) in self.layers.texts().rev() {
            if let Some(value) = table(file, text)?.remove(key) {
                return Ok(Some((file.to_owned(), value)));
            }
        }
        Ok(None)
    }

    /// Where `key` is changed: where it is said, when that is ours; else in our main file or drop-in.
    fn place(&self, key: &str) -> Result<PathBuf, EditError> {
        let main = self.main();
        let drop_ins = self.directory().join(format!("{}.d", self.main_name()));
        let said = self.effective(key)?.map(|(file, _)| file);
        let main_is_ours = self
            .layers
            .main
            .as_ref()
            .is_some_and(|layer| layer.file == main);
        Ok(match said {
            Some(file) if file == main || file.parent() == Some(&drop_ins) => file,
            None if main_is_ours => main,
            _ => drop_ins.join(DROP_IN),
        })
    }

    fn remove(self) -> Result<bool, EditError> {
        let existed = self.layers.exist();
        let directory = self.directory();
        let drop_ins = format!("{}.d", self.main_name());
        if self.shipped()? {
            if existed {
                let dir = Dir::create_all(&directory, DIRECTORY_MODE)?;
                dir.symlink(&self.main_name(), Path::new("/dev/null"))?;
                dir.remove_tree(&drop_ins)?;
            }
            return Ok(existed);
        }
        let Some(dir) = Dir::open_existing(&directory)? else {
            return Ok(false);
        };
        // The main file last: until then a second run finds the rest.
        dir.remove_tree(&drop_ins)?;
        dir.remove(&self.main_name())?;
        Ok(existed)
    }
}

fn same(present: &toml::Value, wanted: &Value) -> bool {
    let wanted = toml::from_str::<toml::Table>(&format!("value = {wanted}"));
    wanted.is_ok_and(|mut table| table.remove("value").as_ref() == Some(present))
}

/// Puts a value in the place of an old one, with the comments around it.
fn replace(document: &mut DocumentMut, key: &str, mut value: Value) {
    if let Some(old) = document.get(key).and_then(Item::as_value) {
        *value.decor_mut() = old.decor().clone();
    }
    document.insert(key, Item::Value(value));
}

fn parse(file: &Path, text: &str) -> Result<DocumentMut, EditError> {
    text.parse().map_err(|error: toml_edit::TomlError| {
        let before = error.span().and_then(|span| text.get(..span.start));
        EditError::Config(ConfigError::Content {
            file: file.to_owned(),
            line: before.map(|before| before.matches('\n').count() + 1),
            message: error.message().to_owned(),
        })
    })
}

/// Removes temporary files that crashed runs left where the admin's files are. The caller holds the lock.
///
/// # Errors
/// When one can not be removed.
pub fn sweep(root: &Root) -> Result<(), EditError> {
    let Some(main) = Dir::open_existing(&root.configuration()[0])? else {
        return Ok(());
    };
    sweep_below(&main)
}

fn sweep_below(dir: &Dir) -> Result<(), EditError> {
    dir.sweep()?;
    for entry in dir.entries()? {
        // `extensions.d`, and in it `NAME.toml.d`.
        if entry.kind == Kind::Directory && entry.name.ends_with(".d") {
            sweep_below(&dir.subdir(&entry.name)?)?;
        }
    }
    Ok(())
}

fn write(file: &Path, text: &str) -> Result<bool, EditError> {
    let (Some(directory), Some(name)) = (file.parent(), file.file_name().and_then(OsStr::to_str))
    else {
        return Ok(false);
    };
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_FILE {
        return Err(EditError::TooLong(file.to_owned()));
    }
    let dir = Dir::create_all(directory, DIRECTORY_MODE)?;
    // Something else than a file in its place, such as a link, is replaced.
    if matches!(dir.read(name, MAX_FILE), Ok(Some(bytes)) if bytes == text.as_bytes()) {
        return Ok(false);
    }
    dir.write(name, text.as_bytes(), FILE_MODE)?;
    checkpoint("configuration-written");
    Ok(true)
}
