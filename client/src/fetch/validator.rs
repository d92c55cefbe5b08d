//! What tells a server which state of a document is known (RFC 9110, 8.8): its `ETag`, else the time of its last change.
//!
//! - It comes from a server and goes back to it, by way of a file that anybody may have damaged: a value that is not of
//!   the form of the standard, or is long, is none.
//! - A file that changed within the minute before it was fetched has none. Many servers tell states of a file by whole
//!   seconds, in `ETag` too, so what changed once more in that second would never be seen (8.8.2.2).
//! - Weak ones do: what they name is signed, and is looked at again.

use serde::{Deserialize, Serialize};

use super::retry::seconds;

/// Characters of one.
const MAX_LENGTH: usize = 256;
/// How long a file must have been as it is, in seconds.
const SETTLED: i64 = 60;

/// Names one state of a document at a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Validator {
    /// For `If-None-Match`.
    Tag(Tag),
    /// For `If-Modified-Since`.
    Date(Date),
}

/// An entity tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag(String);

/// A time of a last change, as the server wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Date(String);

impl Tag {
    /// As it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Date {
    /// As it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Neither an entity tag nor a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is neither an entity tag nor a date of HTTP")]
pub struct NoValidator;

impl Validator {
    /// Reads one.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, NoValidator> {
        let text = text.trim();
        if text.len() > MAX_LENGTH
            || text
                .bytes()
                .any(|byte| byte != b' ' && !byte.is_ascii_graphic())
        {
            return Err(NoValidator);
        }
        let opaque = text.strip_prefix("W/").unwrap_or(text);
        let inside = opaque
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        match inside {
            Some(inside) if !inside.contains(['"', ' ']) => Ok(Self::Tag(Tag(text.to_owned()))),
            None if seconds(text).is_some() => Ok(Self::Date(Date(text.to_owned()))),
            _ => Err(NoValidator),
        }
    }

    /// That of an answer with these fields.
    #[must_use]
    pub fn of(etag: Option<&str>, last_modified: Option<&str>, date: Option<&str>) -> Option<Self> {
        let modified = last_modified.and_then(seconds);
        let age = modified
            .zip(date.and_then(seconds))
            .map(|(then, now)| now.saturating_sub(then));
        if age.is_some_and(|age| age < SETTLED) {
            return None;
        }
        match etag {
            Some(etag) => Self::parse(etag)
                .ok()
                .filter(|found| matches!(found, Self::Tag(_))),
            // Without the server's own time nobody knows whether the file has settled.
            None => age
                .and(last_modified)
                .and_then(|text| Self::parse(text).ok())
                .filter(|found| matches!(found, Self::Date(_))),
        }
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
        match validator {
            Validator::Tag(Tag(text)) | Validator::Date(Date(text)) => text,
        }
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
    fn tags_come_first_strong_or_weak() {
        for tag in ["\"a\"", "W/\"a\"", "\"\""] {
            assert_eq!(of(Some(tag), None, None).as_deref(), Some(tag));
            assert_eq!(of(Some(tag), SETTLED, NOW).as_deref(), Some(tag));
        }
        assert_eq!(of(None, SETTLED, NOW).as_deref(), SETTLED);
        assert_eq!(of(None, None, NOW), None);
    }

    #[test]
    fn what_changed_just_now_may_change_once_more_unseen() {
        assert_eq!(of(Some("\"a\""), JUST_NOW, NOW), None);
        assert_eq!(of(None, JUST_NOW, NOW), None);
        // The server's clock and that of its disk differ.
        assert_eq!(of(Some("\"a\""), NOW, SETTLED), None);
        assert_eq!(of(None, SETTLED, None), None);
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
            "Mon, 99 Nov 2026 10:00:00 GMT",
        ] {
            assert_eq!(Validator::parse(text), Err(NoValidator), "{text:?}");
            assert_eq!(of(Some(text), SETTLED, NOW), None, "{text:?}");
        }
        // A date is no tag, and a tag no date.
        assert_eq!(of(SETTLED, SETTLED, NOW), None);
        assert_eq!(of(None, Some("\"a\""), NOW), None);
    }
}
