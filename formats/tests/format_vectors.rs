//! Holds FORMAT.md against the code: every table in it that is marked as test vectors is read here and tried.
//!
//! - A marker that is missing or renamed, a table without rows and a marker that nothing reads fail too.
//! - What needs the feature `sign` (the catalog is made again and compared byte by byte) runs where it is switched on.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use sysext_formats::catalog::{
    Architecture, CatalogInfo, Descriptor, ExtensionIndex, Image, Rollout, TransportKind,
};
use sysext_formats::digest::Sha256Digest;
use sysext_formats::key::PublicKey;
use sysext_formats::limits::{self, Limits};
use sysext_formats::name::{
    CatalogId, Channel, ExtensionName, FileName, NamePattern, RoleName, TargetPath, url_component,
};
use sysext_formats::os::{Fields, Host, MAX_RELEASE_FILE, match_host};
use sysext_formats::role::MetadataVersion;
use sysext_formats::time::UtcTime;
use sysext_formats::trust::Clock;
use sysext_formats::version::Version;
use sysext_formats::workflow::{Cache, CachedFile, RefreshError, Remote, RemoteFile, refresh};
use sysext_formats::{canonical, json, version};

const FORMAT: &str = include_str!("../FORMAT.md");

/// The rows below a marker, cell by cell; a cell that is wholly code loses its backticks, `(empty)` becomes nothing.
fn table(marker: &str) -> Vec<Vec<String>> {
    let start = format!("<!-- vectors: {marker} -->\n");
    let (_, after) = FORMAT
        .split_once(&start)
        .unwrap_or_else(|| panic!("FORMAT.md has no {start}"));
    let rows: Vec<_> = after
        .lines()
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(cells)
        .collect();
    assert!(rows.len() > 1, "{marker}: {} rows", rows.len());
    rows
}

fn cells(line: &str) -> Vec<String> {
    let inner = line
        .trim_start_matches('|')
        .trim_end()
        .trim_end_matches('|');
    let cell = |text: &str| {
        let text = text.trim();
        let code = text
            .strip_prefix('`')
            .and_then(|rest| rest.strip_suffix('`'));
        match code.unwrap_or(text) {
            "(empty)" => String::new(),
            text => text.to_owned(),
        }
    };
    inner.split('|').map(cell).collect()
}

fn row<const N: usize>(cells: Vec<String>) -> [String; N] {
    cells
        .try_into()
        .unwrap_or_else(|cells| panic!("not {N} cells: {cells:?}"))
}

fn yes(text: &str) -> bool {
    match text {
        "yes" => true,
        "no" => false,
        other => panic!("neither yes nor no: {other}"),
    }
}

#[test]
fn every_marker_is_read_here() {
    let code = include_str!("format_vectors.rs");
    let mut markers = BTreeSet::new();
    for line in FORMAT.lines() {
        if let Some(rest) = line.strip_prefix("<!-- vectors: ") {
            let marker = rest.strip_suffix(" -->").unwrap();
            assert!(markers.insert(marker), "{marker} twice");
            assert!(
                code.contains(&format!("table(\"{marker}\")")),
                "nothing reads {marker}"
            );
        }
    }
    assert!(markers.len() > 10, "{markers:?}");
}

#[test]
fn names() {
    for cells in table("names") {
        let [kind, text, expected] = row(cells);
        let is_one = match kind.as_str() {
            "extension" => text.parse::<ExtensionName>().is_ok(),
            "catalog id" => text.parse::<CatalogId>().is_ok(),
            "channel" => text.parse::<Channel>().is_ok(),
            "pattern" => text.parse::<NamePattern>().is_ok(),
            "version" => text.parse::<Version>().is_ok(),
            "architecture" => text.parse::<Architecture>().is_ok(),
            "file" => text.parse::<FileName>().is_ok(),
            "role" => text.parse::<RoleName>().is_ok(),
            other => panic!("no kind of name: {other}"),
        };
        assert_eq!(is_one, yes(&expected), "{kind} {text:?}");
    }
}

#[test]
fn patterns() {
    for cells in table("patterns") {
        let [pattern, name, expected] = row(cells);
        let pattern: NamePattern = pattern.parse().unwrap();
        assert_eq!(
            pattern.matches(&name.parse().unwrap()),
            yes(&expected),
            "{pattern} {name}"
        );
    }
}

