//! From what is wanted to what is linked: refresh, plan, stage, switch.
//!
//! `Plan → Staged → Applied`: each step takes the value of the one before. What fails for one extension is a problem of
//! that extension; the others go on, and the worst kind decides the exit code.

mod report;
mod stage_all;
mod switch;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use sysext_formats::name::{CatalogId, ExtensionName};

pub use self::report::{Outcome, all_or_nothing, plan_text, report_problems};
pub use self::stage_all::{Staged, stage_all};
pub use self::switch::activate;
use crate::activate::LinkKind;
use crate::failure::{Failure, Kind};
use crate::plan::{Plan, Problem, UnlinkReason};
use crate::refresh::RefreshProblem;
use crate::select::{Offer, Patience, select};
use crate::session::{Catalogs, Session};
use crate::store::StoredImage;

/// How `update` works this time.
#[derive(Debug, Clone)]
pub struct Options {
    /// Only these extensions; all where empty.
    pub names: BTreeSet<ExtensionName>,
    /// Whether somebody named them: files that are not about them are no problem then.
    pub by_name: bool,
    /// Whether rollouts are waited for.
    pub patience: Patience,
    /// Whether somebody typed the command, or the timer called.
    pub caller: Caller,
    /// Whether catalogs are refreshed first.
    pub refresh: bool,
    /// Links of others that are going to make way, so that nothing of ours is in their shadow.
    pub making_way: BTreeSet<PathBuf>,
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
            by_name: !names.is_empty(),
            names,
            patience: Patience::Wait,
            caller: Caller::Person,
            refresh: true,
            making_way: BTreeSet::new(),
        }
    }

    /// What the timer does, for everything.
    #[must_use]
    pub fn timer() -> Self {
        Self {
            caller: Caller::Timer,
            ..Self::typed(BTreeSet::new())
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
    /// Files of this host that may have the bytes of an extension's image.
    local: BTreeMap<ExtensionName, Vec<File>>,
}

impl Planned {
    /// With files that are looked at before an image is fetched.
    #[must_use]
    pub fn with_local(mut self, local: BTreeMap<ExtensionName, Vec<File>>) -> Self {
        self.local = local;
        self
    }
}

impl From<Plan> for Planned {
    /// A plan that needs no catalog: it only takes links away.
    fn from(plan: Plan) -> Self {
        Self {
            plan,
            catalogs: Catalogs::new(),
            local: BTreeMap::new(),
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

/// A plan of nothing, with what is wrong with the catalogs and the configuration: they may offer what was not found.
#[must_use]
pub fn plan_of_nothing(session: &Session, catalogs: Catalogs) -> Planned {
    let mut plan = Plan::default();
    catalog_problems(&catalogs, &mut plan);
    configuration_problems(session, &BTreeSet::new(), &mut plan);
    Planned {
        plan,
        catalogs,
        local: BTreeMap::new(),
    }
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
    let own = session.own_links()?;
    let mut plan = Plan::default();
    catalog_problems(&catalogs, &mut plan);
    let broad = BTreeSet::new();
    let named = if options.by_name {
        &options.names
    } else {
        &broad
    };
    configuration_problems(session, named, &mut plan);
    shadow_problems(session, options, &mut plan)?;
    let config = &session.config;
    for name in own
        .iter()
        .filter(|name| asked(name) && !config.extensions.contains_key(*name))
    {
        if config.unlisted || config.unreadable.contains(name) {
            // A file that can not be read says something that is not known; it never says "away with it".
            plan.unchanged.push(name.clone());
            continue;
        }
        plan.unlink(
            name,
            linked.get(name).map(StoredImage::version),
            UnlinkReason::NotWanted,
        );
    }
    for name in &options.names {
        let known = config.extensions.contains_key(name) || config.unreadable.contains(name);
        if !known && !own.contains(name) {
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
            if own.contains(name) {
                plan.unlink(
                    name,
                    image.map(StoredImage::version),
                    UnlinkReason::Disabled,
                );
            }
            continue;
        }
        let problems = plan.problems.len();
        let offers = offers(name, &catalogs, &mut plan);
        if offers.is_empty() && image.is_none() && plan.problems.len() > problems {
            // Why nothing is offered is said already.
            plan.unchanged.push(name.clone());
            continue;
        }
        let bound = extension.wish.catalog.as_ref();
        if bound.is_some_and(|bound| !matches!(catalogs.get(bound), Some(Ok(_)))) {
            missing_catalog(name, bound, &catalogs, &mut plan);
            continue;
        }
        let question = session.question(name, &extension.wish, image, options.patience);
        let selection = select(&question, &offers);
        plan.decide(name, &selection, question.linked.as_ref(), |sha256| {
            session.has_image(sha256)
        });
    }
    Ok(Planned {
        plan,
        catalogs,
        local: BTreeMap::new(),
    })
}

/// The indexes that the catalogs offer for `name`; one that can not be used is a problem of this extension.
fn offers<'a>(name: &ExtensionName, catalogs: &'a Catalogs, plan: &mut Plan) -> Vec<Offer<'a>> {
    let mut offers = Vec::new();
    for catalog in catalogs.values().flatten() {
        match Offer::of(catalog, name) {
            Some(Ok(offer)) => offers.push(offer),
            Some(Err(RefreshProblem::NotOffered { .. })) | None => {}
            Some(Err(problem)) => plan.problems.push(describe(Some(name.clone()), problem)),
        }
    }
    offers
}

fn missing_catalog(
    name: &ExtensionName,
    bound: Option<&CatalogId>,
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

/// Broken files are problems of every run; of a run for certain extensions only theirs are.
fn configuration_problems(session: &Session, names: &BTreeSet<ExtensionName>, plan: &mut Plan) {
    let config = &session.config;
    let concerned = names.is_empty() || names.iter().any(|name| config.unreadable.contains(name));
    let problems = config.problems.iter().chain(&config.settings_problem);
    plan.problems
        .extend(problems.filter(|_| concerned).map(|problem| Problem {
            name: None,
            kind: Kind::Usage,
            message: problem.to_string(),
            hint: Some(
                "what that file is about stays as it is until the file is mended".to_owned(),
            ),
        }));
}

/// Links of ours that have no effect.
fn shadow_problems(session: &Session, options: &Options, plan: &mut Plan) -> Result<(), Failure> {
    for link in session.links()? {
        let (Ok(name), Some(by)) = (link.name.parse(), &link.shadowed_by) else {
            continue;
        };
        let makes_way = |path: &PathBuf| session.root.path(&path.to_string_lossy()) == *by;
        if options.making_way.iter().any(makes_way) {
            continue;
        }
        if options.asks_for(&name) && matches!(link.kind, LinkKind::Ours { .. }) {
            plan.problems.push(shadowed(&name, by));
        }
    }
    Ok(())
}

fn shadowed(name: &ExtensionName, by: &Path) -> Problem {
    Problem {
        name: Some(name.clone()),
        kind: Kind::Partial,
        message: format!(
            "{name} has no effect: systemd takes {} instead",
            by.display()
        ),
        hint: Some("remove that file, or disable the extension here".to_owned()),
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
