//! `mirror`: a verified copy of a catalog, for hosts behind an air gap.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use sysext_durable::Dir;
use sysext_formats::name::{CatalogId, ExtensionName};
use url::Url;

use crate::cli::Global;
use crate::failure::{Failure, Kind};
use crate::metadata_store::{Known, Published, TrustStore};
use crate::mirror::{Wanted, files, publish, surplus, sweep};
use crate::refresh::{self, FreshCatalog, Mode, Summaries};
use crate::root::{DIRECTORY_MODE, Root};
use crate::session::Session;
use crate::store::Store;
use crate::transport::{Job, Method, fetch_file};
use crate::ui::progress::Bars;
use crate::ui::{self, Ui};

const FILE_MODE: u32 = 0o644;
const PARTIAL: &str = ".partial";
/// How long to wait for another run that fills the same folder.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// `mirror ID DIR [NAME…]`
#[derive(Debug, Args)]
pub struct Mirror {
    /// The catalog, as this host knows it
    id: CatalogId,
    /// The folder; made when it is missing, and brought up to date when it is a copy already
    directory: PathBuf,
    /// Only these extensions; all that the catalog offers and may provide otherwise
    names: Vec<ExtensionName>,
    /// Only the newest N versions for each architecture
    #[arg(long, value_name = "N")]
    newest: Option<std::num::NonZeroUsize>,
    /// Delete what an earlier copy has and this one has not
    #[arg(long)]
    prune: bool,
}

#[derive(Debug, Default, Serialize)]
struct Mirrored {
    changed: bool,
    directory: PathBuf,
    extensions: usize,
    files: usize,
    fetched_files: usize,
    fetched_bytes: u64,
    /// Images that this host had installed.
    copied_files: usize,
    deleted: usize,
    /// What a host types to use it, where the folder is reached under this path.
    add: Option<String>,
    problems: Vec<String>,
}

impl Mirror {
    /// Copies.
    ///
    /// # Errors
    /// When the catalog does not verify, or a file of it can not be had: `timestamp.json` stays as it was then.
    pub fn run(self, global: &Global, ui: Ui) -> Result<ExitCode, Failure> {
        let mut session = Session::open(global, ui)?;
        // The others have nothing to do with it.
        session.config.catalogs.retain(|id, _| *id == self.id);
        let catalog = self.catalog(&session)?;
        let indexes = self.indexes(&catalog)?;
        let newest = self.newest.map(std::num::NonZeroUsize::get);
        let wanted: Vec<_> = indexes
            .iter()
            .flat_map(|index| files(index, newest))
            .collect();
        let documents = documents(&session, &catalog)?;
        let directory = std::path::absolute(&self.directory)
            .map_err(|error| Failure::of(Kind::Usage, &error))?;
        let directory = Dir::create_all(&directory, DIRECTORY_MODE)?;
        // Parts have to lie on the same file system; the rest of a store is not used.
        let partial = Root::new(PathBuf::from("/"), Some(directory.path_of(PARTIAL)?));
        let partial = Store::create(&partial)?;
        let lock = partial.lock(LOCK_WAIT)?;
        sweep(&directory)?;
        let mut mirrored = Mirrored {
            directory: directory.path().to_owned(),
            extensions: indexes.len(),
            files: wanted.len(),
            add: add_command(&directory, &catalog),
            ..Mirrored::default()
        };
        fetch_all(
            &session,
            &catalog,
            &wanted,
            (&directory, &partial),
            &mut mirrored,
        )?;
        let published = publish(&directory, &documents, &catalog.descriptor, FILE_MODE)?;
        mirrored.changed = published || mirrored.fetched_files + mirrored.copied_files > 0;
        if self.prune {
            for (folder, names) in surplus(&directory, &documents, &wanted)? {
                names.iter().try_for_each(|name| folder.remove(name))?;
                mirrored.deleted += names.len();
            }
            mirrored.changed |= mirrored.deleted > 0;
        }
        drop(lock);
        directory.remove_tree(PARTIAL)?;
        ui.data("mirror", &mirrored, || mirrored.text());
        Ok(ExitCode::SUCCESS)
    }

