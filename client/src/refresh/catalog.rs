//! The refresh of one catalog.

use std::collections::BTreeSet;
use std::time::Duration;

use sysext_formats::catalog::{CatalogInfo, Descriptor};
use sysext_formats::digest::Sha256Digest;
use sysext_formats::limits::Limits;
use sysext_formats::name::ExtensionName;
use sysext_formats::time::UtcTime;
use sysext_formats::trust::{Clock, ExpiryPolicy, TargetsStage};
use sysext_formats::workflow::refresh;
use url::Url;

use super::index::{self, Catalog};
use super::remote::below;
use super::{
    CatalogRemote, FreshCatalog, Notes, ProblemKind, RefreshProblem, Summaries, anchor, groups,
    known,
};
use crate::config::shipped_root;
use crate::fetch::Fetcher;
use crate::metadata_store::{Known, LastError, MetadataStore, Seen, State, TrustStore};
use crate::root::Root;

/// How long another refresh of the same catalog is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(60);
/// Mirrors that a signed catalog may name.
const MAX_MOVED: usize = 16;

/// What is to be refreshed, and how.
#[derive(Debug)]
pub(super) struct Job<'a> {
    pub(super) root: &'a Root,
    pub(super) trust: TrustStore,
    pub(super) descriptor: &'a Descriptor,
    pub(super) wanted: &'a BTreeSet<ExtensionName>,
    pub(super) summaries: Summaries,
    pub(super) now: UtcTime,
    pub(super) expiry: ExpiryPolicy,
}

/// Stored trust, and whether it is certain that the pinned root belongs to it.
struct Stored {
    metadata: MetadataStore,
    is_pinned: bool,
}

