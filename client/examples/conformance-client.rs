//! The client as theupdateframework/tuf-conformance wants to see it (its CLIENT-CLI.md).
//!
//! It adds nothing but that command line: fetching, storing and verifying are those of `sysext-fetch`. Artifacts are
//! kept under their encoded names, flat, and asked for by `HASH.NAME` only, as stock TUF clients do.

use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::{Parser, Subcommand};
use sysext_durable::Dir;
use sysext_fetch::config::Settings;
use sysext_fetch::fetch::{Fetcher, Network};
use sysext_fetch::metadata_store::MetadataStore;
use sysext_fetch::refresh::CatalogRemote;
use sysext_formats::limits::Limits;
use sysext_formats::name::TargetPath;
use sysext_formats::role::TargetFile;
use sysext_formats::time::UtcTime;
use sysext_formats::trust::Clock;
use sysext_formats::workflow::{Fresh, refresh};
use url::Url;

#[derive(Debug, Parser)]
struct Cli {
    #[arg(long)]
    metadata_dir: PathBuf,
    #[arg(long)]
    metadata_url: Option<Url>,
    #[arg(long)]
    target_name: Vec<TargetPath>,
    #[arg(long)]
    target_base_url: Option<Url>,
    #[arg(long)]
    target_dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Trusts a root.
    Init { trusted_root: PathBuf },
    /// Updates the metadata.
    Refresh,
    /// Updates the metadata and fetches artifacts.
    Download,
}

type Result<T> = std::result::Result<T, Box<dyn Error>>;
type Catalog<'a> = Fresh<CatalogRemote, &'a mut MetadataStore>;

fn main() -> ExitCode {
    let done = Cli::try_parse()
        .map_err(Into::into)
        .and_then(|cli| run(&cli));
    let Err(error) = done else {
        return ExitCode::SUCCESS;
    };
    let mut text = format!("error: {error}\n");
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!("caused by: {cause}\n"));
        source = cause.source();
    }
    let _ = std::io::stderr().write_all(text.as_bytes());
    ExitCode::FAILURE
}

fn run(cli: &Cli) -> Result<()> {
    match &cli.command {
        Command::Init { trusted_root } => init(&cli.metadata_dir, trusted_root),
        Command::Refresh => refreshed(cli, &mut MetadataStore::open(&cli.metadata_dir)?).map(drop),
        Command::Download => download(cli),
    }
}

fn init(metadata: &Path, trusted_root: &Path) -> Result<()> {
    let bytes = std::fs::read(trusted_root)?;
    Dir::create_all(metadata, 0o755)?.write("root.json", &bytes, 0o644)?;
    Ok(())
}

fn fetcher() -> Result<Fetcher> {
    Ok(Fetcher::new(&Settings::default(), Network::Online)?)
}

fn refreshed<'a>(cli: &Cli, store: &'a mut MetadataStore) -> Result<Catalog<'a>> {
    let url = cli.metadata_url.clone().ok_or("--metadata-url is needed")?;
    let remote = CatalogRemote::at_metadata(fetcher()?, url);
    let seconds = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)?
        .as_secs();
    let clock = Clock::enforcing(UtcTime::from_unix(i64::try_from(seconds)?));
    Ok(refresh(Some(remote), store, clock, Limits::default())?)
}

fn download(cli: &Cli) -> Result<()> {
    let base = cli
        .target_base_url
        .as_ref()
        .ok_or("--target-base-url is needed")?;
    let directory = cli.target_dir.as_ref().ok_or("--target-dir is needed")?;
    let directory = Dir::create_all(directory, 0o755)?;
    let mut store = MetadataStore::open(&cli.metadata_dir)?;
    let mut catalog = refreshed(cli, &mut store)?;
    let fetcher = fetcher()?;
    for path in &cli.target_name {
        let found = catalog.find_target(path)?;
        let (_, target) =
            found.ok_or_else(|| format!("{path} is in no role of this repository"))?;
        let name = path.storage_name();
        let kept = directory.read(&name, target.length).unwrap_or_default();
        if kept.is_some_and(|bytes| check(&bytes, &target).is_ok()) {
            continue;
        }
        let prefix = match catalog.stage().root().consistent_snapshot {
            true => format!("{}.", hash(&target)?),
            false => String::new(),
        };
        let url = below(base, &path.url_path(&prefix));
        let bytes = fetcher.metadata(&url, target.length)?;
        let bytes = bytes.ok_or_else(|| format!("{url} is not there"))?;
        check(&bytes, &target)?;
        directory.write(&name, &bytes, 0o644)?;
    }
    Ok(())
}

fn check(bytes: &[u8], target: &TargetFile) -> Result<()> {
    if u64::try_from(bytes.len())? != target.length {
        return Err(format!(
            "it has {} bytes, {} were expected",
            bytes.len(),
            target.length
        )
        .into());
    }
    Ok(target.hashes.check(bytes)?)
}

/// The hash in the name; any that is listed will do.
fn hash(target: &TargetFile) -> Result<&str> {
    let mut hashes = target.hashes.iter();
    let first = hashes.next().ok_or("the target has no hashes")?;
    let sha256 = hashes.find(|(algorithm, _)| *algorithm == "sha256");
    Ok(sha256.map_or(first.1, |(_, digest)| digest))
}

fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url
}
