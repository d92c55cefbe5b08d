//! `site`: the page for people.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sysext_durable::Dir;
use sysext_formats::catalog::{CatalogInfo, ExtensionIndex};
use sysext_formats::role::Role as _;
use sysext_formats::time::UtcTime;
use url::Url;

use crate::context::{Context, Outcome, Verdict};
use crate::draft::DraftError;
use crate::failure::{Failure, Kind};
use crate::location::{Location, LocationError, Place, Store, Swap};
use crate::published::{LookUp, Published};
use crate::reconcile::{ATTEMPTS, jitter};
use crate::session::Session;
use crate::site::{About, Page};
use crate::ui::bytes;
use crate::upload::{self, UploadError};

/// What `site` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write it into this file, or with `-` to stdout, instead of beside the catalog
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What became of the page.
#[derive(Debug, Serialize)]
struct Report {
    changed: bool,
    dry_run: bool,
    file: String,
    bytes: u64,
    extensions: usize,
}

/// Runs it.
///
/// # Errors
/// When what is published can not be verified, or the page not be written.
pub fn run(context: &Context, args: &Args) -> Outcome {
    let session = Session::open(context)?;
    let report = match args.output.as_deref() {
        None => beside_the_catalog(context, &session)?,
        Some(path) if path == Path::new("-") => {
            if context.globals.json {
                return Err(Failure::usage(
                    "--json and --output - would both write to stdout",
                ));
            }
            let (html, _) = html(context, &session, session.base(context)?.as_ref())?;
            context.ui.raw(html.as_bytes());
            return Ok(Verdict::Good);
        }
        Some(path) => into_file(context, &session, path)?,
    };
    context.ui.data("site", &report, || text(&report));
    Ok(Verdict::Good)
}

fn text(report: &Report) -> String {
    let file = &report.file;
    let many = if report.extensions == 1 { "" } else { "s" };
    let what = format!(
        "{} extension{many}, {}",
        report.extensions,
        bytes(report.bytes)
    );
    match (report.changed, report.dry_run) {
        (false, _) => format!("nothing to do: {file} is what it would be\n"),
        (true, true) => format!("{file} would be written: {what} (--dry-run)\n"),
        (true, false) => format!("{file}: {what}\n"),
    }
}

/// Writes it where hosts and people read the catalog. It shows the catalog that is there, however many publish meanwhile.
fn beside_the_catalog(context: &Context, session: &Session) -> Result<Report, Failure> {
    let store = session
        .store(context)
        .map_err(|failure| match failure.kind {
            Kind::Usage => failure.hint("or write the page into a file: --output FILE"),
            _ => failure,
        })?;
    let store = store.as_ref();
    let base = context.globals.base.as_ref();
    let base = base.map(|_| session.base(context)).transpose()?;
    let dry_run = context.globals.dry_run;
    for attempt in 1..=ATTEMPTS {
        let expected = upload::timestamp(store)?;
        let base: &dyn Location = base.as_deref().unwrap_or(store);
        let (html, extensions) = match html(context, session, base) {
            Ok(made) => made,
            // What was read is of two states.
            Err(_) if attempt < ATTEMPTS && upload::timestamp(store)? != expected => continue,
            Err(failure) => return Err(failure),
        };
        let report = Report {
            changed: !is_there(store, &html)?,
            dry_run,
            file: format!("{}/{}", store.name(), Place::Page),
            bytes: length(&html),
            extensions,
        };
        if dry_run || !report.changed {
            return Ok(report);
        }
        let guard = store.exclusive()?;
        if upload::timestamp(store)? == expected {
            store.put(&Place::Page, html.as_bytes())?;
            if store.finish()? == Swap::Done {
                return Ok(report);
            }
        }
        context
            .ui
            .say("somebody has published meanwhile; starting over");
        drop(guard);
        std::thread::sleep(jitter(attempt));
    }
    Err(UploadError::Lost.into())
}

/// Whether the page at the location has these bytes.
fn is_there(store: &dyn Store, html: &str) -> Result<bool, LocationError> {
    match store.read(&Place::Page, length(html)) {
        Ok(there) => Ok(there.as_deref() == Some(html.as_bytes())),
        Err(error) if error.is_too_long() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes it into a file, for who brings it to the host in another way.
fn into_file(context: &Context, session: &Session, path: &Path) -> Result<Report, Failure> {
    let missing = || Failure::usage(format!("the folder of {} is not there", path.display()));
    let (dir, name) = Dir::of_existing_file(path)?.ok_or_else(missing)?;
    let (html, extensions) = html(context, session, session.base(context)?.as_ref())?;
    let there = match dir.read(&name, length(&html)) {
        Err(sysext_durable::Error::TooLong { .. }) => None,
        there => there?,
    };
    let report = Report {
        changed: there.as_deref() != Some(html.as_bytes()),
        dry_run: context.globals.dry_run,
        file: path.display().to_string(),
        bytes: length(&html),
        extensions,
    };
    if report.changed && !report.dry_run {
        dir.write(&name, html.as_bytes(), 0o644)?;
    }
    Ok(report)
}

fn length(html: &str) -> u64 {
    html.len().try_into().unwrap_or(u64::MAX)
}

/// The page of the catalog at `base`, and how many extensions are on it.
fn html(
    context: &Context,
    session: &Session,
    base: &dyn Location,
) -> Result<(String, usize), Failure> {
    let mut published = session.published(context, base)?;
    let page = page(session, &mut published)?;
    let extensions = page.extensions();
    let html = page.html();
    let html =
        html.map_err(|error| Failure::of(Kind::Failed, &error).during("writing the page"))?;
    Ok((html, extensions))
}

fn page(session: &Session, published: &mut Published<'_>) -> Result<Page, Failure> {
    let catalog = published.whole_catalog()?;
    let said = CatalogInfo::read("targets", &catalog.targets).map_err(DraftError::from)?;
    let moved_to: Vec<Url> = said.moved_to().collect();
    let mut summaries = BTreeMap::new();
    let groups = catalog
        .groups
        .iter()
        .map(|(role, group)| (role.as_str(), group));
    for (role, contents) in groups.chain([("targets", &catalog.targets)]) {
        let said = CatalogInfo::read(role, contents).map_err(DraftError::from)?;
        summaries.extend(
            said.extensions
                .into_iter()
                .map(|(name, it)| (name, it.summary)),
        );
    }
    let expiries = [
        catalog.root.expires(),
        catalog.targets.expires(),
        catalog.snapshot.expires(),
    ];
    let first = |first: UtcTime, next| first.min(next);
    let names: Vec<_> = catalog.extensions().collect();
    let mut page = Page::new(&About {
        descriptor: session.descriptor()?,
        moved_to,
        fresh_until: expiries
            .into_iter()
            .fold(catalog.timestamp.expires(), first),
        sysupdate: session.config.openpgp.command().is_some(),
        extensions: names.len(),
    });
    for name in names {
        match published.peek(&name)? {
            LookUp::Index(index) => {
                let said = ExtensionIndex::read(&name, &index).map_err(DraftError::from)?;
                page.add(&said, index.expires);
            }
            LookUp::Unpublished => {
                let summary = summaries.remove(&name).unwrap_or_default();
                page.add_absent(name, &summary, "Nothing is published of it yet.");
            }
            LookUp::Disowned(_) => {
                let summary = summaries.remove(&name).unwrap_or_default();
                page.add_absent(
                    name,
                    &summary,
                    "What is published of it is signed by nobody who may sign it now.",
                );
            }
        }
    }
    Ok(page)
}
