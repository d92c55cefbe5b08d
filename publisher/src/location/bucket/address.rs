//! `s3://BUCKET/PREFIX`: which objects of which bucket are the catalog.
//!
//! - After a `?` stand options, joined by `&`: `single-writer` for stores without conditional writes, `lease=SECONDS`.
//! - Where the store is, and who asks, are in the environment, as for other programs.

use std::time::Duration;

use super::lease::{DEFAULT as LEASE, MAX_SECONDS};

/// Bytes of a prefix: a key has 1024 at most, and names come after it.
const MAX_PREFIX: usize = 512;

/// Who else may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writers {
    /// Others, who are kept out for this long by one that says nothing any more.
    Many {
        /// The lease.
        lease: Duration,
    },
    /// Nobody, as the vendor says: the store can not tell.
    One,
}

/// A catalog in a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// The bucket.
    pub(crate) bucket: String,
    /// What all keys begin with; empty, or without a slash at either end.
    pub(crate) prefix: String,
    /// Who else may write.
    pub(crate) writers: Writers,
}

impl Address {
    /// Reads what stands after `s3://`; `None` where it is no address.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (path, options) = match text.split_once('?') {
            Some((path, options)) => (path, Some(options)),
            None => (text, None),
        };
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        let prefix = prefix.trim_end_matches('/');
        let mut writers = Writers::Many { lease: LEASE };
        for option in options.iter().flat_map(|options| options.split('&')) {
            writers = match option.split_once('=') {
                None if option == "single-writer" => Writers::One,
                Some(("lease", seconds)) => {
                    let seconds = seconds.parse().ok();
                    let seconds = seconds.filter(|seconds| (1..=MAX_SECONDS).contains(seconds))?;
                    let lease = Duration::from_secs(seconds);
                    Writers::Many { lease }
                }
                _ => return None,
            };
        }
        (is_bucket(bucket) && is_prefix(prefix)).then(|| Self {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            writers,
        })
    }

    /// As it stands in messages.
    pub(crate) fn name(&self) -> String {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        format!("s3://{}{slash}{}", self.bucket, self.prefix)
    }
}

/// The rule of Amazon for new buckets, and an underscore, which old ones may have.
fn is_bucket(name: &str) -> bool {
    let is_plain = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_')
    };
    (3..=63).contains(&name.len())
        && name.bytes().all(is_plain)
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
}

/// Such that every component means the same in a key and in a URL.
fn is_prefix(prefix: &str) -> bool {
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'~');
    prefix.len() <= MAX_PREFIX
        && (prefix.is_empty()
            || prefix.split('/').all(|component| {
                !matches!(component, "" | "." | "..") && component.bytes().all(is_plain)
            }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_bucket_and_a_prefix() {
        let address = Address::parse("k3s-sysext/catalog/v1/").unwrap();
        assert_eq!(
            (address.bucket.as_str(), address.prefix.as_str()),
            ("k3s-sysext", "catalog/v1")
        );
        assert_eq!(address.name(), "s3://k3s-sysext/catalog/v1");
        assert_eq!(address.writers, Writers::Many { lease: LEASE });
        assert_eq!(Address::parse("abc").unwrap().name(), "s3://abc");
        let said = |text: &str| Address::parse(text).map(|address| address.writers);
        assert_eq!(said("abc/d?single-writer"), Some(Writers::One));
        let lease = Duration::from_secs(5);
        assert_eq!(said("abc?lease=5"), Some(Writers::Many { lease }));
        for bad in [
            "",
            "ab",
            "A-b",
            "-ab",
            "a/b",
            "abc//d",
            "abc/../d",
            "abc/d e",
            "abc/%2e",
            "abc?x",
            "abc?lease=0",
            "abc?lease=601",
            "abc?lease",
            "abc?",
        ] {
            assert_eq!(Address::parse(bad), None, "{bad}");
        }
    }
}