#[test]
fn file_names() {
    for cells in table("file-names") {
        let [extension, version, variant, architecture, file] = row(cells);
        let variant = Some(variant.as_str()).filter(|variant| !variant.is_empty());
        let name = Image::file_name(
            &extension.parse().unwrap(),
            &version.parse().unwrap(),
            variant,
            &architecture.parse().unwrap(),
        )
        .unwrap();
        assert_eq!(name.as_str(), file);
        assert_eq!(name.extension().unwrap().as_str(), extension);
    }
}

#[test]
fn encodings() {
    for cells in table("encodings") {
        let [name, url, store] = row(cells);
        assert_eq!(url_component(&name), url);
        let role: RoleName = name.parse().unwrap();
        assert_eq!(role.storage_name(), store);
        let file = RemoteFile::Targets(Some(role), MetadataVersion::new(17));
        assert_eq!(file.url_name(), format!("17.{url}.json"));
    }
}

#[test]
fn canonical_json() {
    for cells in table("canonical-json") {
        let [text, expected] = row(cells);
        let encoded = json::parse(text.as_bytes())
            .ok()
            .and_then(|value| canonical::encode(&value).ok())
            .map_or("refused".to_owned(), |bytes| {
                data_encoding::HEXLOWER.encode(&bytes)
            });
        assert_eq!(encoded, expected, "{text}");
    }
}

#[test]
fn times() {
    for cells in table("times") {
        let [text, expected] = row(cells);
        let found = text
            .parse::<UtcTime>()
            .map_or("refused".to_owned(), |time| time.unix().to_string());
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn key() {
    let mut values = BTreeMap::new();
    for cells in table("key") {
        let [what, value] = row(cells);
        values.insert(what, value);
    }
    let key: PublicKey = serde_json::from_str(&values["canonical"]).unwrap();
    let bytes = canonical::encode(&serde_json::to_value(&key).unwrap()).unwrap();
    assert_eq!(String::from_utf8(bytes).unwrap(), values["canonical"]);
    assert_eq!(key.canonical_id().as_str(), values["id"]);
    let hexadecimal = |what: &str| -> [u8; 32] {
        let bytes = data_encoding::HEXLOWER.decode(values[what].as_bytes());
        bytes.unwrap().try_into().unwrap()
    };
    assert_eq!(PublicKey::ed25519(&hexadecimal("public")), key);
    let secret = ed25519_dalek::SigningKey::from_bytes(&hexadecimal("seed"));
    assert_eq!(
        secret.verifying_key().to_bytes(),
        hexadecimal("public"),
        "the seed"
    );
}

#[test]
fn versions() {
    for cells in table("versions") {
        let [a, order, b] = row(cells);
        let (found, reverse) = (version::compare(&a, &b), version::compare(&b, &a));
        let expected = match order.as_str() {
            "<" => std::cmp::Ordering::Less,
            "=" => std::cmp::Ordering::Equal,
            other => panic!("no order: {other}"),
        };
        assert_eq!((found, reverse), (expected, expected.reverse()), "{a} {b}");
    }
}

#[test]
fn host_matching() {
    let fields = |text: &str| Fields::parse(text.replace("; ", "\n").as_bytes()).unwrap();
    for cells in table("host-matching") {
        let [os_release, extension_release, expected] = row(cells);
        let host = Host {
            os_release: fields(&os_release),
            architecture: "x86-64".to_owned(),
        };
        let fits = match_host(&fields(&extension_release), &host);
        assert_eq!(
            fits.is_ok(),
            yes(&expected),
            "{os_release} / {extension_release}: {fits:?}"
        );
    }
}

#[test]
fn rollout() {
    let rollout = Rollout {
        start: "2026-01-01T12:00:00Z".parse().unwrap(),
        hours: 72,
    };
    for cells in table("rollout") {
        let [machine, extension, version, share, from] = row(cells);
        let found = match machine.as_str() {
            "(none)" => u64::MAX,
            machine => Rollout::share(
                machine,
                &extension.parse().unwrap(),
                &version.parse().unwrap(),
            ),
        };
        assert_eq!(format!("{found:016x}"), share, "{machine} {version}");
        assert_eq!(
            rollout.reaches(found).to_string(),
            from,
            "{machine} {version}"
        );
    }
}

#[test]
fn limits() {
    let limits = Limits::default();
    for cells in table("limits") {
        let [what, most, _unit] = row(cells);
        let number = |number: usize| u64::try_from(number).unwrap();
        let found = match what.as_str() {
            "root document" => limits.root,
            "timestamp document" => limits.timestamp,
            "snapshot document" => limits.snapshot,
            "targets document, each index and group" => limits.targets,
            "new roots in one refresh" => limits.new_roots.into(),
            "roles visited in one search" => number(limits.roles_per_lookup),
            "nesting of JSON" => number(limits::MAX_DEPTH),
            "signatures of a document" => number(limits::MAX_SIGNATURES),
            "role name or target path" => number(limits::MAX_TUF_NAME),
            "patterns of a document with a wildcard before their end" => {
                number(limits::MAX_SLOW_PATTERNS)
            }
            "file name" => number(limits::MAX_FILE_NAME),
            "image" => limits::MAX_IMAGE,
            "descriptor" => limits::MAX_DESCRIPTOR,
            "os-release or extension-release" => number(MAX_RELEASE_FILE),
            "zstd window that a reader accepts" => limits::MAX_ZSTD_WINDOW_LOG.into(),
            "zstd window that a publisher writes" => limits::WRITTEN_ZSTD_WINDOW_LOG.into(),
            other => panic!("no limit: {other}"),
        };
        assert_eq!(found.to_string(), most, "{what}");
    }
}

fn catalog_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/catalog")
}

/// Every file of the catalog of test vectors, as FORMAT.md lists them.
fn catalog_files() -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for cells in table("files") {
        let [path, _, _] = row(cells);
        let bytes = std::fs::read(catalog_folder().join(&path)).unwrap();
        files.insert(path, bytes);
    }
    files
}

