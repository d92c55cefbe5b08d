//! How long a transfer may take: a slowest rate for each window of waiting, and a deadline for the whole.
//!
//! - It never looks at a clock: every instant is given, so it is tried with one that nobody waits for.
//! - Only the time spent waiting for the other side counts for the rate: a slow disk or decoder on this side is nobody's
//!   fault there. For the deadline all time counts, retries, pauses and further mirrors included.
//!
//! What it does not do: interrupt anything. A read that brings nothing ends by the timeout of its request.

use std::time::{Duration, Instant};

use crate::config::{Deadline, MinRate, Settings};

/// The pace of one transfer.
#[derive(Debug, Clone)]
pub struct Pace {
    rate: MinRate,
    began: Instant,
    deadline: Deadline,
    setting: &'static str,
    waited: Duration,
    bytes: u64,
}

/// Why a transfer is waited for no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GaveUp {
    /// It is slower than the slowest that is waited for.
    #[error("{bytes} bytes came in {} s, which is slower than {wanted} (min-rate in sysext-fetch.toml)", waited.as_secs())]
    TooSlow {
        /// What came in the window.
        bytes: u64,
        /// How long the window was.
        waited: Duration,
        /// The slowest rate.
        wanted: MinRate,
    },
    /// It was not complete when its time was over.
    #[error("it was not complete within {deadline} ({setting} in sysext-fetch.toml)")]
    TooLate {
        /// The time it had.
        deadline: Deadline,
        /// Which setting says so.
        setting: &'static str,
    },
}

impl Pace {
    /// The transfer of a document begins.
    #[must_use]
    pub fn of_metadata(settings: &Settings, now: Instant) -> Self {
        let deadline = settings.metadata_deadline;
        Self::new(settings.min_rate, deadline, "metadata-deadline", now)
    }

    /// The transfer of an image begins.
    #[must_use]
    pub fn of_image(settings: &Settings, now: Instant) -> Self {
        let deadline = settings.image_deadline;
        Self::new(settings.min_rate, deadline, "image-deadline", now)
    }

    fn new(rate: MinRate, deadline: Deadline, setting: &'static str, now: Instant) -> Self {
        Self {
            rate,
            began: now,
            deadline,
            setting,
            waited: Duration::ZERO,
            bytes: 0,
        }
    }

    /// For a further request of the same transfer: a new window, the same deadline.
    #[must_use]
    pub fn again(&self) -> Self {
        Self::new(self.rate, self.deadline, self.setting, self.began)
    }

    /// How much of its time is left.
    ///
    /// # Errors
    /// When it is over.
    pub fn left(&self, now: Instant) -> Result<Duration, GaveUp> {
        let spent = now.saturating_duration_since(self.began);
        match self.deadline.0.checked_sub(spent) {
            Some(left) if !left.is_zero() => Ok(left),
            _ => Err(GaveUp::TooLate {
                deadline: self.deadline,
                setting: self.setting,
            }),
        }
    }

    /// Notes that `bytes` came after waiting from one instant until another.
    ///
    /// # Errors
    /// When a window ended with too few bytes, or the time of the whole is over.
    pub fn waited(&mut self, from: Instant, until: Instant, bytes: u64) -> Result<(), GaveUp> {
        self.left(until)?;
        let waited = until.saturating_duration_since(from);
        self.waited = self.waited.saturating_add(waited);
        self.bytes = self.bytes.saturating_add(bytes);
        if self.waited < self.rate.window {
            return Ok(());
        }
        let wanted = u128::from(self.rate.bytes_per_second) * self.waited.as_millis() / 1000;
        if u128::from(self.bytes) < wanted {
            return Err(GaveUp::TooSlow {
                bytes: self.bytes,
                waited: self.waited,
                wanted: self.rate,
            });
        }
        (self.waited, self.bytes) = (Duration::ZERO, 0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const DAY: Duration = Duration::from_secs(86_400);

    /// A server, and a clock that only it moves.
    struct Server {
        pace: Pace,
        now: Instant,
    }

    impl Server {
        fn new(settings: &str) -> Self {
            let now = Instant::now();
            let settings = toml::from_str(settings).unwrap();
            Self {
                pace: Pace::of_image(&settings, now),
                now,
            }
        }

        fn sends(&mut self, bytes: u64, after: Duration) -> Result<(), GaveUp> {
            let from = self.now;
            self.now += after;
            self.pace.waited(from, self.now, bytes)
        }
    }

    fn server() -> Server {
        Server::new("min-rate = \"1 kB/s over 60 s\"\nimage-deadline = \"2d\"")
    }

    #[test]
    fn a_byte_a_second_is_given_up_after_one_window() {
        let mut server = server();
        let seconds = (1..).find(|_| server.sends(1, SECOND).is_err());
        assert_eq!(seconds, Some(60));
    }

    #[test]
    fn the_slowest_rate_may_go_on_and_a_pause_within_a_window_is_fine() {
        let mut server = server();
        for _ in 0..60 * 100 {
            server.sends(1000, SECOND).unwrap();
        }
        server.sends(0, SECOND * 30).unwrap();
        server.sends(100_000, SECOND).unwrap();
        server.sends(0, SECOND * 29).unwrap();
    }

    #[test]
    fn a_fast_start_is_no_credit_for_later_windows() {
        let mut server = server();
        server.sends(1 << 30, SECOND * 60).unwrap();
        let error = server.sends(59_999, SECOND * 60).unwrap_err();
        assert!(
            matches!(error, GaveUp::TooSlow { bytes: 59_999, .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains("1 kB/s over 60 s"), "{error}");
    }

    #[test]
    fn time_without_bytes_alone_is_enough() {
        assert!(server().sends(0, DAY).is_err());
    }

    #[test]
    fn a_server_that_is_just_fast_enough_ends_at_the_deadline() {
        let mut server = server();
        let minutes = (1..).find(|_| server.sends(60_000, SECOND * 60).is_err());
        assert_eq!(minutes, Some(2 * 24 * 60));
        let error = server.pace.left(server.now).unwrap_err();
        assert_eq!(
            error.to_string(),
            "it was not complete within 2d (image-deadline in sysext-fetch.toml)"
        );
    }

    #[test]
    fn a_slow_disk_here_counts_for_the_deadline_and_not_for_the_rate() {
        let mut server = server();
        for _ in 0..100 {
            server.now += SECOND * 600;
            server.sends(60_000, SECOND * 60).unwrap();
        }
        server.now += DAY * 2;
        let error = server.sends(60_000, SECOND * 60).unwrap_err();
        assert!(matches!(error, GaveUp::TooLate { .. }), "{error:?}");
    }

    #[test]
    fn a_further_request_gets_a_new_window_and_no_more_time() {
        let mut server = server();
        server.sends(1, SECOND * 59).unwrap();
        server.pace = server.pace.again();
        server.sends(1, SECOND * 59).unwrap();
        server.now += DAY * 2;
        assert!(server.pace.again().left(server.now).is_err());
    }

    #[test]
    fn a_clock_that_goes_back_ends_nothing() {
        let mut server = server();
        server.now -= DAY;
        assert_eq!(server.pace.left(server.now), Ok(DAY * 2));
        server.pace.waited(server.now + DAY, server.now, 1).unwrap();
    }
}
