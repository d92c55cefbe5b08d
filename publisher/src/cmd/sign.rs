//! `sign`: shows a proposal, and adds a signature to it.
//!
//! Needs no network and no images: the proposal brings what was published, which is verified from the first root beside
//! the configuration on. Whoever signs sees what the signature will be over before it is made.

use std::path::PathBuf;

use serde_json::json;

use crate::context::{Context, Outcome, Verdict};
use crate::draft::PendingDocuments;
use crate::failure::{Failure, Kind};
use crate::proposal::{Proposal, ProposalError, Source, Standing, standing};
use crate::session::Session;
use crate::signer::{Configured, DraftSignError, KeySource};
use crate::ui::Answer;

/// What `sign` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The proposal: its folder, or a file
    proposal: PathBuf,
    /// A key to sign with, instead of the configured ones: file:PATH, env:VARIABLE or cmd:PROGRAM ARGUMENTS
    #[arg(long = "key", value_name = "SOURCE")]
    keys: Vec<KeySource>,
    /// Sign without asking
    #[arg(long, short)]
    yes: bool,
    /// Write the signed copy there, instead of in place
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs it.
///
/// # Errors
/// When the proposal can not be verified, or no key may sign it.
pub fn run(context: &Context, args: &Args) -> Outcome {
    let session = Session::open(context)?;
    let source = Source::of_path(&args.proposal);
    let mut proposal = read(&session, &source)?;
    let mut published = session.published_then(context, &proposal.published)?;
    let draft = proposal.draft(&mut published, &session.config, context.now())?;
    let keys = Configured {
        config: &session.config,
        ring: &session.ring,
    };
    let mut documents = PendingDocuments::of(&draft).map_err(DraftSignError::from)?;
    let before = standing(&draft, &documents, &keys)?;
    context.ui.say(format_args!(
        "proposed {} for the catalog {}",
        proposal.created, proposal.catalog
    ));
    for document in &before {
        context.ui.say(document.changes().trim_end());
    }
    // Every key is found before the first is used: what is asked is about all of them.
    let mut signing = Vec::new();
    for (id, document) in documents.iter() {
        let needs = draft.needs(&id);
        let all = needs.iter().flat_map(|need| {
            let keys = need.keys.keyids.iter();
            keys.filter(|key| {
                let key = need.authority.key(key);
                key.is_some_and(|key| document.is_signed_by(key))
            })
        });
        let have: Vec<_> = all.cloned().collect();
        let at_hand = keys.at_hand(&id, &needs, &args.keys, &have)?;
        signing.push((id, at_hand.signers));
    }
    let by: Vec<String> = signing
        .iter()
        .flat_map(|(id, signers)| {
            signers
                .ids()
                .into_iter()
                .map(move |key| format!("{id} with the key {}", key.short()))
        })
        .collect();
    if by.is_empty() {
        return nothing(context, &before);
    }
    if context.globals.dry_run {
        context.ui.say(format_args!("would sign {}", by.join(", ")));
        report(context, &before, true);
        return Ok(Verdict::Good);
    }
    if !args.yes {
        match context.ui.ask(&format!("Sign {}?", by.join(", "))) {
            Answer::Yes => {}
            Answer::No => return Err(Failure::new(Kind::Failed, "nothing was signed")),
            Answer::NobodyThere => {
                return Err(
                    Failure::usage("nobody is there to be asked whether to sign this")
                        .hint("--yes signs without asking"),
                );
            }
        }
    }
    for ((id, document), (_, signers)) in documents.iter_mut().zip(&signing) {
        let mut signers = signers.refs().into_iter();
        let signed = signers.try_for_each(|signer| document.sign(signer));
        signed.map_err(|error| DraftSignError::from((id, error)))?;
    }
    let after = standing(&draft, &documents, &keys)?;
    proposal.documents = documents;
    match &args.output {
        Some(path) => Source::of_path(path).write(&proposal)?,
        None => source.write(&proposal)?,
    }
    report(context, &after, true);
    Ok(Verdict::Good)
}

/// A proposal for the catalog of `session`.
///
/// # Errors
/// When it is not there, or for another catalog.
pub(super) fn read(session: &Session, source: &Source) -> Result<Proposal, Failure> {
    let proposal = source.read()?;
    if proposal.catalog != session.config.id {
        return Err(ProposalError::OtherCatalog {
            expected: session.config.id.clone(),
            found: proposal.catalog,
        }
        .into());
    }
    Ok(proposal)
}

fn nothing(context: &Context, documents: &[Standing]) -> Outcome {
    if documents.iter().all(|document| document.complete) {
        context.ui.say("everybody has signed already");
        report(context, documents, false);
        return Ok(Verdict::Good);
    }
    let open: String = documents.iter().map(Standing::signatures).collect();
    Err(Failure::new(
        Kind::Signing,
        "none of the keys that are here is asked for a signature",
    )
    .because(open.trim_end())
    .hint("--key SOURCE names another one"))
}

fn report(context: &Context, documents: &[Standing], changed: bool) {
    let document = json!({"changed": changed, "documents": documents});
    context.ui.data("sign", &document, || {
        documents.iter().map(Standing::signatures).collect()
    });
}
