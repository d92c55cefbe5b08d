//! From what is wanted to what is linked: refresh, plan, stage, switch.
//!
//! `Plan → Staged → Applied`: each step takes the value of the one before. What fails for one extension is a problem of
//! that extension; the others go on, and the worst kind decides the exit code.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Serialize;
use sysext_formats::name::ExtensionName;

use crate::activate::{self, Applied, Merge, Switch};
use crate::config::{self, Apply, RefreshPolicy};
use crate::failure::{Failure, Kind};
use crate::plan::{Action, Plan, Problem, Step, UnlinkReason};
use crate::refresh::{FreshCatalog, RefreshProblem};
use crate::select::{Linked, Offer, Patience, Question, select};
use crate::session::{Catalogs, Session};
use crate::stage::{StageError, StagedImage, Wanted, stage};
use crate::store::StoredImage;
use crate::systemd::{Merger as _, Systemd};
use crate::ui::{self, Table, progress::Bars};

/// How `update` works this time.
#[derive(Debug, Clone)]
pub struct Options {
    /// Only these extensions; all where empty.
    pub names: BTreeSet<ExtensionName>,
    /// Whether rollouts are waited for.
    pub patience: Patience,
    /// Whether somebody typed the command, or the timer called.
    pub caller: Caller,
    /// Whether catalogs are refreshed first.
    pub refresh: bool,
}

/// Who asks for an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// A person: merged at once.
    Person,
    /// The timer: merged as `apply` says.
    Timer,
}

impl Options {
    /// What a typed command does for `names`.
    #[must_use]
    pub fn typed(names: BTreeSet<ExtensionName>) -> Self {
        Self {
            names,
            patience: Patience::Wait,
            caller: Caller::Person,
            refresh: true,
        }
    }

    fn asks_for(&self, name: &ExtensionName) -> bool {
        self.names.is_empty() || self.names.contains(name)
    }
}

/// A plan with the catalogs that it was made of.
#[derive(Debug)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    catalogs: Catalogs,
}

impl From<Plan> for Planned {
    /// A plan that needs no catalog: it only takes links away.
    fn from(plan: Plan) -> Self {
        Self {
            plan,
            catalogs: Catalogs::new(),
        }
    }
}

/// Makes the plan.
///
/// # Errors
/// When the links can not be read or no way to the network can be made.
pub fn plan(session: &Session, options: &Options) -> Result<Planned, Failure> {
    let wanted = session
        .config
        .extensions
        .keys()
        .filter(|name| options.asks_for(name))
        .cloned()
        .collect();
    let catalogs = if options.refresh {
        session.refresh(&wanted)?
    } else {
        session.not_refreshed(&wanted)?
    };
    plan_from(session, options, catalogs)
}

/// Makes the plan of catalogs that are there already.
///
/// # Errors
/// When the links can not be read.
pub fn plan_from(
    session: &Session,
    options: &Options,
    catalogs: Catalogs,
) -> Result<Planned, Failure> {
    let asked = |name: &ExtensionName| options.asks_for(name);
    let linked = session.linked()?;
    let mut plan = Plan::default();
    catalog_problems(&catalogs, &mut plan);
    for name in linked
        .keys()
        .filter(|name| asked(name) && !session.config.extensions.contains_key(*name))
    {
        plan.unlink(
            name,
            linked.get(name).map(StoredImage::version),
            UnlinkReason::NotWanted,
        );
    }
    for name in &options.names {
        if !session.config.extensions.contains_key(name) && !linked.contains_key(name) {
            plan.problems.push(Problem {
                name: Some(name.clone()),
                kind: Kind::Usage,
                message: format!("{name} is not installed"),
                hint: Some(format!("sysext-fetch install {name}")),
            });
        }
    }
    for (name, extension) in session
        .config
        .extensions
        .iter()
        .filter(|(name, _)| asked(name))
    {
        let image = linked.get(name);
        if !extension.wish.enabled {
            if let Some(image) = image {
                plan.unlink(name, Some(image.version()), UnlinkReason::Disabled);
            }
            continue;
        }
        let linked = image.map(|image| Linked {
            sha256: image.sha256,
            catalog: &image.catalog,
            custom: &image.custom,
        });
        let offers = offers(name, &catalogs, &mut plan);
        let bound = extension.wish.catalog.as_ref();
        if offers.is_empty()
            && bound.is_some_and(|bound| !matches!(catalogs.get(bound), Some(Ok(_))))
        {
            missing_catalog(name, bound, &catalogs, &mut plan);
            continue;
        }
        let question = Question {
            name,
            wish: &extension.wish,
            host: &session.host,
            linked,
            now: session.now,
            patience: options.patience,
        };
        let selection = select(&question, &offers);
        plan.decide(name, &selection, linked.as_ref(), |sha256| {
            session.has_image(sha256)
        });
    }
    Ok(Planned { plan, catalogs })
}

