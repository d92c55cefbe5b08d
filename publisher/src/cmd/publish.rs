//! `publish`: publishes a proposal that everybody has signed.

use std::path::PathBuf;

use sysext_formats::catalog::ExtensionIndex;
use sysext_formats::name::{ExtensionName, RoleName};

use crate::context::{Context, Outcome, Verdict};
use crate::draft::{DocumentId, DraftError};
use crate::elsewhere;
use crate::failure::Failure;
use crate::location::Store;
use crate::proposal::{self, Proposal, Source};
use crate::published::LookUp;
use crate::reconcile::{Attempt, Report};
use crate::session::Session;
use crate::signer::DraftSignError;

/// What `publish` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The proposal: its folder, or a file beside the folder images/
    proposal: PathBuf,
    /// Copies that others have signed
    #[arg(value_name = "COPY")]
    copies: Vec<PathBuf>,
}

/// Runs it.
///
/// # Errors
/// When somebody has not signed yet, or it can not be published.
pub fn run(context: &Context, args: &Args) -> Outcome {
    let session = Session::open(context)?;
    let source = Source::of_path(&args.proposal);
    let mut proposal = super::sign::read(&session, &source)?;
    for copy in &args.copies {
        proposal.merge(Source::of_path(copy).read()?)?;
    }
    let report = publish(context, &session, &proposal, &source)?;
    context.ui.data("publish", &report, || {
        report.text("it is published already")
    });
    Ok(Verdict::Good)
}

/// Publishes a proposal, with its images from `source`.
///
/// # Errors
/// As [`run`].
pub(super) fn publish(
    context: &Context,
    session: &Session,
    proposal: &Proposal,
    source: &Source,
) -> Result<Report, Failure> {
    let store = session.store(context)?;
    session.reconcile(context, store.as_ref(), |attempt| {
        if is_published(proposal, attempt)? {
            return Ok(());
        }
        proposal.apply(attempt.published, attempt.editor)?;
        require_signatures(proposal, attempt)?;
        if context.globals.dry_run {
            return Ok(());
        }
        bring(context, attempt, store.as_ref(), source)
    })
}

/// Whether exactly these documents are published: a run that is repeated has nothing to do.
fn is_published(proposal: &Proposal, attempt: &mut Attempt<'_, '_>) -> Result<bool, Failure> {
    let documents = &proposal.documents;
    let catalog = attempt.editor.catalog();
    let root = documents.root.as_ref();
    let targets = documents.targets.as_ref();
    if root.is_some_and(|root| *root.unverified() != catalog.root)
        || targets.is_some_and(|targets| *targets.unverified() != catalog.targets)
    {
        return Ok(false);
    }
    for name in proposal.extensions() {
        let role = RoleName::from(&name);
        let new = documents
            .delegated
            .get(&role)
            .map(|index| index.unverified());
        if !attempt.is_delegated(&name)? {
            return Ok(false);
        }
        match attempt.look_up(&name)? {
            LookUp::Index(index) if Some(&index) == new => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// Nobody's images are fetched, unpacked and looked at but those of indexes that are signed by who may sign them.
fn require_signatures(proposal: &Proposal, attempt: &Attempt<'_, '_>) -> Result<(), Failure> {
    let catalog = attempt.editor.catalog();
    for (role, document) in &proposal.documents.delegated {
        let id = DocumentId::Delegated(role.clone());
        let need = catalog.delegation_to(role);
        let need = need.ok_or_else(|| DraftSignError::NotDelegated(id.to_string()))?;
        let signed = document.check(&need.authority);
        signed.map_err(|source| DraftSignError::NotEnough {
            role: id.to_string(),
            source,
        })?;
    }
    Ok(())
}

fn bring(
    context: &Context,
    attempt: &mut Attempt<'_, '_>,
    store: &dyn Store,
    source: &Source,
) -> Result<(), Failure> {
    let new: Vec<_> = attempt
        .editor
        .new_images()
        .map(|(file, name)| (file.clone(), name.clone()))
        .collect();
    let rule = elsewhere::Rule::of(attempt.config);
    let read = |attempt: &Attempt<'_, '_>, name: &ExtensionName| {
        let index = attempt.editor.catalog().indexes.get(name);
        let said = index.map(|index| ExtensionIndex::read(name, index));
        said.transpose().map_err(DraftError::from)
    };
    // A patch may start from a new image that comes later, and is looked for at its URLs.
    for (file, name) in &new {
        let said = read(attempt, name)?;
        let mut images = said.iter().flat_map(|said| &said.images);
        if let Some(image) = images.find(|image| image.file == *file) {
            proposal::judge(image, rule)?;
        }
    }
    for (file, name) in new {
        if attempt.arrivals.contains_key(&file) {
            continue;
        }
        let Some(said) = read(attempt, &name)? else {
            continue;
        };
        if let Some(image) = said.images.iter().find(|image| image.file == file) {
            let arrival = proposal::bring(
                context,
                source,
                image,
                (&said.images, attempt.published.source()),
                store,
                rule,
            )?;
            attempt.arrivals.insert(file, arrival);
        }
    }
    Ok(())
}
