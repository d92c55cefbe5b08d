//! A change on its way between people: documents that still gather signatures, and what signing them needs to know.
//!
//! ```text
//! DIR/
//!   proposal.json    the documents, their signatures so far, and what was published when they were drafted
//!   images/          the new images and their transports, where there are any
//! ```
//!
//! - Whoever signs needs nothing but the proposal, the configuration and the first root beside it: what is published
//!   comes along, and is verified from that root on as it would be at the location. No network, no images.
//! - What a signer is shown is found in the documents ([`differences`](crate::draft::differences)), never taken from the proposal's maker.
//! - Copies that several people have signed apart are put together by [`Proposal::merge`]; they must be of the very same
//!   documents.

mod error;
mod file;
mod images;
mod recorder;
mod source;
mod standing;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use sysext_durable::Dir;
use sysext_formats::name::{CatalogId, ExtensionName};
use sysext_formats::sign::Pending;
use sysext_formats::time::UtcTime;

pub use self::error::ProposalError;
pub use self::images::{bring, judge};
pub use self::recorder::Published as PublishedDocuments;
pub use self::source::Source;
pub use self::standing::{Standing, standing};
use crate::config::Config;
use crate::context::{Context, Outbox};
use crate::draft::{DocumentId, Draft, DraftError, Editor, PendingDocuments, is_group};
use crate::failure::{Failure, Kind};
use crate::location::Location;
use crate::memory::Memory;
use crate::proposal::recorder::Recorder;
use crate::published::{LookUp, Published};
use crate::session::Session;
use crate::signer::{Configured, DraftSignError, SignerError};

/// The name of the proposal in its folder.
pub const FILE: &str = "proposal.json";
/// Bytes of a proposal that are read at most: a table of contents and the indexes of hundreds of extensions.
const MAX_PROPOSAL: u64 = 64 << 20;

/// A proposed change.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// The catalog it is for.
    pub catalog: CatalogId,
    /// When it was drafted.
    pub created: UtcTime,
    /// Whether keys that go are lost, and can not sign.
    pub lost: bool,
    /// The documents.
    pub documents: PendingDocuments,
    /// What was published then.
    pub published: PublishedDocuments,
}

/// Where a change was proposed.
#[derive(Debug, Serialize)]
pub struct Proposed {
    /// The folder.
    pub directory: String,
    /// Who has signed, and who must.
    pub documents: Vec<Standing>,
}

impl std::fmt::Display for Proposed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for standing in &self.documents {
            write!(f, "{}", standing.signatures())?;
        }
        writeln!(f, "proposed in {}", self.directory)
    }
}

/// Writes a draft as a proposal, signed with the keys that are at hand unless that is not wanted.
///
/// # Errors
/// When nothing in it is for people to sign, or it can not be written.
pub fn write(
    session: &Session,
    outbox: &Outbox,
    draft: &Draft,
    keys: &Configured<'_>,
    base: &dyn Location,
    context: &Context,
) -> Result<Proposed, Failure> {
    let mut documents = PendingDocuments::of(draft).map_err(DraftSignError::from)?;
    if documents.is_empty() {
        return Err(Failure::usage(
            "there is nothing to sign in this change but snapshot and timestamp, which nobody proposes",
        )
        .hint("the online key signs them whenever something is published, and with `sysext-publish renew`"));
    }
    if outbox.sign {
        sign(&mut documents, draft, keys, context)?;
    }
    let recorder = Recorder::new(base);
    let memory = Memory::of_documents(
        [(
            sysext_formats::workflow::CachedFile::Root,
            session.pinned_root().to_vec(),
        )]
        .into(),
    );
    let mut published = Published::read(&recorder, memory, context.now())?;
    if !draft.touched.groups.is_empty() {
        published.groups()?;
    }
    for name in &draft.touched.indexes {
        if draft.before.index_keys(name).is_some() {
            published.look_up(name)?;
        }
    }
    if **published.stage().timestamp() != draft.before.timestamp {
        return Err(
            Failure::new(Kind::Host, "somebody has published while this was drafted")
                .hint("propose it again"),
        );
    }
    let all = standing(draft, &documents, keys)?;
    let proposal = Proposal {
        catalog: session.config.id.clone(),
        created: context.now(),
        lost: draft.lost,
        documents,
        published: recorder.into_published(),
    };
    let dir = Dir::create_all(Path::new(&outbox.directory), 0o755)?;
    dir.write(FILE, &proposal.to_bytes()?, 0o644)?;
    Ok(Proposed {
        directory: outbox.directory.clone(),
        documents: all,
    })
}

