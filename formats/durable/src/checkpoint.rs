//! Named places at which a test can stop a process, and safeguards that it can take out. Only with the feature
//! `checkpoints`; what ships has none of it.
//!
//! | variable | effect |
//! |---|---|
//! | `SYSEXT_CHECKPOINTS_TO=FILE` | the name of each place that is passed is added to FILE |
//! | `SYSEXT_CHECKPOINT_STOP=N` | the process stops (SIGSTOP) at the Nth place that it passes |
//! | `SYSEXT_LEAVE_OUT=WHAT` | the safeguard of that name is left out, to see that its test fails then |

/// Passes the place `name`.
#[cfg(not(feature = "checkpoints"))]
#[inline]
pub const fn checkpoint(_name: &str) {}

/// Whether the safeguard `what` is to be left out.
#[cfg(not(feature = "checkpoints"))]
#[inline]
#[must_use]
pub const fn is_left_out(_what: &str) -> bool {
    false
}

#[cfg(feature = "checkpoints")]
pub use self::test_build::{checkpoint, is_left_out};

#[cfg(feature = "checkpoints")]
mod test_build {
    use std::env;
    use std::fs::OpenOptions;
    use std::io::Write as _;
    use std::sync::atomic::{AtomicU64, Ordering};

    use rustix::process::{Signal, getpid, kill_process};

    static PASSED: AtomicU64 = AtomicU64::new(0);

    /// Passes the place `name`.
    pub fn checkpoint(name: &str) {
        let number = PASSED.fetch_add(1, Ordering::SeqCst) + 1;
        if let Some(path) = env::var_os("SYSEXT_CHECKPOINTS_TO") {
            let file = OpenOptions::new().create(true).append(true).open(path);
            // One write, so that threads do not mix their lines.
            let _ = file.and_then(|mut file| file.write_all(format!("{name}\n").as_bytes()));
        }
        let stop = env::var("SYSEXT_CHECKPOINT_STOP").ok();
        if stop.and_then(|text| text.parse().ok()) == Some(number) {
            let _ = kill_process(getpid(), Signal::STOP);
        }
    }

    /// Whether the safeguard `what` is to be left out.
    #[must_use]
    pub fn is_left_out(what: &str) -> bool {
        env::var("SYSEXT_LEAVE_OUT").is_ok_and(|left_out| left_out == what)
    }
}
