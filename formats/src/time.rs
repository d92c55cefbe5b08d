//! Points in time, as TUF writes them: `2027-05-22T00:00:00Z`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time, to the second, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcTime(jiff::Timestamp);

/// A text that is not a point in time of TUF.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time: it must look like 2027-05-22T00:00:00Z")]
pub struct TimeError(String);

impl UtcTime {
    /// From seconds since 1970-01-01T00:00:00Z. Values outside of the years 1 to 9999 become the nearest possible one.
    #[must_use]
    pub fn from_unix(seconds: i64) -> Self {
        let clamped = seconds.clamp(-62_135_596_800, 253_402_207_200);
        Self(jiff::Timestamp::from_second(clamped).unwrap_or(jiff::Timestamp::UNIX_EPOCH))
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn unix(self) -> i64 {
        self.0.as_second()
    }

    /// The day, UTC: `2027-05-22`.
    #[must_use]
    pub fn day(self) -> String {
        self.0.strftime("%Y-%m-%d").to_string()
    }

    /// This time and `duration` more, rounded down to the second; the last possible time where that overflows.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self::from_unix(self.unix().saturating_add_unsigned(duration.as_secs()))
    }

    /// The time from `earlier` until this one; zero when it is not later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(u64::try_from(self.unix().saturating_sub(earlier.unix())).unwrap_or(0))
    }
}

impl FromStr for UtcTime {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let error = || TimeError(text.chars().take(40).collect());
        // The shape is checked first: the parser behind accepts far more than TUF writes.
        let shape = |(position, byte): (usize, u8)| match position {
            4 | 7 => byte == b'-',
            10 => byte == b'T',
            13 | 16 => byte == b':',
            // A leap second could not be written again as it was read: no time of a calendar without them has it.
            17 => byte.is_ascii_digit() && byte < b'6',
            19 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        };
        if text.len() != 20 || !text.bytes().enumerate().all(shape) {
            return Err(error());
        }
        text.parse().map(Self).map_err(|_| error())
    }
}

impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.strftime("%Y-%m-%dT%H:%M:%SZ"))
    }
}

impl Serialize for UtcTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UtcTime {
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
    fn times_come_back_as_they_were_written() {
        for text in [
            "2027-05-22T00:00:00Z",
            "1970-01-01T00:00:01Z",
            "9999-12-30T21:59:59Z",
        ] {
            let time: UtcTime = text.parse().unwrap();
            assert_eq!(time.to_string(), text);
            assert_eq!(time.day(), text.split('T').next().unwrap());
        }
    }

    #[test]
    fn other_shapes_are_refused() {
        for text in [
            "",
            "2027-05-22",
            "2027-05-22T00:00:00",
            "2027-05-22T00:00:00+00:00",
            "2027-13-22T00:00:00Z",
            "2016-12-31T23:59:60Z",
            "2027-05-22t00:00:00z",
            "2027-05-22T00:00:00.5Z",
            "２027-05-22T00:00:0Z",
        ] {
            assert!(text.parse::<UtcTime>().is_err(), "{text}");
        }
    }

    #[test]
    fn arithmetic_stops_at_the_ends() {
        let end = UtcTime::from_unix(i64::MAX);
        assert_eq!(end.plus(Duration::MAX), end);
        assert_eq!(
            UtcTime::from_unix(5).since(UtcTime::from_unix(9)),
            Duration::ZERO
        );
        assert_eq!(
            UtcTime::from_unix(9).since(UtcTime::from_unix(5)),
            Duration::from_secs(4)
        );
    }
}
