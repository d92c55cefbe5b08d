//! `openpgp`: who signs for systemd-sysupdate and importctl.

use std::str::FromStr;

use serde::{Deserialize, Deserializer};

/// A program that makes a binary detached OpenPGP signature of its standard input; none where those are not served.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenPgp(Option<String>);

/// A text that is neither.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("openpgp = {0:?} is neither \"\" nor \"cmd:PROGRAM ARGUMENTS\"")]
pub struct OpenPgpError(String);

impl OpenPgp {
    /// The program with its arguments.
    #[must_use]
    pub fn command(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl FromStr for OpenPgp {
    type Err = OpenPgpError;

    fn from_str(text: &str) -> Result<Self, OpenPgpError> {
        match text.strip_prefix("cmd:").map(str::trim) {
            Some(command) if !command.is_empty() => Ok(Self(Some(command.to_owned()))),
            _ if text.is_empty() => Ok(Self(None)),
            _ => Err(OpenPgpError(text.chars().take(80).collect())),
        }
    }
}

impl<'de> Deserialize<'de> for OpenPgp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_command_or_nothing() {
        let command = |text: &str| Ok::<_, OpenPgpError>(text.parse::<OpenPgp>()?.0);
        assert_eq!(command(""), Ok(None));
        assert_eq!(
            command("cmd:gpg --detach-sign"),
            Ok(Some("gpg --detach-sign".to_owned()))
        );
        for text in ["cmd:", "file:key.asc", "gpg"] {
            assert!(command(text).is_err(), "{text}");
        }
    }
}
