//! `install`: write what is wanted, then make it so.
//!
//! A wish is written only after its image was chosen, fetched and checked: a typing error, an unknown name or a broken
//! download leaves nothing behind.

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::Args;
use sysext_formats::name::{CatalogId, Channel, ExtensionName};

use super::wish::{self, Edit, Request, catalog_of};
use crate::cli::Global;
use crate::config::{self, VersionConstraint};
use crate::failure::Failure;
use crate::plan::Plan;
use crate::reconcile::{self, Caller, Options};
use crate::session::Session;
use crate::ui::Ui;

/// `install NAME[@VERSION]…`
#[derive(Debug, Args)]
pub struct Install {
    /// Extensions, each with a version or a prefix such as 1.31.* where a certain one is wanted
    #[arg(required = true, value_name = "NAME[@VERSION]")]
    extensions: Vec<Request>,
    /// The catalog to take them from, and to bind them to
    #[arg(long, value_name = "ID")]
    from: Option<CatalogId>,
    /// The channel to follow
    #[arg(long)]
    channel: Option<Channel>,
    /// Only print what would be done
    #[arg(long, short = 'n')]
    dry_run: bool,
}

impl Install {
    /// Installs.
    ///
    /// # Errors
    /// When the extensions can not be found, chosen or fetched; nothing is written then.
    pub fn run(self, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
        let open = if self.dry_run {
            Session::open_to_plan
        } else {
            Session::open_to_change
        };
        let mut session = open(global, ui)?;
        let names = self.names()?;
        let before = session.config.extensions.clone();
        self.check_known(&session, &names)?;
        if let Some(id) = &self.from {
            // Before the refresh, which asks the catalog that an extension is bound to.
            for name in &names {
                wish::wanted(&mut session, name).wish.catalog = Some(id.clone());
            }
        }
        let catalogs = session.refresh(&names)?;
        let mut edits = Vec::new();
        for request in &self.extensions {
            let edit = Edit {
                catalog: catalog_of(&session, &catalogs, &request.name, self.from.as_ref())?,
                channel: self.channel.clone(),
                version: request.version.clone(),
            };
            edit.apply(&mut wish::wanted(&mut session, &request.name).wish);
            edits.push((request.name.clone(), edit));
        }
        // The plan is made of what the wish will be; it is written once everything else has worked.
        let planned = reconcile::plan_from(&session, &Options::typed(names.clone()), catalogs)?;
        if self.dry_run {
            return Ok(super::update::print_plan(
                &session,
                "install",
                &planned.plan,
            ));
        }
        self.check_versions(&session, &planned.plan)?;
        let staged = reconcile::stage_all(&session, planned)?;
        reconcile::all_or_nothing(
            staged.plan(),
            "nothing was installed, and no configuration was written",
        )?;
        let mut written = false;
        for (name, edit) in &edits {
            written |= config::edit::set_extension(&session.root, name, &edit.values())?;
            if let (Some(extension), Some(VersionConstraint::Exactly(version))) =
                (before.get(name), &edit.version)
            {
                written |=
                    config::edit::unskip(&session.root, extension, std::slice::from_ref(version))?;
            }
        }
        let outcome = reconcile::activate(&session, staged, Caller::Person)?;
        Ok(outcome
            .with_configuration(written)
            .report(&session, "install"))
    }

    fn names(&self) -> Result<BTreeSet<ExtensionName>, Failure> {
        let mut names = BTreeSet::new();
        for request in &self.extensions {
            if !names.insert(request.name.clone()) {
                return Err(Failure::usage(format!("{} is named twice", request.name)));
            }
        }
        Ok(names)
    }

    /// What is bound to a catalog that this host does not know could never be installed.
    fn check_known(
        &self,
        session: &Session,
        names: &BTreeSet<ExtensionName>,
    ) -> Result<(), Failure> {
        if let Some(name) = names
            .iter()
            .find(|name| session.config.unreadable.contains(*name))
        {
            let failure = Failure::usage(format!(
                "the file that says what is wanted of {name} can not be read"
            ));
            let problems = session.config.problems.iter().map(ToString::to_string);
            return Err(problems.fold(failure, Failure::hint));
        }
        self.from
            .iter()
            .try_for_each(|id| super::edit::known_catalog(session, id))
    }

    /// A version that was asked for by name must be what comes of it: a hold must not turn it into a surprise later.
    fn check_versions(&self, session: &Session, plan: &Plan) -> Result<(), Failure> {
        let linked = session.linked()?;
        for Request { name, version } in &self.extensions {
            let Some(VersionConstraint::Exactly(version)) = version else {
                continue;
            };
            let comes = plan
                .steps
                .iter()
                .any(|step| step.name == *name && step.to.as_ref() == Some(version));
            let is_there = linked
                .get(name)
                .is_some_and(|image| image.version() == version);
            let explained = plan
                .problems
                .iter()
                .any(|problem| problem.name.as_ref() == Some(name));
            if comes || is_there || explained {
                continue;
            }
            let held = session
                .config
                .extensions
                .get(name)
                .is_some_and(|extension| extension.wish.hold);
            let why = if held {
                "it is held at what is linked"
            } else {
                "it can not be chosen"
            };
            let hint = if held {
                format!("sysext-fetch set {name} hold=false")
            } else {
                format!("sysext-fetch why {name} {version}")
            };
            return Err(
                Failure::usage(format!("{name} {version} was not installed: {why}")).hint(hint),
            );
        }
        Ok(())
    }
}
