//! Lengths of time as people write them: `14d`, `36h`, `8w`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;
/// Ten years: longer than anything here may be good for.
const MAX: u64 = 3_653 * DAY;

/// A length of time, in whole hours, ten years at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(Duration);

/// A text that is no length of time.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a length of time: write 30d, 36h or 8w, ten years at most")]
pub struct SpanError(String);

impl Span {
    /// So many days.
    #[must_use]
    pub const fn days(days: u16) -> Self {
        Self(Duration::from_secs(days as u64 * DAY))
    }

    /// As a duration.
    #[must_use]
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let error = || SpanError(text.chars().take(40).collect());
        let (number, unit) = match text.char_indices().last() {
            Some((at, 'h')) => (text.get(..at), HOUR),
            Some((at, 'd')) => (text.get(..at), DAY),
            Some((at, 'w')) => (text.get(..at), 7 * DAY),
            _ => return Err(error()),
        };
        let digits = number.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let number: u64 = digits.ok_or_else(error)?.parse().map_err(|_| error())?;
        let seconds = number.checked_mul(unit).filter(|seconds| *seconds <= MAX);
        seconds
            .map(|seconds| Self(Duration::from_secs(seconds)))
            .ok_or_else(error)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        if seconds.is_multiple_of(DAY) {
            write!(f, "{}d", seconds / DAY)
        } else {
            write!(f, "{}h", seconds / HOUR)
        }
    }
}

impl<'de> Deserialize<'de> for Span {
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
    fn lengths_of_time_are_read_and_written() {
        for (text, shown) in [
            ("14d", "14d"),
            ("36h", "36h"),
            ("48h", "2d"),
            ("8w", "56d"),
            ("0d", "0d"),
        ] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), shown);
        }
        for bad in [
            "",
            "d",
            "14",
            "14 d",
            "-1d",
            "1y",
            "99999d",
            "18446744073709551615w",
            "\u{e9}d",
        ] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }
}
