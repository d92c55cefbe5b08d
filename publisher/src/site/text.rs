//! What stands on the page, by where it comes from.
//!
//! - [`Text`] is foreign: bounded, without characters that do something else than stand there. That `<` and `&` are shown
//!   and not obeyed is the template's work, for every value alike.
//! - [`Link`] is a foreign URL that leads to the web over TLS, and the only thing that gets into `href` from outside.

use std::fmt;

use sysext_formats::catalog::link;
use sysext_formats::plain;
use sysext_formats::time::UtcTime;

/// Characters of a foreign text that are shown.
const MAX_TEXT: usize = 600;

/// Foreign text as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(String);

impl Text {
    /// Shows a text.
    #[must_use]
    pub fn new(foreign: &str) -> Self {
        let mut cut = foreign.char_indices().skip(MAX_TEXT);
        Self(match cut.next().and_then(|(end, _)| foreign.get(..end)) {
            Some(beginning) => format!("{}…", plain::one_line(beginning)),
            None => plain::one_line(foreign),
        })
    }

    /// Shows a text, if there is one.
    #[must_use]
    pub fn some(foreign: &str) -> Option<Self> {
        (!foreign.trim().is_empty()).then(|| Self::new(foreign))
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A foreign URL that a reader may follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link(String);

impl Link {
    /// The URL, if it is one to follow.
    #[must_use]
    pub fn new(foreign: &str) -> Option<Self> {
        link(foreign).map(|url| Self(url.into()))
    }

    /// The URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0
    }

    /// The same, as short as people write it.
    #[must_use]
    pub fn shown(&self) -> Text {
        let short = self.0.strip_prefix("https://").unwrap_or(&self.0);
        Text::new(short.strip_suffix('/').unwrap_or(short))
    }
}

/// A time of the signed metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(pub UtcTime);

impl Moment {
    /// The day, UTC.
    #[must_use]
    pub fn day(&self) -> String {
        self.0.day()
    }

    /// The minute, UTC.
    #[must_use]
    pub fn minute(&self) -> String {
        let text = self.0.to_string().replace('T', " ");
        text.chars().take("YYYY-MM-DD hh:mm".len()).collect()
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A word of a command line as a shell reads it back.
pub(super) fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~/:@%+=,#".contains(c);
    if !text.is_empty() && !text.starts_with('#') && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_bounded_and_acts_on_nothing() {
        assert_eq!(Text::new("a\u{202e}b\nc").to_string(), r"a\u{202e}b\u{a}c");
        let long = Text::new(&"é".repeat(MAX_TEXT + 1)).to_string();
        assert_eq!(long, format!("{}…", "é".repeat(MAX_TEXT)));
        let fits = "é".repeat(MAX_TEXT);
        assert_eq!(Text::new(&fits).to_string(), fits);
        assert_eq!(Text::some(" "), None);
    }

    #[test]
    fn only_links_are_links() {
        let link = Link::new("https://k3s.io/").unwrap();
        assert_eq!(
            (link.url(), link.shown().to_string()),
            ("https://k3s.io/", "k3s.io".to_owned())
        );
        for bad in [
            "javascript:alert(1)",
            "data:text/html,x",
            "http://k3s.io/",
            "//k3s.io",
            "",
        ] {
            assert_eq!(Link::new(bad), None, "{bad}");
        }
        // What could end an attribute is no part of a URL.
        let quoted = Link::new("https://k3s.io/\"><script>").unwrap();
        assert!(!quoted.url().contains(['"', '<', '>']), "{quoted:?}");
    }

    #[test]
    fn a_word_is_one_word_for_a_shell() {
        for (text, quoted) in [
            (
                "https://a.example/x#sha256=00",
                "https://a.example/x#sha256=00",
            ),
            ("https://a.example/$(x)", "'https://a.example/$(x)'"),
            ("a'b", r"'a'\''b'"),
            ("#a", "'#a'"),
            ("", "''"),
        ] {
            assert_eq!(word(text), quoted);
        }
    }
}
