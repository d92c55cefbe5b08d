//! `import`: what sysextmgr or systemd-sysupdate links now, and a catalog offers, is kept current by this program instead.
//!
//! - The links of the other program go in the transaction in which ours come: what does not merge leads back to them.
//! - Bytes that are on this host already are copied. Nothing of the other program but its links is touched.
//! - Each extension is for itself: what can not be taken over stays with its program, and the others go on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use sysext_formats::name::{CatalogId, ExtensionName};

use super::wish::{self, Edit, catalog_of};
use crate::activate::Switch;
use crate::cli::Global;
use crate::config::{self, Extension};
use crate::failure::{Failure, Kind};
use crate::foreign::{self, Foreign, Manager};
use crate::journal::Displaced;
use crate::plan::Plan;
use crate::reconcile::{self, Caller, Options, Outcome, Staged};
use crate::session::{Catalogs, Session};
use crate::stage::restage;
use crate::ui::Ui;

/// `import [NAME…]`
#[derive(Debug, Args)]
pub struct Import {
    /// Extensions; all that a catalog offers, where none is named
    names: Vec<ExtensionName>,
    /// The catalog to take them from, and to bind them to
    #[arg(long, value_name = "ID")]
    from: Option<CatalogId>,
    /// Only print what would be done
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// Images of other programs that may have the bytes of an extension's.
type Local = BTreeMap<ExtensionName, Vec<File>>;

/// The links that make way for each extension.
type Chosen = BTreeMap<ExtensionName, Vec<Foreign>>;

/// A link that makes way.
#[derive(Debug, Serialize)]
struct Taken {
    name: ExtensionName,
    #[serde(flatten)]
    link: Displaced,
    #[serde(flatten)]
    manager: Manager,
}

/// A link that stays.
#[derive(Debug, Serialize)]
struct Left {
    #[serde(flatten)]
    link: Displaced,
    reason: String,
}

/// What was done, or would be.
#[derive(Debug, Serialize)]
struct Imported<T> {
    #[serde(flatten)]
    done: T,
    taken_over: Vec<Taken>,
    left: Vec<Left>,
}

impl Import {
    /// Imports.
    ///
    /// # Errors
    /// When an extension that was named can not be taken over, or nothing could be done.
    pub fn run(self, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
        let open = if self.dry_run {
            Session::open_to_plan
        } else {
            Session::open_to_change
        };
        let mut session = open(global, ui)?;
        if let Some(id) = &self.from {
            super::edit::known_catalog(&session, id)?;
        }
        let found = foreign::find(&session.root)?;
        let names = found.iter().flat_map(|foreign| foreign.names.clone());
        let catalogs = session.refresh(&names.collect())?;
        let (chosen, left) = self.choose(&session, &catalogs, found)?;
        let before = session.config.extensions.clone();
        let mut edits = BTreeMap::new();
        for name in chosen.keys() {
            let edit = Edit {
                catalog: catalog_of(&session, &catalogs, name, self.from.as_ref())?,
                channel: None,
                version: None,
            };
            edit.apply(&mut wish::wanted(&mut session, name).wish);
            edits.insert(name.clone(), edit);
        }
        let planned = if chosen.is_empty() {
            reconcile::plan_of_nothing(&session, catalogs)
        } else {
            let mut options = Options::typed(chosen.keys().cloned().collect());
            options.by_name = !self.names.is_empty();
            let links = chosen.values().flatten().map(|foreign| &foreign.link.link);
            options.making_way = links.cloned().collect();
            reconcile::plan_from(&session, &options, catalogs)?
        };
        if self.dry_run {
            return Ok(print_plan(&session, planned.plan, taken(chosen), left));
        }
        let (local, links) = split(chosen);
        let mut staged = reconcile::stage_all(&session, planned.with_local(local))?;
        let ready = make_way(&session, &mut staged, &links)?;
        let mut written = false;
        for (name, edit) in edits.iter().filter(|(name, _)| ready.contains(*name)) {
            written |= config::edit::set_extension(&session.root, name, &edit.values())?;
        }
        let outcome = reconcile::activate(&session, staged, Caller::Person)?;
        let (taken_over, back): (Vec<_>, Vec<_>) = links
            .into_iter()
            .filter(|taken| ready.contains(&taken.name))
            .partition(|taken| !foreign::is_there(&session.root, &taken.link));
        give_back(&session, &before, &back)?;
        let imported = Imported {
            done: outcome.with_configuration(written),
            taken_over,
            left,
        };
        Ok(imported.report(&session))
    }

