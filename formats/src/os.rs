//! os-release, extension-release, and systemd's rule for which image fits which host.
//!
//! - [`Fields`] parses both files as systemd does: shell-like assignments, quotes, backslash escapes.
//! - [`match_host`] is systemd's decision to the letter, with the field that decided; `ci/oracles` holds it against the
//!   real systemd-sysext.
//! - Where systemd versions differ, the newer one is followed: `ID_LIKE` counts (257.13 and later), so an image may fit
//!   here that systemd 252 leaves out, without harm: it skips such an image and merges the others.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Bytes of an os-release or extension-release file that are read at most.
pub const MAX_RELEASE_FILE: usize = 64 << 10;

/// The fields of an os-release or extension-release file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fields(BTreeMap<String, String>);

/// Why a text is not an os-release or extension-release file.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldsError {
    /// Longer than [`MAX_RELEASE_FILE`].
    #[error("it has {0} bytes; {MAX_RELEASE_FILE} are the most that is read")]
    TooLong(usize),
    /// Not UTF-8, or with a NUL inside.
    #[error("it is not UTF-8 text")]
    NotText,
}

impl Fields {
    /// Parses the content of a file. Lines without `=` and with keys that are no variable names are skipped, as systemd
    /// does; of two assignments the later one counts.
    ///
    /// # Errors
    /// When the text can not be read as assignments at all.
    pub fn parse(bytes: &[u8]) -> Result<Self, FieldsError> {
        if bytes.len() > MAX_RELEASE_FILE {
            return Err(FieldsError::TooLong(bytes.len()));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| FieldsError::NotText)?;
        if text.contains('\0') {
            return Err(FieldsError::NotText);
        }
        let mut reader = Reader::default();
        text.chars().for_each(|c| reader.feed(c));
        // The last line may lack its line break, and systemd takes a value whose quotes stay open.
        reader.end_of_value();
        Ok(Self(reader.fields))
    }

    /// The value of a field, where it is set and not empty.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0
            .get(key)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// The value of a field, where it is set at all.
    #[must_use]
    pub fn get_even_empty(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Whether no field is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All fields, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

/// The only operating system that an image is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BoundTo<'a> {
    /// Its `ID`.
    pub id: &'a str,
    /// `VERSION_ID`, where one is asked for.
    pub version: Option<&'a str>,
    /// `SYSEXT_LEVEL`, where one is asked for.
    pub level: Option<&'a str>,
}

impl<'a> BoundTo<'a> {
    /// Which of its releases, in one word.
    #[must_use]
    pub fn release(&self) -> Option<&'a str> {
        self.version.or(self.level)
    }
}

impl Fields {
    /// The operating system that an extension-release binds its image to; `None` where that is none in particular.
    #[must_use]
    pub fn bound_to(&self) -> Option<BoundTo<'_>> {
        Some(BoundTo {
            id: self.get("ID").filter(|id| *id != "_any")?,
            version: self.get("VERSION_ID"),
            level: self.get("SYSEXT_LEVEL"),
        })
    }
}

impl FromIterator<(String, String)> for Fields {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}

fn is_variable(key: &str) -> bool {
    key.bytes()
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Where in an assignment the reader stands.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Key,
    Comment,
    /// Before the value, or after a closing quote: quotes open here only.
    BeforeValue,
    Bare,
    BareEscape,
    Single,
    Double,
    DoubleEscape,
}

/// Reads assignments as systemd's `parse_env_file` does.
#[derive(Default)]
struct Reader {
    fields: BTreeMap<String, String>,
    state: State,
    key: String,
    value: String,
    /// Bytes of `value` that trailing white space does not eat.
    kept: usize,
}

impl Reader {
    fn feed(&mut self, c: char) {
        let line_break = matches!(c, '\n' | '\r');
        match (self.state, c) {
            (State::Key | State::Comment, _) if line_break => self.reset(),
            (State::Key, '#' | ';') if self.key.trim_start().is_empty() => {
                self.state = State::Comment
            }
            (State::Key, '=') => self.state = State::BeforeValue,
            (State::Key, _) => self.key.push(c),
            (State::Comment, _) => {}
            (State::BeforeValue | State::Bare, _) if line_break => self.end_of_value(),
            (State::BeforeValue, '\'') => self.state = State::Single,
            (State::BeforeValue, '"') => self.state = State::Double,
            (State::BeforeValue | State::Bare, '\\') => self.state = State::BareEscape,
            (State::BeforeValue, ' ' | '\t') => {}
            (State::Bare, ' ' | '\t') => self.value.push(c),
            (State::BeforeValue | State::Bare, _) => self.keep(State::Bare, c),
            (State::BareEscape | State::DoubleEscape, _) if line_break => {
                self.state = if self.state == State::BareEscape {
                    State::Bare
                } else {
                    State::Double
                };
            }
            (State::BareEscape, _) => self.keep(State::Bare, c),
            (State::Single, '\'') | (State::Double, '"') => self.state = State::BeforeValue,
            (State::Double, '\\') => self.state = State::DoubleEscape,
            (State::Single | State::Double, _) => self.keep(self.state, c),
            (State::DoubleEscape, '"' | '\\' | '`' | '$') => self.keep(State::Double, c),
            (State::DoubleEscape, _) => {
                self.value.push('\\');
                self.keep(State::Double, c);
            }
        }
    }