/// The indexes that the catalogs offer for `name`; one that can not be used is a problem of this extension.
fn offers<'a>(name: &ExtensionName, catalogs: &'a Catalogs, plan: &mut Plan) -> Vec<Offer<'a>> {
    let mut offers = Vec::new();
    for (id, catalog) in catalogs {
        match catalog
            .as_ref()
            .ok()
            .and_then(|catalog| catalog.indexes.get(name))
        {
            Some(Ok(index)) => offers.push(Offer { catalog: id, index }),
            Some(Err(RefreshProblem::NotOffered { .. })) | None => {}
            Some(Err(problem)) => plan.problems.push(describe(Some(name.clone()), problem)),
        }
    }
    offers
}

fn missing_catalog(
    name: &ExtensionName,
    bound: Option<&sysext_formats::name::CatalogId>,
    catalogs: &Catalogs,
    plan: &mut Plan,
) {
    // A catalog that failed is reported once, for itself; what is linked stays.
    let Some(bound) = bound else { return };
    if catalogs.contains_key(bound) {
        plan.unchanged.push(name.clone());
        return;
    }
    plan.problems.push(Problem {
        name: Some(name.clone()),
        kind: Kind::Usage,
        message: format!(
            "{name} is bound to the catalog \"{bound}\", which this host does not know"
        ),
        hint: Some(
            "sysext-fetch catalog add URL#sha256=HEX, or sysext-fetch set NAME catalog=ID"
                .to_owned(),
        ),
    });
}

fn catalog_problems(catalogs: &Catalogs, plan: &mut Plan) {
    for (id, catalog) in catalogs {
        if let Err(problem) = catalog {
            let mut problem = describe(None, problem);
            problem.message = format!("catalog \"{id}\": {}", problem.message);
            plan.problems.push(problem);
        }
    }
}

fn describe(name: Option<ExtensionName>, problem: &RefreshProblem) -> Problem {
    let failure = Failure::from(problem);
    Problem {
        name,
        kind: failure.kind,
        message: failure.messages.join(": "),
        hint: failure.hints.into_iter().next(),
    }
}

/// Images that lie in the store, opened and checked, for a plan.
#[derive(Debug)]
pub struct Staged {
    plan: Plan,
    switches: Vec<Switch>,
    names: BTreeSet<ExtensionName>,
}

impl Staged {
    /// The plan, with a problem for each image that could not be had.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
}

/// Brings every image of the plan into the store, several at a time. Nothing that runs is touched.
///
/// # Errors
/// When no way to the network can be made; single images fail in the plan.
pub fn stage_all(session: &Session, planned: Planned) -> Result<Staged, Failure> {
    let Planned { mut plan, catalogs } = planned;
    let fetcher = session.fetcher()?;
    let store = session.store()?;
    let bars = Bars::new(session.ui);
    let jobs: Vec<_> = plan
        .steps
        .iter()
        .filter_map(|step| Some((step, wanted(step, &catalogs)?)))
        .collect();
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(ExtensionName, Result<StagedImage, StageError>)>> =
        Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..usize::from(session.config.settings.parallel.max(1)).min(jobs.len()) {
            scope.spawn(|| {
                while let Some((step, wanted)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let bar = bars.bar(&step.name);
                    let staged = stage(store, &fetcher, wanted, &bar);
                    let mut results = results
                        .lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner);
                    results.push((step.name.clone(), staged));
                }
            });
        }
    });
    drop(jobs);
    bars.finish();
    let mut switches = Vec::new();
    let mut failed = BTreeSet::new();
    for (name, staged) in results
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
    {
        match staged {
            Ok(image) => {
                for attempt in image.attempts() {
                    session
                        .ui
                        .warn(format_args!("{name}: {attempt}; the next source was taken"));
                }
                for item in image.undeclared() {
                    session.ui.warn(format_args!(
                        "{name} brings {item}, which its catalog did not announce"
                    ));
                }
                switches.push(Switch {
                    name,
                    to: Some(image),
                });
            }
            Err(error) => {
                let failure = Failure::from(&error);
                let (kind, message) = (failure.kind, failure.messages.join(": "));
                let hint = failure.hints.into_iter().next();
                plan.problems.push(Problem {
                    name: Some(name.clone()),
                    kind,
                    message: format!("{name}: {message}"),
                    hint,
                });
                failed.insert(name);
            }
        }
    }
    let unlinked = plan
        .steps
        .iter()
        .filter(|step| step.action == Action::Unlink);
    switches.extend(unlinked.map(|step| Switch {
        name: step.name.clone(),
        to: None,
    }));
    switches.sort_by(|a, b| a.name.cmp(&b.name));
    plan.steps.retain(|step| !failed.contains(&step.name));
    let names = switches.iter().map(|switch| switch.name.clone()).collect();
    Ok(Staged {
        plan,
        switches,
        names,
    })
}

