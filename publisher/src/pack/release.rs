//! Which hosts an image is for, and the extension-release file that says so.
//!
//! - A folder's own file is kept as it is; what was typed must agree with it.
//! - Else it is written: for every operating system where no program needs libraries of one, for the one that was named
//!   otherwise. Nothing is guessed: a program that needs libraries and no `--os-id` is an error.

use std::fmt;
use std::str::FromStr;

use sysext_formats::catalog::Architecture;
use sysext_formats::os::{Fields, MAX_RELEASE_FILE};

use super::tree::Tree;
use super::{PackError, Request, elf};

const DIRECTORY: &str = "usr/lib/extension-release.d";
const PREFIX: &str = "extension-release.";

/// A value of os-release that needs no quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OsField(String);

impl FromStr for OsField {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._~^+-".contains(&byte);
        if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err("1 to 64 of A-Z a-z 0-9 . _ ~ ^ + - are needed, as in /etc/os-release".to_owned())
        }
    }
}

impl fmt::Display for OsField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which hosts an image is for.
#[derive(Debug)]
pub(super) struct Target {
    /// What its extension-release says.
    pub(super) fields: Fields,
    /// The machines.
    pub(super) architecture: Architecture,
}

/// Decides which hosts the image is for, and sees to it that its extension-release says so.
pub(super) fn settle(tree: &mut Tree, request: &Request) -> Result<Target, PackError> {
    let name = request.name.as_str();
    let mut found: Vec<String> = tree.names_in(DIRECTORY);
    found.retain(|file| file.starts_with(PREFIX));
    if found
        .iter()
        .any(|file| file.strip_prefix(PREFIX) == Some(name))
    {
        return agree(tree, request);
    }
    if let Some(other) = found.first().and_then(|file| file.strip_prefix(PREFIX)) {
        return Err(PackError::ReleaseName {
            found: other.to_owned(),
            name: name.to_owned(),
        });
    }
    let dynamic = tree
        .programs
        .iter()
        .find(|(_, program)| !program.is_static());
    if let Some((path, program)) = dynamic {
        let needs = program.interpreter.clone();
        let needs = needs.unwrap_or_else(|| "shared libraries".to_owned());
        match &request.os_id {
            None => {
                let path = path.clone();
                return Err(PackError::Dynamic { path, needs });
            }
            Some(id) if id.0 == "_any" => tree.warnings.push(format!(
                "/{path} needs {needs}, and is packed for every operating system as --os-id _any says; \
                 a host that lacks it can not run the program"
            )),
            Some(_) => {}
        }
    }
    let architecture = architecture(tree, request)?;
    let mut fields = vec![(
        "ID",
        request.os_id.as_ref().map_or("_any", |id| id.0.as_str()),
    )];
    if let Some(version) = &request.os_version {
        fields.push(("VERSION_ID", version.0.as_str()));
    }
    fields.push(("ARCHITECTURE", architecture.as_str()));
    let text = fields
        .iter()
        .map(|(key, value)| format!("{key}={value}\n"))
        .collect();
    tree.add_text(&format!("{DIRECTORY}/{PREFIX}{name}"), text)?;
    let fields = fields
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    Ok(Target {
        fields,
        architecture,
    })
}

/// Holds what was typed, and the programs, against the folder's own file.
fn agree(tree: &Tree, request: &Request) -> Result<Target, PackError> {
    let name = request.name.as_str();
    let bytes = tree.read(
        &format!("{DIRECTORY}/{PREFIX}{name}"),
        MAX_RELEASE_FILE as u64,
    )?;
    let fields =
        Fields::parse(&bytes.unwrap_or_default()).map_err(|source| PackError::ReleaseFile {
            name: name.to_owned(),
            source,
        })?;
    let differs = |field, said: &str, key: &str| {
        let own = fields
            .get(key)
            .map_or_else(|| "missing".to_owned(), str::to_owned);
        PackError::Release {
            field,
            said: said.to_owned(),
            own,
            name: name.to_owned(),
        }
    };
    let typed = [
        (
            "--os-id",
            "ID",
            request.os_id.as_ref().map(|id| id.0.as_str()),
        ),
        (
            "--os-version",
            "VERSION_ID",
            request
                .os_version
                .as_ref()
                .map(|version| version.0.as_str()),
        ),
    ];
    for (option, key, said) in typed {
        if let Some(said) = said
            && fields.get(key) != Some(said)
        {
            return Err(differs(option, said, key));
        }
    }
    let architecture = architecture(tree, request)?;
    if let Some(own) = fields.get("ARCHITECTURE") {
        // Nothing was typed and no program is there: the file alone knows.
        if request.architecture.is_none() && tree.programs.is_empty() {
            let own = elf::systemd_name(own).unwrap_or(own);
            if let Ok(architecture) = own.parse() {
                return Ok(Target {
                    fields,
                    architecture,
                });
            }
        }
        if own != architecture.as_str() && elf::systemd_name(own) != Some(architecture.as_str()) {
            return Err(differs(
                "ARCHITECTURE, from --arch or the programs,",
                architecture.as_str(),
                "ARCHITECTURE",
            ));
        }
    }
    Ok(Target {
        fields,
        architecture,
    })
}

/// The architecture that was typed, else that of all programs, else every one.
fn architecture(tree: &Tree, request: &Request) -> Result<Architecture, PackError> {
    let mut known: Option<(&str, &str)> = None;
    for (path, program) in &tree.programs {
        match (&request.architecture, program.architecture, known) {
            (Some(_), None, _) => {}
            (None, None, _) => return Err(PackError::UnknownMachine(path.clone())),
            // What was typed must be true for something; firmware and test data of other machines may be there too.
            (Some(said), Some(found), _) if said.as_str() == found => return Ok(said.clone()),
            (Some(_), Some(found), _) | (None, Some(found), None) => known = Some((path, found)),
            (None, Some(found), Some((first, one))) if one != found => {
                return Err(PackError::Architectures {
                    first: first.to_owned(),
                    one: one.to_owned(),
                    second: path.clone(),
                    other: found.to_owned(),
                });
            }
            (None, Some(_), Some(_)) => {}
        }
    }
    match (&request.architecture, known) {
        (Some(said), Some((path, found))) => Err(PackError::Architecture {
            path: path.to_owned(),
            found: found.to_owned(),
            said: said.to_string(),
        }),
        (Some(said), None) => Ok(said.clone()),
        // The names in our own tables are architectures; "_any" is one too.
        (None, known) => known
            .map_or("_any", |(_, found)| found)
            .parse()
            .map_err(|_| PackError::UnknownMachine(String::new())),
    }
}
