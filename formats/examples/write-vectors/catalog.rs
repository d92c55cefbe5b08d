//! The catalog of `FORMAT.md`, "Test vectors": fixed keys, fixed times, one extension with one image.
//!
//! Shared by the example that writes the files and the test that holds the files against it.

use std::collections::BTreeMap;
use std::error::Error;

use serde_json::json;
use sysext_formats::catalog::{CatalogInfo, ExtensionInfo, Image, SCHEMA};
use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::ExtensionName;
use sysext_formats::role::{
    Delegations, Extra, MetaFile, MetadataVersion, Root, Snapshot, TargetFile, Targets, Timestamp,
    TimestampMeta,
};
use sysext_formats::sign::{SecretKey, SignedDocument, Signer};

const IMAGE_NAME: &str = "hello_1.2.3.k1_noarch.raw";
const IMAGE: &[u8] = include_bytes!("../../tests/vectors/catalog/images/hello_1.2.3.k1_noarch.raw");
const PACKED_NAME: &str = "hello_1.2.3.k1_noarch.raw.zst";
const PACKED: &[u8] =
    include_bytes!("../../tests/vectors/catalog/images/hello_1.2.3.k1_noarch.raw.zst");

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Every generated file by its path below the catalog's base.
pub(crate) fn files() -> Outcome<BTreeMap<&'static str, Vec<u8>>> {
    let key = |byte: u8| SecretKey::from_seed(&[byte; 32]);
    let (root_a, root_b, release) = (key(1), key(2), key(3));
    let (online, new_online) = (key(4), key(5));

    let roots = [&root_a, &root_b];
    let first = SignedDocument::new(&root(1, roots, &release, &online)?, &[&root_a, &root_b])?;
    // The online key is replaced. Threshold 1: one of the two root keys suffices.
    let second = SignedDocument::new(&root(2, roots, &release, &new_online)?, &[&root_b])?;
    let index = SignedDocument::new(&index()?, &[&release])?;
    let targets = SignedDocument::new(&targets(&release)?, &[&release])?;
    let snapshot = SignedDocument::new(&snapshot()?, &[&new_online])?;
    let timestamp = SignedDocument::new(&timestamp(snapshot.bytes())?, &[&new_online])?;
    let descriptor = descriptor(&Sha256Digest::of(first.bytes()));
    Ok(BTreeMap::from([
        ("catalog.toml", descriptor.into_bytes()),
        ("metadata/1.root.json", first.into_bytes()),
        ("metadata/2.root.json", second.into_bytes()),
        ("metadata/timestamp.json", timestamp.into_bytes()),
        ("metadata/1.snapshot.json", snapshot.into_bytes()),
        ("metadata/1.targets.json", targets.into_bytes()),
        ("metadata/1.hello.json", index.into_bytes()),
    ]))
}

fn root(
    version: u64,
    roots: [&SecretKey; 2],
    release: &SecretKey,
    online: &SecretKey,
) -> Outcome<Root> {
    let role = |keys: &[&SecretKey]| {
        let ids: Vec<_> = keys.iter().map(|key| id(key)).collect();
        json!({"keyids": ids, "threshold": 1})
    };
    let keys: serde_json::Map<_, _> = roots
        .iter()
        .chain(&[release, online])
        .map(|key| (id(key), json!(key.public_key())))
        .collect();
    Ok(serde_json::from_value(json!({
        "version": version,
        "expires": "2027-01-01T00:00:00Z",
        "consistent_snapshot": true,
        "keys": keys,
        "roles": {
            "root": role(&roots),
            "targets": role(&[release]),
            "snapshot": role(&[online]),
            "timestamp": role(&[online]),
        },
    }))?)
}

fn id(key: &SecretKey) -> String {
    key.public_key().canonical_id().to_string()
}

