//! Every image of a plan is brought into the store before anything changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use sysext_formats::name::ExtensionName;

use super::{Planned, plan_text};
use crate::activate::Switch;
use crate::failure::Failure;
use crate::history::Cause;
use crate::journal::Displaced;
use crate::plan::{Action, Plan, Problem, Step};
use crate::refresh::FreshCatalog;
use crate::session::{Catalogs, Session};
use crate::stage::{StageError, StagedImage, Wanted, stage};
use crate::transport::Method;
use crate::ui::progress::Bars;

/// Images that lie in the store, opened and checked, for a plan.
#[derive(Debug)]
pub struct Staged {
    pub(super) plan: Plan,
    pub(super) switches: Vec<Switch>,
    pub(super) names: BTreeSet<ExtensionName>,
    /// Extensions whose image was fetched: a change also where the link named it already.
    pub(super) restored: BTreeSet<ExtensionName>,
    pub(super) cause: Cause,
}

impl Staged {
    /// Images that were in the store already, with the plan that they belong to.
    #[must_use]
    pub fn of_store(plan: Plan, switches: Vec<Switch>, cause: Cause) -> Self {
        Self {
            plan,
            names: switches.iter().map(|switch| switch.name.clone()).collect(),
            switches,
            restored: BTreeSet::new(),
            cause,
        }
    }

    /// Lets links of others make way for that of `name`, or for `unchanged` where its link is not going to change; whether
    /// there is either.
    pub fn displace(
        &mut self,
        name: &ExtensionName,
        displaced: Vec<Displaced>,
        unchanged: Option<Switch>,
    ) -> bool {
        if let Some(switch) = self.switches.iter_mut().find(|switch| switch.name == *name) {
            switch.displaced = displaced;
            return switch.to.is_some();
        }
        let Some(switch) = unchanged else {
            return false;
        };
        self.names.insert(switch.name.clone());
        self.switches.push(Switch {
            displaced,
            ..switch
        });
        true
    }

    /// What links would name.
    #[must_use]
    pub fn switches(&self) -> &[Switch] {
        &self.switches
    }

    /// The plan, with a problem for each image that could not be had.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
}

/// Says the plan, then brings every image of it into the store, several at a time. Nothing that runs is touched.
///
/// # Errors
/// When no way to the network can be made; single images fail in the plan.
pub fn stage_all(session: &Session, planned: Planned) -> Result<Staged, Failure> {
    let Planned {
        mut plan,
        catalogs,
        local,
    } = planned;
    if !plan.is_empty() {
        session.ui.say(plan_text(&plan));
    }
    let store = session.store()?;
    let bars = Bars::new(session.ui);
    let jobs = plan
        .steps
        .iter()
        .filter_map(|step| Some((step, wanted(step, &catalogs, &local)?)));
    // What is the same is fetched by one of them: the others find it in the store then.
    let mut by_content: BTreeMap<_, Vec<(&Step, Wanted<'_>)>> = BTreeMap::new();
    for (step, wanted) in jobs {
        let same = by_content.entry(wanted.image.sha256).or_default();
        same.push((step, wanted));
    }
    let jobs: Vec<_> = by_content.into_values().collect();
    // What only takes links away needs no network, however broken its configuration is.
    let fetcher = if jobs.is_empty() {
        None
    } else {
        Some(session.fetcher()?)
    };
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(ExtensionName, Result<StagedImage, StageError>)>> =
        Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..usize::from(session.config.settings.parallel.max(1)).min(jobs.len()) {
            scope.spawn(|| {
                while let (Some(same), Some(fetcher)) =
                    (jobs.get(next.fetch_add(1, Ordering::Relaxed)), &fetcher)
                {
                    for (step, wanted) in same {
                        let bar = bars.bar(&step.name);
                        let staged = stage(store, fetcher, wanted, &bar);
                        let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                        results.push((step.name.clone(), staged));
                    }
                }
            });
        }
    });
    drop(jobs);
    bars.finish();
    let mut switches = Vec::new();
    let mut failed = BTreeSet::new();
    let mut restored = BTreeSet::new();
    for (name, staged) in results.into_inner().unwrap_or_else(PoisonError::into_inner) {
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
                if image.method() != Method::Store {
                    restored.insert(name.clone());
                }
                switches.push(Switch::new(name, Some(image)));
            }
            Err(error) => {
                let failure = Failure::from(&error);
                let (kind, message) = (failure.kind, failure.messages.join(": "));
                let offline =
                    (!session.is_online()).then(|| "run it once without --offline".to_owned());
                let hint = offline.or(failure.hints.into_iter().next());
                plan.problems.push(Problem {
                    name: Some(name.clone()),
                    kind,
                    message,
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
    switches.extend(unlinked.map(|step| Switch::new(step.name.clone(), None)));
    switches.sort_by(|a, b| a.name.cmp(&b.name));
    plan.steps.retain(|step| !failed.contains(&step.name));
    let names = switches.iter().map(|switch| switch.name.clone()).collect();
    Ok(Staged {
        plan,
        switches,
        names,
        restored,
        cause: Cause::Change,
    })
}

fn wanted<'a>(
    step: &'a Step,
    catalogs: &'a Catalogs,
    local: &'a BTreeMap<ExtensionName, Vec<File>>,
) -> Option<Wanted<'a>> {
    let (image, id) = (step.image.as_ref()?, step.catalog.as_ref()?);
    let catalog: &FreshCatalog = catalogs.get(id)?.as_ref().ok()?;
    Some(Wanted {
        extension: &step.name,
        catalog: id,
        image,
        bases: &catalog.image_bases,
        local: local.get(&step.name).map_or(&[], Vec::as_slice),
    })
}
