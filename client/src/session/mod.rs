//! What every command starts from: the root, its configuration, its store, the time, and how to talk.

mod catalogs;
mod recovery;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sysext_durable::Lock;
use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::ExtensionName;
use sysext_formats::time::UtcTime;

pub use self::recovery::say as say_recovered;
use crate::activate::{self, LinkKind, LinkState, Site};
use crate::cli::Global;
use crate::config::{Activation, ActivationChoice, Config, Settings, Wish};
use crate::failure::{Failure, Kind};
use crate::fetch::{Fetcher, Network};
use crate::history::Cause;
use crate::host::HostFacts;
use crate::refresh::{self, FreshCatalog};
use crate::root::{Root, default_activation};
use crate::select::{Linked, Patience, Question};
use crate::store::{Store, StoreError, StoredImage};
use crate::systemd::Systemd;
use crate::ui::Ui;

/// Fresh catalogs, or why one is not, by id.
pub type Catalogs = refresh::Catalogs<FreshCatalog>;

/// A command in progress.
#[derive(Debug)]
pub struct Session {
    /// The root it works on.
    pub root: Root,
    /// What the admin wants.
    pub config: Config,
    /// What the host is.
    pub host: HostFacts,
    /// The images; `None` where nothing was ever installed and the command only looks.
    store: Option<Store>,
    /// How to talk.
    pub ui: Ui,
    /// When the command started. Time is read once.
    pub now: UtcTime,
    /// Where links are.
    pub activation: Activation,
    network: Network,
    /// One for the whole command, so that what fetches images goes on over the connections of what fetched metadata.
    fetcher: OnceLock<Fetcher>,
    /// Held by commands that change something, until they end.
    lock: Option<Lock>,
}

/// How long a command that changes something waits for another one.
const LOCK_WAIT: Duration = Duration::from_secs(10);

impl Session {
    /// For a command that only looks. Broken single files are warned about; the others count.
    ///
    /// # Errors
    /// When the root has no os-release, or its configuration can not be read at all.
    pub fn open(global: &Global, ui: Ui) -> Result<Self, Failure> {
        let session = Self::open_to_plan(global, ui)?;
        session.warn_of_configuration();
        Ok(session)
    }