    fn keep(&mut self, state: State, c: char) {
        self.state = state;
        self.value.push(c);
        self.kept = self.value.len();
    }

    fn end_of_value(&mut self) {
        let key = self.key.trim();
        if !matches!(self.state, State::Key | State::Comment) && is_variable(key) {
            self.value.truncate(self.kept);
            self.fields
                .insert(key.to_owned(), std::mem::take(&mut self.value));
        }
        self.reset();
    }

    fn reset(&mut self) {
        self.key.clear();
        self.value.clear();
        self.kept = 0;
        self.state = State::Key;
    }
}

/// What of a host decides which images fit it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its os-release.
    pub os_release: Fields,
    /// systemd's name of its architecture, such as `x86-64`.
    pub architecture: String,
}

/// Why an image does not fit a host; names the field and both values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "rule", rename_all = "kebab-case")]
pub enum Misfit {
    /// `SYSEXT_SCOPE` does not list `system`.
    Scope {
        /// The scopes it lists.
        scope: String,
    },
    /// `ARCHITECTURE` is another one.
    Architecture {
        /// The image's.
        image: String,
        /// The host's.
        host: String,
    },
    /// The image names no `ID`.
    NoId {
        /// The host's.
        host: String,
    },
    /// The host names no `ID`: systemd merges nothing there at all.
    HostWithoutId,
    /// `ID` is neither the host's nor one it is like.
    Id {
        /// The image's.
        image: String,
        /// The host's, with what it is like.
        host: String,
    },
    /// `SYSEXT_LEVEL` differs.
    Level {
        /// The image's.
        image: String,
        /// The host's.
        host: String,
    },
    /// `VERSION_ID` differs or is missing.
    VersionId {
        /// The image's, if any.
        image: Option<String>,
        /// The host's.
        host: String,
    },
}

// Values are foreign text: they are printed with escapes, so that none can break out of its line.
impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scope { scope } => {
                write!(
                    f,
                    "it is for SYSEXT_SCOPE={scope:?}, this host needs \"system\" in it"
                )
            }
            Self::Architecture { image, host } => {
                write!(f, "it is for ARCHITECTURE={image:?}, this host is {host:?}")
            }
            Self::NoId { host } => write!(f, "it names no ID, and this host has {host:?}"),
            Self::HostWithoutId => write!(f, "the os-release of this host has no ID"),
            Self::Id { image, host } => write!(f, "it is for ID={image:?}, this host has {host:?}"),
            Self::Level { image, host } => write!(
                f,
                "it is for SYSEXT_LEVEL={image:?}, this host has {host:?}"
            ),
            Self::VersionId {
                image: Some(image),
                host,
            } => {
                write!(f, "it is for VERSION_ID={image:?}, this host has {host:?}")
            }
            Self::VersionId { image: None, host } => {
                write!(f, "it names no VERSION_ID, and this host has {host:?}")
            }
        }
    }
}

/// Decides whether a system extension with these extension-release fields fits `host`, exactly as systemd does
/// (`extension_release_validate`, systemd 257).
///
/// # Errors
/// The first rule that refuses it.
pub fn match_host(extension: &Fields, host: &Host) -> Result<(), Misfit> {
    let host_id = host.os_release.get("ID").ok_or(Misfit::HostWithoutId)?;
    // Scope: absent means "system portable"; present, even empty, it must list "system".
    if let Some(scope) = extension.get_even_empty("SYSEXT_SCOPE")
        && !scope.split_ascii_whitespace().any(|word| word == "system")
    {
        return Err(Misfit::Scope {
            scope: scope.to_owned(),
        });
    }
    if let Some(architecture) = extension.get("ARCHITECTURE")
        && architecture != "_any"
        && architecture != host.architecture
    {
        return Err(Misfit::Architecture {
            image: architecture.to_owned(),
            host: host.architecture.clone(),
        });
    }
    let id = extension.get("ID").ok_or_else(|| Misfit::NoId {
        host: host_id.to_owned(),
    })?;
    if id == "_any" {
        return Ok(());
    }
    let like = host.os_release.get("ID_LIKE").unwrap_or_default();
    if id != host_id && !like.split_ascii_whitespace().any(|word| word == id) {
        let host = if like.is_empty() {
            host_id.to_owned()
        } else {
            format!("{host_id} (like {like})")
        };
        return Err(Misfit::Id {
            image: id.to_owned(),
            host,
        });
    }
    let (host_version, host_level) = (
        host.os_release.get("VERSION_ID"),
        host.os_release.get("SYSEXT_LEVEL"),
    );
    if let (Some(host), Some(image)) = (host_level, extension.get("SYSEXT_LEVEL")) {
        // A level on both sides decides alone.
        return if image == host {
            Ok(())
        } else {
            Err(Misfit::Level {
                image: image.to_owned(),
                host: host.to_owned(),
            })
        };
    }
    match (host_version, extension.get("VERSION_ID")) {
        (None, _) => Ok(()),
        (Some(host), Some(image)) if image == host => Ok(()),
        (Some(host), image) => Err(Misfit::VersionId {
            image: image.map(str::to_owned),
            host: host.to_owned(),
        }),
    }
}

