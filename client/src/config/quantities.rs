//! Rates and spans of time, as people write them in configuration files.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The slowest download that is waited for: `1 kB/s over 60 s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinRate {
    /// Bytes in each second, on average over the window.
    pub bytes_per_second: u64,
    /// The window.
    pub window: Duration,
}

impl Default for MinRate {
    fn default() -> Self {
        Self {
            bytes_per_second: 1000,
            window: Duration::from_secs(60),
        }
    }
}

impl FromStr for MinRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let error = || format!("{text:?} is not a rate: \"1 kB/s over 60 s\" is one (B, kB or MB)");
        let (rate, window) = text.split_once(" over ").ok_or_else(error)?;
        let (number, unit) = rate
            .trim()
            .strip_suffix("/s")
            .and_then(|rate| rate.trim().split_once(' '))
            .ok_or_else(error)?;
        let number: u64 = number.parse().map_err(|_| error())?;
        let factor = match unit.trim() {
            "B" => 1,
            "kB" => 1000,
            "MB" => 1_000_000,
            _ => return Err(error()),
        };
        let seconds = window
            .trim()
            .strip_suffix('s')
            .and_then(|seconds| seconds.trim().parse().ok())
            .ok_or_else(error)?;
        if seconds == 0 {
            return Err(error());
        }
        Ok(Self {
            bytes_per_second: number.saturating_mul(factor),
            window: Duration::from_secs(seconds),
        })
    }
}

impl fmt::Display for MinRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.bytes_per_second;
        let seconds = self.window.as_secs();
        if rate.is_multiple_of(1000) {
            write!(f, "{} kB/s over {seconds} s", rate / 1000)
        } else {
            write!(f, "{rate} B/s over {seconds} s")
        }
    }
}

impl Serialize for MinRate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MinRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// A span of time as people write it: `0`, `90s`, `15min`, `12h`, `3d`, `2w`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Age(pub Duration);

impl FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let error = || {
            format!(
                "{text:?} is not a span of time: a number with s, min, h, d or w is one, such as \"3d\""
            )
        };
        let end = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let number: u64 = number.parse().map_err(|_| error())?;
        let seconds = match unit.trim() {
            "" if number == 0 => 0,
            "s" => 1,
            "min" => 60,
            "h" => 3_600,
            "d" => 86_400,
            "w" => 604_800,
            _ => return Err(error()),
        };
        Ok(Self(Duration::from_secs(number.saturating_mul(seconds))))
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        if seconds == 0 {
            return f.write_str("0");
        }
        let units = [("w", 604_800), ("d", 86_400), ("h", 3_600), ("min", 60)];
        match units
            .iter()
            .find(|(_, length)| seconds.is_multiple_of(*length))
        {
            Some((unit, length)) => write!(f, "{}{unit}", seconds / length),
            None => write!(f, "{seconds}s"),
        }
    }
}

impl Serialize for Age {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Age {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// The time that something may take at most: a span such as `1min`, never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(pub Duration);

impl FromStr for Deadline {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Age(span) = text.parse()?;
        if span.is_zero() {
            return Err(format!(
                "{text:?} leaves no time at all; a span such as \"1min\" is a deadline"
            ));
        }
        Ok(Self(span))
    }
}

impl fmt::Display for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Age(self.0).fmt(f)
    }
}

impl Serialize for Deadline {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Deadline {
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
    fn spans_and_rates_are_read_as_people_write_them() {
        for text in ["0", "90s", "15min", "12h", "3d", "2w"] {
            assert_eq!(text.parse::<Age>().unwrap().to_string(), text);
        }
        assert!(
            "3".parse::<Age>().is_err()
                && "d".parse::<Age>().is_err()
                && "1y".parse::<Age>().is_err()
        );
        assert_eq!("1min".parse::<Deadline>().unwrap().to_string(), "1min");
        assert!("0".parse::<Deadline>().is_err() && "0s".parse::<Deadline>().is_err());
        assert_eq!("1 kB/s over 60 s".parse(), Ok(MinRate::default()));
        assert!(
            "fast".parse::<MinRate>().is_err() && "1 kB/s over 0 s".parse::<MinRate>().is_err()
        );
    }
}
