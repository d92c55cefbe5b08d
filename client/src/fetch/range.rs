//! Going on with a download that was interrupted.

/// From where on, and of which file: without the validator two different files would be glued together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumePoint {
    /// Bytes that are there already.
    pub offset: u64,
    /// [`Body::validator`](super::Body::validator) of the answer they came from.
    pub validator: String,
}

/// `Content-Range: bytes 5-9/10` of an answer to `Range: bytes=5-`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentRange {
    /// The offset of the first byte.
    pub start: u64,
    /// The length of the whole file, where it is said.
    pub total: Option<u64>,
}

impl ContentRange {
    /// Reads the header field. The range must end with the file, since that is what was asked for.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.strip_prefix("bytes ")?.trim().split_once('/')?;
        let (start, last) = range.split_once('-')?;
        let (start, last) = (number(start)?, number(last)?);
        let end = last.checked_add(1)?;
        let total = match total {
            "*" => None,
            total => Some(number(total)?),
        };
        (start < end && total.is_none_or(|total| total == end)).then_some(Self {
            start,
            // Where the total is not said, the end is it.
            total: total.or(Some(end)),
        })
    }
}

/// Digits only: the parser of the standard library takes a sign too.
fn number(text: &str) -> Option<u64> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

/// What tells one state of a file from another: a strong `ETag`, else the time of the last change.
pub(super) fn validator(etag: Option<&str>, last_modified: Option<&str>) -> Option<String> {
    let plain = |text: &&str| {
        text.len() <= 256
            && text
                .bytes()
                .all(|byte| byte == b' ' || byte.is_ascii_graphic())
    };
    let strong = etag.filter(|etag| etag.starts_with('"') && etag.len() > 2);
    strong.or(last_modified).filter(plain).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_runs_to_the_end_of_the_file() {
        let parse = |text| ContentRange::parse(text).map(|range| (range.start, range.total));
        assert_eq!(parse("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(parse("bytes 5-9/*"), Some((5, Some(10))));
        for wrong in [
            "bytes 5-8/10",
            "bytes 9-5/10",
            "bytes */10",
            "bytes 5-9",
            "items 5-9/10",
            "bytes +5-9/10",
            "bytes 5-18446744073709551615/*",
            "",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_strong_validators_are_kept() {
        assert_eq!(
            validator(Some("\"a\""), Some("date")).as_deref(),
            Some("\"a\"")
        );
        assert_eq!(
            validator(Some("W/\"a\""), Some("date")).as_deref(),
            Some("date")
        );
        assert_eq!(validator(Some("W/\"a\""), None), None);
        assert_eq!(validator(Some("\"a\nb\""), None), None);
    }
}
