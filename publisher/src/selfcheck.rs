//! The staged tree, looked at as hosts will: the one way from [`StagedTree`] to [`Publishable`].
//!
//! - The client's own workflow runs over it, with expiry, from the first root (a new host), from the root that is
//!   published now (a host that was away), and from everything that is published now (a host that is up to date: nothing
//!   may be older than what it has, nothing may have vanished).
//! - Every new index is read as a client reads it; nothing in it may be ignored. Every new image must be found under its
//!   name in the index of its extension, and the bytes that the host was given must be those that the index promises; of
//!   what is elsewhere, the index must name the very URLs at which it was found.
//! - Expiry of a document that this run has not signed is left to `status`, except where hosts would refuse everything.

use sysext_formats::catalog::{ExtensionIndex, Image, IndexError, Transport};
use sysext_formats::digest::Sha256Digest;
use sysext_formats::limits::Limits;
use sysext_formats::name::{ExtensionName, FileName, RoleName};
use sysext_formats::time::UtcTime;
use sysext_formats::trust::{Clock, TrustError};
use sysext_formats::workflow::{self, CachedFile, Fresh, RefreshError, Remote, RemoteFile};

use crate::arrival::{Arrival, Brought, Bytes};
use crate::elsewhere::Promised;
use crate::location::{Location, LocationError, Place};
use crate::memory::{Documents, Memory};
use crate::published::find_index;
use crate::staged::StagedTree;

/// A tree that hosts accept. Nothing else can be uploaded.
#[derive(Debug)]
pub struct Publishable<'a>(StagedTree<'a>);

impl<'a> Publishable<'a> {
    /// What was checked.
    #[must_use]
    pub fn tree(&self) -> &StagedTree<'a> {
        &self.0
    }

    /// What was checked, to upload it.
    pub(crate) fn into_tree(self) -> StagedTree<'a> {
        self.0
    }
}

/// What hosts would not accept.
#[derive(Debug, thiserror::Error)]
pub enum SelfCheckError {
    /// The workflow refused it.
    #[error("{host} would refuse what was about to be published")]
    Refused {
        /// Which host.
        host: &'static str,
        /// Why.
        source: RefreshError<LocationError, sysext_durable::Error>,
    },
    /// An index is not found where hosts look.
    #[error("hosts would not find the index of {0}")]
    IndexNotFound(ExtensionName),
    /// An index can not be read as hosts read it.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// An entry that hosts would ignore.
    #[error("hosts would ignore {file}: {reason}")]
    Ignored {
        /// The entry.
        file: String,
        /// Why.
        reason: String,
    },
    /// An image is not found where hosts look.
    #[error("hosts would not find {file} in the index of {extension}")]
    ImageNotFound {
        /// The image.
        file: FileName,
        /// Its extension.
        extension: ExtensionName,
    },
    /// The bytes at the host are others.
    #[error(
        "{file}: the bytes at the host are not those that were read: sha256 {found}, {expected} was expected"
    )]
    OtherBytes {
        /// The file.
        file: FileName,
        /// What the index says.
        expected: Sha256Digest,
        /// What is there.
        found: Sha256Digest,
    },
    /// A file is not where its index says.
    #[error("hosts would not find {0} where its index says that it is")]
    Whereabouts(FileName),
    /// The host failed.
    #[error(transparent)]
    Location(#[from] LocationError),
}

/// What is known before the change.
#[derive(Debug)]
pub struct Before<'a> {
    /// The vendor's own `root.json`.
    pub first_root: &'a [u8],
    /// What a host has stored that is up to date; empty for a new catalog.
    pub published: Documents,
    /// Where the documents are that do not change.
    pub location: Option<&'a dyn Location>,
    /// The time.
    pub now: UtcTime,
}

const NEW_HOST: &str = "a new host";

