//! Deleting files that nothing has named for a while.
//!
//! - What may go stands in the [`record`]; what goes is decided by the catalog as it is published then, read and verified
//!   anew. A file that a current document names stays, and is forgotten there.
//! - It is decided and done while no other publisher comes between: under the host's lock, or with a push that only
//!   succeeds over what was read. A host that has neither is looked at once more afterwards.
//! - A file is deleted before it is forgotten, so a run that is killed is completed by the next one.
//! - No key is needed: nothing that is signed changes.

use serde::Serialize;

use crate::context::Context;
use crate::failure::{Failure, Kind};
use crate::location::{Place, Store, Swap};
use crate::prune::record::{self, Left, Named, Record, RecordError};
use crate::published::{LookUp, Published, PublishedError};
use crate::reconcile::{ATTEMPTS, jitter};
use crate::session::Session;
use crate::ui;
use crate::upload::{self, UploadError};

/// What was deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// The files.
    pub deleted: Vec<String>,
    /// The bytes of the images and transports among them.
    pub bytes: u64,
    /// How many files wait for their time.
    pub waiting: usize,
}

impl Swept {
    /// For people; `done` is what was done, or would be.
    #[must_use]
    pub fn text(&self, done: &str) -> String {
        let (images, documents): (Vec<_>, Vec<_>) = self
            .deleted
            .iter()
            .partition(|path| path.starts_with("images/"));
        // A second name is the same file.
        let named = images.iter().filter(|path| !record::is_second_name(path));
        let mut text: String = named.map(|path| format!("{done} {path}\n")).collect();
        if !documents.is_empty() {
            text.push_str(&format!("{done} {} old document(s)\n", documents.len()));
        }
        if !images.is_empty() {
            text.push_str(&format!(
                "{done} {} of images and transports\n",
                ui::bytes(self.bytes)
            ));
        }
        if self.waiting > 0 {
            text.push_str(&format!(
                "{} file(s) that left wait for their time\n",
                self.waiting
            ));
        }
        text
    }
}

/// Deletes what left long enough ago, or under `--dry-run` says what that would be.
///
/// # Errors
/// When the published catalog can not be verified, or the host fails.
pub fn sweep(context: &Context, session: &Session) -> Result<Swept, Failure> {
    let store = session.store(context)?;
    let store = store.as_ref();
    for attempt in 1..=ATTEMPTS {
        let expected = upload::timestamp(store)?;
        let Some(mut record) = read(context, store)? else {
            return Ok(Swept::default());
        };
        let due: Vec<(String, Place, Left)> = record
            .due(context.now())
            .map(|(path, place, left)| (path.to_owned(), place, left))
            .collect();
        if due.is_empty() {
            return Ok(Swept {
                waiting: record.len(),
                ..Swept::default()
            });
        }
        // From where it is deleted, never from --base: a copy may be older.
        let named = named(&mut session.published(context, store)?)?;
        let guard = if context.globals.dry_run {
            None
        } else {
            store.exclusive()?
        };
        if upload::timestamp(store)? != expected {
            drop(guard);
            std::thread::sleep(jitter(attempt));
            continue;
        }
        let mut swept = Swept::default();
        let mut places = Vec::new();
        for (path, place, left) in due {
            record.forget(&path);
            // What lies elsewhere never was here.
            if named.names(&place) || left.elsewhere {
                continue;
            }
            if !context.globals.dry_run {
                store.remove(&place)?;
            }
            swept.bytes = swept.bytes.saturating_add(left.length);
            swept.deleted.push(path);
            places.push(place);
        }
        swept.waiting = record.len();
        if context.globals.dry_run {
            return Ok(swept);
        }
        record.write(store)?;
        if store.finish()? == Swap::Lost {
            drop(guard);
            std::thread::sleep(jitter(attempt));
            continue;
        }
        if guard.is_none() && upload::timestamp(store)? != expected {
            refuse_named_again(&mut session.published(context, store)?, &places)?;
        }
        return Ok(swept);
    }
    Err(UploadError::Lost.into())
}

/// The record; `None`, with a word about it, where there is none that can be used.
fn read(context: &Context, store: &dyn Store) -> Result<Option<Record>, Failure> {
    match Record::read(store) {
        Ok(Some(record)) => return Ok(Some(record)),
        Ok(None) => context.ui.say(
            "there is no pruned.json, in which publications note what leaves: no file is deleted",
        ),
        Err(RecordError::Malformed(why)) => context.ui.warn(format_args!(
            "pruned.json can not be read, so no file is deleted, and the next publication begins it again: {why}"
        )),
        Err(RecordError::Location(error)) => return Err(error.into()),
    }
    Ok(None)
}

/// What the published catalog names.
fn named(published: &mut Published<'_>) -> Result<Named, PublishedError> {
    let mut named = Named::by((**published.stage().snapshot()).clone());
    for name in published.extensions()? {
        match published.peek(&name)? {
            LookUp::Index(index) => named.add(&index),
            LookUp::Unpublished => {}
            LookUp::Disowned(_) => named.add_unread(name),
        }
    }
    Ok(named)
}

fn refuse_named_again(published: &mut Published<'_>, deleted: &[Place]) -> Result<(), Failure> {
    let named = named(published)?;
    match deleted.iter().find(|place| named.names(place)) {
        None => Ok(()),
        Some(place) => Err(Failure::new(
            Kind::Host,
            format!("{place} was published again while it was deleted"),
        )
        .hint("add that image once more: its index names a file that is not there")),
    }
}
