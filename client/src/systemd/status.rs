//! What the programs say: systemd-sysext about what is merged, losetup about what is behind it.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::{LOOK_TIMEOUT, SystemdError, command};

/// The first systemd whose refresh does nothing when it sees no change, unless told otherwise.
const FIRST_THAT_SKIPS: u32 = 260;

/// A file by its identity, as a loop device knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BackingFile {
    /// The device of its file system.
    pub major: u32,
    /// The same.
    pub minor: u32,
    /// Its number there.
    pub inode: u64,
}

pub(super) fn merged() -> Result<Vec<String>, SystemdError> {
    const ARGUMENTS: [&str; 2] = ["status", "--json=short"];
    let bytes = command::run("systemd-sysext", &ARGUMENTS, LOOK_TIMEOUT)?;
    parse_status(&bytes).map_err(|reason| SystemdError::Answer {
        command: format!("systemd-sysext {}", ARGUMENTS.join(" ")),
        reason,
    })
}

pub(super) fn refresh(limit: Duration) -> Result<(), SystemdError> {
    let arguments: &[&str] = match version() {
        Some(version) if version >= FIRST_THAT_SKIPS => &["refresh", "--always-refresh=yes"],
        _ => &["refresh"],
    };
    command::run("systemd-sysext", arguments, limit).map(drop)
}

pub(super) fn backing_files() -> Result<Vec<BackingFile>, SystemdError> {
    const ARGUMENTS: [&str; 3] = ["--json", "--output", "NAME,BACK-INO,BACK-MAJ:MIN"];
    let bytes = command::run("losetup", &ARGUMENTS, LOOK_TIMEOUT)?;
    parse_losetup(&bytes).map_err(|reason| SystemdError::Answer {
        command: format!("losetup {}", ARGUMENTS.join(" ")),
        reason,
    })
}

/// `systemd 257 (257.13-1)` and more.
fn version() -> Option<u32> {
    let bytes = command::run("systemd-sysext", &["--version"], LOOK_TIMEOUT).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let word = text.split_whitespace().nth(1)?;
    let digits = word.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[derive(Deserialize)]
struct Hierarchy {
    extensions: Value,
}

/// For each hierarchy (`/usr`, `/opt`) the names, sorted, each once. Where there is none, systemd writes `"none"` or an
/// empty list; where there is one, a list or its name.
fn parse_status(bytes: &[u8]) -> Result<Vec<String>, String> {
    let hierarchies: Vec<Hierarchy> =
        serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let mut names = Vec::new();
    for hierarchy in hierarchies {
        match hierarchy.extensions {
            Value::Null => {}
            Value::String(name) if name == "none" => {}
            Value::String(name) => names.push(name),
            Value::Array(list) => {
                for name in list {
                    let name = name
                        .as_str()
                        .ok_or_else(|| format!("{name} is not a name"))?;
                    names.push(name.to_owned());
                }
            }
            other => return Err(format!("{other} is not a list of names")),
        }
    }
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

#[derive(Deserialize)]
struct Losetup {
    loopdevices: Vec<LoopDevice>,
}

#[derive(Deserialize)]
struct LoopDevice {
    #[serde(rename = "back-ino")]
    inode: Value,
    #[serde(rename = "back-maj:min")]
    device: Option<String>,
}

/// Numbers are numbers or texts, by the version of util-linux; without loop devices there may be no document at all.
fn parse_losetup(bytes: &[u8]) -> Result<Vec<BackingFile>, String> {
    if bytes.trim_ascii().is_empty() {
        return Ok(Vec::new());
    }
    let list: Losetup = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    // A device that is being set up or taken down has no file.
    Ok(list.loopdevices.iter().filter_map(backing_file).collect())
}

fn backing_file(device: &LoopDevice) -> Option<BackingFile> {
    let inode = match &device.inode {
        Value::String(text) => text.trim().parse().ok()?,
        other => other.as_u64()?,
    };
    let (major, minor) = device.device.as_deref()?.trim().split_once(':')?;
    Some(BackingFile {
        major: major.trim().parse().ok()?,
        minor: minor.trim().parse().ok()?,
        inode,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_of_a_status_is_read() {
        let names = |text: &str| parse_status(text.as_bytes()).unwrap();
        let none = r#"[{"hierarchy":"/opt","extensions":"none","since":null},{"hierarchy":"/usr","extensions":[],"since":null}]"#;
        assert!(names(none).is_empty());
        assert_eq!(
            names(
                r#"[{"hierarchy":"/usr","extensions":["k3s","a"],"since":1},{"hierarchy":"/opt","extensions":"k3s"}]"#
            ),
            ["a", "k3s"]
        );
        for wrong in [
            "",
            "{}",
            r#"[{"hierarchy":"/usr"}]"#,
            r#"[{"extensions":5}]"#,
            r#"[{"extensions":[5]}]"#,
        ] {
            assert!(parse_status(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_shape_of_losetup_is_read() {
        let file = BackingFile {
            major: 254,
            minor: 0,
            inode: 13,
        };
        for text in [
            r#"{"loopdevices":[{"name":"/dev/loop0","back-ino":13,"back-maj:min":"254:0"},{"name":"/dev/loop1","back-ino":null,"back-maj:min":null}]}"#,
            r#"{"loopdevices": [ {"name":"/dev/loop0", "back-ino":"13", "back-maj:min":" 254:0  "} ] }"#,
        ] {
            assert_eq!(parse_losetup(text.as_bytes()).unwrap(), [file], "{text}");
        }
        assert_eq!(parse_losetup(b"\n").unwrap(), []);
        assert!(parse_losetup(b"[]").is_err());
    }
}
