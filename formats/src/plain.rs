//! Text that a terminal shows and does not obey.
//!
//! Summaries, reasons, file names and error messages come from catalogs and servers, and one that is not to be trusted
//! may have put into them what moves a cursor, hides a line, or turns its order around.
//!
//! - Everything that a program of ours prints goes through [`lines`] or [`json`]: nothing else writes to a terminal.
//! - A line break is layout when it is ours and a forged line when it is not, which only whoever puts the text together
//!   knows: a foreign value is made [`one_line`] there, and in messages what follows a break is [`indented`].
//! - What is taken out is shown as `\u{…}`, so that it can be seen and reported.

use std::fmt::Write as _;

/// Whether a character does something else than stand there: controls (C0, DEL, C1), line and paragraph separators, and
/// the invisible ones that change the order or the look of others (Unicode's bidirectional and format characters, tags).
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A foreign value within a line of ours.
#[must_use]
pub fn one_line(text: &str) -> String {
    escaped(text, |_| false)
}

/// Text with line breaks and tabs of ours.
#[must_use]
pub fn lines(text: &str) -> String {
    escaped(text, |c| matches!(c, '\n' | '\t'))
}

fn escaped(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) && !keep(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// A message of several lines, of which only the first stands where our own words begin: no line of it passes for a
/// `hint:` or another `error:`.
#[must_use]
pub fn indented(text: &str) -> String {
    let mut lines = text.split('\n');
    let mut out = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        out.push('\n');
        if !line.is_empty() && !line.starts_with("  ") {
            out.push_str("  ");
        }
        out.push_str(line);
    }
    out
}

/// A JSON document whose strings hold nothing that acts; what they mean stays the same. Outside of strings there is
/// nothing of the kind in JSON but its own white space.
#[must_use]
pub fn json(document: &str) -> String {
    let mut out = String::with_capacity(document.len());
    for c in document.chars() {
        if !acts(c) || matches!(c, '\n' | '\t' | '\r') {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a String never fails.
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What terminals obey: CSI, OSC 8 and 52, DCS, C1, backspaces, and both ways to turn text around.
    const FOREIGN: &str =
        "a\x1b[2J\x1b]52;c;eA==\x07\x1bP\u{9b}31m\x08\r\u{202e}\u{2066}\u{e0041}z";

    #[test]
    fn nothing_that_acts_is_left() {
        for plain in [one_line(FOREIGN), lines(FOREIGN)] {
            assert!(!plain.chars().any(acts), "{plain:?}");
            assert!(
                plain.starts_with("a\\u{1b}[2J") && plain.ends_with('z'),
                "{plain}"
            );
        }
        assert_eq!(
            one_line("a\nerror: b\tc\u{2028}"),
            "a\\u{a}error: b\\u{9}c\\u{2028}"
        );
        assert_eq!(lines("a\n\tb"), "a\n\tb");
    }

    #[test]
    fn ordinary_text_of_any_language_stays_as_it_is() {
        for text in [
            "Größe – 12 µs",
            "日本語",
            "עברית",
            "é e\u{301}",
            "🦀",
            "\\u{1b}",
        ] {
            assert_eq!(one_line(text), text);
        }
    }

    #[test]
    fn json_means_the_same_and_shows_nothing_that_acts() {
        let document = serde_json::json!({"summary": FOREIGN, "list": ["\u{85}\u{7f}"]});
        let text = json(&format!("{document:#}\n"));
        assert!(!text.chars().any(|c| acts(c) && c != '\n'), "{text:?}");
        let back: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(back, document);
    }

    #[test]
    fn no_later_line_of_a_message_begins_where_ours_do() {
        assert_eq!(
            indented("a\nhint: run this\n  kept\n\nerror: b"),
            "a\n  hint: run this\n  kept\n\n  error: b"
        );
    }
}