fn index() -> Outcome<Targets> {
    let extension: ExtensionName = "hello".parse()?;
    let custom = serde_json::from_value(json!({
        "schema": SCHEMA,
        "class": "sysext",
        "version": "1.2.3+k1",
        "architecture": "_any",
        "extension_release": {"ID": "_any"},
        "channels": ["stable"],
        "released": "2026-01-01T12:00:00Z",
        "image": {"container": "none", "filesystem": "squashfs", "compressed": false},
        "transports": [{
            "kind": "zstd",
            "file": PACKED_NAME,
            "length": PACKED.len(),
            "sha256": Sha256Digest::of(PACKED),
        }],
        "rollout": {"start": "2026-01-01T12:00:00Z", "hours": 72},
        "fixes": ["CVE-2025-12345"],
    }))?;
    let image = Image {
        file: IMAGE_NAME.parse()?,
        length: u64::try_from(IMAGE.len())?,
        sha256: Sha256Digest::of(IMAGE),
        custom,
    };
    let info = ExtensionInfo {
        schema: SCHEMA,
        role: extension.to_string(),
        summary: "Says hello".to_owned(),
        license: "CC0-1.0".to_owned(),
        channels: BTreeMap::from([("stable".parse()?, "recommended".to_owned())]),
        ..ExtensionInfo::default()
    };
    let name = Image::file_name(&extension, &image.version, None, &image.architecture)?;
    let targets: BTreeMap<_, TargetFile> = BTreeMap::from([((&name).into(), image.to_target()?)]);
    Ok(Targets {
        version: MetadataVersion::ONE,
        expires: "2026-07-01T00:00:00Z".parse()?,
        targets,
        delegations: None,
        x_sysext: Some(serde_json::to_value(info)?),
        extra: Extra::new(),
    })
}

fn targets(release: &SecretKey) -> Outcome<Targets> {
    let delegations: Delegations = serde_json::from_value(json!({
        "keys": {id(release): release.public_key()},
        "roles": [{
            "name": "hello",
            "keyids": [id(release)],
            "threshold": 1,
            "paths": ["hello_*"],
            "terminating": true,
        }],
    }))?;
    let info: CatalogInfo = serde_json::from_value(json!({
        "schema": SCHEMA,
        "role": "targets",
        "title": "Test vectors",
        "extensions": {"hello": {"summary": "Says hello"}},
    }))?;
    Ok(Targets {
        version: MetadataVersion::ONE,
        expires: "2027-01-01T00:00:00Z".parse()?,
        targets: BTreeMap::new(),
        delegations: Some(delegations),
        x_sysext: Some(serde_json::to_value(info)?),
        extra: Extra::new(),
    })
}

fn snapshot() -> Outcome<Snapshot> {
    let version = || MetaFile::version_only(MetadataVersion::ONE);
    Ok(Snapshot {
        version: MetadataVersion::ONE,
        expires: "2026-02-01T00:00:00Z".parse()?,
        meta: BTreeMap::from([
            ("targets.json".to_owned(), version()),
            ("hello.json".to_owned(), version()),
        ]),
        extra: Extra::new(),
    })
}

fn timestamp(snapshot: &[u8]) -> Outcome<Timestamp> {
    let snapshot = MetaFile {
        version: MetadataVersion::ONE,
        length: Some(u64::try_from(snapshot.len())?),
        hashes: Some(Sha256Digest::of(snapshot).into()),
        extra: Extra::new(),
    };
    Ok(Timestamp {
        version: MetadataVersion::ONE,
        expires: "2026-01-16T00:00:00Z".parse()?,
        meta: TimestampMeta {
            snapshot,
            extra: Extra::new(),
        },
        extra: Extra::new(),
    })
}

fn descriptor(fingerprint: &Sha256Digest) -> String {
    format!(
        "schema = 1\nid = \"vectors\"\ntitle = \"Test vectors\"\nurl = [\"https://sysext.example/vectors\"]\n\
         extensions = [\"hello\"]\nroot-version = 1\nroot-sha256 = \"{fingerprint}\"\n"
    )
}
