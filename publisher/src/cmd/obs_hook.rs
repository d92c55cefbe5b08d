//! `obs-hook`: what the publisher of an Open Build Service calls after it has published a repository.
//!
//! - Called as `$BSConfig::publishedhook` is: `PROJECT/REPO DIR [CHANGED…]`, no shell, any directory, standard output to
//!   `/dev/null`. A failure makes OBS publish the repository again in a minute, for ever.
//! - So what another try can mend ends with a failure: a host that does not answer, a lost race, files that are not all there
//!   yet, and whatever is wrong with keys and configuration. What only a person can mend, a bad image or a conflict, is
//!   [recorded](crate::obs::record) for `status`, and the run is good without `--strict`.
//! - It looks through the whole directory each time; the list of what changed is for the log only. Running it again changes
//!   nothing. It writes nothing into the directory, and images that vanish from it stay in the catalog.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::add::StandingWords;
use super::sync;
use crate::context::{Context, Outcome, Verdict};
use crate::failure::{Failure, Kind};
use crate::intake::{Intake, Unfit};
use crate::obs::arrived::{self, Fragments};
use crate::obs::log::Log;
use crate::obs::record::{self, Problem};
use crate::reconcile::{Attempt, Report};
use crate::session::Session;

/// What `obs-hook` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The repository, as OBS names it
    #[arg(value_name = "PROJECT/REPO", value_parser = repository)]
    repository: String,
    /// The directory that OBS has published it to
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// What OBS says has changed
    #[arg(
        value_name = "CHANGED",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    changed: Vec<OsString>,
    /// A file to add to what happens
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Fail also when an image can not be published until a person mends it
    #[arg(long)]
    strict: bool,
    /// Wait for the fragment (IMAGE.json) of each image
    #[arg(long)]
    require_fragments: bool,
    /// For how long files that contradict each other may still be coming in
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    patience: u64,
    #[command(flatten)]
    words: StandingWords,
}

/// What became of an image that is not published.
#[derive(Debug)]
enum Fate {
    /// Nothing for a catalog.
    LeftOut,
    /// Not all there yet.
    Later(Failure),
    /// A person must mend it.
    Refused(Failure),
}

#[derive(Serialize)]
struct Document {
    #[serde(flatten)]
    report: Report,
    left_out: Vec<PathBuf>,
    problems: Vec<Problem>,
}

/// Publishes what is new in the directory.
///
/// # Errors
/// When another try can mend it.
pub fn run(context: &Context, args: &Args) -> Outcome {
    let (now, ui) = (context.now(), context.ui.clone());
    let mut log = Log::open(args.log.as_deref(), &args.repository, now, ui);
    log.line(&format!(
        "called for {}; OBS names {} changed files",
        args.directory.display(),
        args.changed.len()
    ));
    let result = publish(context, args, &mut log);
    match &result {
        Ok(Verdict::Good) => log.line("done"),
        Ok(_) => log.line("done, with problems (--strict)"),
        Err(failure) => log.line(&format!(
            "failed with exit code {}, OBS tries again: {}",
            failure.kind.code(),
            failure.messages.join(": ")
        )),
    }
    result
}

fn publish(context: &Context, args: &Args, log: &mut Log) -> Outcome {
    let session = Session::open(context)?;
    let images = images(&args.directory)?;
    let store = session.store(context)?;
    let request = args.words.clone().request();
    let mut hook = Hook {
        context,
        args,
        intake: Intake::new(context, &session, store.as_ref(), request)?,
        fates: BTreeMap::new(),
    };
    let report = session.reconcile(context, store.as_ref(), |attempt| {
        hook.consider(&images, attempt)
    })?;
    hook.intake.remember();
    hook.intake.tell_of_pruned();
    for change in &report.changes {
        log.line(&change.to_string());
    }
    hook.finish(&session, report, log)
}

struct Hook<'a> {
    context: &'a Context,
    args: &'a Args,
    intake: Intake<'a>,
    fates: BTreeMap<PathBuf, Fate>,
}

