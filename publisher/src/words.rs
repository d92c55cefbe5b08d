//! What people type that hosts show or follow, checked when it is typed.
//!
//! - A [`Line`] can be signed and shown as it is: it is not empty, stands in one line, and has printable ASCII alone.
//! - [`Hours`] are those of a rollout: one at least, a year at most.

use std::fmt;
use std::str::FromStr;

/// Bytes of a text about an extension or an image: hosts show it in one line.
const MAX_LINE: usize = 1_000;
/// Hours of a year.
const MAX_HOURS: u32 = 8_760;

/// A text in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line(String);

/// Why a text is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// There is nothing.
    #[error("it is empty: hosts show it to people")]
    Empty,
    /// A line break is in it.
    #[error("it has a line break: hosts show one line")]
    LineBreak,
    /// Something that can not be signed is in it.
    #[error("{0:?} is in it; only printable ASCII can be signed")]
    Character(char),
    /// It is too long.
    #[error("it has {0} bytes; {MAX_LINE} are the most")]
    TooLong(usize),
}

impl FromStr for Line {
    type Err = LineError;

    fn from_str(text: &str) -> Result<Self, LineError> {
        if text.trim().is_empty() {
            return Err(LineError::Empty);
        }
        Ok(Self(line_or_nothing(text)?))
    }
}

impl AsRef<str> for Line {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<Line> for String {
    fn from(line: Line) -> Self {
        line.0
    }
}

/// A text in one line where nothing need be said.
///
/// # Errors
/// When it can not be shown or signed as it is.
pub fn line_or_nothing(text: &str) -> Result<String, LineError> {
    let is_good = |c: &char| c.is_ascii_graphic() || *c == ' ';
    match text.chars().find(|c| !is_good(c)) {
        Some('\n' | '\r') => Err(LineError::LineBreak),
        Some(other) => Err(LineError::Character(other)),
        None if text.len() > MAX_LINE => Err(LineError::TooLong(text.len())),
        None => Ok(text.to_owned()),
    }
}

/// Over how many hours hosts take an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours(u32);

/// A text that is no such number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("1 to {MAX_HOURS} hours (a year) are possible")]
pub struct HoursError;

impl Hours {
    /// As an index has them.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl FromStr for Hours {
    type Err = HoursError;

    fn from_str(text: &str) -> Result<Self, HoursError> {
        let hours = text.parse().map_err(|_| HoursError)?;
        if (1..=MAX_HOURS).contains(&hours) {
            Ok(Self(hours))
        } else {
            Err(HoursError)
        }
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_be_signed_or_shown_is_no_line() {
        let error = |text: &str| text.parse::<Line>().unwrap_err();
        assert_eq!(error(""), LineError::Empty);
        assert_eq!(error("  "), LineError::Empty);
        assert_eq!(error("two\nlines"), LineError::LineBreak);
        assert_eq!(error("f\u{fc}r immer"), LineError::Character('\u{fc}'));
        assert_eq!(error("\u{1b}[2J"), LineError::Character('\u{1b}'));
        assert_eq!(error(&"x".repeat(1_001)), LineError::TooLong(1_001));
        assert_eq!(
            "eats disks: \"~\"".parse::<Line>().unwrap().as_ref(),
            "eats disks: \"~\""
        );
        assert_eq!(line_or_nothing("").as_deref(), Ok(""));
    }

    #[test]
    fn a_rollout_takes_an_hour_to_a_year() {
        for bad in ["0", "8761", "100000", "-1", "", "1.5"] {
            assert!(bad.parse::<Hours>().is_err(), "{bad}");
        }
        assert_eq!("1".parse().map(Hours::get), Ok(1));
        assert_eq!("8760".parse().map(Hours::get), Ok(8_760));
    }
}