fn wanted<'a>(step: &'a Step, catalogs: &'a Catalogs) -> Option<Wanted<'a>> {
    let (image, id) = (step.image.as_ref()?, step.catalog.as_ref()?);
    let catalog: &FreshCatalog = catalogs.get(id)?.as_ref().ok()?;
    Some(Wanted {
        extension: &step.name,
        catalog: id,
        image,
        bases: &catalog.image_bases,
    })
}

/// What was done, for people and programs.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Whether anything changed.
    pub changed: bool,
    /// What changed.
    pub steps: Vec<Step>,
    /// Extensions that stay as they are.
    pub unchanged: Vec<ExtensionName>,
    /// What could not be done.
    pub problems: Vec<Problem>,
    /// Whether it takes effect now.
    pub merge: Merge,
}

/// Switches the links and makes systemd merge.
///
/// # Errors
/// When nothing could be switched, and all is as before.
pub fn activate(session: &Session, staged: Staged, caller: Caller) -> Result<Outcome, Failure> {
    let Staged {
        mut plan,
        switches,
        names,
    } = staged;
    let systemd = Systemd::detect(&session.root);
    let applied = if switches.is_empty() {
        Applied::default()
    } else {
        activate::apply(
            &session.site(&systemd)?,
            &switches,
            merge_policy(session, &names, caller),
        )?
    };
    for quarantined in &applied.quarantined {
        let name = &quarantined.name;
        let version = quarantined.version.as_ref();
        if let (Some(extension), Some(version)) = (session.config.extensions.get(name), version) {
            config::edit::skip(&session.root, extension, version, &quarantined.reason)?;
        }
        let what = version.map_or_else(
            || format!("{name} could not be unlinked"),
            |version| format!("{name} {version} did not merge"),
        );
        plan.problems.push(Problem {
            name: Some(name.clone()),
            kind: Kind::Partial,
            message: format!("{what}, so what was linked before is back: {}", quarantined.reason),
            hint: Some(format!("that version is skipped from now on; sysext-fetch why {name} shows what else there is")),
        });
    }
    for foreign in &applied.foreign {
        plan.problems.push(Problem {
            name: Some(foreign.name.clone()),
            kind: Kind::Partial,
            message: format!(
                "{} is not ours and was left alone, so {} is not linked",
                foreign.path.display(),
                foreign.name
            ),
            hint: Some(format!(
                "move it away, then run sysext-fetch update {}",
                foreign.name
            )),
        });
    }
    for shadowed in &applied.shadowed {
        plan.problems.push(Problem {
            name: Some(shadowed.name.clone()),
            kind: Kind::Partial,
            message: format!(
                "{} has no effect: systemd takes {} instead",
                shadowed.name,
                shadowed.by.display()
            ),
            hint: Some("remove that file, or disable the extension here".to_owned()),
        });
    }
    plan.steps.retain(|step| {
        applied
            .changed
            .iter()
            .any(|changed| changed.name == step.name)
    });
    restart_units(session, &systemd, &applied, &mut plan);
    Ok(Outcome {
        changed: !applied.changed.is_empty(),
        steps: plan.steps,
        unchanged: plan.unchanged,
        problems: plan.problems,
        merge: applied.merge,
    })
}

