//! Verifies TUF repositories of other people as they lay on disk at one time after another, for `ci/oracles`.
//!
//! Reads lines `TIME DIRECTORY`: one repository's states, oldest first, as one host sees them that keeps what it
//! trusts. TIME is `2026-01-10T00:00:00Z`, or `own` for the second before the first of the documents expires. Trust
//! starts at `metadata/N.root.json` of the first state; N is the argument, 1 without one.
//!
//! - A DIRECTORY is as tuf-on-ci keeps it (`metadata/ROLE.json`, `metadata/root_history/N.root.json`, `targets/PATH`) or
//!   as it is published (`metadata/N.ROLE.json`, `targets/HASH.NAME` below the directories of PATH).
//! - Every delegated role is visited by TUF's own search, every file that any role lists is looked up, and compared
//!   where it lies in `targets/`. (A folder that people work in may hold files that are not signed yet.)
//! - Prints one line for each state that brought more than a new timestamp, and the sum; ends at the first failure. A
//!   state in which something was overdue is said and counted; the last one must not be.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::error::Error;
use std::fs;
use std::io::{self, BufRead as _, Write as _};
use std::path::{Path, PathBuf};

use serde_json::Value;
use sysext_formats::json;
use sysext_formats::limits::Limits;
use sysext_formats::name::{RoleName, TargetPath};
use sysext_formats::role::{DelegatedRole, MetadataVersion, Paths, TargetFile, Targets};
use sysext_formats::time::UtcTime;
use sysext_formats::trust::Clock;
use sysext_formats::workflow::{
    Cache, CachedFile, Fresh, RefreshError, Remote, RemoteFile, refresh,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;
type Repository<'a> = Fresh<Directory, &'a mut Host>;

fn main() -> Result<()> {
    let first_root = std::env::args().nth(1).unwrap_or_else(|| "1".to_owned());
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut host = Host::default();
    let (mut states, mut overdue) = (0_u64, 0_u64);
    let (mut shown, mut last) = (String::new(), None);
    for line in io::stdin().lock().lines() {
        let line = line?;
        let (time, directory) = line.split_once(' ').ok_or("lines are TIME DIRECTORY")?;
        let directory = Directory(PathBuf::from(directory));
        if states == 0 {
            let root = directory.root(&first_root)?;
            host.0
                .insert(CachedFile::Root, root.ok_or("the first root is not there")?);
        }
        let time = match time {
            "own" => directory.last_moment()?,
            time => time.parse()?,
        };
        states += 1;
        last = match visit(directory, &mut host, time) {
            Ok(seen) => {
                if seen.without_timestamp != shown {
                    writeln!(
                        out,
                        "{time}: timestamp {}, {}",
                        seen.timestamp, seen.without_timestamp
                    )?;
                    shown = seen.without_timestamp;
                }
                None
            }
            Err(error) if is_expiry(&*error) => {
                writeln!(out, "{time}: {error}")?;
                overdue += 1;
                Some(error)
            }
            Err(error) => {
                out.flush()?;
                return Err(format!("{line}: {}", chain(&*error)).into());
            }
        };
    }
    let verified = states - overdue;
    writeln!(
        out,
        "{states} states from root {first_root} on: {verified} verified, {overdue} overdue"
    )?;
    out.flush()?;
    match last {
        Some(error) => Err(error),
        None if states == 0 => Err("no state was given".into()),
        None => Ok(()),
    }
}

fn is_expiry(error: &(dyn Error + 'static)) -> bool {
    let refresh = error.downcast_ref::<RefreshError<io::Error, Infallible>>();
    matches!(refresh, Some(RefreshError::Trust(trust)) if trust.is_expiry())
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

struct Seen {
    timestamp: MetadataVersion,
    without_timestamp: String,
}

/// Everything that a state holds, looked at as a client does.
fn visit(directory: Directory, host: &mut Host, time: UtcTime) -> Result<Seen> {
    let files = directory.0.join("targets");
    let clock = Clock::enforcing(time);
    let mut fresh = refresh(Some(directory), host, clock, Limits::default())?;
    let stage = fresh.stage();
    let targets = stage.targets().ok_or("there is no targets document")?;
    let mut said = vec![
        format!("root {}", stage.root().version),
        format!("snapshot {}", stage.snapshot().version),
        format!("targets {}", targets.version),
    ];
    let timestamp = stage.timestamp().version;
    let mut listed = listing(None, targets);
    let mut pending = delegated(targets);
    while let Some(role) = pending.pop() {
        let (version, its_files, children) = reach(&mut fresh, &role)?;
        said.push(format!("{} {version}", role.name));
        listed.extend(its_files);
        pending.extend(children);
    }
    let (mut same, mut other) = (0, 0);
    let number = listed.len();
    for (role, path) in listed {
        let found = fresh.find_target(&path)?;
        let (found, target) = found.ok_or_else(|| format!("{path} is listed and not found"))?;
        if found == role {
            match as_signed(&files, &path, &target)? {
                Some(true) => same += 1,
                Some(false) => other += 1,
                None => {}
            }
        }
    }
    said.push(format!("{number} files"));
    said.push(format!(
        "{same} of them here as signed, {other} with other bytes"
    ));
    Ok(Seen {
        timestamp,
        without_timestamp: said.join(", "),
    })
}

type Listed = Vec<(Option<RoleName>, TargetPath)>;

fn listing(role: Option<&RoleName>, document: &Targets) -> Listed {
    document
        .targets
        .keys()
        .map(|path| (role.cloned(), path.clone()))
        .collect()
}

fn delegated(document: &Targets) -> Vec<DelegatedRole> {
    document
        .delegations
        .iter()
        .flat_map(|delegations| delegations.roles.clone())
        .collect()
}

/// Searches for a path that the role may speak for until the search has come to it.
fn reach(
    fresh: &mut Repository<'_>,
    role: &DelegatedRole,
) -> Result<(MetadataVersion, Listed, Vec<DelegatedRole>)> {
    let mut reached = None;
    fresh.search(&probe(role)?, |found| {
        if found.role.as_ref() == Some(&role.name) {
            let document: &Targets = found.document;
            reached = Some((
                document.version,
                listing(Some(&role.name), document),
                delegated(document),
            ));
        }
        reached.is_some()
    })?;
    Ok(reached.ok_or_else(|| format!("no search reaches the role {}", role.name))?)
}

fn probe(role: &DelegatedRole) -> Result<TargetPath> {
    let path = match &role.paths {
        Paths::Paths(patterns) => patterns
            .first()
            .map(|pattern| pattern.replace(['*', '?'], "x")),
        Paths::PathHashPrefixes(_) => (0..1_000_000)
            .map(|number| format!("probe-{number}"))
            .find(|path| path.parse().is_ok_and(|path| role.covers(&path))),
    };
    Ok(path
        .ok_or_else(|| format!("the role {} may speak for nothing", role.name))?
        .parse()?)
}

/// Whether a file has the signed length and bytes; `None` when it is not here.
fn as_signed(files: &Path, path: &TargetPath, target: &TargetFile) -> Result<Option<bool>> {
    if path.as_str().split('/').any(|part| part == "..") {
        return Err(format!("{path} leaves its folder").into());
    }
    let (folder, base) = path
        .as_str()
        .rsplit_once('/')
        .unwrap_or((".", path.as_str()));
    let hashed = target
        .hashes
        .iter()
        .map(|(_, digest)| format!("{folder}/{digest}.{base}"));
    for name in std::iter::once(format!("{folder}/{base}")).chain(hashed) {
        if let Some(bytes) = existing(&files.join(name))? {
            let length = u64::try_from(bytes.len())?;
            return Ok(Some(
                length == target.length && target.hashes.check(&bytes).is_ok(),
            ));
        }
    }
    Ok(None)
}

fn existing(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io::Error::other(format!("{}: {error}", path.display()))),
    }
}

/// A repository as files.
struct Directory(PathBuf);

impl Directory {
    fn root(&self, version: &str) -> io::Result<Option<Vec<u8>>> {
        // Not the plain name, which is the newest root's.
        self.read(&[&format!("root_history/{version}"), version], "root")
    }

    /// The first of `PREFIX.NAME.json` (or `NAME.json` for an empty prefix) that is there.
    fn read(&self, prefixes: &[&str], name: &str) -> io::Result<Option<Vec<u8>>> {
        for prefix in prefixes {
            let dot = if prefix.is_empty() { "" } else { "." };
            let file = self
                .0
                .join("metadata")
                .join(format!("{prefix}{dot}{name}.json"));
            if let Some(bytes) = existing(&file)? {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    /// The second before the first of the current documents expires: the time at which they were all good.
    fn last_moment(&self) -> Result<UtcTime> {
        let expires = |file: PathBuf| -> Result<Option<(u64, UtcTime)>> {
            let signed = json::parse(&fs::read(file)?)?;
            let member = |name: &str| {
                signed
                    .get("signed")
                    .and_then(|signed| signed.get(name))
                    .cloned()
            };
            let version = member("version").and_then(|version| version.as_u64());
            let time = member("expires")
                .as_ref()
                .and_then(Value::as_str)
                .and_then(|text| text.parse().ok());
            Ok(version.zip(time))
        };
        // Of each role the highest version is the current one.
        let mut newest: BTreeMap<String, (u64, UtcTime)> = BTreeMap::new();
        for entry in fs::read_dir(self.0.join("metadata"))? {
            let path = entry?.path();
            let Some(name) = path
                .file_name()
                .and_then(|name| name.to_str()?.strip_suffix(".json"))
            else {
                continue;
            };
            let role = name
                .split_once('.')
                .filter(|(version, _)| version.parse::<u64>().is_ok());
            let role = role.map_or(name, |(_, role)| role).to_owned();
            if let Some(found) = expires(path)? {
                let kept = newest.entry(role).or_insert(found);
                *kept = (*kept).max(found);
            }
        }
        let first = newest.values().map(|(_, expires)| expires.unix()).min();
        Ok(UtcTime::from_unix(
            first.ok_or("no document says when it expires")? - 1,
        ))
    }
}

impl Remote for Directory {
    type Error = io::Error;

    fn fetch(&mut self, file: &RemoteFile, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let (version, name) = match file {
            RemoteFile::Root(version) => (Some(*version), "root"),
            RemoteFile::Timestamp => (None, "timestamp"),
            RemoteFile::Snapshot(version) => (*version, "snapshot"),
            RemoteFile::Targets(role, version) => {
                (*version, role.as_ref().map_or("targets", RoleName::as_str))
            }
        };
        if name.contains('/') {
            return Err(io::Error::other(format!("{name:?} is no file name")));
        }
        let version = version
            .map(|version| version.to_string())
            .unwrap_or_default();
        let bytes = match file {
            RemoteFile::Root(_) => self.root(&version)?,
            _ => self.read(&[&version, ""], name)?,
        };
        let too_long =
            |bytes: &Vec<u8>| u64::try_from(bytes.len()).is_ok_and(|length| length > limit);
        if bytes.as_ref().is_some_and(too_long) {
            return Err(io::Error::other(format!(
                "{} has more than {limit} bytes",
                file.url_name()
            )));
        }
        Ok(bytes)
    }
}

/// What a host has come to trust.
#[derive(Default)]
struct Host(BTreeMap<CachedFile, Vec<u8>>);

impl Cache for &mut Host {
    type Error = Infallible;

    fn load(&mut self, file: &CachedFile) -> std::result::Result<Option<Vec<u8>>, Self::Error> {
        Ok(self.0.get(file).cloned())
    }

    fn save(
        &mut self,
        file: &CachedFile,
        _: MetadataVersion,
        bytes: &[u8],
    ) -> std::result::Result<(), Self::Error> {
        self.0.insert(file.clone(), bytes.to_vec());
        Ok(())
    }

    fn remove(&mut self, file: &CachedFile) -> std::result::Result<(), Self::Error> {
        self.0.remove(file);
        Ok(())
    }
}