/// systemd's name for an architecture that Rust calls `name` (`std::env::consts::ARCH`); the same name where they agree.
#[must_use]
pub fn systemd_architecture(name: &str) -> &str {
    match name {
        "x86_64" => "x86-64",
        "aarch64" => "arm64",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64-le",
        "powerpc64" => "ppc64",
        "powerpc" => "ppc",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Fields {
        Fields::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn assignments_are_read_like_a_shell_does() {
        let parsed = fields(
            "# c\nID=debian\n NAME=\"Debian \\\"GNU\\\"\"  \nA='x y'\nB=a\\ \"b\"\nC=\nID=sid\nnonsense\n1X=2\nD=\"two\nlines\"\n",
        );
        assert_eq!(parsed.get("ID"), Some("sid"));
        assert_eq!(parsed.get("NAME"), Some("Debian \"GNU\""));
        assert_eq!(parsed.get("A"), Some("x y"));
        assert_eq!(parsed.get("B"), Some("a \"b\""));
        assert_eq!(
            (parsed.get("C"), parsed.get_even_empty("C")),
            (None, Some(""))
        );
        assert_eq!(parsed.get("D"), Some("two\nlines"));
        assert_eq!(parsed.iter().count(), 6);
    }

    #[test]
    fn broken_files_are_told_apart() {
        assert_eq!(fields("A=\"x").get("A"), Some("x"));
        assert_eq!(Fields::parse(b"A=\xff"), Err(FieldsError::NotText));
        assert_eq!(Fields::parse(b"A=\0"), Err(FieldsError::NotText));
        assert!(matches!(
            Fields::parse(&vec![b'a'; MAX_RELEASE_FILE + 1]),
            Err(FieldsError::TooLong(_))
        ));
    }

    fn decide(os_release: &str, extension: &str) -> Result<(), Misfit> {
        match_host(
            &fields(extension),
            &Host {
                os_release: fields(os_release),
                architecture: "x86-64".into(),
            },
        )
    }

    #[test]
    fn the_rules_of_systemd() {
        let host = "ID=debian\nVERSION_ID=13\nID_LIKE=\"a b\"";
        assert_eq!(decide(host, "ID=_any\nVERSION_ID=9"), Ok(()));
        assert_eq!(decide(host, "ID=debian\nVERSION_ID=13"), Ok(()));
        assert_eq!(decide(host, "ID=b\nVERSION_ID=13"), Ok(()));
        assert_eq!(
            decide(host, ""),
            Err(Misfit::NoId {
                host: "debian".to_owned()
            })
        );
        assert_eq!(
            decide(host, "ID=_any\nSYSEXT_SCOPE="),
            Err(Misfit::Scope {
                scope: String::new()
            })
        );
        assert_eq!(
            decide(host, "ID=_any\nSYSEXT_SCOPE=\"initrd system\""),
            Ok(())
        );
        assert_eq!(decide(host, "ID=_any\nARCHITECTURE=_any"), Ok(()));
        assert!(matches!(
            decide(host, "ID=_any\nARCHITECTURE=x86_64"),
            Err(Misfit::Architecture { .. })
        ));
        assert!(matches!(
            decide(host, "ID=debian"),
            Err(Misfit::VersionId { image: None, .. })
        ));
        assert!(matches!(
            decide(host, "ID=debian\nSYSEXT_LEVEL=1"),
            Err(Misfit::VersionId { image: None, .. })
        ));
        assert_eq!(
            decide("ID=debian", "ID=debian\nVERSION_ID=1\nSYSEXT_LEVEL=2"),
            Ok(())
        );
        let level = "ID=debian\nVERSION_ID=13\nSYSEXT_LEVEL=2";
        assert_eq!(
            decide(level, "ID=debian\nVERSION_ID=1\nSYSEXT_LEVEL=2"),
            Ok(())
        );
        assert!(matches!(
            decide(level, "ID=debian\nVERSION_ID=13\nSYSEXT_LEVEL=1"),
            Err(Misfit::Level { .. })
        ));
        assert_eq!(decide(level, "ID=debian\nVERSION_ID=13"), Ok(()));
    }
}
