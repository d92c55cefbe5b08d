//! Reading the whole configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::de::DeserializeOwned;
use sysext_formats::catalog::Descriptor;
use sysext_formats::limits::Limits;
use sysext_formats::name::{CatalogId, ExtensionName};

use super::files::{Files, Layers};
use super::{Catalog, ConfigError, Extension, Settings, Wish};
use crate::root::Root;

pub(super) const SETTINGS: &str = "sysext-fetch";
pub(super) const CATALOGS: &str = "catalogs.d";
pub(super) const EXTENSIONS: &str = "extensions.d";

/// Everything that the admin, the distribution and this program's own commands have said.
#[derive(Debug, Default)]
pub struct Config {
    /// `sysext-fetch.toml`; the defaults where it is broken.
    pub settings: Settings,
    /// `catalogs.d/ID.toml`.
    pub catalogs: BTreeMap<CatalogId, Catalog>,
    /// `extensions.d/NAME.toml`.
    pub extensions: BTreeMap<ExtensionName, Extension>,
    /// Broken files. The others count nevertheless.
    pub problems: Vec<ConfigError>,
    /// Why the settings are only the defaults: `sysext-fetch.toml` is broken.
    pub settings_problem: Option<ConfigError>,
    /// Extensions whose files are broken: what is wanted of them is unknown, which is not "nothing".
    pub unreadable: BTreeSet<ExtensionName>,
    /// Whether a directory of `extensions.d` could not be listed, so that any extension may be wanted.
    pub unlisted: bool,
}

impl Config {
    /// Reads the configuration of `root`.
    ///
    /// # Errors
    /// When the root itself can not be opened. Single files that are broken are in [`problems`](Self::problems).
    pub fn load(root: &Root) -> Result<Self, ConfigError> {
        let files = Files::open(root)?;
        let mut config = Self::default();
        match settings(&files) {
            Ok(settings) => config.settings = settings,
            Err(problem) => config.settings_problem = Some(problem),
        }
        let mut problems = Vec::new();
        for name in files.names(CATALOGS, &mut problems) {
            match catalog(&files, root, &name) {
                Ok(Some(catalog)) => {
                    config
                        .catalogs
                        .insert(catalog.descriptor.id.clone(), catalog);
                }
                Ok(None) => {}
                Err(problem) => problems.push(problem),
            }
        }
        let before = problems.len();
        let names = files.names(EXTENSIONS, &mut problems);
        config.unlisted = problems.len() > before;
        for name in names {
            match extension(&files, root, &name) {
                Ok(Some(extension)) => {
                    config.extensions.insert(extension.name.clone(), extension);
                }
                Ok(None) => {}
                Err(problem) => {
                    config.unreadable.extend(name.parse::<ExtensionName>());
                    problems.push(problem);
                }
            }
        }
        config.problems.append(&mut problems);
        Ok(config)
    }
}

/// The root beside a catalog's descriptor, `catalogs.d/ID.root.json`: for hosts that can not fetch it.
///
/// # Errors
/// When it can not be read.
pub fn shipped_root(root: &Root, id: &CatalogId) -> Result<Option<Vec<u8>>, ConfigError> {
    let name = format!("{CATALOGS}/{id}.root.json");
    Files::open(root)?.strongest_bytes(&name, Limits::default().root)
}

fn settings(files: &Files) -> Result<Settings, ConfigError> {
    let layers = files.layers(SETTINGS)?;
    let mut merged = toml::Table::new();
    for (file, text) in layers.texts() {
        checked::<Settings>(file, text)?;
        merge(&mut merged, table(file, text)?);
    }
    // Each part is valid, and members do not depend on each other.
    toml::Value::Table(merged)
        .try_into()
        .map_err(|error| ConfigError::toml(Path::new("sysext-fetch.toml"), "", &error))
}

pub(super) fn catalog(
    files: &Files,
    root: &Root,
    name: &str,
) -> Result<Option<Catalog>, ConfigError> {
    let id: CatalogId = parse_name(root, CATALOGS, name)?;
    let layers = files.layers(&format!("{CATALOGS}/{id}"))?;
    let Some((descriptor, file)) = merged_catalog(&layers)? else {
        return Ok(None);
    };
    let file = file.to_owned();
    if descriptor.id != id {
        return Err(ConfigError::OtherId {
            file,
            id: descriptor.id,
        });
    }
    if descriptor.root_sha256.is_none() {
        return Err(ConfigError::NoFingerprint { file, id });
    }
    Ok(Some(Catalog { descriptor, file }))
}

/// A descriptor is checked anew after each drop-in, so that the one at fault is named.
fn merged_catalog(layers: &Layers) -> Result<Option<(Descriptor, &Path)>, ConfigError> {
    let mut merged = toml::Table::new();
    let mut descriptor = None;
    if !layers.exist() {
        return Ok(None);
    }
    for (file, text) in layers.texts() {
        let part = table(file, text)?;
        let alone = merged.is_empty();
        merge(&mut merged, part);
        // The main file as it was written, for the sake of line numbers.
        let whole = if alone {
            text.to_owned()
        } else {
            merged.to_string()
        };
        descriptor = Some(
            Descriptor::parse(whole.as_bytes()).map_err(|error| match error {
                sysext_formats::catalog::DescriptorError::Toml(error) if alone => {
                    ConfigError::toml(file, text, &error)
                }
                error => ConfigError::Content {
                    file: file.to_owned(),
                    line: None,
                    message: match error {
                        sysext_formats::catalog::DescriptorError::Toml(error) => {
                            error.message().to_owned()
                        }
                        error => error.to_string(),
                    },
                },
            })?,
        );
    }
    let main = layers.main.as_ref().map(|main| main.file.as_path());
    Ok(descriptor.zip(main))
}

fn extension(files: &Files, root: &Root, name: &str) -> Result<Option<Extension>, ConfigError> {
    let name: ExtensionName = parse_name(root, EXTENSIONS, name)?;
    let layers = files.layers(&format!("{EXTENSIONS}/{name}"))?;
    let Some(main) = layers.main.as_ref().filter(|_| layers.exist()) else {
        return Ok(None);
    };
    let file = main.file.clone();
    let mut merged = toml::Table::new();
    for (file, text) in layers.texts() {
        checked::<Wish>(file, text)?;
        merge(&mut merged, table(file, text)?);
    }
    let wish = toml::Value::Table(merged)
        .try_into()
        .map_err(|error| ConfigError::toml(&file, "", &error))?;
    Ok(Some(Extension { name, wish, file }))
}

fn parse_name<T: std::str::FromStr<Err = sysext_formats::name::NameError>>(
    root: &Root,
    folder: &str,
    name: &str,
) -> Result<T, ConfigError> {
    name.parse().map_err(|source| {
        let [strongest, ..] = root.configuration();
        let file = strongest.join(folder).join(format!("{name}.toml"));
        ConfigError::Name { file, source }
    })
}

/// Checks one file alone, where everything in it is optional.
fn checked<T: DeserializeOwned>(file: &Path, text: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error| ConfigError::toml(file, text, &error))
}

pub(super) fn table(file: &Path, text: &str) -> Result<toml::Table, ConfigError> {
    checked(file, text)
}

/// The stronger file replaces what the weaker one says, member by member.
fn merge(merged: &mut toml::Table, stronger: toml::Table) {
    merged.extend(stronger);
}
