//! `renew`: signs again what expires. Touches no image.

use sysext_formats::key::KeyId;
use sysext_formats::name::ExtensionName;
use sysext_formats::time::UtcTime;

use crate::config::Span;
use crate::context::{Context, Outcome, Verdict};
use crate::draft::Editor;
use crate::failure::Failure;
use crate::published::Published;
use crate::session::Session;
use crate::signer::KeySource;

/// What `renew` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Renew the indexes and the table of contents, with the release key
    #[arg(long)]
    release: bool,
    /// Renew the root, with the root keys; and the table of contents where they sign it
    #[arg(long)]
    root: bool,
    /// Of these, only what expires that soon, such as 60d
    #[arg(long, value_name = "TIME")]
    expiring_within: Option<Span>,
}

/// Runs it.
///
/// # Errors
/// When the catalog can not be read, or a key does not sign.
pub fn run(context: &Context, args: Args) -> Outcome {
    if args.expiring_within.is_some() && !(args.release || args.root) {
        return Err(Failure::usage(
            "--expiring-within is about --release and --root; snapshot and timestamp are always renewed",
        ));
    }
    let session = Session::open(context)?;
    let store = session.store(context)?;
    let report = session.reconcile(context, store.as_ref(), |published, editor, _| {
        let job = Job {
            context,
            session: &session,
            args: &args,
        };
        if args.release {
            job.release(published, editor)?;
        }
        if args.root {
            job.root(editor)?;
        }
        if !args.release && !args.root {
            editor.renew_freshness();
            job.warn(published, editor)?;
        }
        Ok(())
    })?;
    context.ui.data("renew", &report, || {
        report.text("nothing expires that soon")
    });
    Ok(Verdict::Good)
}

struct Job<'a> {
    context: &'a Context,
    session: &'a Session,
    args: &'a Args,
}

impl Job<'_> {
    fn is_due(&self, expires: UtcTime) -> bool {
        let within = self.args.expiring_within;
        within.is_none_or(|within| expires <= self.context.now().plus(within.duration()))
    }

    fn release(&self, published: &mut Published<'_>, editor: &mut Editor) -> Result<(), Failure> {
        let keys = &self.session.config.keys;
        let release = self.ids(&keys.release);
        for name in published.extensions() {
            let index = published.index(&name)?;
            if !self.is_due(index.expires) {
                continue;
            }
            if !self.is_ours(&name, editor, &release) {
                self.context.ui.warn(format_args!(
                    "the index of {name} expires {} and is left to whoever has its key",
                    index.expires
                ));
                continue;
            }
            editor.load_index(&name, index);
            editor.renew_index(&name)?;
        }
        let targets = &editor.catalog().targets;
        let signers = &editor.catalog().root.roles.targets.keyids;
        if self.is_due(targets.expires) && signers.iter().any(|id| release.contains(id)) {
            editor.renew_targets()?;
        }
        Ok(())
    }

    fn root(&self, editor: &mut Editor) -> Result<(), Failure> {
        if self.is_due(editor.catalog().root.expires) {
            editor.renew_root()?;
        }
        if editor.catalog().targets_by_root() && self.is_due(editor.catalog().targets.expires) {
            editor.renew_targets()?;
        }
        Ok(())
    }

    /// The daily job sees what it can not renew, long before hosts do.
    fn warn(&self, published: &mut Published<'_>, editor: &Editor) -> Result<(), Failure> {
        let soon = |expires: UtcTime, whole: Span| {
            expires <= self.context.now().plus(whole.duration() / 6)
        };
        let spans = self.session.config.expires;
        let say = |what: &str, expires: UtcTime, how: &str| {
            let when = if expires <= self.context.now() {
                "has expired"
            } else {
                "expires"
            };
            self.context.ui.warn(format_args!(
                "{what} {when} {expires}; `sysext-publish renew {how}` signs it again"
            ));
        };
        let catalog = editor.catalog();
        if soon(catalog.root.expires, spans.root) {
            say("the root", catalog.root.expires, "--root");
        }
        if soon(catalog.targets.expires, spans.targets) {
            let by_root = catalog.targets_by_root();
            say(
                "the table of contents",
                catalog.targets.expires,
                if by_root { "--root" } else { "--release" },
            );
        }
        for name in published.extensions() {
            let index = published.index(&name)?;
            if soon(index.expires, spans.index) {
                say(&format!("the index of {name}"), index.expires, "--release");
            }
        }
        Ok(())
    }

    fn is_ours(&self, name: &ExtensionName, editor: &Editor, release: &[KeyId]) -> bool {
        let own = self.session.config.extension(name).key;
        let own = self.ids(&own);
        let ours = if own.is_empty() { release } else { &own };
        let keys = editor.catalog().index_keys(name);
        keys.is_some_and(|keys| keys.keyids.iter().any(|id| ours.contains(id)))
    }

    /// The ids of the keys that are there.
    fn ids(&self, sources: &[KeySource]) -> Vec<KeyId> {
        let key = |source| self.session.ring.public_key(source).ok();
        sources
            .iter()
            .filter_map(key)
            .map(|key| key.canonical_id())
            .collect()
    }
}