    /// The catalog, fresh, with the index of each extension.
    fn catalog(&self, session: &Session) -> Result<FreshCatalog, Failure> {
        let config = &session.config;
        if config.catalogs.is_empty() {
            let unknown = format!("this host knows no catalog \"{}\"", self.id);
            return Err(Failure::usage(unknown).hint("sysext-fetch catalog list"));
        }
        let refresh = |names: BTreeSet<ExtensionName>| {
            let wanted = refresh::Wanted {
                indexes: [(self.id.clone(), names)].into(),
                summaries: Summaries::OfGroups,
            };
            let mode = if session.is_online() {
                Mode::Online
            } else {
                Mode::CachedOnly
            };
            let fetcher = session.fetcher()?;
            let mut catalogs =
                refresh::refresh_all(&session.root, config, &fetcher, session.now, &wanted, mode);
            match catalogs.remove(&self.id) {
                Some(Ok(catalog)) => Ok(catalog),
                Some(Err(problem)) => Err(Failure::from(&problem)),
                None => Err(Failure::usage(format!(
                    "catalog \"{}\" is not configured",
                    self.id
                ))),
            }
        };
        let mut names: BTreeSet<_> = self.names.iter().cloned().collect();
        if names.is_empty() {
            let catalog = refresh(BTreeSet::new())?;
            let listed = catalog.info.extensions.keys();
            names = listed
                .filter(|name| catalog.descriptor.may_provide(name))
                .filter(|name| !catalog.unpublished.contains(*name))
                .cloned()
                .collect();
        }
        let catalog = refresh(names)?;
        catalog.notes.iter().for_each(|note| session.ui.warn(note));
        Ok(catalog)
    }

    fn indexes<'a>(
        &self,
        catalog: &'a FreshCatalog,
    ) -> Result<Vec<&'a sysext_formats::catalog::ExtensionIndex>, Failure> {
        let indexes = catalog.indexes.values();
        let indexes: Result<Vec<_>, _> = indexes.map(|index| index.as_ref()).collect();
        let indexes = indexes.map_err(Failure::from)?;
        if indexes.is_empty() {
            let nothing = format!("catalog \"{}\" offers nothing to copy", self.id);
            return Err(Failure::usage(nothing));
        }
        Ok(indexes)
    }
}

fn fetch_all(
    session: &Session,
    catalog: &FreshCatalog,
    wanted: &[Wanted<'_>],
    (directory, partial): (&Dir, &Store),
    mirrored: &mut Mirrored,
) -> Result<(), Failure> {
    let images = directory.create_subdir("images", DIRECTORY_MODE)?;
    let fetcher = session.fetcher()?;
    let bars = Bars::new(session.ui);
    for file in wanted {
        if file.is_in(&images)? {
            continue;
        }
        let bar = bars.bar(file.name);
        let local = stored(session, file);
        let job = Job {
            store: partial,
            fetcher: &fetcher,
            image: file.image,
            bases: &catalog.image_bases,
            local: local.as_slice(),
            progress: &bar,
            pace: fetcher.begin(),
        };
        let mut attempts = Vec::new();
        let Some(fetched) = fetch_file(&job, file.transport, &images, &mut attempts)? else {
            bars.finish();
            let reasons: Vec<_> = attempts.iter().map(ToString::to_string).collect();
            let message = format!("{} could not be had: {}", file.file(), reasons.join("; "));
            let failure = Failure::new(Kind::Temporary, message);
            return Err(failure
                .hint("run it again: what came so far is kept, and the copy is as it was before"));
        };
        if fetched.method == Method::Copy {
            mirrored.copied_files += 1;
        } else {
            mirrored.fetched_files += 1;
            mirrored.fetched_bytes += fetched.bytes;
        }
    }
    bars.finish();
    Ok(())
}

/// The image as this host has it in its store: not fetched again, and hashed like any other.
fn stored(session: &Session, wanted: &Wanted<'_>) -> Option<File> {
    if wanted.transport.is_some() {
        return None;
    }
    let store = session.existing_store()?;
    let stored = store.find(&wanted.image.sha256).ok()??;
    store.open_image(&stored).ok()
}

/// The signed documents, as they were verified a moment ago.
fn documents(session: &Session, catalog: &FreshCatalog) -> Result<Vec<Published>, Failure> {
    let pin = catalog.descriptor.root_sha256;
    let known = pin.map(|pin| TrustStore::new(&session.root).find(&catalog.id, pin));
    match known.transpose()? {
        Some(Known::Trusted(metadata)) => metadata
            .published()
            .map_err(|error| Failure::of(Kind::Failed, &error)),
        _ => Err(Failure::new(
            Kind::Failed,
            "nothing of this catalog is trusted here",
        )),
    }
}

fn add_command(directory: &Dir, catalog: &FreshCatalog) -> Option<String> {
    let url = Url::from_directory_path(directory.path()).ok()?;
    let pin = catalog.descriptor.root_sha256?;
    Some(format!("sysext-fetch catalog add '{url}#sha256={pin}'"))
}

impl Mirrored {
    fn text(&self) -> String {
        let mut text = format!(
            "{} extension(s), {} files in {}; {} fetched ({}), {} from this host's store, {} deleted.\n",
            self.extensions,
            self.files,
            self.directory.display(),
            self.fetched_files,
            ui::bytes(self.fetched_bytes),
            self.copied_files,
            self.deleted
        );
        if let Some(add) = &self.add {
            text.push_str("Hosts that see this folder trust it with:\n  ");
            text.push_str(add);
            text.push('\n');
        }
        text
    }
}
