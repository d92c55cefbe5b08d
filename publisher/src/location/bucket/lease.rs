//! One publisher at a time, in a store that has no locks: an object that says who writes now.
//!
//! ```text
//! PREFIX/.sysext-publish.lease     {"holder":"…","beat":17,"seconds":30}
//! ```
//!
//! - It is made by a conditional write, so of many publishers one has it, and given back by another one, which names nobody.
//!   The holder writes it anew four times in the time of a lease. Whoever has watched it for a whole lease, the longer one
//!   of both, by a clock of its own that goes on while a machine sleeps, and saw no change, may take it: no two machines'
//!   clocks are ever compared.
//! - A holder that was not heard for half a lease no longer counts on having it, and publishes nothing more.
//! - What it protects is no trust but order: two that write the same numbered documents. The compare-and-swap of the
//!   timestamp decides in any case.
//! - A store that carries out a write whose condition is not met is found out here, before anything is published.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use object_store::path::Path;
use serde_json::{Value, json};

use super::address::Writers;
use super::object::{Labels, Tag, When, Written};
use super::requests::{Beside, Requests};
use crate::location::LocationError;

/// How long a publisher that says nothing any more keeps others out, where the address does not say.
pub(super) const DEFAULT: Duration = Duration::from_secs(30);
/// The longest lease that can be said, in seconds.
pub(super) const MAX_SECONDS: u64 = 600;
/// A lease is some dozen bytes.
const MAX_LEASE: u64 = 4096;
/// For how long we wait for another publisher that is at work.
const PATIENCE: Duration = Duration::from_secs(600);

/// Whose turn it is to write, as one publisher sees it.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    writers: Writers,
    /// The lease, while this publisher holds it.
    held: Arc<Mutex<Weak<Held>>>,
}

impl Turn {
    /// Not ours yet, unless nobody else ever writes.
    pub(super) fn new(writers: Writers) -> Self {
        Self {
            writers,
            held: Arc::default(),
        }
    }

    /// Who else may write.
    pub(super) fn writers(&self) -> Writers {
        self.writers
    }

    /// Whether nobody else writes now. Where the store can not say, the vendor has.
    pub(super) fn is_ours(&self) -> bool {
        self.writers == Writers::One || self.held().is_some_and(|held| held.is_sure())
    }

    /// From now on it is ours, for as long as the lease lives.
    pub(super) fn begin(&self, lease: &Lease) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        *held = Arc::downgrade(&lease.held);
    }

    pub(super) fn held(&self) -> Option<Arc<Held>> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.upgrade()
    }
}

/// The lease, held until it is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    held: Arc<Held>,
    requests: Requests,
}

/// What the holder and its renewals share.
#[derive(Debug)]
pub(super) struct Held {
    store: Beside,
    key: Path,
    holder: String,
    length: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tag: Tag,
    beat: u64,
    /// When it was last known to be ours: before the write was sent.
    renewed: Duration,
    over: bool,
}

impl Held {
    /// Whether nobody else can have it yet.
    fn is_sure(&self) -> bool {
        let state = self.state();
        !state.over && since(state.renewed) < self.length / 2
    }

