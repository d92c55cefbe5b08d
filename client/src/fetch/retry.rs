//! When a server wants to be asked again: `Retry-After`, in seconds or as a date (RFC 9110, 10.2.3).
//!
//! A date is measured against the server's own `Date`, so no clock of this host is needed; without one it says nothing.
//! The result is a wish. How much of it is granted is [`Patience`](super::Patience)'s to say.

use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;

static DATES: DateTimeParser = DateTimeParser::new();

/// The wish in the two header fields; `None` where there is none that can be understood.
#[must_use]
pub fn after(retry_after: &str, date: Option<&str>) -> Option<Duration> {
    let text = retry_after.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number has are a very long time too.
        return (!text.is_empty()).then(|| Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let (then, now) = (seconds(text)?, seconds(date?)?);
    // A date that has passed means now.
    Some(Duration::from_secs(
        u64::try_from(then.saturating_sub(now)).unwrap_or(0),
    ))
}

/// A date of HTTP, in seconds since 1970.
pub(super) fn seconds(date: &str) -> Option<i64> {
    Some(DATES.parse_timestamp(date.trim()).ok()?.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Option<&str> = Some("Mon, 23 Nov 2026 10:00:00 GMT");

    #[test]
    fn seconds_and_dates_are_understood() {
        let seconds = |text, date| after(text, date).map(|wish| wish.as_secs());
        assert_eq!(seconds("7", None), Some(7));
        assert_eq!(seconds(" 120 ", NOW), Some(120));
        assert_eq!(seconds("Mon, 23 Nov 2026 10:00:07 GMT", NOW), Some(7));
        assert_eq!(seconds("Mon, 23 Nov 2026 09:59:00 GMT", NOW), Some(0));
        assert_eq!(seconds("99999999999999999999999", None), Some(u64::MAX));
    }

    #[test]
    fn what_is_neither_is_no_wish() {
        for text in [
            "",
            "-1",
            "+7",
            "soon",
            "7.5",
            "Mon, 99 Nov 2026 10:00:07 GMT",
        ] {
            assert_eq!(after(text, NOW), None, "{text}");
        }
        assert_eq!(after("Mon, 23 Nov 2026 10:00:07 GMT", None), None);
        assert_eq!(after("Mon, 23 Nov 2026 10:00:07 GMT", Some("now")), None);
    }
}