/// Checks a staged tree.
///
/// # Errors
/// When a host would refuse it.
pub fn check<'a>(
    tree: StagedTree<'a>,
    before: &Before<'_>,
) -> Result<Publishable<'a>, SelfCheckError> {
    let of_root = |bytes: &[u8]| Documents::from([(CachedFile::Root, bytes.to_vec())]);
    let mut hosts = vec![(NEW_HOST, of_root(before.first_root))];
    if let Some(root) = before.published.get(&CachedFile::Root) {
        hosts.push(("a host with the published root", of_root(root)));
        hosts.push(("a host that is up to date", before.published.clone()));
    }
    // A root that becomes visible last makes two states of one upload: hosts must accept both.
    let moments: &[Moment] = match tree.last_root {
        Some(_) => &[Moment::BeforeRoot, Moment::Whole],
        None => &[Moment::Whole],
    };
    let visits = moments
        .iter()
        .flat_map(|moment| hosts.iter().map(move |host| (*moment, host.clone())));
    for (moment, (host, documents)) in visits {
        let refused = |source| SelfCheckError::Refused { host, source };
        let overlay = Overlay {
            tree: &tree,
            before,
            moment,
        };
        let memory = Memory::of_documents(documents);
        let clock = Clock::enforcing(before.now);
        let mut fresh = workflow::refresh(Some(overlay), memory.clone(), clock, Limits::default())
            .map_err(refused)?;
        if moment == Moment::Whole && host == NEW_HOST {
            for name in &tree.regrouped {
                check_found(&mut fresh, name).map_err(refused)?;
            }
        }
        for name in &tree.extensions {
            check_index(&mut fresh, name, &tree).map_err(|problem| match problem {
                Problem::Refused(source) => refused(source),
                Problem::Other(error) => error,
            })?;
            // Of thousands of new indexes a host here holds one at a time.
            fresh.forget(&name.into());
            memory.forget(&CachedFile::Targets(Some(name.into())));
        }
    }
    for (arrival, _) in &tree.images {
        let files = arrival.transports.iter().zip(&arrival.transport_files);
        let files = files.map(|(transport, bytes)| (&transport.file, transport.sha256, bytes));
        let image = (&arrival.file, arrival.sha256, &arrival.image);
        for (file, expected, bytes) in std::iter::once(image).chain(files) {
            if let Bytes::Incoming(brought) = bytes {
                check_bytes(file, expected, brought)?;
            }
        }
    }
    Ok(Publishable(tree))
}

enum Problem {
    Refused(RefreshError<LocationError, sysext_durable::Error>),
    Other(SelfCheckError),
}

impl From<SelfCheckError> for Problem {
    fn from(error: SelfCheckError) -> Self {
        Self::Other(error)
    }
}

/// Whether an extension is found in its group. That nothing is published of it, or not by those who may now, is not for the
/// group to say.
fn check_found(
    fresh: &mut Fresh<Overlay<'_, '_>, Memory>,
    name: &ExtensionName,
) -> Result<(), RefreshError<LocationError, sysext_durable::Error>> {
    match find_index(fresh, name) {
        Err(RefreshError::Trust(TrustError::NotInSnapshot { role })) if role == name.as_str() => {
            Ok(())
        }
        Err(RefreshError::Trust(TrustError::Verify(error)))
            if error.is_about_signatures_of(name.as_str()) =>
        {
            Ok(())
        }
        Err(RefreshError::Trust(error)) if error.is_expiry() => Ok(()),
        found => found.map(drop),
    }
}

fn check_index(
    fresh: &mut Fresh<Overlay<'_, '_>, Memory>,
    name: &ExtensionName,
    tree: &StagedTree<'_>,
) -> Result<(), Problem> {
    let index = find_index(fresh, name).map_err(Problem::Refused)?;
    let index = index.ok_or_else(|| SelfCheckError::IndexNotFound(name.clone()))?;
    let index = ExtensionIndex::read(name, &index).map_err(SelfCheckError::from)?;
    let new = |file: &str| {
        tree.images
            .iter()
            .any(|(arrival, _)| arrival.file.as_str() == file)
    };
    if let Some(ignored) = index.ignored.iter().find(|ignored| new(&ignored.file)) {
        return Err(Problem::Other(SelfCheckError::Ignored {
            file: ignored.file.clone(),
            reason: ignored.reason.clone(),
        }));
    }
    for (arrival, _) in tree
        .images
        .iter()
        .filter(|(_, extension)| extension == name)
    {
        let found = fresh
            .find_target(&(&arrival.file).into())
            .map_err(Problem::Refused)?;
        let good = found.is_some_and(|(role, target)| {
            role == Some(RoleName::from(name))
                && target.length == arrival.length
                && target.hashes.sha256() == Some(arrival.sha256)
        });
        if !good {
            return Err(Problem::Other(SelfCheckError::ImageNotFound {
                file: arrival.file.clone(),
                extension: name.clone(),
            }));
        }
        let image = index.images.iter().find(|it| it.file == arrival.file);
        if let Some(file) = image.and_then(|image| not_where_said(image, arrival)) {
            return Err(Problem::Other(SelfCheckError::Whereabouts(file.clone())));
        }
    }
    Ok(())
}