impl Job<'_> {
    /// From the mirrors; what is trusted on this host goes forward, and failures are remembered.
    pub(super) fn online(&self, fetcher: &Fetcher) -> Result<FreshCatalog, RefreshProblem> {
        let pin = self.pin()?;
        let mut stored = self.stored(pin)?;
        if stored.is_none() {
            // A shipped root needs no network; one with another digest is not the pinned one.
            let shipped = shipped_root(self.root, &self.descriptor.id)?;
            if let Some(bytes) = shipped.filter(|bytes| Sha256Digest::of(bytes) == pin) {
                stored = Some(self.begin(&bytes)?);
            }
        }
        let moved = match &stored {
            Some(stored) => stored.metadata.state().map_err(RefreshProblem::Store)?.urls,
            None => Vec::new(),
        };
        let bases = self.bases(&moved);
        let remote = CatalogRemote::mirrors(fetcher.clone(), &bases);
        let mut notes = Notes {
            mirrors: &bases,
            notes: Vec::new(),
        };
        let mut worst: Option<RefreshProblem> = None;
        for mirror in 0..remote.count() {
            remote.switch_to(mirror);
            let result = self.ask_mirror(&mut stored, pin, &remote, &mut notes);
            match result {
                Ok(catalog) => return Ok(catalog),
                Err(problem) => {
                    let goes_on = problem.is_of_the_mirror();
                    notes.mirror(mirror, &problem);
                    if worst
                        .as_ref()
                        .is_none_or(|worst| problem.kind() > worst.kind())
                    {
                        worst = Some(problem);
                    }
                    if !goes_on {
                        break;
                    }
                }
            }
        }
        let problem = worst.unwrap_or_else(|| RefreshProblem::Missing("timestamp.json".to_owned()));
        if let Some(stored) = &stored {
            self.remember_failure(&stored.metadata, &problem, &notes);
        }
        Err(problem)
    }

    fn ask_mirror(
        &self,
        stored: &mut Option<Stored>,
        pin: Sha256Digest,
        remote: &CatalogRemote,
        notes: &mut Notes<'_>,
    ) -> Result<FreshCatalog, RefreshProblem> {
        let stored = match stored {
            Some(stored) => stored,
            None => {
                let bytes = anchor::fetch(&mut remote.clone(), self.descriptor, pin)?;
                stored.insert(self.begin(&bytes)?)
            }
        };
        let lock = stored.metadata.lock(LOCK_WAIT);
        let _lock = lock.map_err(RefreshProblem::Store)?;
        let state = stored.metadata.state().map_err(RefreshProblem::Store)?;
        let now = self.now_for(&state, notes);
        let clock = Clock {
            now,
            expiry: self.expiry,
        };
        let limits = Limits::default();
        known::ask(&stored.metadata, notes.mirrors, remote, self.now)?;
        let first = refresh(Some(remote.clone()), &mut stored.metadata, clock, limits);
        let refreshed = match first {
            Ok(catalog) => Ok(catalog),
            Err(error) => {
                let problem = RefreshProblem::from(error);
                if known::ask_again(&stored.metadata, notes.mirrors, remote, &problem) {
                    let limits = Limits::default();
                    refresh(Some(remote.clone()), &mut stored.metadata, clock, limits)
                        .map_err(RefreshProblem::from)
                } else {
                    Err(problem)
                }
            }
        };
        let mut catalog = match refreshed {
            Err(problem) if !stored.is_pinned && problem.kind() > ProblemKind::Host => {
                return Err(self.other_root(pin));
            }
            result => result?,
        };
        // Accepted, and from this mirror.
        let timestamp = known::Accepted::of(remote, catalog.stage().timestamp().expires);
        let mut fresh = self.read(&mut catalog, Some(remote), &urls(&state.urls), notes)?;
        drop(catalog);
        timestamp.remember(&stored.metadata, notes.mirrors, self.now);
        if !stored.is_pinned {
            let reached = stored.metadata.has_root(pin);
            if !reached.map_err(RefreshProblem::Store)? {
                return Err(self.other_root(pin));
            }
        }
        stored.is_pinned = true;
        fresh.refreshed = Some(now);
        fresh.seen = look_at(&stored.metadata, &fresh, now).map_err(RefreshProblem::Store)?;
        fresh.notes = std::mem::take(&mut notes.notes);
        let state = State {
            refreshed: Some(now),
            error: None,
            urls: fresh.moved_to.iter().map(Url::to_string).collect(),
        };
        let remembered = stored.metadata.set_state(&state);
        remembered.map_err(RefreshProblem::Store)?;
        Ok(fresh)
    }

    /// From what is stored; nothing is written.
    pub(super) fn cached(&self) -> Result<FreshCatalog, RefreshProblem> {
        let pin = self.pin()?;
        let stored = self.stored(pin)?;
        let Some(mut stored) = stored else {
            return Err(RefreshProblem::NotStored("root.json".to_owned()));
        };
        if !stored.is_pinned {
            return Err(self.other_root(pin));
        }
        let state = stored.metadata.state().map_err(RefreshProblem::Store)?;
        let bases = self.bases(&state.urls);
        let mut notes = Notes {
            mirrors: &bases,
            notes: Vec::new(),
        };
        let clock = Clock {
            now: self.now_for(&state, &mut notes),
            expiry: self.expiry,
        };
        let remote = None::<CatalogRemote>;
        let mut catalog = refresh(remote, &mut stored.metadata, clock, Limits::default())?;
        let mut fresh = self.read(&mut catalog, None, &urls(&state.urls), &mut notes)?;
        fresh.image_bases = self.image_bases(&bases, 0);
        fresh.refreshed = state.refreshed;
        fresh.seen = stored.metadata.seen().map_err(RefreshProblem::Store)?;
        fresh.notes = notes.notes;
        Ok(fresh)
    }

    /// What is remembered besides the metadata.
    pub(super) fn state(&self) -> Result<State, sysext_durable::Error> {
        let Ok(pin) = self.pin() else {
            return Ok(State::default());
        };
        match self.trust.find(&self.descriptor.id, pin)? {
            Known::Trusted(metadata) => metadata.state(),
            Known::Nothing | Known::Other(_) => Ok(State::default()),
        }
    }

    fn pin(&self) -> Result<Sha256Digest, RefreshProblem> {
        let missing = || RefreshProblem::NoFingerprint(self.descriptor.id.clone());
        self.descriptor.root_sha256.ok_or_else(missing)
    }

    fn stored(&self, pin: Sha256Digest) -> Result<Option<Stored>, RefreshProblem> {
        let known = self.trust.find(&self.descriptor.id, pin);
        Ok(match known.map_err(RefreshProblem::Store)? {
            Known::Nothing => None,
            Known::Trusted(metadata) => Some(Stored {
                metadata,
                is_pinned: true,
            }),
            Known::Other(metadata) => Some(Stored {
                metadata,
                is_pinned: false,
            }),
        })
    }

    fn begin(&self, bytes: &[u8]) -> Result<Stored, RefreshProblem> {
        Ok(Stored {
            metadata: anchor::begin(&self.trust, self.descriptor, bytes)?,
            is_pinned: true,
        })
    }

    fn other_root(&self, pinned: Sha256Digest) -> RefreshProblem {
        RefreshProblem::OtherRoot {
            catalog: self.descriptor.id.clone(),
            pinned,
        }
    }

    /// Time never runs backwards: a clock that was set back would make expired metadata fresh again.
    fn now_for(&self, state: &State, notes: &mut Notes<'_>) -> UtcTime {
        match state.refreshed {
            Some(refreshed) if self.now < refreshed => {
                let note = format!(
                    "the clock says {}, but this catalog was refreshed at {refreshed}; that time is used",
                    self.now
                );
                if !notes.notes.contains(&note) {
                    notes.notes.push(note);
                }
                refreshed
            }
            _ => self.now,
        }
    }

    fn read(
        &self,
        catalog: &mut Catalog<'_>,
        remote: Option<&CatalogRemote>,
        known_moves: &[Url],
        notes: &mut Notes<'_>,
    ) -> Result<FreshCatalog, RefreshProblem> {
        let mirror = remote.map_or(0, CatalogRemote::current);
        let targets = catalog.stage().targets();
        let info = targets.map_or_else(
            || Ok(CatalogInfo::default()),
            |targets| CatalogInfo::read("targets", targets),
        );
        // Without its summaries a catalog still updates what is installed, and it has not moved back.
        let (mut info, moved_to) = match info {
            Ok(info) => {
                let moved_to = self.moved(&info);
                (info, moved_to)
            }
            Err(error) => {
                notes.notes.push(error.to_string());
                (CatalogInfo::default(), known_moves.to_vec())
            }
        };
        let groups = match self.summaries {
            Summaries::OfTargets => groups::Read::default(),
            Summaries::OfGroups => groups::read(catalog, remote),
        };
        // What `targets.json` says itself comes first.
        for (name, summary) in groups.extensions {
            info.extensions.entry(name).or_insert(summary);
        }
        let snapshot = catalog.stage().snapshot();
        let is_missing = |name: &&ExtensionName| snapshot.role(name.as_str()).is_none();
        let unpublished = info.extensions.keys().filter(is_missing).cloned().collect();
        let expires = earliest(catalog.stage());
        let read = index::read_all(catalog, remote, self.descriptor, self.wanted, notes);
        Ok(FreshCatalog {
            id: self.descriptor.id.clone(),
            descriptor: self.descriptor.clone(),
            info,
            unpublished,
            unread_groups: groups.unread,
            not_listed: groups.notes,
            moved_to,
            indexes: read.indexes,
            seen: Seen::default(),
            index_expires: read.expires,
            image_bases: self.image_bases(notes.mirrors, mirror),
            expires,
            refreshed: None,
            notes: Vec::new(),
        })
    }

    /// Where the catalog may be: where it has moved to, by its own signed word, then where the descriptor says.
    fn bases(&self, moved: &[String]) -> Vec<Url> {
        let mut bases: Vec<Url> = Vec::new();
        for url in urls(moved)
            .into_iter()
            .chain(self.descriptor.url.iter().cloned())
        {
            if !bases.contains(&url) {
                bases.push(url);
            }
        }
        bases
    }

    /// The signed new places that this host follows: none weaker than those it knows, whatever interface they are on.
    fn moved(&self, info: &CatalogInfo) -> Vec<Url> {
        let plain = self.descriptor.url.iter().any(|url| url.scheme() == "http");
        let followed = |url: &Url| plain || url.scheme() == "https";
        info.moved_to().filter(followed).take(MAX_MOVED).collect()
    }

    /// The mirror that served the metadata first, then the others.
    fn image_bases(&self, bases: &[Url], mirror: usize) -> Vec<Url> {
        if let Some(url) = &self.descriptor.images_url {
            return vec![url.clone()];
        }
        let (before, from) = bases.split_at(mirror.min(bases.len()));
        let bases = from.iter().chain(before);
        bases.map(|base| below(base, "images")).collect()
    }

    fn remember_failure(
        &self,
        metadata: &MetadataStore,
        problem: &RefreshProblem,
        notes: &Notes<'_>,
    ) {
        let mut message = problem.in_one_line();
        if notes.mirrors.len() > 1 {
            message = notes.notes.join("; ");
        }
        // The failure itself is reported; that it can not be remembered too changes nothing.
        if let Ok(mut state) = metadata.state() {
            state.error = Some(LastError {
                time: self.now,
                message: message.chars().take(2000).collect(),
            });
            let _ = metadata.set_state(&state);
        }
    }
}

/// Remembers which images are there now.
fn look_at(
    metadata: &MetadataStore,
    fresh: &FreshCatalog,
    now: UtcTime,
) -> Result<Seen, sysext_durable::Error> {
    let mut seen = metadata.seen()?;
    for (name, index) in &fresh.indexes {
        if let Ok(index) = index {
            seen.look_at(name, index, now);
        }
    }
    metadata.set_seen(&seen)?;
    Ok(seen)
}

fn urls(texts: &[String]) -> Vec<Url> {
    let urls = texts.iter().filter_map(|text| Url::parse(text).ok());
    urls.collect()
}

fn earliest(stage: &TargetsStage) -> UtcTime {
    let top = [
        stage.root().expires,
        stage.timestamp().expires,
        stage.snapshot().expires,
    ];
    let all = top
        .into_iter()
        .chain(stage.targets().map(|targets| targets.expires));
    all.fold(stage.root().expires, Ord::min)
}