    /// Which links make way for which extension, and which stay.
    fn choose(
        &self,
        session: &Session,
        catalogs: &Catalogs,
        found: Vec<Foreign>,
    ) -> Result<(Chosen, Vec<Left>), Failure> {
        let mut chosen = Chosen::new();
        let mut left = Vec::new();
        let mut refused = BTreeMap::new();
        for foreign in found {
            let offered = |name: &&ExtensionName| {
                let mut fresh = catalogs.values().flatten();
                fresh.any(|catalog| catalog.offers(name))
            };
            let name = foreign.names.iter().find(offered);
            let is_asked =
                |name: &ExtensionName| self.names.is_empty() || self.names.contains(name);
            // Any of its names may have been meant, where no catalog knows one.
            if !name.map_or_else(|| foreign.names.iter().any(is_asked), is_asked) {
                continue;
            }
            let asked = foreign.names.iter().find(|name| self.names.contains(*name));
            match self.check(session, catalogs, name, asked.or(foreign.names.last())) {
                Ok(name) => chosen.entry(name).or_default().push(foreign),
                Err(failure) => {
                    left.push(Left {
                        link: foreign.link,
                        reason: failure.messages.join(": "),
                    });
                    refused.extend(asked.map(|name| (name.clone(), failure)));
                }
            }
        }
        let missing = self.names.iter().find(|name| !chosen.contains_key(*name));
        match missing {
            None => Ok((chosen, left)),
            Some(name) => Err(refused
                .remove(name)
                .unwrap_or_else(|| not_there(session, name))),
        }
    }

