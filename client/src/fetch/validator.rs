//! What tells a server which state of a document is known: its `ETag` (RFC 9110, 8.8.3).
//!
//! - It comes from a server and goes back to it, by way of a file that anybody may have damaged: a value that is not of
//!   the form of the standard, or is long, is none.
//! - A file that changed within the minute before it was fetched has none, where the server says so. Many servers make tags
//!   of whole seconds, so what changed once more in that second would never be seen (8.8.2.2).
//! - Weak ones do: what they name is signed, and is looked at again.
//! - No dates (`If-Modified-Since`): one date of the future, said once by anybody on the way, and an honest server would
//!   answer for ever that nothing is newer.

use serde::{Deserialize, Serialize};

use super::retry::seconds;

/// Characters of one.
const MAX_LENGTH: usize = 256;
/// How long a file must have been as it is, in seconds.
const SETTLED: i64 = 60;

/// An entity tag: names one state of a document at a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Validator(String);

/// No entity tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no entity tag of HTTP")]
pub struct NoValidator;

impl Validator {
    /// Reads one.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, NoValidator> {
        let text = text.trim();
        let opaque = text.strip_prefix("W/").unwrap_or(text);
        let inside = opaque
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .ok_or(NoValidator)?;
        let is_inside = |byte: u8| byte.is_ascii_graphic() && byte != b'"';
        if text.len() > MAX_LENGTH || !inside.bytes().all(is_inside) {
            return Err(NoValidator);
        }
        Ok(Self(text.to_owned()))
    }

    /// That of an answer with these fields.
    #[must_use]
    pub fn of(etag: Option<&str>, last_modified: Option<&str>, date: Option<&str>) -> Option<Self> {
        let changed = last_modified.and_then(seconds);
        let age = date
            .and_then(seconds)
            .zip(changed)
            .map(|(now, then)| now.saturating_sub(then));
        if age.is_some_and(|age| age < SETTLED) {
            return None;
        }
        Self::parse(etag?).ok()
    }

    /// As it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Validator {
    type Error = NoValidator;

    fn try_from(text: String) -> Result<Self, NoValidator> {
        Self::parse(&text)
    }
}

impl From<Validator> for String {
    fn from(validator: Validator) -> Self {
        validator.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Option<&str> = Some("Mon, 23 Nov 2026 10:01:00 GMT");
    const SETTLED: Option<&str> = Some("Mon, 23 Nov 2026 10:00:00 GMT");
    const JUST_NOW: Option<&str> = Some("Mon, 23 Nov 2026 10:00:01 GMT");

    fn of(etag: Option<&str>, last_modified: Option<&str>, date: Option<&str>) -> Option<String> {
        Validator::of(etag, last_modified, date).map(String::from)
    }

    #[test]
    fn tags_do_strong_or_weak_and_dates_do_not() {
        for tag in ["\"a\"", "W/\"a\"", "\"\""] {
            assert_eq!(of(Some(tag), None, None).as_deref(), Some(tag));
            assert_eq!(of(Some(tag), SETTLED, NOW).as_deref(), Some(tag));
        }
        assert_eq!(of(None, SETTLED, NOW), None);
    }

    #[test]
    fn what_changed_just_now_may_change_once_more_unseen() {
        assert_eq!(of(Some("\"a\""), JUST_NOW, NOW), None);
        // The server's clock and that of its disk differ.
        assert_eq!(of(Some("\"a\""), NOW, SETTLED), None);
    }

    #[test]
    fn what_has_another_form_is_none() {
        let long = format!("\"{}\"", "a".repeat(MAX_LENGTH));
        for text in [
            "",
            "a",
            "\"a",
            "a\"",
            "\"",
            "w/\"a\"",
            "\"a\"b\"",
            "\"a b\"",
            "\"a\nb\"",
            "\"ä\"",
            "*",
            "0",
            &long,
            "Sun, 22 Nov 2026 10:00:00 GMT",
        ] {
            assert_eq!(Validator::parse(text), Err(NoValidator), "{text:?}");
            assert_eq!(of(Some(text), SETTLED, NOW), None, "{text:?}");
        }
    }
}