#[test]
fn files_are_the_listed_ones() {
    let files = catalog_files();
    for cells in table("files") {
        let [path, length, digest] = row(cells);
        assert_eq!(files[&path].len().to_string(), length, "{path}");
        assert_eq!(
            Sha256Digest::of(&files[&path]).to_string(),
            digest,
            "{path}"
        );
    }
    let mut found = 0;
    for folder in ["", "metadata", "images"] {
        for entry in std::fs::read_dir(catalog_folder().join(folder)).unwrap() {
            found += usize::from(entry.unwrap().file_type().unwrap().is_file());
        }
    }
    assert_eq!(found, files.len(), "a file is there that is not listed");
}

/// A server and a host in memory.
struct Memory {
    served: BTreeMap<String, Vec<u8>>,
    trusted: RefCell<BTreeMap<String, Vec<u8>>>,
}

impl Remote for &Memory {
    type Error = std::convert::Infallible;

    fn fetch(&mut self, file: &RemoteFile, limit: u64) -> Result<Option<Vec<u8>>, Self::Error> {
        let bytes = self.served.get(&format!("metadata/{}", file.url_name()));
        let length = |bytes: &&Vec<u8>| u64::try_from(bytes.len()).unwrap();
        assert!(bytes.iter().all(|bytes| length(bytes) <= limit));
        Ok(bytes.cloned())
    }
}

impl Cache for &Memory {
    type Error = std::convert::Infallible;

    fn load(&mut self, file: &CachedFile) -> Result<Option<Vec<u8>>, Self::Error> {
        Ok(self.trusted.borrow().get(&file.storage_name()).cloned())
    }

    fn save(
        &mut self,
        file: &CachedFile,
        _: MetadataVersion,
        bytes: &[u8],
    ) -> Result<(), Self::Error> {
        let mut trusted = self.trusted.borrow_mut();
        trusted.insert(file.storage_name(), bytes.to_vec());
        Ok(())
    }

    fn remove(&mut self, file: &CachedFile) -> Result<(), Self::Error> {
        self.trusted.borrow_mut().remove(&file.storage_name());
        Ok(())
    }
}

impl Memory {
    /// A host that has just got to know the catalog by the fingerprint of its descriptor.
    fn new(served: BTreeMap<String, Vec<u8>>) -> Self {
        let honest = catalog_files();
        let descriptor = Descriptor::parse(&honest["catalog.toml"]).unwrap();
        let root = &honest[&format!("metadata/{}.root.json", descriptor.root_version)];
        assert_eq!(descriptor.root_sha256, Some(Sha256Digest::of(root)));
        let trusted = RefCell::new(BTreeMap::from([("root.json".to_owned(), root.clone())]));
        Self { served, trusted }
    }