/// Adds the signatures of those keys at hand that are still asked for. A key that can not be unlocked here is left out.
fn sign(
    documents: &mut PendingDocuments,
    draft: &Draft,
    keys: &Configured<'_>,
    context: &Context,
) -> Result<(), Failure> {
    for (id, document) in documents.iter_mut() {
        let needs = draft.needs(&id);
        match keys.at_hand(&id, &needs, &[], &[]) {
            Ok(at_hand) => {
                let mut signers = at_hand.signers.refs().into_iter();
                signers
                    .try_for_each(|signer| document.sign(signer))
                    .map_err(|error| DraftSignError::from((id.clone(), error)))?;
            }
            Err(error @ SignerError::NoPassphrase(_)) => {
                context
                    .ui
                    .warn(format_args!("{id} was not signed: {error}"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

impl Proposal {
    /// Takes over the signatures of a copy.
    ///
    /// # Errors
    /// When it holds other documents.
    pub fn merge(&mut self, other: Self) -> Result<(), ProposalError> {
        let documents = other.documents;
        let of_roles = |documents: &PendingDocuments| -> Vec<DocumentId> {
            documents.iter().map(|(id, _)| id).collect()
        };
        if of_roles(&self.documents) != of_roles(&documents) {
            return Err(ProposalError::OtherDocuments);
        }
        let differ = |_| ProposalError::OtherDocuments;
        fn merge<T: sysext_formats::role::Role>(
            own: Option<&mut Pending<T>>,
            other: Option<Pending<T>>,
        ) -> Result<(), sysext_formats::sign::SignError> {
            match (own, other) {
                (Some(own), Some(other)) => own.merge(other),
                _ => Ok(()),
            }
        }
        merge(self.documents.root.as_mut(), documents.root).map_err(differ)?;
        merge(self.documents.targets.as_mut(), documents.targets).map_err(differ)?;
        for (role, document) in documents.delegated {
            merge(self.documents.delegated.get_mut(&role), Some(document)).map_err(differ)?;
        }
        Ok(())
    }

    /// The extensions whose indexes it changes.
    #[must_use]
    pub fn extensions(&self) -> Vec<ExtensionName> {
        let ids = self.documents.iter().map(|(id, _)| id);
        ids.filter_map(|id| id.extension()).collect()
    }

    /// What it changes over what is published.
    ///
    /// # Errors
    /// When it does not follow what is published, or may not be published.
    pub fn draft(
        &self,
        published: &mut Published<'_>,
        config: &Config,
        now: UtcTime,
    ) -> Result<Draft, Failure> {
        let catalog = published
            .catalog()
            .ok_or_else(|| Failure::new(Kind::Unverified, "targets.json is not there"))?;
        let mut editor = Editor::new(catalog, now, config.policy());
        self.apply(published, &mut editor)?;
        let draft = editor.finish()?;
        Ok(draft.ok_or(ProposalError::Empty)?)
    }

    /// Puts its documents into a draft.
    ///
    /// # Errors
    /// As [`draft`](Self::draft).
    pub fn apply(&self, published: &mut Published<'_>, editor: &mut Editor) -> Result<(), Failure> {
        if self.documents.delegated.keys().any(is_group) {
            for (role, group) in published.groups()? {
                editor.load_group(&role, group);
            }
        }
        for name in self.extensions() {
            if let Some((role, group)) = published.group_of(&name)? {
                editor.load_group(&role, group);
            }
            // One that the published table of contents does not have yet may come with this proposal.
            if editor.catalog().index_keys(&name).is_none() {
                continue;
            }
            if let LookUp::Index(index) = published.look_up(&name)? {
                editor.load_index(&name, index);
            }
        }
        let taken = editor.take_proposed(self.documents.clone(), self.lost);
        taken.map_err(|error: DraftError| {
            Failure::from(error).during("the proposal can not be published")
        })
    }
}

type Texts = BTreeMap<String, String>;
