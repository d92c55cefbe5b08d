//! `status`: versions, expiry and signers on one screen, and who must still sign a proposal until when.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Serialize;
use sysext_formats::catalog::ExtensionIndex;
use sysext_formats::key::KeyId;
use sysext_formats::name::ExtensionName;
use sysext_formats::plain::one_line;
use sysext_formats::role::{MetadataVersion, Role, RoleKeys};
use sysext_formats::time::UtcTime;
use sysext_formats::version::Version;

use crate::config::Span;
use crate::context::{Context, Outcome, Verdict};
use crate::draft::DraftError;
use crate::failure::Failure;
use crate::obs::record::{self, Problem};
use crate::proposal::{Source, Standing, standing};
use crate::published::{LookUp, Published};
use crate::session::Session;
use crate::signer::Configured;

/// What `status` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Proposals: say who must still sign what in them, and until when
    #[arg(value_name = "PROPOSAL")]
    proposals: Vec<PathBuf>,
    /// Exit with 1 when something expires that soon, such as 30d; without, when something has expired. Images of a build
    /// service that were refused on this machine are exit code 1 as well
    #[arg(long, value_name = "TIME")]
    expiring_within: Option<Span>,
    /// Of these, leave out snapshot and timestamp, which a daily job with the online key renews
    #[arg(long, requires = "expiring_within")]
    not_daily: bool,
}

#[derive(Serialize)]
struct Document {
    location: String,
    roles: Vec<Expiry>,
    extensions: Vec<Extension>,
    /// Extensions that hosts can not install, since those who may sign their index have not.
    without_index: Vec<Without>,
    /// The roles that expire too soon.
    expiring: Vec<String>,
    /// Images of build services that a person must mend.
    problems: Vec<Problem>,
    /// The proposals that were asked about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    proposals: Vec<Proposed>,
}

#[derive(Serialize)]
struct Proposed {
    proposal: PathBuf,
    created: UtcTime,
    documents: Vec<Standing>,
    /// Why it can not be published any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    outdated: Option<String>,
}

#[derive(Serialize)]
struct Without {
    name: ExtensionName,
    reason: String,
}

impl Without {
    fn new(name: &ExtensionName, reason: &str) -> Self {
        Self {
            name: name.clone(),
            reason: reason.to_owned(),
        }
    }
}

#[derive(Serialize)]
struct Expiry {
    role: String,
    version: MetadataVersion,
    expires: UtcTime,
    days_left: i64,
    /// How many of the keys must sign.
    threshold: u64,
    /// The beginnings of the ids of those that may.
    keys: Vec<String>,
}

#[derive(Serialize)]
struct Extension {
    name: ExtensionName,
    newest: Option<Version>,
    images: usize,
    retired: bool,
    #[serde(flatten)]
    index: Expiry,
}

/// Runs it.
///
/// # Errors
/// When the catalog can not be read or verified.
pub fn run(context: &Context, args: Args) -> Outcome {
    let session = Session::open(context)?;
    let base = session.base(context)?;
    let mut published = session.published(context, base.as_ref())?;
    let mut document = look(context, &mut published, base.name(), args.expiring_within)?;
    if args.not_daily {
        document
            .expiring
            .retain(|role| !["snapshot", "timestamp"].contains(&role.as_str()));
    }
    for path in args.proposals {
        let proposed = proposed(context, &session, &mut published, path)?;
        document.proposals.push(proposed);
    }
    if let Some(directory) = session.memory_directory() {
        document.problems = record::problems(directory).unwrap_or_else(|error| {
            context
                .ui
                .warn(format_args!("what was refused here is not known: {error}"));
            Vec::new()
        });
    }
    let verdict = if document.expiring.is_empty() && document.problems.is_empty() {
        Verdict::Good
    } else {
        Verdict::Bad
    };
    context.ui.data("status", &document, || {
        text(&document, args.expiring_within)
    });
    Ok(verdict)
}

fn look(
    context: &Context,
    published: &mut Published<'_>,
    location: String,
    within: Option<Span>,
) -> Result<Document, Failure> {
    let now = context.now();
    let catalog = published.whole_catalog()?;
    let keys = &catalog.root.roles;
    let mut roles = vec![
        expiry("root", &catalog.root, &keys.root, now),
        expiry("targets", &catalog.targets, &keys.targets, now),
        expiry("snapshot", &catalog.snapshot, &keys.snapshot, now),
        expiry("timestamp", &catalog.timestamp, &keys.timestamp, now),
    ];
    let groups = catalog.groups.iter();
    roles.extend(groups.map(|(role, group)| expiry(role.as_str(), group, &keys.targets, now)));
    let mut extensions = Vec::new();
    let mut without = Vec::new();
    for name in catalog.extensions() {
        let index = match published.peek(&name)? {
            LookUp::Index(index) => index,
            LookUp::Unpublished => {
                without.push(Without::new(&name, "nothing is published of it yet"));
                continue;
            }
            LookUp::Disowned(error) => {
                without.push(Without::new(&name, &error.to_string()));
                continue;
            }
        };
        let said = ExtensionIndex::read(&name, &index).map_err(DraftError::from)?;
        let Some(keys) = catalog.index_keys(&name) else {
            continue;
        };
        extensions.push(Extension {
            newest: said.images.first().map(|image| image.version.clone()),
            images: said.images.len(),
            retired: said.info.retired.is_some(),
            index: expiry(name.as_str(), &index, keys, now),
            name,
        });
    }
    let limit = now.plus(within.unwrap_or(Span::days(0)).duration());
    let all = roles
        .iter()
        .chain(extensions.iter().map(|extension| &extension.index));
    let expiring = all
        .filter(|role| role.expires <= limit)
        .map(|role| role.role.clone())
        .collect();
    Ok(Document {
        location,
        roles,
        extensions,
        without_index: without,
        expiring,
        problems: Vec::new(),
        proposals: Vec::new(),
    })
}

