//! One byte range of a file (RFC 9110, section 14).

/// What a `Range` header asks of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// All of it: there is no range, or one that a server may leave unheard.
    Whole,
    /// From the first to the last byte, both included.
    Part(u64, u64),
    /// A range that begins behind the end.
    Unsatisfiable,
}

/// Reads a `Range` header for a file of `length` bytes. Several ranges at once are answered with the whole file.
#[must_use]
pub fn parse(header: &str, length: u64) -> Asked {
    let mut parts = header.splitn(2, '=');
    let (unit, set) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let Some((first, last)) = set
        .trim()
        .split_once('-')
        .filter(|_| unit.trim().eq_ignore_ascii_case("bytes"))
    else {
        return Asked::Whole;
    };
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first > last => Asked::Whole,
        (Some(first), _)
            if first >= length && (last.trim().is_empty() || number(last).is_some()) =>
        {
            Asked::Unsatisfiable
        }
        (Some(first), Some(last)) => Asked::Part(first, last.min(length.saturating_sub(1))),
        (Some(first), None) if last.trim().is_empty() => {
            Asked::Part(first, length.saturating_sub(1))
        }
        (None, Some(0)) if first.trim().is_empty() => Asked::Unsatisfiable,
        (None, Some(_)) if first.trim().is_empty() && length == 0 => Asked::Unsatisfiable,
        (None, Some(count)) if first.trim().is_empty() => {
            Asked::Part(length.saturating_sub(count), length.saturating_sub(1))
        }
        _ => Asked::Whole,
    }
}

/// Digits only: `+5` is no number here.
fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        for (header, length, wanted) in [
            ("bytes=0-4", 10, Asked::Part(0, 4)),
            ("bytes=5-", 10, Asked::Part(5, 9)),
            ("bytes=-3", 10, Asked::Part(7, 9)),
            ("bytes=-30", 10, Asked::Part(0, 9)),
            ("bytes=0-99", 10, Asked::Part(0, 9)),
            ("bytes=9-9", 10, Asked::Part(9, 9)),
            ("Bytes = 1-2", 10, Asked::Part(1, 2)),
            ("bytes=10-", 10, Asked::Unsatisfiable),
            ("bytes=10-12", 10, Asked::Unsatisfiable),
            ("bytes=99999999999999999999-", 10, Asked::Unsatisfiable),
            ("bytes=-0", 10, Asked::Unsatisfiable),
            ("bytes=-5", 0, Asked::Unsatisfiable),
            ("bytes=0-", 0, Asked::Unsatisfiable),
            ("bytes=4-2", 10, Asked::Whole),
            ("bytes=0-1,3-4", 10, Asked::Whole),
            ("bytes=a-b", 10, Asked::Whole),
            ("bytes=+1-2", 10, Asked::Whole),
            ("bytes=-", 10, Asked::Whole),
            ("lines=1-2", 10, Asked::Whole),
            ("", 10, Asked::Whole),
        ] {
            assert_eq!(parse(header, length), wanted, "{header:?} of {length}");
        }
    }
}