/// After a live merge: units that the admin wants restarted when their image has changed.
fn restart_units(session: &Session, systemd: &Systemd, applied: &Applied, plan: &mut Plan) {
    if applied.merge != Merge::Done {
        return;
    }
    let changed = applied
        .changed
        .iter()
        .filter_map(|changed| session.config.extensions.get(&changed.name));
    let units: BTreeSet<_> = changed
        .flat_map(|extension| extension.wish.restart.iter())
        .collect();
    if units.is_empty() {
        return;
    }
    let reloaded = systemd.daemon_reload();
    for result in [reloaded]
        .into_iter()
        .chain(units.into_iter().map(|unit| systemd.restart(unit)))
    {
        if let Err(error) = result {
            let message = Failure::of(Kind::Partial, &error).messages.join(": ");
            plan.problems.push(Problem {
                name: None,
                kind: Kind::Partial,
                message,
                hint: None,
            });
        }
    }
}

/// Whether systemd merges now. Never on another root; the timer asks each extension that changes.
fn merge_policy(
    session: &Session,
    names: &BTreeSet<ExtensionName>,
    caller: Caller,
) -> RefreshPolicy {
    let live = |name: &ExtensionName| {
        let wish = session
            .config
            .extensions
            .get(name)
            .and_then(|extension| extension.wish.apply);
        wish.unwrap_or(session.config.settings.apply) == Apply::Live
    };
    let waits = caller == Caller::Timer && !names.iter().all(live);
    if waits || !session.root.is_running() {
        RefreshPolicy::Never
    } else {
        session.config.settings.refresh
    }
}

impl Outcome {
    /// Prints what was done and gives the exit code.
    #[must_use]
    pub fn report(&self, session: &Session, command: &str) -> ExitCode {
        report_problems(session, &self.problems);
        session.ui.data(command, self, || self.text(session));
        self.problems
            .iter()
            .map(|problem| problem.kind)
            .max()
            .map_or(ExitCode::SUCCESS, ExitCode::from)
    }

    fn text(&self, session: &Session) -> String {
        let mut text = String::new();
        for step in &self.steps {
            let _ = writeln!(text, "{}", done(step));
        }
        match &self.merge {
            Merge::Done => text.push_str("Merged.\n"),
            _ if !self.changed => {}
            Merge::NotAsked if !session.root.is_running() => {
                text.push_str("Linked; merged when that system boots.\n")
            }
            Merge::NotAsked => text
                .push_str("Linked; merged at the next boot, or now with systemd-sysext refresh.\n"),
            Merge::Unavailable(reason) => {
                let _ = writeln!(
                    text,
                    "Linked; merged at the next boot, since systemd can not be asked here: {reason}"
                );
            }
        }
        if self.steps.is_empty() && self.problems.is_empty() {
            text.push_str("Nothing to do.\n");
        }
        text
    }
}

fn done(step: &Step) -> String {
    let version = |version: &Option<_>| {
        version
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default()
    };
    let (from, to) = (version(&step.from), version(&step.to));
    match step.action {
        Action::Install => format!("{} {to} installed", step.name),
        Action::Update => format!("{} updated from {from} to {to}", step.name),
        Action::Downgrade => format!("{} went back from {from} to {to}", step.name),
        Action::Replace => format!(
            "{} {to} replaced by a newer build of the same version",
            step.name
        ),
        Action::Unlink => format!(
            "{} {from} unlinked: {}",
            step.name,
            step.reason.as_deref().unwrap_or("")
        ),
    }
}

/// Says each problem with its way out.
pub fn report_problems(session: &Session, problems: &[Problem]) {
    for problem in problems {
        session
            .ui
            .complain(&problem.message, problem.hint.as_deref());
    }
}

/// The plan as people read it.
#[must_use]
pub fn plan_text(plan: &Plan) -> String {
    if plan.is_empty() {
        return "Nothing to do.\n".to_owned();
    }
    let mut table = Table::new(&["ACTION", "EXTENSION", "FROM", "TO", "CATALOG", "FETCH"]);
    let dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    for step in &plan.steps {
        table.row([
            step.action.to_string(),
            step.name.to_string(),
            dash(step.from.as_ref().map(ToString::to_string)),
            dash(step.to.as_ref().map(ToString::to_string)),
            dash(step.catalog.as_ref().map(ToString::to_string)),
            ui::bytes(step.fetch),
        ]);
    }
    let mut text = table.to_string();
    for step in &plan.steps {
        let mut line = |what: &str, items: &[String]| {
            if !items.is_empty() {
                let _ = writeln!(text, "{}: {what}: {}", step.name, items.join(", "));
            }
        };
        line("new units", &step.new_units);
        line("new setuid or setgid files", &step.new_setuid);
        line("fixes", &step.fixes);
        line("notes", step.notes.as_slice());
        line("because", step.reason.as_slice());
    }
    text
}