    /// For a command that makes a plan, in which broken files are problems.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_to_plan(global: &Global, ui: Ui) -> Result<Self, Failure> {
        let root = root_of(global)?;
        refuse_in_transactional_shell(&root)?;
        let config = Config::load(&root)?;
        let host = HostFacts::read(&root)?;
        let activation = activation_of(&config.settings, &root);
        let network = if global.offline {
            Network::Offline
        } else {
            Network::Online
        };
        let store = Store::open(&root)?;
        Ok(Self {
            store,
            root,
            config,
            host,
            ui,
            now: now(),
            activation,
            network,
            fetcher: OnceLock::new(),
            lock: None,
        })
    }

    /// The same for a command that changes something: takes the lock, and finishes or undoes what a killed run left.
    ///
    /// # Errors
    /// When somebody else holds the lock, the store can not be written, or the old run can not be settled.
    pub fn open_to_change(global: &Global, ui: Ui) -> Result<Self, Failure> {
        let root = root_of(global)?;
        refuse_in_transactional_shell(&root)?;
        let store = Store::create(&root)?;
        let lock = store.lock(LOCK_WAIT)?;
        // Only now: what the run before us wrote must be seen.
        let mut session = Self::open_to_plan(global, ui)?;
        if let Some(problem) = session.config.settings_problem.take() {
            // With the defaults instead, links might be made elsewhere, or a proxy be passed by.
            return Err(problem.into());
        }
        session.store = Some(store);
        session.lock = Some(lock);
        let systemd = Systemd::detect(&session.root);
        let recovered = activate::recover(&session.site(&systemd)?)?;
        say_recovered(ui, &recovered);
        if recovery::wrote_configuration(&recovered) {
            session.config = Config::load(&session.root)?;
        }
        if activate::move_links(&session.root, session.activation)? {
            ui.say(format_args!(
                "moved the links to {}, as the activation says",
                session.root.links(session.activation).display()
            ));
        }
        Ok(session)
    }

    /// Warns about broken files of the configuration.
    pub fn warn_of_configuration(&self) {
        let problems = self
            .config
            .problems
            .iter()
            .chain(&self.config.settings_problem);
        problems.for_each(|problem| self.ui.warn(problem));
    }

    /// Where links are changed.
    ///
    /// # Errors
    /// As [`store`](Self::store).
    pub fn site<'a>(&'a self, systemd: &'a Systemd) -> Result<Site<'a>, Failure> {
        Ok(Site {
            root: &self.root,
            store: self.store()?,
            activation: self.activation,
            extensions: &self.config.extensions,
            systemd,
            now: self.now,
            cause: Cause::Change,
        })
    }

    /// The images, for a command that changes something.
    ///
    /// # Errors
    /// When there are none, which only a command that looks can meet.
    pub fn store(&self) -> Result<&Store, Failure> {
        self.store
            .as_ref()
            .ok_or_else(|| Failure::new(Kind::Failed, "nothing was ever installed here"))
    }

    /// The images, where there are any.
    #[must_use]
    pub fn existing_store(&self) -> Option<&Store> {
        self.store.as_ref()
    }

    /// Whether an image is in the store.
    #[must_use]
    pub fn has_image(&self, sha256: &Sha256Digest) -> bool {
        self.store
            .as_ref()
            .is_some_and(|store| matches!(store.find(sha256), Ok(Some(_))))
    }

    /// A way to the network, or to none with `--offline`: the same each time.
    ///
    /// # Errors
    /// When the TLS library or the proxy setting can not be used.
    pub fn fetcher(&self) -> Result<Fetcher, Failure> {
        if let Some(fetcher) = self.fetcher.get() {
            return Ok(fetcher.clone());
        }
        let fetcher = Fetcher::new(&self.config.settings, self.network)?;
        Ok(self.fetcher.get_or_init(|| fetcher).clone())
    }

    /// Whether the network may be used.
    #[must_use]
    pub fn is_online(&self) -> bool {
        self.network == Network::Online
    }

    /// The links of this root that are ours, with the image each leads to.
    ///
    /// # Errors
    /// When the directory of links can not be read.
    pub fn linked(&self) -> Result<BTreeMap<ExtensionName, StoredImage>, Failure> {
        let mut linked = BTreeMap::new();
        let Some(store) = &self.store else {
            return Ok(linked);
        };
        for link in self.links()? {
            let (LinkKind::Ours { sha256, .. }, Ok(name)) = (link.kind, link.name.parse()) else {
                continue;
            };
            match store.find(&sha256) {
                Ok(Some(image)) => {
                    linked.insert(name, image);
                }
                // As good as none: what is chosen anew takes its place.
                Ok(None) | Err(StoreError::Broken { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(linked)
    }

    /// The extensions that have a link of ours, whatever it leads to.
    ///
    /// # Errors
    /// When the directory of links can not be read.
    pub fn own_links(&self) -> Result<BTreeSet<ExtensionName>, Failure> {
        let links = self.links()?.into_iter();
        let own = links.filter(|link| !matches!(link.kind, LinkKind::Foreign { .. }));
        Ok(own.filter_map(|link| link.name.parse().ok()).collect())
    }

    /// What is to be decided about an extension of this root, of which `image` is linked.
    #[must_use]
    pub fn question<'a>(
        &'a self,
        name: &'a ExtensionName,
        wish: &'a Wish,
        image: Option<&'a StoredImage>,
        patience: Patience,
    ) -> Question<'a> {
        Question {
            name,
            wish,
            host: &self.host,
            linked: image.map(Linked::from),
            now: self.now,
            patience,
        }
    }

    /// Every link and file where links are, ours or not; besides, links of ours that are still where they were before
    /// the activation changed, which the next command that changes something moves.
    ///
    /// # Errors
    /// When the directory of links can not be read.
    pub fn links(&self) -> Result<Vec<LinkState>, Failure> {
        let mut states = activate::links(&self.root, self.activation)?;
        for state in activate::links(&self.root, self.activation.other())? {
            let is_ours = !matches!(state.kind, LinkKind::Foreign { .. });
            if is_ours && !states.iter().any(|known| known.name == state.name) {
                states.push(state);
            }
        }
        states.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(states)
    }
}

/// Where the links of `root` are, with these settings.
#[must_use]
pub fn activation_of(settings: &Settings, root: &Root) -> Activation {
    match settings.activation {
        ActivationChoice::Etc => Activation::Etc,
        ActivationChoice::Boot => Activation::Boot,
        ActivationChoice::Auto => default_activation(root),
    }
}

/// The root that the command line names.
///
/// # Errors
/// When it is not a directory.
pub fn root_of(global: &Global) -> Result<Root, Failure> {
    let absolute =
        |path: &Path| std::path::absolute(path).map_err(|error| Failure::of(Kind::Usage, &error));
    let directory = global.root.as_deref().unwrap_or(Path::new("/"));
    // Without links and "..": whether it is the running root is told by its path.
    let directory = directory.canonicalize().map_err(|error| {
        Failure::usage(format!(
            "--root {} can not be used: {error}",
            directory.display()
        ))
    })?;
    if !directory.is_dir() {
        return Err(Failure::usage(format!(
            "--root {} is not a directory",
            directory.display()
        )));
    }
    let store = global.store.as_deref().map(absolute).transpose()?;
    Ok(Root::new(directory, store))
}

/// The time. Commands read it once.
#[must_use]
pub fn now() -> UtcTime {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UtcTime::from_unix(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// In the chroot of `transactional-update run` the real /var is not there: what would be installed would be lost.
fn refuse_in_transactional_shell(root: &Root) -> Result<(), Failure> {
    if root.is_running() && std::env::var_os("TRANSACTIONAL_UPDATE").is_some() {
        let failure = Failure::usage(
            "this is a transactional-update shell, where the real /var is not mounted",
        );
        return Err(failure.hint(
            "leave it and run sysext-fetch on the running system; it serves the next snapshot too",
        ));
    }
    Ok(())
}
