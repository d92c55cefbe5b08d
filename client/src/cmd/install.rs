//! `install`: write what is wanted, then make it so.
//!
//! A wish is written only after its image was chosen, fetched and checked: a typing error, an unknown name or a broken
//! download leaves nothing behind.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::str::FromStr;

use clap::Args;
use sysext_formats::name::{CatalogId, Channel, ExtensionName};

use crate::cli::Global;
use crate::config::{self, Extension, VersionConstraint};
use crate::failure::Failure;
use crate::plan::Plan;
use crate::reconcile::{self, Caller, Options};
use crate::session::{Catalogs, Session};
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

#[derive(Debug, Clone)]
struct Request {
    name: ExtensionName,
    version: Option<VersionConstraint>,
}

impl FromStr for Request {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        let version = version
            .map(|version| version.parse().map_err(|error| format!("{error}")))
            .transpose()?;
        Ok(Self {
            name: name.parse().map_err(|error| format!("{error}"))?,
            version,
        })
    }
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
                wanted(&mut session, name).wish.catalog = Some(id.clone());
            }
        }
        let catalogs = session.refresh(&names)?;
        let mut edits = Vec::new();
        for request in &self.extensions {
            let edit = self.edit(&session, &catalogs, request)?;
            edit.apply(&mut wanted(&mut session, &request.name).wish);
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

    fn edit(
        &self,
        session: &Session,
        catalogs: &Catalogs,
        request: &Request,
    ) -> Result<Edit, Failure> {
        let name = &request.name;
        let bound = session
            .config
            .extensions
            .get(name)
            .and_then(|extension| extension.wish.catalog.clone());
        let catalog = match self.from.clone().or(bound) {
            Some(catalog) => catalog,
            None => only_offer(catalogs, name)?,
        };
        Ok(Edit {
            catalog,
            channel: self.channel.clone(),
            version: request.version.clone(),
        })
    }
}

/// What is wanted of an extension, begun with the defaults where nothing was.
fn wanted<'a>(session: &'a mut Session, name: &ExtensionName) -> &'a mut Extension {
    let directory = session.root.path("/etc/sysext-fetch/extensions.d");
    session
        .config
        .extensions
        .entry(name.clone())
        .or_insert_with(|| Extension {
            name: name.clone(),
            wish: config::Wish::default(),
            file: directory.join(format!("{name}.toml")),
        })
}

/// What a command line changes of a wish.
#[derive(Debug)]
struct Edit {
    catalog: CatalogId,
    channel: Option<Channel>,
    version: Option<VersionConstraint>,
}

impl Edit {
    fn apply(&self, wish: &mut config::Wish) {
        wish.catalog = Some(self.catalog.clone());
        wish.enabled = true;
        if let Some(channel) = &self.channel {
            wish.channel = channel.clone();
        }
        if let Some(version) = &self.version {
            wish.version = version.clone();
            // Whoever asks for a version by name wants it now.
            if let VersionConstraint::Exactly(version) = version {
                wish.skip.retain(|skipped| skipped != version);
            }
        }
    }

    fn values(&self) -> Vec<(&'static str, toml_edit::Value)> {
        let mut values = vec![
            ("catalog", self.catalog.as_str().into()),
            ("enabled", true.into()),
        ];
        values.extend(
            self.channel
                .as_ref()
                .map(|channel| ("channel", channel.as_str().into())),
        );
        values.extend(
            self.version
                .as_ref()
                .map(|version| ("version", version.to_string().into())),
        );
        values
    }
}

/// The one catalog that offers `name`; two are never guessed between.
fn only_offer(catalogs: &Catalogs, name: &ExtensionName) -> Result<CatalogId, Failure> {
    let fresh = || {
        catalogs
            .iter()
            .filter_map(|(id, catalog)| Some((id, catalog.as_ref().ok()?)))
    };
    let offering: Vec<_> = fresh()
        .filter(|(_, catalog)| catalog.offers(name))
        .map(|(id, _)| id)
        .collect();
    match offering.as_slice() {
        [id] => Ok((*id).clone()),
        [first, ..] => {
            let names: Vec<_> = offering.iter().map(|id| format!("\"{id}\"")).collect();
            let failure = Failure::usage(format!(
                "{name} is offered by the catalogs {}",
                names.join(" and ")
            ));
            Err(failure.hint(format!(
                "say which: sysext-fetch install {name} --from {first}"
            )))
        }
        [] => Err(nobody_offers(catalogs, name)),
    }
}

fn nobody_offers(catalogs: &Catalogs, name: &ExtensionName) -> Failure {
    if catalogs.is_empty() {
        let failure = Failure::usage(format!(
            "{name} can not be found: this host knows no catalog"
        ));
        return failure.hint("sysext-fetch catalog add URL#sha256=HEX");
    }
    let failed: Vec<_> = catalogs
        .values()
        .filter_map(|catalog| catalog.as_ref().err())
        .collect();
    if let Some(problem) = failed.first() {
        let mut failure = Failure::from(*problem);
        failure
            .messages
            .insert(0, format!("{name} is in no catalog that could be read"));
        return failure;
    }
    let ids: Vec<_> = catalogs.keys().map(|id| format!("\"{id}\"")).collect();
    let failure = Failure::usage(format!(
        "no catalog offers {name}; looked into {}",
        ids.join(", ")
    ));
    failure.hint("sysext-fetch search shows what there is")
}
