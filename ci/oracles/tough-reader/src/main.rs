//! Reads a catalog with tough, the TUF client of another project, and compares every image.
//!
//! `tough-reader hashed|plain ROOT-JSON CATALOG ORIGINALS [STATE]`: trusts ROOT-JSON, loads the folder CATALOG
//! (`metadata/`, `images/`) with all its roles, and reads every file that any of them lists. `ORIGINALS/NAME` must have the
//! same bytes, and every file of ORIGINALS must be listed. What was seen is kept in the folder STATE, or nowhere.
//!
//! - `hashed` is tough as it is: it asks for `images/HASH.NAME`. tough has no setting for plain names; with `plain` its
//!   transport takes the hash off again before it opens the file.
//! - Prints how many images were read; an error and exit code 1 for anything that tough refuses or that is not the same.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use async_trait::async_trait;
use tough::{
    ExpirationEnforcement, FilesystemTransport, IntoVec as _, RepositoryLoader, Transport,
    TransportError, TransportStream,
};
use url::Url;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.as_slice() {
        [names, root, catalog, originals, state @ ..]
            if (names == "hashed" || names == "plain") && state.len() <= 1 =>
        {
            let names = if names == "plain" {
                Names::Plain
            } else {
                Names::Hashed
            };
            read(&Request {
                names,
                root: root.into(),
                catalog: catalog.into(),
                originals: originals.into(),
                state: state.first().map(PathBuf::from),
            })
        }
        _ => Err("usage: tough-reader hashed|plain ROOT-JSON CATALOG ORIGINALS [STATE]".into()),
    };
    let Err(error) = done else {
        return ExitCode::SUCCESS;
    };
    eprintln!("error: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        eprintln!("caused by: {cause}");
        source = cause.source();
    }
    ExitCode::FAILURE
}

/// What the arguments say.
struct Request {
    names: Names,
    root: PathBuf,
    catalog: PathBuf,
    originals: PathBuf,
    state: Option<PathBuf>,
}

fn read(request: &Request) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(read_all(request))
}

async fn read_all(request: &Request) -> Result<()> {
    let (names, originals) = (request.names, &request.originals);
    let root = std::fs::read(&request.root)?;
    let mut loader = RepositoryLoader::new(
        &root,
        folder(&request.catalog, "metadata")?,
        folder(&request.catalog, "images")?,
    )
    .transport(names)
    .expiration_enforcement(ExpirationEnforcement::Safe);
    if let Some(state) = &request.state {
        std::fs::create_dir_all(state)?;
        loader = loader.datastore(state);
    }
    let repository = loader.load().await?;
    let (mut seen, mut length) = (BTreeSet::new(), 0);
    for (name, _) in repository.all_targets() {
        let stream = repository.read_target(name).await?;
        let stream = stream.ok_or_else(|| format!("{} is listed and not found", name.raw()))?;
        let bytes = stream.into_vec().await?;
        if std::fs::read(originals.join(name.raw()))? != bytes {
            return Err(format!("{} has other bytes than the original", name.raw()).into());
        }
        length += bytes.len();
        seen.insert(name.raw().to_owned());
    }
    for original in std::fs::read_dir(originals)? {
        let original = original?.file_name();
        if !original.to_str().is_some_and(|name| seen.contains(name)) {
            return Err(format!("{} is in no role", original.display()).into());
        }
    }
    let names = format!("{names:?}").to_lowercase();
    println!(
        "tough, {names} names: {} images, {length} bytes, as published",
        seen.len()
    );
    Ok(())
}

fn folder(catalog: &Path, name: &str) -> Result<Url> {
    let path: PathBuf = catalog.canonicalize()?.join(name);
    Url::from_directory_path(&path)
        .map_err(|()| format!("{} is no absolute path", path.display()).into())
}

/// Which names the folder has its images under.
#[derive(Debug, Clone, Copy)]
enum Names {
    Hashed,
    Plain,
}

#[async_trait]
impl Transport for Names {
    async fn fetch(&self, mut url: Url) -> std::result::Result<TransportStream, TransportError> {
        if matches!(self, Self::Plain)
            && let Some((folder, file)) = url.path().rsplit_once('/')
            && let Some((prefix, name)) = file.split_once('.')
            && prefix.len() == 64
            && prefix.bytes().all(|byte| byte.is_ascii_hexdigit())
        {
            let path = format!("{folder}/{name}");
            url.set_path(&path);
        }
        FilesystemTransport.fetch(url).await
    }
}
