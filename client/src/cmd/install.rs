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
        let mut session = Session::open_to_change(global, ui)?;
        let names: BTreeSet<_> = self
            .extensions
            .iter()
            .map(|request| request.name.clone())
            .collect();
        let catalogs = session.refresh(&names)?;
        let mut edits = Vec::new();
        for request in &self.extensions {
            let edit = self.edit(&session, &catalogs, request)?;
            let path = session
                .root
                .path("/etc/sysext-fetch/extensions.d")
                .join(format!("{}.toml", request.name));
            let extension = session
                .config
                .extensions
                .entry(request.name.clone())
                .or_insert_with(|| Extension {
                    name: request.name.clone(),
                    wish: config::Wish::default(),
                    file: path,
                });
            edit.apply(&mut extension.wish);
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
        let staged = reconcile::stage_all(&session, planned)?;
        let failed: Vec<_> = staged
            .plan()
            .problems
            .iter()
            .filter(|problem| problem.name.is_some())
            .cloned()
            .collect();
        if let Some(worst) = failed.iter().map(|problem| problem.kind).max() {
            reconcile::report_problems(&session, &failed);
            return Err(Failure::new(
                worst,
                "nothing was installed, and no configuration was written",
            ));
        }
        let mut changed = false;
        for (name, edit) in &edits {
            changed |= config::edit::set_extension(&session.root, name, &edit.values())?;
        }
        let mut outcome = reconcile::activate(&session, staged, Caller::Person)?;
        outcome.changed |= changed;
        Ok(outcome.report(&session, "install"))
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
