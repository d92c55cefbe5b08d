//! Taking a catalog back from somebody who had its online key.
//!
//! Whoever has that key can publish timestamps and snapshots of any version: so high that nothing could follow
//! (fast-forward), or listing what was published years ago. None of that can be gone on from. So the catalog is rebuilt from
//! a snapshot that its owner names, and a new root that names another online key: a host that sees these keys change forgets
//! every timestamp and snapshot it has (TUF 5.3.11), whatever their versions are.

use sysext_formats::limits::Limits;
use sysext_formats::role::{
    Extra, MetaFile, MetadataVersion, Root, Snapshot, Targets, Timestamp, TimestampMeta,
};
use sysext_formats::sign::Pending;
use sysext_formats::trust::{Clock, ExpiryPolicy, RootStage, TrustError};
use sysext_formats::verify::{Authority, Verified, VerifyError, verify};
use sysext_formats::workflow::{CachedFile, RemoteFile};

use crate::context::Context;
use crate::draft::{Catalog, Editor, KeyChange};
use crate::failure::{Failure, Kind};
use crate::location::{LocationError, Place, Store};
use crate::memory::Documents;
use crate::reconcile::{Report, remember};
use crate::selfcheck::Before;
use crate::session::Session;
use crate::signer::{Configured, SignedDraft};
use crate::staged::Arrivals;
use crate::upload::{self, UploadError};