/// How a proposal stands over what is published now.
fn proposed(
    context: &Context,
    session: &Session,
    published: &mut Published<'_>,
    path: PathBuf,
) -> Result<Proposed, Failure> {
    let proposal = super::sign::read(session, &Source::of_path(&path))?;
    let keys = Configured {
        config: &session.config,
        ring: &session.ring,
    };
    let (draft, outdated) = match proposal.draft(published, &session.config, context.now()) {
        Ok(draft) => (draft, None),
        Err(failure) => {
            let mut then = session.published_then(context, &proposal.published)?;
            let draft = proposal.draft(&mut then, &session.config, context.now())?;
            (draft, Some(failure.messages.join(": ")))
        }
    };
    Ok(Proposed {
        documents: standing(&draft, &proposal.documents, &keys)?,
        created: proposal.created,
        proposal: path,
        outdated,
    })
}

fn expiry(role: &str, document: &impl Role, keys: &RoleKeys, now: UtcTime) -> Expiry {
    Expiry {
        threshold: keys.threshold.get(),
        keys: keys.keyids.iter().map(KeyId::short).collect(),
        role: role.to_owned(),
        version: document.version(),
        expires: document.expires(),
        days_left: (document.expires().unix() - now.unix()).div_euclid(24 * 3_600),
    }
}

fn text(document: &Document, within: Option<Span>) -> String {
    let mut text = format!("catalog in {}\n\n", document.location);
    // Writing to a string does not fail.
    for role in &document.roles {
        let _ = writeln!(
            text,
            "{:<10} version {:<6} {}; {} of {} sign",
            role.role,
            role.version,
            left(role),
            role.threshold,
            role.keys.join(" "),
        );
    }
    let width = document
        .extensions
        .iter()
        .map(|extension| extension.name.as_str().len())
        .max();
    let width = width.unwrap_or(0).max("EXTENSION".len());
    if !document.extensions.is_empty() {
        let _ = writeln!(
            text,
            "\n{:<width$}  {:<20}  {:>6}  INDEX",
            "EXTENSION", "NEWEST", "IMAGES"
        );
    }
    for extension in &document.extensions {
        let newest = match &extension.newest {
            _ if extension.retired => "retired",
            Some(version) => version.as_str(),
            None => "-",
        };
        let (name, images) = (&extension.name, extension.images);
        let _ = writeln!(
            text,
            "{name:<width$}  {newest:<20}  {images:>6}  {}",
            left(&extension.index)
        );
    }
    for Without { name, reason } in &document.without_index {
        let _ = writeln!(text, "{name:<width$}  no index: {reason}");
    }
    if !document.expiring.is_empty() {
        let within = within
            .map(|span| format!(" within {span}"))
            .unwrap_or_default();
        let _ = writeln!(
            text,
            "\nexpired or expiring{within}: {}",
            document.expiring.join(", ")
        );
    }
    if !document.problems.is_empty() {
        text.push_str("\nnot published, until somebody mends it:\n");
    }
    for problem in &document.problems {
        let (from, since) = (&problem.repository, problem.since);
        let _ = writeln!(text, "{from} {} (since {since})", one_line(&problem.line()));
        for hint in &problem.hints {
            let _ = writeln!(text, "    hint: {}", one_line(hint));
        }
    }
    for proposed in &document.proposals {
        let (path, created) = (proposed.proposal.display(), proposed.created);
        let _ = writeln!(text, "\nproposal {path}, drafted {created}");
        if let Some(why) = &proposed.outdated {
            let _ = writeln!(text, "it can not be published any more: {why}");
        }
        for document in &proposed.documents {
            text.push_str(&document.changes());
            text.push_str(&document.signatures());
        }
    }
    text
}

fn left(role: &Expiry) -> String {
    match role.days_left {
        days if days < 0 => format!("EXPIRED {}", role.expires),
        0 => format!("good until {} (less than a day)", role.expires),
        1 => format!("good until {} (1 day)", role.expires),
        days => format!("good until {} ({days} days)", role.expires),
    }
}