    /// The name, where it can be wanted from one catalog; `shown` is what it may be called where none offers it.
    fn check(
        &self,
        session: &Session,
        catalogs: &Catalogs,
        offered: Option<&ExtensionName>,
        shown: Option<&ExtensionName>,
    ) -> Result<ExtensionName, Failure> {
        match (offered, shown) {
            (Some(name), _) if session.config.unreadable.contains(name) => Err(Failure::usage(
                format!("the file that says what is wanted of {name} can not be read"),
            )),
            (Some(name), _) => {
                catalog_of(session, catalogs, name, self.from.as_ref())?;
                Ok(name.clone())
            }
            (None, Some(name)) => Err(wish::nobody_offers(catalogs, name)),
            (None, None) => Err(Failure::usage("its name is none of an extension")),
        }
    }
}

/// Why a name that was typed can not be taken over.
fn not_there(session: &Session, name: &ExtensionName) -> Failure {
    let installed = session.config.extensions.contains_key(name);
    let failure = Failure::usage(format!(
        "neither sysextmgr nor systemd-sysupdate links an extension {name} in {}",
        session.root.directory().display()
    ));
    failure.hint(if installed {
        format!("it is installed already: sysext-fetch list {name}")
    } else {
        format!("sysext-fetch install {name}")
    })
}

fn taken(chosen: Chosen) -> Vec<Taken> {
    split(chosen).1
}

/// The images of the others, and their links.
fn split(chosen: Chosen) -> (Local, Vec<Taken>) {
    let (mut local, mut links) = (Local::new(), Vec::new());
    for (name, foreign) in chosen {
        for Foreign {
            link,
            manager,
            image,
            ..
        } in foreign
        {
            local.entry(name.clone()).or_default().extend(image);
            let name = name.clone();
            links.push(Taken {
                name,
                link,
                manager,
            });
        }
    }
    (local, links)
}

/// Lets the links make way for those extensions that are going to have one of ours; their names.
fn make_way(
    session: &Session,
    staged: &mut Staged,
    links: &[Taken],
) -> Result<BTreeSet<ExtensionName>, Failure> {
    let linked = session.linked()?;
    let mut ready = BTreeSet::new();
    for name in links.iter().map(|taken| &taken.name) {
        if ready.contains(name) {
            continue;
        }
        let displaced = links.iter().filter(|taken| taken.name == *name);
        let displaced: Vec<_> = displaced.map(|taken| taken.link.clone()).collect();
        let own = match linked.get(name) {
            Some(image) => {
                let image = restage(session.store()?, image);
                Some(image.map_err(|error| Failure::from(&error))?)
            }
            None => None,
        };
        // Linked already, beside the other program's link.
        let unchanged = own.map(|image| Switch::new(name.clone(), Some(image)));
        if staged.displace(name, displaced, unchanged) {
            ready.insert(name.clone());
        }
    }
    Ok(ready)
}

/// What did not merge is the other program's again, so nothing of ours shall want it.
fn give_back(
    session: &Session,
    before: &BTreeMap<ExtensionName, Extension>,
    back: &[Taken],
) -> Result<(), Failure> {
    for Taken { name, .. } in back {
        if !before.contains_key(name) {
            config::edit::remove_extension(&session.root, name)?;
        }
    }
    Ok(())
}

fn print_plan(session: &Session, plan: Plan, taken_over: Vec<Taken>, left: Vec<Left>) -> ExitCode {
    reconcile::report_problems(session, &plan.problems);
    let imported = Imported {
        done: plan,
        taken_over,
        left,
    };
    session.ui.data("import", &imported, || {
        let mut text = if imported.done.is_empty() {
            String::new()
        } else {
            reconcile::plan_text(&imported.done)
        };
        imported.describe(&mut text, "would make way");
        text
    });
    imported.done.worst().map_or(ExitCode::SUCCESS, Kind::into)
}

impl<T> Imported<T> {
    fn describe(&self, text: &mut String, what: &str) {
        for Taken {
            name,
            link,
            manager,
        } in &self.taken_over
        {
            let whose = match manager {
                Manager::Sysextmgr => "sysextmgr",
                Manager::Sysupdate { .. } => "systemd-sysupdate",
            };
            let link = link.link.display();
            text.push_str(&format!("{link} of {whose} {what} for {name}\n"));
        }
        for Left { link, reason } in &self.left {
            text.push_str(&format!("{} stays: {reason}\n", link.link.display()));
        }
        if self.taken_over.is_empty() && self.left.is_empty() {
            text.push_str("Neither sysextmgr nor systemd-sysupdate links an extension.\n");
        }
    }
}

impl Imported<Outcome> {
    fn report(&self, session: &Session) -> ExitCode {
        reconcile::report_problems(session, &self.done.problems);
        session.ui.data("import", self, || {
            let mut text = String::new();
            self.describe(&mut text, "has made way");
            if !self.done.steps.is_empty() {
                text.push_str(&self.done.text(session));
            }
            text
        });
        for hint in self.hints() {
            session.ui.say(hint);
        }
        self.done.exit_code()
    }

    /// What the other programs would still do.
    fn hints(&self) -> BTreeSet<String> {
        let hint = |taken: &Taken| match &taken.manager {
            Manager::Sysextmgr => {
                "sysextmgr still has its images: sysextmgrcli cleanup removes them".to_owned()
            }
            Manager::Sysupdate { definition } => format!(
                "systemd-sysupdate would link it again: remove {}",
                definition.display()
            ),
        };
        self.taken_over.iter().map(hint).collect()
    }
}
