//! What is said of plans and outcomes.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde::Serialize;
use sysext_formats::name::ExtensionName;

use crate::activate::Merge;
use crate::failure::{Failure, Kind};
use crate::plan::{Action, Plan, Problem, Step};
use crate::session::Session;
use crate::ui::plain::one_line;
use crate::ui::{self, Table};

/// What was done, for people and programs.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Whether anything changed.
    pub changed: bool,
    /// Whether files of the configuration were written.
    pub wrote_configuration: bool,
    /// What changed.
    pub steps: Vec<Step>,
    /// Extensions that stay as they are.
    pub unchanged: Vec<ExtensionName>,
    /// What could not be done.
    pub problems: Vec<Problem>,
    /// Whether it takes effect now.
    pub merge: Merge,
}

impl Outcome {
    /// With what a command wrote into the configuration.
    #[must_use]
    pub fn with_configuration(mut self, written: bool) -> Self {
        self.wrote_configuration = written;
        self.changed |= written;
        self
    }

    /// Prints what was done and gives the exit code.
    #[must_use]
    pub fn report(&self, session: &Session, command: &str) -> ExitCode {
        report_problems(session, &self.problems);
        session.ui.data(command, self, || self.text(session));
        self.exit_code()
    }

    /// What the process ends with: the worst of its problems.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        let worst = self.problems.iter().map(|problem| problem.kind).max();
        worst.map_or(ExitCode::SUCCESS, ExitCode::from)
    }

    /// What was done, for people.
    #[must_use]
    pub fn text(&self, session: &Session) -> String {
        let mut text = String::new();
        for step in &self.steps {
            let _ = writeln!(text, "{}", done(step));
        }
        if self.steps.is_empty() && self.merge == Merge::Done {
            return "What waited for the next boot is merged now.\n".to_owned();
        }
        if self.steps.is_empty() {
            text.push_str(match (self.wrote_configuration, self.problems.is_empty()) {
                (true, _) => "The configuration is written; there is nothing else to do.\n",
                (false, true) => "Nothing to do.\n",
                (false, false) => "",
            });
            return text;
        }
        match &self.merge {
            Merge::Done => text.push_str("Merged.\n"),
            Merge::NotAsked if !session.root.is_running() => {
                text.push_str("Takes effect when that system boots.\n");
            }
            Merge::NotAsked => {
                text.push_str("Takes effect at the next boot, or now with sysext-fetch update.\n");
            }
            Merge::Unavailable(reason) => {
                let _ = writeln!(
                    text,
                    "Takes effect at the next boot, since systemd can not be asked here: {}",
                    one_line(reason)
                );
            }
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
            one_line(step.reason.as_deref().unwrap_or(""))
        ),
    }
}

/// Refuses to go on where an extension that was named has a problem: the configuration must not say what could not be
/// had.
///
/// # Errors
/// With every such problem; `consequence` says what was left undone.
pub fn all_or_nothing(plan: &Plan, consequence: &str) -> Result<(), Failure> {
    let of_extensions = || {
        plan.problems
            .iter()
            .filter(|problem| problem.name.is_some())
    };
    // A link that has no effect is said afterwards: it was there before, or is made all the same.
    let Some(worst) = of_extensions()
        .map(|problem| problem.kind)
        .filter(|kind| *kind != Kind::Partial)
        .max()
    else {
        return Ok(());
    };
    let mut failure = Failure::new(worst, consequence);
    for problem in of_extensions() {
        failure.messages.push(problem.message.clone());
        failure.hints.extend(problem.hint.clone());
    }
    Err(failure)
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
                let _ = writeln!(
                    text,
                    "{}: {what}: {}",
                    step.name,
                    one_line(&items.join(", "))
                );
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
