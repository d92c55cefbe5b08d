//! What the server may do instead of answering as it should, and for which requests.
//!
//! - A rule names paths (exact, or everything below a prefix) and counts down; a used-up rule is gone.
//! - Of several rules for one path the one that was set last counts.

use std::sync::{Mutex, PoisonError};

/// One way to misbehave. Where nothing else is said, status and headers are those of an honest answer, and an honest
/// 304, which has no body to lie about, is left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behaviour {
    /// The body begins as it should and never ends (chunked, zeros).
    Endless,
    /// `Content-Length` promises this many bytes more than come before the connection closes.
    Short {
        /// Bytes promised too many.
        bytes: u64,
    },
    /// This many bytes follow after `Content-Length` is reached.
    Long {
        /// Bytes too many.
        bytes: u64,
    },
    /// No `Content-Length`: the end of the connection is the end of the body.
    NoLength,
    /// `Transfer-Encoding: chunked`, in small chunks.
    Chunked,
    /// The body at a slow pace.
    Drip {
        /// How slow; at least 1.
        bytes_per_second: u64,
    },
    /// The connection is closed in order after this much of the body.
    CutAfter {
        /// Bytes of the body that come.
        bytes: u64,
    },
    /// The connection is reset after this much of the body. Bytes on their way may be lost.
    ResetAfter {
        /// Bytes of the body that are sent.
        bytes: u64,
    },
    /// Requests with a `Range` get a wrong answer; others an honest one.
    WrongRange(RangeLie),
    /// `Content-Encoding: gzip`, asked for or not, with a body of zeros.
    GzipBomb {
        /// Bytes after decoding.
        decoded_len: u64,
    },
    /// An error or any other status, with a short text as its body.
    Status {
        /// The status code.
        code: u16,
        /// Seconds in `Retry-After`.
        retry_after: Option<u64>,
    },
    /// An error with a long page, in small chunks.
    Page {
        /// The status code.
        code: u16,
        /// Bytes of the page.
        bytes: u64,
    },
    /// An error whose page is announced and never comes; the connection stays open.
    SilentPage {
        /// The status code.
        code: u16,
    },
    /// Header fields in place of those of the honest answer, or besides; without a value it has none.
    Headers(Vec<(&'static str, Option<String>)>),
    /// 304 without a body, whatever was asked for.
    NotModified,
    /// The honest answer, once this many requests wait for it at the same time.
    Together {
        /// Requests.
        requests: usize,
    },
    /// 302 to another URL.
    RedirectTo(String),
    /// 302 to the same path with another query, for ever.
    RedirectLoop,
    /// Other bytes, honestly described.
    Replace(Vec<u8>),
    /// One bit of the byte at this offset of the file is wrong; modulo the length of the file.
    Flip {
        /// The offset.
        offset: u64,
    },
    /// The request is read and never answered.
    Stall,
    /// The connection is closed in place of an answer.
    CloseAtOnce,
    /// The header at a slow pace.
    SlowHeaders {
        /// How slow; at least 1.
        bytes_per_second: u64,
    },
    /// A header with this many bytes more than it needs, in lines of 1,000 bytes.
    HugeHeaders {
        /// Bytes more.
        bytes: u64,
    },
    /// Another `ETag` in every answer.
    ChangeEtagEachTime,
    /// The same `ETag` whatever the file is: 304 for whoever names it, the file for others.
    SameEtag,
}

/// A wrong answer to a request with a `Range`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeLie {
    /// 200 and the whole file. The standard allows it; a client that appends is wrong.
    WholeFile,
    /// 206 whose `Content-Range` is what was asked for, over the bytes from the file's beginning.
    OtherBytes,
    /// 206 with the right bytes, whose `Content-Range` says another offset.
    OtherOffset,
    /// 206 with the right bytes, whose `Content-Range` says another complete length.
    OtherTotal,
    /// 206 without a `Content-Range`.
    NoContentRange,
    /// 416, whatever was asked for.
    NotSatisfiable,
}

/// How often a rule counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// For this many requests.
    Next(u64),
    /// Until it is taken back.
    Always,
}

/// Paths: one, or with a `*` at the end all that begin so. A leading `/` makes no difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PathPattern {
    text: String,
    prefix: bool,
}

impl PathPattern {
    pub(super) fn new(pattern: &str) -> Self {
        let pattern = pattern.trim_start_matches('/');
        let (text, prefix) = match pattern.strip_suffix('*') {
            Some(prefix) => (prefix, true),
            None => (pattern, false),
        };
        Self {
            text: text.to_owned(),
            prefix,
        }
    }

    pub(super) fn matches(&self, path: &str) -> bool {
        if self.prefix {
            path.starts_with(&self.text)
        } else {
            path == self.text
        }
    }
}

#[derive(Debug)]
struct Rule {
    pattern: PathPattern,
    times: Times,
    behaviour: Behaviour,
}

/// The rules in force, oldest first.
#[derive(Debug, Default)]
pub(super) struct Rules(Mutex<Vec<Rule>>);

impl Rules {
    pub(super) fn add(&self, pattern: &str, times: Times, behaviour: Behaviour) {
        if times == Times::Next(0) {
            return;
        }
        self.lock().push(Rule {
            pattern: PathPattern::new(pattern),
            times,
            behaviour,
        });
    }

    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    /// The behaviour for a request of `path`, which is counted.
    pub(super) fn take(&self, path: &str) -> Option<Behaviour> {
        let mut rules = self.lock();
        let position = rules.iter().rposition(|rule| rule.pattern.matches(path))?;
        let rule = &mut rules[position];
        let behaviour = rule.behaviour.clone();
        if let Times::Next(left) = &mut rule.times {
            *left -= 1;
            if *left == 0 {
                rules.remove(position);
            }
        }
        Some(behaviour)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Rule>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rule_counts_and_used_up_rules_are_gone() {
        let rules = Rules::default();
        rules.add("/images/*", Times::Always, Behaviour::Stall);
        rules.add("images/a", Times::Next(2), Behaviour::Endless);
        assert_eq!(rules.take("images/a"), Some(Behaviour::Endless));
        assert_eq!(rules.take("images/b"), Some(Behaviour::Stall));
        assert_eq!(rules.take("images/a"), Some(Behaviour::Endless));
        assert_eq!(rules.take("images/a"), Some(Behaviour::Stall));
        assert_eq!(rules.take("metadata/a"), None);
        rules.clear();
        assert_eq!(rules.take("images/a"), None);
    }
}
