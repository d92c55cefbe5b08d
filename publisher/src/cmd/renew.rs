//! `renew`: signs again what expires. Touches no image.

use sysext_formats::key::KeyId;
use sysext_formats::name::ExtensionName;
use sysext_formats::time::UtcTime;

use crate::config::Span;
use crate::context::{Context, Outcome, Verdict};
use crate::failure::{Failure, Kind};
use crate::published::LookUp;
use crate::reconcile::Attempt;
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
    let report = session.reconcile(context, store.as_ref(), |attempt| {
        let mut job = Job {
            context,
            args: &args,
            attempt,
        };
        if args.release {
            job.release()?;
        }
        if args.root {
            job.root()?;
        }
        if !args.release && !args.root {
            job.attempt.editor.renew_freshness();
            job.warn()?;
        }
        Ok(())
    })?;
    context.ui.data("renew", &report, || {
        report.text("nothing expires that soon")
    });
    Ok(Verdict::Good)
}

struct Job<'a, 'e, 'p> {
    context: &'a Context,
    args: &'a Args,
    attempt: &'a mut Attempt<'e, 'p>,
}

impl Job<'_, '_, '_> {
    fn is_due(&self, expires: UtcTime) -> bool {
        let within = self.args.expiring_within;
        within.is_none_or(|within| expires <= self.context.now().plus(within.duration()))
    }

    fn release(&mut self) -> Result<(), Failure> {
        let release = ids(self.attempt, &self.attempt.config.keys.release);
        self.attempt.load_groups()?;
        let signers = &self.attempt.editor.catalog().root.roles.targets.keyids;
        let signs_contents = signers.iter().any(|id| release.contains(id));
        let mut signs_anything = signs_contents;
        let mut of_others = Vec::new();
        for name in self.attempt.published.extensions()? {
            let is_ours = is_ours(self.attempt, &name);
            signs_anything |= is_ours;
            let LookUp::Index(index) = self.attempt.peek(&name)? else {
                self.context.ui.warn(format_args!(
                    "{name} has no index that can be renewed; `sysext-publish status` says why"
                ));
                continue;
            };
            if !self.is_due(index.expires) {
                continue;
            }
            if !is_ours {
                of_others.push((name, index.expires));
                continue;
            }
            self.attempt.editor.load_index(&name, index);
            self.attempt.editor.renew_index(&name)?;
        }
        if !signs_anything {
            let what = "no key that is here signs indexes or the table of contents";
            return Err(Failure::new(Kind::Signing, what)
                .because(self.tried(&self.attempt.config.keys.release))
                .hint("`sysext-publish key list` shows which keys sign what"));
        }
        for (name, expires) in of_others {
            self.context.ui.warn(format_args!(
                "the index of {name} expires {expires} and is left to whoever has its key"
            ));
        }
        if !signs_contents {
            return Ok(());
        }
        let targets = &self.attempt.editor.catalog().targets;
        if self.is_due(targets.expires) {
            self.attempt.editor.renew_targets()?;
        }
        self.groups()
    }

    fn tried(&self, sources: &[KeySource]) -> String {
        let tried = sources.iter().map(|source| {
            let (_, why) = self.attempt.ring.describe(source);
            format!("{source}: {why}")
        });
        tried.collect::<Vec<_>>().join("; ")
    }

    fn root(&mut self) -> Result<(), Failure> {
        if self.is_due(self.attempt.editor.catalog().root.expires) {
            self.attempt.editor.renew_root()?;
        }
        let catalog = self.attempt.editor.catalog();
        if !catalog.targets_by_root() {
            return Ok(());
        }
        if self.is_due(catalog.targets.expires) {
            self.attempt.editor.renew_targets()?;
        }
        self.attempt.load_groups()?;
        self.groups()
    }

    fn groups(&mut self) -> Result<(), Failure> {
        let groups = self.attempt.editor.catalog().groups.iter();
        let due: Vec<_> = groups
            .filter(|(_, group)| self.is_due(group.expires))
            .map(|(role, _)| role.clone())
            .collect();
        for role in due {
            self.attempt.editor.renew_group(&role)?;
        }
        Ok(())
    }

    /// The daily job sees what it can not renew, long before hosts do.
    fn warn(&mut self) -> Result<(), Failure> {
        let soon = |expires: UtcTime, whole: Span| {
            expires <= self.context.now().plus(whole.duration() / 6)
        };
        let spans = self.attempt.config.expires;
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
        let catalog = self.attempt.editor.catalog();
        if soon(catalog.root.expires, spans.root) {
            say("the root", catalog.root.expires, "--root");
        }
        let by_whom = if catalog.targets_by_root() {
            "--root"
        } else {
            "--release"
        };
        if soon(catalog.targets.expires, spans.targets) {
            say("the table of contents", catalog.targets.expires, by_whom);
        }
        for (role, group) in self.attempt.published.groups()? {
            if soon(group.expires, spans.targets) {
                say(&format!("the group {role}"), group.expires, by_whom);
            }
        }
        for name in self.attempt.published.extensions()? {
            if let LookUp::Index(index) = self.attempt.peek(&name)?
                && soon(index.expires, spans.index)
            {
                say(&format!("the index of {name}"), index.expires, "--release");
            }
        }
        Ok(())
    }
}

/// Whether a key that is there signs the index of an extension.
pub(super) fn is_ours(attempt: &Attempt<'_, '_>, name: &ExtensionName) -> bool {
    let ours = ids(attempt, &attempt.config.index_sources(name));
    let keys = attempt.editor.catalog().index_keys(name);
    keys.is_some_and(|keys| keys.keyids.iter().any(|id| ours.contains(id)))
}

/// The ids of the keys that are there.
fn ids(attempt: &Attempt<'_, '_>, sources: &[KeySource]) -> Vec<KeyId> {
    let key = |source| attempt.ring.public_key(source).ok();
    sources
        .iter()
        .filter_map(key)
        .map(|key| key.canonical_id())
        .collect()
}
