//! One publisher at a time, in a store that has no locks: an object that says who writes now.
//!
//! ```text
//! PREFIX/.sysext-publish.lease     {"holder":"…","beat":17}
//! ```
//!
//! - It is made by a conditional write, so of many publishers one has it. The holder writes it anew four times in the time
//!   of a lease. Whoever has watched it for a whole lease, by a clock of its own, and saw no change, may take it: no two
//!   machines' clocks are ever compared.
//! - A holder that was not heard for half a lease no longer counts on having it, and publishes nothing more.
//! - What it protects is no trust but order: two that write the same numbered documents. The compare-and-swap of the
//!   timestamp decides in any case.
//! - A store that carries out a write whose condition is not met is found out here, before anything is published.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use object_store::path::Path;
use serde_json::json;

use super::address::Writers;
use super::object::{Labels, Tag, When, Written};
use super::requests::Requests;
use crate::location::LocationError;

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
}

/// What the holder and its renewals share.
#[derive(Debug)]
pub(super) struct Held {
    requests: Requests,
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
    renewed: Instant,
    over: bool,
}

impl Held {
    /// Whether nobody else can have it yet.
    fn is_sure(&self) -> bool {
        let state = self.state();
        !state.over && state.renewed.elapsed() < self.length / 2
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
        let sent = Instant::now();
        let text = text(&self.holder, beat);
        let when = When::Same(tag);
        let put = self
            .requests
            .put_beside(&self.key, text, &when, &Labels::of_lease())
            .await;
        let tag = match put {
            Ok(Written::Done(tag)) => Some(tag),
            // Somebody has taken it; or it is the second try of a write whose answer was lost.
            Ok(Written::Refused) => match self.requests.get_beside(&self.key, MAX_LEASE).await {
                Ok(Some((there, about))) if is_of(&there, &self.holder) => Some(about.tag),
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
    /// Waits for the lease and takes it.
    pub(super) fn take(
        requests: &Requests,
        key: Path,
        length: Duration,
    ) -> Result<Self, LocationError> {
        let holder = holder();
        let started = Instant::now();
        let mut watched: Option<(Tag, Instant)> = None;
        let (tag, renewed) = loop {
            let sent = Instant::now();
            let put = |when: &When| requests.put(&key, text(&holder, 0), when, &Labels::of_lease());
            let Some((there, about)) = requests.get(&key, MAX_LEASE)? else {
                match put(&When::Absent)? {
                    Written::Done(tag) => break (tag, sent),
                    Written::Refused => continue,
                }
            };
            // The answer to our own write was lost.
            if is_of(&there, &holder) {
                break (about.tag, sent);
            }
            let since = match &watched {
                Some((tag, since)) if *tag == about.tag => *since,
                _ => {
                    tracing::info!("{} is another publisher's: waiting", requests.url(&key));
                    watched = Some((about.tag.clone(), sent));
                    sent
                }
            };
            if since.elapsed() >= length {
                match put(&When::Same(about.tag))? {
                    Written::Done(tag) => break (tag, sent),
                    Written::Refused => continue,
                }
            }
            if started.elapsed() > PATIENCE.max(length * 2) {
                return Err(LocationError::Busy {
                    file: requests.url(&key),
                    seconds: started.elapsed().as_secs(),
                });
            }
            std::thread::sleep((length / 30).max(Duration::from_millis(50)));
        };
        let held = Arc::new(Held {
            requests: requests.clone(),
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
        };
        lease.refuse_careless_store()?;
        requests.beside(async move {
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
            store: held.requests.url(&Path::default()),
            condition,
        };
        let put = |when: &When| {
            let text = text(&held.holder, 0);
            held.requests
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
        let is_sure = self.held.is_sure();
        self.held.stop();
        // A renewal that is on its way writes it once more at most; the next publisher watches it for a while then. Where
        // it may be somebody else's by now, it stays.
        if is_sure {
            let _ = self.held.requests.delete(&self.held.key);
        }
    }
}

/// A name that no other run has.
fn holder() -> String {
    let mut random = [0; 16];
    // Without random bytes the process and the time still tell runs of one machine apart.
    let _ = getrandom::fill(&mut random);
    let hex = data_encoding::HEXLOWER.encode(&random);
    format!("{hex}-{}", std::process::id())
}

fn text(holder: &str, beat: u64) -> Vec<u8> {
    json!({"holder": holder, "beat": beat})
        .to_string()
        .into_bytes()
}

fn is_of(text: &[u8], holder: &str) -> bool {
    let value: Option<serde_json::Value> = serde_json::from_slice(text).ok();
    value.is_some_and(|value| value.get("holder").is_some_and(|it| it == holder))
}