    /// Renews it no more.
    pub(super) fn stop(&self) {
        self.state().over = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One renewal; whether there is to be another one.
    async fn renew(&self) -> bool {
        let (tag, beat) = {
            let state = self.state();
            if state.over {
                return false;
            }
            (state.tag.clone(), state.beat + 1)
        };
        let sent = now();
        let text = text(&self.holder, beat, self.length);
        let when = When::Same(tag);
        let put = self
            .store
            .put(&self.key, text, &when, &Labels::of_lease())
            .await;
        let tag = match put {
            Ok(Written::Done(tag)) => Some(tag),
            // Somebody has taken it; or it is the second try of a write whose answer was lost.
            Ok(Written::Refused) => match self.store.get(&self.key, MAX_LEASE).await {
                Ok(Some((there, about))) if Said::read(&there).holder == self.holder => {
                    Some(about.tag)
                }
                Ok(_) => {
                    self.state().over = true;
                    return false;
                }
                Err(_) => None,
            },
            // It may work the next time; until then it gets old.
            Err(_) => None,
        };
        let mut state = self.state();
        if let Some(tag) = tag {
            state.tag = tag;
            state.renewed = sent;
        }
        state.beat = beat;
        !state.over
    }
}

impl Lease {
    /// Waits for the lease and takes it; where there is somebody to wait for, `waits` is called once.
    pub(super) fn take(
        requests: &Requests,
        key: Path,
        length: Duration,
        waits: impl Fn(),
    ) -> Result<Self, LocationError> {
        let holder = holder();
        let started = now();
        let mut watched: Option<(Tag, Duration)> = None;
        let (tag, renewed) = loop {
            let sent = now();
            let put = |when: &When| {
                let text = text(&holder, 0, length);
                requests.put(&key, text, when, &Labels::of_lease())
            };
            let Some((there, about)) = requests.get(&key, MAX_LEASE)? else {
                match put(&When::Absent)? {
                    Written::Done(tag) => break (tag, sent),
                    Written::Refused => continue,
                }
            };
            let said = Said::read(&there);
            // The answer to our own write was lost.
            if said.holder == holder {
                break (about.tag, sent);
            }
            let began = match &watched {
                Some((tag, began)) if *tag == about.tag => *began,
                _ if said.is_free() => sent,
                before => {
                    if before.is_none() {
                        waits();
                    }
                    watched = Some((about.tag.clone(), sent));
                    sent
                }
            };
            if said.is_free() || since(began) >= length.max(said.length) {
                match put(&When::Same(about.tag))? {
                    Written::Done(tag) => break (tag, sent),
                    Written::Refused => continue,
                }
            }
            if since(started) > PATIENCE.max(length * 2) {
                return Err(LocationError::Busy {
                    file: requests.url(&key),
                    seconds: since(started).as_secs(),
                });
            }
            std::thread::sleep((length / 30).max(Duration::from_millis(50)));
        };
        let held = Arc::new(Held {
            store: requests.beside().clone(),
            key,
            holder,
            length,
            state: Mutex::new(State {
                tag,
                beat: 0,
                renewed,
                over: false,
            }),
        });
        let lease = Self {
            held: Arc::clone(&held),
            requests: requests.clone(),
        };
        lease.refuse_careless_store()?;
        requests.go_on_beside(async move {
            loop {
                tokio::time::sleep(held.length / 4).await;
                if !held.renew().await {
                    return;
                }
            }
        });
        Ok(lease)
    }

    /// Tries both conditions where neither is met: a store that writes all the same can not keep publishers apart.
    fn refuse_careless_store(&self) -> Result<(), LocationError> {
        let held = &self.held;
        let careless = |condition| LocationError::Careless {
            store: self.requests.url(&Path::default()),
            condition,
        };
        let put = |when: &When| {
            let text = text(&held.holder, 0, held.length);
            self.requests
                .put(&held.key, text, when, &Labels::of_lease())
        };
        if put(&When::Absent)? != Written::Refused {
            return Err(careless("If-None-Match"));
        }
        if put(&When::Same(Tag::of_nothing()))? != Written::Refused {
            return Err(careless("If-Match"));
        }
        Ok(())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let held = &self.held;
        held.stop();
        let mut tag = held.state().tag.clone();
        // A renewal may be on its way still: then it is looked at once more. Somebody else's is never touched; where this
        // fails, the next publisher waits for the time of a lease.
        for _ in 0..2 {
            let nobody = text("", 0, held.length);
            let when = When::Same(tag);
            match self
                .requests
                .put(&held.key, nobody, &when, &Labels::of_lease())
            {
                Ok(Written::Refused) => {}
                Ok(Written::Done(_)) | Err(_) => return,
            }
            match self.requests.get(&held.key, MAX_LEASE) {
                Ok(Some((there, about))) if Said::read(&there).holder == held.holder => {
                    tag = about.tag;
                }
                _ => return,
            }
        }
    }
}

/// The time since the machine started, the time that it slept included.
fn now() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::from_secs(seconds)
        + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or_default())
}

fn since(then: Duration) -> Duration {
    now().saturating_sub(then)
}

/// A name that no other run has.
fn holder() -> String {
    let mut random = [0; 16];
    // Without random bytes the process and the time still tell runs of one machine apart.
    let _ = getrandom::fill(&mut random);
    let hex = data_encoding::HEXLOWER.encode(&random);
    format!("{hex}-{}", std::process::id())
}

fn text(holder: &str, beat: u64, length: Duration) -> Vec<u8> {
    json!({"holder": holder, "beat": beat, "seconds": length.as_secs()})
        .to_string()
        .into_bytes()
}

/// What a lease says. One that can not be read is held by somebody without a name.
#[derive(Debug)]
struct Said {
    /// Empty where it was given back.
    holder: String,
    length: Duration,
}

impl Said {
    fn is_free(&self) -> bool {
        self.holder.is_empty()
    }

    fn read(text: &[u8]) -> Self {
        let value: Value = serde_json::from_slice(text).unwrap_or_default();
        let holder = value.get("holder").and_then(Value::as_str);
        let seconds = value.get("seconds").and_then(Value::as_u64);
        Self {
            holder: holder.unwrap_or("somebody").to_owned(),
            length: Duration::from_secs(seconds.unwrap_or_default().min(MAX_SECONDS)),
        }
    }
}