    /// Refreshes and reads the index of `hello`; the outcome in the words of FORMAT.md.
    fn read(&self, now: &str) -> Result<(CatalogInfo, ExtensionIndex), &'static str> {
        let outcome = |error| match error {
            RefreshError::Trust(error) if error.is_expiry() => "expired",
            RefreshError::Trust(_) => "refused",
            RefreshError::Missing(_) => "missing",
            error => panic!("{error:?}"),
        };
        let clock = Clock::enforcing(now.parse().unwrap());
        let mut fresh = refresh(Some(self), self, clock, Limits::default()).map_err(outcome)?;
        let targets = fresh.stage().targets().unwrap();
        let info = CatalogInfo::read("targets", targets).unwrap();
        let hello: ExtensionName = "hello".parse().unwrap();
        let mut index = None;
        let path: TargetPath = "hello_".parse().unwrap();
        fresh
            .search(&path, |found| {
                let is_index = found.role == Some(RoleName::from(&hello));
                index = is_index.then(|| ExtensionIndex::read(&hello, found.document).unwrap());
                is_index
            })
            .map_err(outcome)?;
        Ok((info, index.unwrap()))
    }
}

const NOW: &str = "2026-01-10T00:00:00Z";

#[test]
fn the_catalog_is_what_the_document_says() {
    let host = Memory::new(catalog_files());
    let (info, index) = host.read(NOW).unwrap();
    let hello: ExtensionName = "hello".parse().unwrap();
    assert_eq!(info.extensions[&hello].summary, "Says hello");
    assert!(index.ignored.is_empty(), "{:?}", index.ignored);
    let [image] = index.images.as_slice() else {
        panic!("{:?}", index.images)
    };
    assert_eq!(image.version.as_str(), "1.2.3+k1");
    assert_eq!(image.file.as_str(), "hello_1.2.3.k1_noarch.raw");
    let [transport] = image.transports.as_slice() else {
        panic!("{:?}", image.transports)
    };
    assert_eq!(transport.kind, TransportKind::Zstd);
    for (file, length, sha256) in [
        (&image.file, image.length, image.sha256),
        (&transport.file, transport.length, transport.sha256),
    ] {
        let bytes = &host.served[&format!("images/{file}")];
        assert_eq!(u64::try_from(bytes.len()).unwrap(), length);
        assert_eq!(Sha256Digest::of(bytes), sha256);
    }
    assert_eq!(
        host.trusted.borrow()["root.json"],
        host.served["metadata/2.root.json"]
    );
}

#[test]
fn changes() {
    for cells in table("changes") {
        let [change, expected] = row(cells);
        let (mut served, mut now) = (catalog_files(), NOW);
        let words: Vec<_> = change.split('`').collect();
        let path = |name: &str| format!("metadata/{name}");
        match words.as_slice() {
            ["none"] => {}
            ["clock ", time, ""] => now = time,
            ["remove ", name, ""] => assert!(served.remove(&path(name)).is_some(), "{name}"),
            ["flip a bit of ", name, ""] => {
                let bytes = served.get_mut(&path(name)).unwrap();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
            }
            ["put ", other, " in place of ", name, ""] => {
                let bytes = served[&path(other)].clone();
                assert!(served.insert(path(name), bytes).is_some(), "{name}");
            }
            _ => panic!("no change: {change}"),
        }
        let host = Memory::new(served);
        let found = host
            .read(now)
            .map_or_else(|outcome| outcome, |_| "accepted");
        assert_eq!(found, expected, "{change}");
        // Whatever was refused left nothing behind: an honest server is accepted afterwards.
        let honest = Memory {
            served: catalog_files(),
            trusted: host.trusted,
        };
        assert!(honest.read(NOW).is_ok(), "{change}");
    }
}

#[cfg(feature = "sign")]
#[path = "../examples/write-vectors/catalog.rs"]
mod catalog;

#[cfg(feature = "sign")]
#[test]
fn the_catalog_is_made_the_same_again() {
    let mut files = catalog_files();
    files.retain(|path, _| !path.starts_with("images/"));
    let made: BTreeMap<_, _> = catalog::files()
        .unwrap()
        .into_iter()
        .map(|(path, bytes)| (path.to_owned(), bytes))
        .collect();
    assert!(
        made == files,
        "run: cargo run -p sysext-formats --features sign --example write-vectors"
    );
}