/// A file that hosts would look for at other places than those where it is.
fn not_where_said<'a>(image: &'a Image, arrival: &Arrival) -> Option<&'a FileName> {
    let is_there = |promised: &Promised<'_>, bytes: &Bytes| match bytes {
        Bytes::Incoming(_) => promised.urls.is_empty(),
        Bytes::Elsewhere(found) => found.is(promised),
    };
    if !is_there(&image.into(), &arrival.image) {
        return Some(&image.file);
    }
    let at_hand = |transport: &Transport| {
        let files = arrival.transports.iter().zip(&arrival.transport_files);
        let mut files = files.filter(|(it, _)| it.file == transport.file);
        files.any(|(_, bytes)| is_there(&transport.into(), bytes))
    };
    let missing = image.transports.iter().find(|it| !at_hand(it));
    missing.map(|transport| &transport.file)
}

/// What was written must be what is promised: the digest of a [`Brought`] is that of the bytes that the host was given.
fn check_bytes(
    file: &FileName,
    expected: Sha256Digest,
    brought: &Brought,
) -> Result<(), SelfCheckError> {
    let found = brought.sha256();
    if found == expected {
        return Ok(());
    }
    Err(SelfCheckError::OtherBytes {
        file: file.clone(),
        expected,
        found,
    })
}

/// When a host looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// After the timestamp, and before a root that comes last.
    BeforeRoot,
    /// After the upload.
    Whole,
}

/// The tree over what is published: what hosts would see.
#[derive(Debug)]
struct Overlay<'t, 'a> {
    tree: &'t StagedTree<'a>,
    before: &'t Before<'t>,
    moment: Moment,
}

impl Remote for Overlay<'_, '_> {
    type Error = LocationError;

    fn fetch(&mut self, file: &RemoteFile, limit: u64) -> Result<Option<Vec<u8>>, LocationError> {
        let document = match self.moment {
            Moment::BeforeRoot => self.tree.document_before_root(file),
            Moment::Whole => self.tree.document(file),
        };
        if let Some(bytes) = document {
            if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
                return Err(LocationError::TooLong {
                    file: file.url_name(),
                    limit,
                });
            }
            return Ok(Some(bytes.to_vec()));
        }
        match self.before.location {
            Some(location) => location.read(&Place::Metadata(file.clone()), limit),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};

    use sysext_formats::sign::{SecretKey, SignedDocument, Signer as _};

    use super::*;
    use crate::config::{Expires, Policy};
    use crate::draft::{DocumentId, Draft, First, FirstKeys, Need};
    use crate::location::Incoming;
    use crate::session;
    use crate::signer::{Roster, SignedDraft, SignerError, Signers};
    use crate::staged::Arrivals;

    const NOW: &str = "2030-01-01T00:00:00Z";

    /// One key for everything.
    struct OneKey(std::rc::Rc<SecretKey>);

    impl Roster for OneKey {
        fn signers(&self, _: &DocumentId, _: &[Need<'_>]) -> Result<Signers, SignerError> {
            Ok(Signers::of([self.0.clone()]))
        }
    }

    fn one_key() -> OneKey {
        OneKey(std::rc::Rc::new(SecretKey::from_seed(&[1; 32])))
    }

    fn first(key: &OneKey, expires: Expires) -> Draft {
        let key = key.0.public_key().clone();
        let first = First {
            keys: FirstKeys {
                root: vec![key.clone()],
                root_threshold: 1,
                release: key.clone(),
                online: key,
                targets_by_root: false,
            },
            title: "",
            extensions: [("a".parse().unwrap(), Default::default())].into(),
            policy: Policy {
                expires,
                group_above: 200,
            },
            now: NOW.parse().unwrap(),
        };
        first.draft().unwrap()
    }

    fn descriptor() -> sysext_formats::catalog::Descriptor {
        let text = "id = \"a\"\nurl = [\"https://a.example\"]\nlocation = \"public\"\n[keys]\nrelease = \"\"\nonline = \"\"\n";
        let version = sysext_formats::role::MetadataVersion::ONE;
        session::descriptor(
            &toml::from_str(text).unwrap(),
            version,
            Sha256Digest::of(b""),
        )
    }

