//! Links are switched and merged, and what came of it is made a report.

use std::collections::BTreeSet;

use sysext_formats::name::ExtensionName;

use super::{Caller, Outcome, Staged, shadowed};
use crate::activate::{self, Applied, Merge, NotSkipped};
use crate::config::{Apply, RefreshPolicy};
use crate::failure::{Failure, Kind};
use crate::plan::{Plan, Problem};
use crate::session::Session;
use crate::systemd::{Systemd, left_behind};

/// Switches the links and makes systemd merge.
///
/// # Errors
/// When nothing could be switched, and all is as before.
pub fn activate(session: &Session, staged: Staged, caller: Caller) -> Result<Outcome, Failure> {
    let Staged {
        mut plan,
        switches,
        names,
        restored,
        cause,
    } = staged;
    let systemd = Systemd::detect(&session.root);
    let site = activate::Site {
        cause,
        ..session.site(&systemd)?
    };
    let policy = merge_policy(session, &names, caller);
    let mut applied = if switches.is_empty() {
        Applied::default()
    } else {
        activate::apply(&site, &switches, policy)?
    };
    let mut merged_waiting = false;
    if caller == Caller::Person && applied.changed.is_empty() && applied.quarantined.is_empty() {
        match activate::merge_waiting(&site, policy) {
            Ok(merge) => {
                merged_waiting = merge == Merge::Done;
                applied.merge = merge;
            }
            Err(reason) => plan.problems.push(Problem {
                name: None,
                kind: Kind::Partial,
                message: format!("what was linked for the next boot could not be merged: {reason}"),
                hint: Some("sysext-fetch rollback links what was there before".to_owned()),
            }),
        }
    }
    plan.problems
        .extend(applied.not_skipped.drain(..).map(not_skipped));
    for quarantined in &applied.quarantined {
        let name = &quarantined.name;
        let what = quarantined.version.as_ref().map_or_else(
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
            hint: Some(match &foreign.target {
                Some(_) => format!("sysext-fetch import {} takes it over, where it is sysextmgr's or systemd-sysupdate's; else move it away and run sysext-fetch update {0}", foreign.name),
                None => format!("move it away, then run sysext-fetch update {}", foreign.name),
            }),
        });
    }
    for link in &applied.shadowed {
        // A link that was there before is in the plan already.
        if !plan.problems.iter().any(|problem| {
            problem.kind == Kind::Partial && problem.name.as_ref() == Some(&link.name)
        }) {
            plan.problems.push(shadowed(&link.name, &link.by));
        }
    }
    plan.steps.retain(|step| {
        let relinked = applied
            .changed
            .iter()
            .any(|changed| changed.name == step.name);
        relinked || (restored.contains(&step.name) && applied.unchanged.contains(&step.name))
    });
    settle(session, &systemd, &applied, &mut plan)?;
    Ok(Outcome {
        changed: !plan.steps.is_empty() || merged_waiting,
        wrote_configuration: false,
        steps: plan.steps,
        unchanged: plan.unchanged,
        problems: plan.problems,
        merge: applied.merge,
    })
}

/// The links hold: that the list could not be written is told beside them.
fn not_skipped(skip: NotSkipped) -> Problem {
    let NotSkipped {
        name,
        version,
        error,
    } = skip;
    let failure = Failure::from(error);
    Problem {
        message: format!(
            "{name} {version} could not be noted as one to skip: {}",
            failure.messages.join(": ")
        ),
        name: Some(name),
        kind: failure.kind,
        hint: failure.hints.into_iter().next(),
    }
}

/// After a live merge: units are read again, and those restarted that the admin named for an image that changed.
fn settle(
    session: &Session,
    systemd: &Systemd,
    applied: &Applied,
    plan: &mut Plan,
) -> Result<(), Failure> {
    let changed = applied
        .changed
        .iter()
        .filter_map(|changed| session.config.extensions.get(&changed.name));
    let units = changed.flat_map(|extension| extension.wish.restart.iter().map(String::as_str));
    let settled = activate::settle(session.store()?, systemd, applied, units);
    for unit in settled.restarted {
        session.ui.say(format_args!("restarted {unit}"));
    }
    if applied.merge == Merge::Done && !applied.changed.is_empty() {
        say_outdated(session, systemd)?;
    }
    plan.problems
        .extend(settled.problems.into_iter().map(|message| Problem {
            name: None,
            kind: Kind::Partial,
            message,
            hint: Some("the merge holds; look at that unit with systemctl status".to_owned()),
        }));
    Ok(())
}

/// What runs out of images that are not merged any more goes on as it was, until somebody restarts it.
fn say_outdated(session: &Session, systemd: &Systemd) -> Result<(), Failure> {
    let linked = session.linked()?;
    let running = activate::running(systemd, linked.values()).unwrap_or_default();
    let outdated = activate::outdated(systemd, session.store()?, &running, &left_behind());
    let hints: BTreeSet<_> = outdated
        .iter()
        .map(|outdated| format!("{}: {}", outdated.name, outdated.hint()))
        .collect();
    hints.iter().for_each(|hint| session.ui.say(hint));
    Ok(())
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
