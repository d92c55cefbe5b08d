//! `status`: versions and expiry on one screen.

use std::fmt::Write as _;

use serde::Serialize;
use sysext_formats::catalog::ExtensionIndex;
use sysext_formats::name::ExtensionName;
use sysext_formats::role::{MetadataVersion, Role};
use sysext_formats::time::UtcTime;
use sysext_formats::version::Version;

use crate::config::Span;
use crate::context::{Context, Outcome, Verdict};
use crate::draft::DraftError;
use crate::failure::Failure;
use crate::published::{LookUp, Published};
use crate::session::Session;

/// What `status` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Exit with 1 when something expires that soon, such as 30d; without, when something has expired
    #[arg(long, value_name = "TIME")]
    expiring_within: Option<Span>,
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
    let document = look(context, &mut published, base.name(), args.expiring_within)?;
    let verdict = if document.expiring.is_empty() {
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
    let stage = published.stage();
    let mut roles = vec![
        expiry("root", &**stage.root(), now),
        expiry("snapshot", &**stage.snapshot(), now),
        expiry("timestamp", &**stage.timestamp(), now),
    ];
    if let Some(targets) = stage.targets() {
        roles.insert(1, expiry("targets", &**targets, now));
    }
    let mut extensions = Vec::new();
    let mut without = Vec::new();
    for name in published.extensions() {
        let index = match published.look_up(&name)? {
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
        extensions.push(Extension {
            newest: said.images.first().map(|image| image.version.clone()),
            images: said.images.len(),
            retired: said.info.retired.is_some(),
            index: expiry(name.as_str(), &index, now),
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
    })
}

fn expiry(role: &str, document: &impl Role, now: UtcTime) -> Expiry {
    Expiry {
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
            "{:<10} version {:<6} {}",
            role.role,
            role.version,
            left(role)
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