    /// The verdict over a new catalog, where one role is signed by a key that may not.
    fn verdict(wrong_for: &str, expires: Expires) -> Result<(), String> {
        let keys = one_key();
        let mut signed = SignedDraft::new(first(&keys, expires), &keys).unwrap();
        let catalog = signed.draft.catalog.clone();
        let wrong = SecretKey::from_seed(&[9; 32]);
        let index = catalog.indexes.values().next().unwrap();
        match wrong_for {
            "index" => {
                let forged = SignedDocument::new(index, &[&wrong]).unwrap();
                signed.delegated.insert("a".parse().unwrap(), forged);
            }
            "targets" => {
                signed.targets = Some(SignedDocument::new(&catalog.targets, &[&wrong]).unwrap());
            }
            "timestamp" => {
                let timestamp = &catalog.timestamp;
                signed.timestamp = SignedDocument::new(timestamp, &[&wrong]).unwrap();
            }
            "root" => signed.root = Some(SignedDocument::new(&catalog.root, &[&wrong]).unwrap()),
            _ => {}
        }
        let root = signed.root_bytes().unwrap().to_vec();
        let mut arrivals = Arrivals::new();
        let tree = StagedTree::new(signed, &mut arrivals, &descriptor()).unwrap();
        check_over_nothing(tree, &root)
    }

    fn check_over_nothing(tree: StagedTree<'_>, root: &[u8]) -> Result<(), String> {
        let before = Before {
            first_root: root,
            published: Documents::new(),
            location: None,
            now: NOW.parse().unwrap(),
        };
        let text = |error: SelfCheckError| crate::failure::Failure::from(error).text();
        check(tree, &before).map(drop).map_err(text)
    }

    #[test]
    fn what_hosts_accept_passes_and_each_document_that_they_refuse_does_not() {
        assert_eq!(verdict("", Expires::default()), Ok(()));
        for (wrong, role) in [
            ("index", "a is signed only"),
            ("targets", "targets"),
            ("timestamp", "timestamp"),
            ("root", "root"),
        ] {
            let refused = verdict(wrong, Expires::default()).unwrap_err();
            assert!(refused.contains(role), "{wrong}: {refused}");
        }
        let expires = Expires {
            index: crate::config::Span::days(0),
            ..Expires::default()
        };
        assert!(
            verdict("", expires)
                .unwrap_err()
                .contains("a version 1 is overdue")
        );
    }

    /// A host that takes anything.
    #[derive(Debug)]
    struct Anything;

    impl Write for Anything {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Incoming for Anything {
        fn publish(&mut self, _: Sha256Digest) -> Result<(), LocationError> {
            Ok(())
        }
    }

    #[test]
    fn an_image_whose_bytes_at_the_host_are_others_or_that_no_index_lists_is_refused() {
        let keys = one_key();
        let elsewhere = serde_json::json!(["https://cdn.example/a_1_noarch.raw"]);
        for (listed, urls, expected) in [
            (
                true,
                serde_json::json!([]),
                "the bytes at the host are not those",
            ),
            (true, elsewhere, "where its index says that it is"),
            (
                false,
                serde_json::json!([]),
                "would not find a_1_noarch.raw in",
            ),
        ] {
            let mut draft = first(&keys, Expires::default());
            let (extension, file): (ExtensionName, FileName) =
                ("a".parse().unwrap(), "a_1_noarch.raw".parse().unwrap());
            draft.images.insert(file.clone(), extension.clone());
            if listed {
                let custom = serde_json::json!({"sysext": {
                    "schema": 1, "class": "sysext", "version": "1", "architecture": "_any",
                    "extension_release": {"ID": "_any"}, "channels": ["stable"], "released": NOW,
                    "image": {"container": "none", "filesystem": "squashfs", "compressed": false},
                    "urls": urls,
                }});
                let target = sysext_formats::role::TargetFile {
                    length: 5,
                    hashes: Sha256Digest::of(b"bytes").into(),
                    custom: Some(custom),
                    extra: Default::default(),
                };
                draft
                    .catalog
                    .indexes
                    .get_mut(&extension)
                    .unwrap()
                    .targets
                    .insert((&file).into(), target);
            }
            let signed = SignedDraft::new(draft, &keys).unwrap();
            let root = signed.root_bytes().unwrap().to_vec();
            let arrival = Arrival {
                file: file.clone(),
                length: 5,
                sha256: Sha256Digest::of(b"bytes"),
                transports: Vec::new(),
                image: Bytes::Incoming(Brought::of(Box::new(Anything), b"other")),
                transport_files: Vec::new(),
            };
            let mut arrivals = Arrivals::from([(file, arrival)]);
            let tree = StagedTree::new(signed, &mut arrivals, &descriptor()).unwrap();
            let refused = check_over_nothing(tree, &root).unwrap_err();
            assert!(refused.contains(expected), "{refused}");
        }
    }
}