/// Why a catalog can not be rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// A root does not follow the one before it.
    #[error(transparent)]
    Root(#[from] TrustError),
    /// A document is not there.
    #[error("{0} is not there")]
    Missing(String),
    /// A document was not signed by those who should have.
    #[error("{file} can not be gone on from: {source}")]
    Refused {
        /// The file.
        file: String,
        /// Why.
        source: VerifyError,
    },
    /// The snapshot is not what its name says, or lists no table of contents.
    #[error("{file} is version {found} and lists {}", if *lists { "targets.json" } else { "no targets.json" })]
    NotThat {
        /// The file.
        file: String,
        /// Its version.
        found: MetadataVersion,
        /// Whether it lists the table of contents.
        lists: bool,
    },
    /// The host failed.
    #[error(transparent)]
    Location(#[from] LocationError),
}

/// Replaces the online key, going on from a snapshot that is known to be good.
///
/// # Errors
/// When that snapshot can not be verified, or the result not be published.
pub fn replace_online_key(
    context: &Context,
    session: &Session,
    store: &dyn Store,
    good: MetadataVersion,
    change: impl FnOnce(&Catalog) -> Result<KeyChange, Failure>,
) -> Result<Report, Failure> {
    if context.outbox.is_some() {
        return Err(Failure::usage(
            "going on from a snapshot can not be proposed: every minute counts",
        )
        .hint("gather the root keys at one machine; the procedure is in publisher/RECOVERY.md"));
    }
    let expected = upload::timestamp(store)?;
    let (root, root_bytes) = newest_root(store, session.pinned_root(), context)?;
    let catalog = rebuild(store, root, good, context)?;
    let mut change = change(&catalog)?;
    // Hosts that believed the thief refuse everything older until they see the new root: it comes first.
    change.lost = true;
    let mut editor = Editor::new(catalog, context.now(), session.config.policy());
    editor.edit_keys(&change)?;
    let draft = editor.finish()?;
    let draft = draft.ok_or_else(|| Failure::usage("the online key is this one already"))?;
    let dry_run = context.globals.dry_run;
    let report = Report {
        changed: true,
        dry_run,
        changes: draft.changes.clone(),
        proposed: None,
    };
    if dry_run {
        return Ok(report);
    }
    let signed = SignedDraft::new(
        draft,
        &Configured {
            config: &session.config,
            ring: &session.ring,
        },
    )?;
    let before = Before {
        first_root: session.pinned_root(),
        published: deceived_host(store, root_bytes)?,
        location: Some(store),
        now: context.now(),
    };
    let mut arrivals = Arrivals::new();
    let uploaded = session.publish(store, signed, &mut arrivals, Vec::new(), &before, expected)?;
    let uploaded = uploaded.ok_or(UploadError::Lost)?;
    remember(session.memory(context)?, &uploaded, context);
    Ok(report)
}

fn newest_root(
    store: &dyn Store,
    pinned: &[u8],
    context: &Context,
) -> Result<(Root, Vec<u8>), RecoveryError> {
    let clock = Clock {
        now: context.now(),
        expiry: ExpiryPolicy::Ignore,
    };
    let limits = Limits::default();
    let mut stage = RootStage::trust(pinned, clock)?;
    let mut newest = pinned.to_vec();
    for _ in 0..limits.new_roots {
        let Some(version) = stage.next_version() else {
            break;
        };
        let place = Place::Metadata(RemoteFile::Root(version));
        let Some(bytes) = store.read(&place, limits.root)? else {
            break;
        };
        stage.update(&bytes)?;
        newest = bytes;
    }
    Ok(((**stage.root()).clone(), newest))
}

fn rebuild(
    store: &dyn Store,
    root: Root,
    good: MetadataVersion,
    context: &Context,
) -> Result<Catalog, RecoveryError> {
    let limits = Limits::default();
    let file = RemoteFile::Snapshot(Some(good));
    let snapshot: Verified<Snapshot> =
        read(store, &file, limits.snapshot, &root.snapshot_authority())?;
    let listed = snapshot.meta.get("targets.json").map(|meta| meta.version);
    let Some(version) = listed.filter(|_| snapshot.version == good) else {
        return Err(RecoveryError::NotThat {
            file: file.url_name(),
            found: snapshot.version,
            lists: listed.is_some(),
        });
    };
    let file = RemoteFile::Targets(None, Some(version));
    let targets: Verified<Targets> = read(store, &file, limits.targets, &root.targets_authority())?;
    Ok(Catalog {
        targets: (*targets).clone(),
        timestamp: Timestamp {
            version: good,
            expires: context.now(),
            meta: TimestampMeta {
                snapshot: MetaFile::version_only(good),
                extra: Extra::new(),
            },
            extra: Extra::new(),
        },
        snapshot: (*snapshot).clone(),
        root,
        groups: Default::default(),
        indexes: Default::default(),
    })
}

fn read<T: sysext_formats::role::Role>(
    store: &dyn Store,
    file: &RemoteFile,
    limit: u64,
    authority: &Authority<'_>,
) -> Result<Verified<T>, RecoveryError> {
    let bytes = store.read(&Place::Metadata(file.clone()), limit)?;
    let bytes = bytes.ok_or_else(|| RecoveryError::Missing(file.url_name()))?;
    verify(&bytes, authority).map_err(|source| RecoveryError::Refused {
        file: file.url_name(),
        source,
    })
}

/// What a host has stored that believed what is published now: it must find its way back.
fn deceived_host(store: &dyn Store, root: Vec<u8>) -> Result<Documents, LocationError> {
    let limits = Limits::default();
    let mut documents = Documents::from([(CachedFile::Root, root)]);
    let place = Place::Metadata(RemoteFile::Timestamp);
    let Some(bytes) = store.read(&place, limits.timestamp)? else {
        return Ok(documents);
    };
    if let Ok(timestamp) = Pending::<Timestamp>::parse(&bytes) {
        let version = timestamp.unverified().meta.snapshot.version;
        let place = Place::Metadata(RemoteFile::Snapshot(Some(version)));
        if let Some(snapshot) = store.read(&place, limits.snapshot)? {
            documents.insert(CachedFile::Snapshot, snapshot);
        }
    }
    documents.insert(CachedFile::Timestamp, bytes);
    Ok(documents)
}

impl From<RecoveryError> for Failure {
    fn from(error: RecoveryError) -> Self {
        match error {
            RecoveryError::Location(error) => error.into(),
            error => Self::of(Kind::Unverified, &error)
                .hint("--snapshot names the newest version that is known to be good"),
        }
    }
}
