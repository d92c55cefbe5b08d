//! The slowest download that is waited for.

use std::time::Duration;

use crate::config::MinRate;

/// Counts bytes over windows of waiting and says when they were too few.
///
/// Only the time spent waiting for the other side counts: a slow disk or decoder on this side is nobody's fault there.
/// It never looks at a clock, so it can be tried without one.
#[derive(Debug, Clone)]
pub struct RateGuard {
    rate: MinRate,
    waited: Duration,
    bytes: u64,
}

/// A download slower than the slowest that is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes came in {} s, which is slower than {wanted} (min-rate in sysext-fetch.toml)", waited.as_secs())]
pub struct TooSlow {
    /// What came in the window.
    pub bytes: u64,
    /// How long the window was.
    pub waited: Duration,
    /// The slowest rate.
    pub wanted: MinRate,
}

impl RateGuard {
    /// A guard for one download.
    #[must_use]
    pub fn new(rate: MinRate) -> Self {
        Self {
            rate,
            waited: Duration::ZERO,
            bytes: 0,
        }
    }

    /// Notes that `bytes` came after waiting for `waited`.
    ///
    /// # Errors
    /// When a window ended with too few bytes.
    pub fn record(&mut self, waited: Duration, bytes: u64) -> Result<(), TooSlow> {
        self.waited = self.waited.saturating_add(waited);
        self.bytes = self.bytes.saturating_add(bytes);
        if self.waited < self.rate.window {
            return Ok(());
        }
        let wanted = u128::from(self.rate.bytes_per_second) * self.waited.as_millis() / 1000;
        if u128::from(self.bytes) < wanted {
            return Err(TooSlow {
                bytes: self.bytes,
                waited: self.waited,
                wanted: self.rate,
            });
        }
        *self = Self::new(self.rate);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn guard() -> RateGuard {
        RateGuard::new("1 kB/s over 60 s".parse().unwrap())
    }

    #[test]
    fn a_byte_a_second_is_given_up_after_one_window() {
        let mut guard = guard();
        let seconds = (1..).find(|_| guard.record(SECOND, 1).is_err());
        assert_eq!(seconds, Some(60));
    }

    #[test]
    fn the_slowest_rate_goes_on_for_ever_and_a_pause_within_a_window_is_fine() {
        let mut guard = guard();
        for _ in 0..60 * 100 {
            guard.record(SECOND, 1000).unwrap();
        }
        guard.record(SECOND * 30, 0).unwrap();
        guard.record(SECOND, 100_000).unwrap();
        guard.record(SECOND * 29, 0).unwrap();
    }

    #[test]
    fn a_fast_start_is_no_credit_for_later_windows() {
        let mut guard = guard();
        guard.record(SECOND * 60, 1 << 30).unwrap();
        let error = guard.record(SECOND * 60, 59_999).unwrap_err();
        assert_eq!(error.bytes, 59_999);
        assert!(error.to_string().contains("1 kB/s over 60 s"), "{error}");
    }

    #[test]
    fn time_without_bytes_alone_is_enough() {
        assert!(guard().record(Duration::MAX, 0).is_err());
    }
}