impl Hook<'_> {
    /// Takes all that can be taken, and remembers of the others why not.
    ///
    /// # Errors
    /// When it is nothing about one image.
    fn consider(
        &mut self,
        images: &[PathBuf],
        attempt: &mut Attempt<'_, '_>,
    ) -> Result<(), Failure> {
        self.fates.clear();
        let mut new = Vec::new();
        // OBS publishes the next state at any time.
        for image in images.iter().filter(|image| image.exists()) {
            let is_done = match self.intake.is_known_to_be_published(image, attempt) {
                Ok(false) => self.intake.is_pruned(image, attempt),
                known => known,
            };
            match is_done {
                Ok(true) => {}
                Ok(false) => new.push(image.clone()),
                Err(failure) => self.judge(image, failure)?,
            }
        }
        self.intake.look_ahead(&new);
        let mut good = Vec::new();
        for image in new {
            match self.examine(&image) {
                Ok(None) => good.push(image),
                Ok(Some(fate)) => self.settle(&image, fate),
                Err(failure) => self.judge(&image, failure)?,
            }
        }
        for image in self.intake.ahead(&good, attempt) {
            if let Err(failure) = self.intake.take(&image, attempt) {
                self.judge(&image, failure)?;
            }
        }
        Ok(())
    }

    /// Looks at an image and at the files about it; `None` where it can be taken.
    ///
    /// # Errors
    /// When it can not be read.
    fn examine(&mut self, image: &Path) -> Result<Option<Fate>, Failure> {
        let looked = self.intake.look(image);
        if matches!(looked, Err(Unfit::NoExtension)) {
            return Ok(Some(Fate::LeftOut));
        }
        let sha256 = self.intake.digest_of(image)?;
        let fragments = if self.args.require_fragments {
            Fragments::Required
        } else {
            Fragments::Optional
        };
        if let Err(error) = arrived::check(image, sha256, fragments) {
            let failure = Failure::of(Kind::Failed, &error)
                .during(format!("{} is not all there", image.display()))
                .hint("where two packages make files of one name, OBS keeps one of each: give them different names");
            return Err(failure);
        }
        Ok(match looked {
            Ok(()) => None,
            Err(Unfit::NoExtension) => Some(Fate::LeftOut),
            Err(Unfit::Unreadable(failure)) => Some(self.unreadable(image, failure)),
            // It is one image with its files; what the lint says of it does not change by waiting.
            Err(Unfit::Refused(failure)) => Some(Fate::Refused(failure)),
        })
    }

    /// What a failure means for an image.
    ///
    /// # Errors
    /// With the failure, where it is nothing about this image.
    fn judge(&mut self, image: &Path, failure: Failure) -> Result<(), Failure> {
        let fate = match failure.kind {
            Kind::Failed => self.unreadable(image, failure),
            // That the catalog itself can not be verified is found before the first image; here it is the index of one
            // extension.
            Kind::Conflict | Kind::Usage | Kind::Unverified => Fate::Refused(failure),
            _ => return Err(failure),
        };
        self.settle(image, fate);
        Ok(())
    }

    /// What is wrong with an image, or with what is said about it, as long as files may be coming in, and afterwards.
    fn unreadable(&self, image: &Path, failure: Failure) -> Fate {
        let patience = Duration::from_secs(self.args.patience);
        if arrived::is_young(image, self.context.now(), patience) {
            Fate::Later(failure)
        } else {
            Fate::Refused(failure)
        }
    }

    fn settle(&mut self, image: &Path, fate: Fate) {
        // One that vanished meanwhile is no problem of anybody.
        if image.exists() {
            self.fates.insert(image.to_owned(), fate);
        }
    }

    fn finish(self, session: &Session, report: Report, log: &mut Log) -> Outcome {
        let Self {
            context,
            args,
            fates,
            ..
        } = self;
        let (mut left_out, mut problems) = (Vec::new(), Vec::new());
        let mut later: Option<Failure> = None;
        for (path, fate) in fates {
            let name = path.strip_prefix(&args.directory).unwrap_or(&path);
            let name = name.display().to_string();
            match fate {
                Fate::LeftOut => {
                    let text = format!("{name}: left out, it is no system extension");
                    log.line(&text);
                    context.ui.say(text);
                    left_out.push(path);
                }
                Fate::Later(failure) => {
                    let why = failure.messages.join(": ");
                    log.line(&format!("{name}: not yet: {why}"));
                    let all = later.unwrap_or_else(|| {
                        Failure::new(Kind::Host, "images are not all there yet")
                            .hint("OBS calls again; --patience says for how long that is no error of theirs")
                    });
                    later = Some(all.because(why));
                }
                Fate::Refused(failure) => {
                    let problem = Problem::new(&args.repository, &name, &failure, context.now());
                    log.line(&format!("refused: {}", problem.line()));
                    let failure = failure.during(format!("{name} is not published"));
                    context.ui.fail_softly(&failure);
                    problems.push(problem);
                }
            }
        }
        if !context.globals.dry_run {
            keep(context, session, &args.repository, &problems);
        }
        if let Some(later) = later {
            return Err(later);
        }
        let bad = args.strict && !problems.is_empty();
        let document = Document {
            report,
            left_out,
            problems,
        };
        context.ui.data("obs-hook", &document, || text(&document));
        Ok(if bad { Verdict::Bad } else { Verdict::Good })
    }
}

fn keep(context: &Context, session: &Session, repository: &str, problems: &[Problem]) {
    let forgotten = |why: &dyn std::fmt::Display| {
        context.ui.warn(format_args!(
            "`status` will not know what was refused: {why}"
        ));
    };
    match session.memory_directory() {
        Some(directory) => {
            if let Err(error) = record::replace(directory, repository, problems.to_vec()) {
                forgotten(&error);
            }
        }
        None if problems.is_empty() => {}
        None => forgotten(&"neither XDG_STATE_HOME nor HOME says where to keep it"),
    }
}

/// The images of a repository. Links are other names that OBS gives them.
fn images(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut images = sync::images(directory)?;
    images.retain(|image| !image.is_symlink());
    Ok(images)
}

fn text(document: &Document) -> String {
    // What is not published was said when that was found.
    let all = document.problems.is_empty() && document.left_out.is_empty();
    document.report.text(if all {
        "everything is published already"
    } else {
        "everything else is published already"
    })
}

/// `PROJECT/REPO`.
fn repository(text: &str) -> Result<String, String> {
    match text.split_once('/') {
        Some((project, repo)) if !project.is_empty() && !repo.is_empty() && !repo.contains('/') => {
            Ok(text.to_owned())
        }
        _ => Err("OBS names a repository PROJECT/REPO".to_owned()),
    }
}
