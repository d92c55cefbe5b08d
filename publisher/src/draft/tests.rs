use super::*;
use crate::config::{Expires, Policy};
use serde_json::json;
use sysext_formats::catalog::{ExtensionInfo, Image};
use sysext_formats::key::PublicKey;
use sysext_formats::role::Role as _;
use sysext_formats::sign::{SecretKey, Signer as _};
use sysext_formats::time::UtcTime;

const THEN: &str = "2030-01-01T00:00:00Z";
const NOW: &str = "2030-02-01T00:00:00Z";

fn key(seed: u8) -> PublicKey {
    SecretKey::from_seed(&[seed; 32]).public_key().clone()
}

fn name(text: &str) -> ExtensionName {
    text.parse().unwrap()
}

/// A catalog of two extensions, as it was published.
fn catalog() -> Catalog {
    let first = First {
        keys: FirstKeys {
            root: vec![key(1), key(2)],
            root_threshold: 1,
            release: key(3),
            online: key(4),
            targets_by_root: false,
        },
        title: "T",
        extensions: [
            (name("a"), ExtensionInfo::default()),
            (name("b"), ExtensionInfo::default()),
        ]
        .into(),
        policy: Policy::default(),
        now: THEN.parse().unwrap(),
    };
    first.draft().unwrap().catalog
}

fn editor(catalog: Catalog) -> Editor {
    Editor::new(catalog, NOW.parse().unwrap(), Policy::default())
}

fn image(version: &str, bytes: &[u8], channel: &str) -> Image {
    let version: Version = version.parse().unwrap();
    let architecture = "_any".parse().unwrap();
    Image {
        file: Image::file_name(&name("a"), &version, None, &architecture).unwrap(),
        length: u64::try_from(bytes.len()).unwrap(),
        sha256: Sha256Digest::of(bytes),
        custom: serde_json::from_value(json!({
            "schema": 1, "class": "sysext", "version": version, "architecture": "_any",
            "extension_release": {"ID": "_any"}, "channels": [channel], "released": THEN,
            "image": {"container": "none", "filesystem": "squashfs", "compressed": false},
        }))
        .unwrap(),
    }
}

fn versions(catalog: &Catalog) -> [u64; 6] {
    let index = |text: &str| catalog.indexes[&name(text)].version;
    let all = [
        catalog.root.version(),
        catalog.targets.version(),
        index("a"),
        index("b"),
        catalog.snapshot.version(),
        catalog.timestamp.version(),
    ];
    all.map(sysext_formats::role::MetadataVersion::get)
}

#[test]
fn whoever_signs_sees_everything_that_is_said_about_a_new_image() {
    let mut image = image("1", &[0; 3000], "stable");
    let more = json!({
        "schema": 1, "class": "sysext", "version": "1", "architecture": "_any",
        "extension_release": {"ID": "_any"}, "channels": ["stable"], "released": THEN,
        "image": {"container": "none", "filesystem": "squashfs", "compressed": false},
        "urls": ["https://x.example/r/a_1_noarch.raw"],
        "transports": [
            {"kind": "zstd", "file": "a_1_noarch.raw.zst", "length": 2000, "sha256": image.sha256,
             "urls": ["https://x.example/r/a_1_noarch.raw.zst", "https://evil.example/r/z"]},
            {"kind": "zstd", "file": "a_1_noarch.raw.patch", "length": 10, "sha256": image.sha256, "from": image.sha256},
            {"kind": "other", "file": "a_1_noarch.raw.other", "length": 20, "sha256": image.sha256},
        ],
        "rollout": {"start": NOW, "hours": 72},
        "fixes": ["CVE-2026-12345", "bsc#1"],
        "links": {"notes": "https://x.example/notes", "source": "https://x.example/source"},
        "withdrawn": {"reason": "no", "since": NOW},
        "strange": 1,
    });
    image.custom = serde_json::from_value(more).unwrap();
    let mut editor = editor(catalog());
    editor.add_image(&name("a"), &image).unwrap();
    let draft = editor.finish().unwrap().unwrap();
    let index = differences(&draft).unwrap().pop().unwrap();
    let said: Vec<_> = index.changes.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "a gains 1 _any in stable (3.0 kB, 2.0 kB to download); hosts take it over 72 hour(s) from 2030-02-01T00:00:00Z; \
             fixes CVE-2026-12345, bsc#1; it is at https://x.example/r/a_1_noarch.raw; \
             transports are at https://evil.example/r/z; notes: https://x.example/notes; source: https://x.example/source",
            "a: a_1_noarch.raw is withdrawn: no",
            "a: strange of a_1_noarch.raw change(s)",
        ]
    );
    let document = serde_json::to_value(&index.changes[0]).unwrap();
    assert_eq!(document["rollout"]["hours"], 72);
    assert_eq!(document["links"]["notes"], "https://x.example/notes");
}

#[test]
fn no_change_is_no_draft() {
    let mut editor = editor(catalog());
    editor.set_title("T").unwrap();
    editor
        .add_extension(&name("a"), &[key(3)], ExtensionInfo::default())
        .unwrap();
    assert!(editor.finish().unwrap().is_none());
}

#[test]
fn an_image_changes_its_index_snapshot_and_timestamp_and_nothing_else() {
    let mut editor = editor(catalog());
    editor
        .add_image(&name("a"), &image("1", b"1", "stable"))
        .unwrap();
    editor
        .add_image(&name("a"), &image("2", b"2", "stable"))
        .unwrap();
    let draft = editor.finish().unwrap().unwrap();
    assert_eq!(versions(&draft.catalog), [1, 1, 2, 1, 2, 2]);
    assert_eq!(draft.catalog.snapshot.role("a").unwrap().version.get(), 2);
    assert_eq!(draft.catalog.snapshot.role("b").unwrap().version.get(), 1);
    let now: UtcTime = NOW.parse().unwrap();
    assert_eq!(
        draft.catalog.indexes[&name("a")].expires,
        now.plus(Expires::default().index.duration())
    );
    assert_eq!(draft.images.len(), 2);
    assert_eq!(
        draft.changes[0].to_string(),
        "a gains 1 _any in stable (1 B)"
    );

    // The same ones once more, from what is published then.
    let mut editor = self::editor(draft.catalog);
    editor
        .add_image(&name("a"), &image("1", b"1", "stable"))
        .unwrap();
    assert!(editor.finish().unwrap().is_none());
}

#[test]
fn what_is_published_never_changes() {
    let mut editor = editor(catalog());
    editor
        .add_image(&name("a"), &image("1+2", b"1", "stable"))
        .unwrap();
    let conflict = |error: Result<(), DraftError>| {
        let error = error.unwrap_err();
        assert!(error.is_conflict(), "{error}");
        error
    };
    let mut add = |version, bytes| editor.add_image(&name("a"), &image(version, bytes, "stable"));
    assert!(matches!(
        conflict(add("1+2", b"2")),
        DraftError::OtherBytes { .. }
    ));
    assert!(matches!(
        conflict(add("1+2", b"22")),
        DraftError::OtherLength { .. }
    ));
    assert!(matches!(
        conflict(add("1.2", b"1")),
        DraftError::OtherVersion { .. }
    ));
    assert!(matches!(
        conflict(add("01+2", b"1")),
        DraftError::SameOrder { .. }
    ));
}

#[test]
fn what_may_not_be_there_is_refused() {
    let mut editor = editor(catalog());
    let early = |channel| image("1-rc1", b"1", channel);
    assert!(matches!(
        editor.add_image(&name("a"), &early("stable")),
        Err(DraftError::Prerelease { .. })
    ));
    editor.add_image(&name("a"), &early("testing")).unwrap();
    assert!(matches!(
        editor.add_image(&name("c"), &early("testing")),
        Err(DraftError::UnknownExtension(_))
    ));
    let other = editor.add_extension(&name("a"), &[key(9)], ExtensionInfo::default());
    assert!(matches!(other, Err(DraftError::OtherKeys(_))));
}

#[test]
fn an_extension_that_comes_back_goes_on_counting() {
    let mut catalog = catalog();
    // It was there once: the snapshot lists it for ever, the table of contents does not.
    let old = sysext_formats::role::MetadataVersion::new(7).unwrap();
    catalog.snapshot.meta.insert(
        "c.json".to_owned(),
        sysext_formats::role::MetaFile::version_only(old),
    );
    let mut editor = editor(catalog);
    editor
        .add_extension(&name("c"), &[key(3)], ExtensionInfo::default())
        .unwrap();
    let draft = editor.finish().unwrap().unwrap();
    assert_eq!(draft.catalog.indexes[&name("c")].version.get(), 8);
    let roles = &draft.catalog.targets.delegations.unwrap().roles;
    assert_eq!(
        roles
            .iter()
            .map(|role| role.name.as_str())
            .collect::<Vec<_>>(),
        ["a", "b", "c"]
    );
}

#[test]
fn a_renewal_is_a_new_version_with_the_same_content() {
    let before = catalog();
    let mut editor = editor(before.clone());
    editor.renew_index(&name("b")).unwrap();
    editor.renew_targets().unwrap();
    editor.renew_root().unwrap();
    let draft = editor.finish().unwrap().unwrap();
    assert_eq!(versions(&draft.catalog), [2, 2, 1, 2, 2, 2]);
    assert_eq!(draft.catalog.root.roles, before.root.roles);
    assert_eq!(
        draft.catalog.indexes[&name("b")].targets,
        before.indexes[&name("b")].targets
    );
    assert!(draft.catalog.root.expires > before.root.expires);
}

/// As [`catalog`], with so many more extensions, in groups of at most `most`.
fn grouped(names: &[&str], most: usize) -> (Catalog, Vec<Change>) {
    let policy = Policy {
        group_above: most,
        ..Policy::default()
    };
    let mut editor = Editor::new(catalog(), NOW.parse().unwrap(), policy);
    for text in names {
        editor
            .add_extension(&name(text), &[key(3)], ExtensionInfo::default())
            .unwrap();
    }
    let draft = editor.finish().unwrap().unwrap();
    (draft.catalog, draft.changes)
}

#[test]
fn a_long_table_of_contents_is_split_by_name_and_everything_stays_findable() {
    let names = ["lib", "lib-a", "lib-b", "lib-bc", "lib.d", "x1", "x2", "0"];
    let (grouped, changes) = grouped(&names, 3);
    let groups: Vec<_> = grouped
        .groups_delegated()
        .map(|role| {
            (
                role.name.to_string(),
                group_prefix(role).unwrap().to_owned(),
            )
        })
        .collect();
    let expected = [
        "_0 0",
        "_a a",
        "_b b",
        "_lib- lib-",
        "_lib. lib.",
        "_lib_ lib_",
        "_x x",
    ];
    let shown: Vec<_> = groups
        .iter()
        .map(|(name, prefix)| format!("{name} {prefix}"))
        .collect();
    assert_eq!(shown, expected);
    for text in names.iter().chain(&["a", "b"]) {
        assert!(grouped.index_keys(&name(text)).is_some(), "{text}");
        let path = format!("{text}_");
        let claim = groups.iter().filter(|(_, prefix)| path.starts_with(prefix));
        assert_eq!(claim.count(), 1, "{text} is in one group");
    }
    let top = grouped.targets.delegations.as_ref().unwrap();
    assert!(top.roles.iter().all(|role| is_group(&role.name)));
    assert!(grouped.snapshot.role("_lib-").is_some());
    // Those that were there before moved, and that is all that is said of them.
    assert!(changes.contains(&Change::Grouped {
        groups: groups.iter().map(|(name, _)| name.clone()).collect(),
        extensions: 2,
    }));
    assert!(
        !changes
            .iter()
            .any(|change| matches!(change, Change::ExtensionGone { .. } | Change::Other { .. })),
        "{changes:?}"
    );
}

#[test]
fn a_new_extension_changes_its_group_only_and_a_long_group_is_split() {
    let (catalog, _) = grouped(
        &["lib", "lib-a", "lib-b", "lib-bc", "lib.d", "x1", "x2", "0"],
        3,
    );
    let policy = Policy {
        group_above: 3,
        ..Policy::default()
    };
    let mut editor = Editor::new(catalog.clone(), NOW.parse().unwrap(), policy);
    editor
        .add_extension(&name("x3"), &[key(3)], ExtensionInfo::default())
        .unwrap();
    let draft = editor.finish().unwrap().unwrap();
    assert!(!draft.touched.targets);
    assert_eq!(
        draft
            .touched
            .groups
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["_x"]
    );
    assert_eq!(draft.touched.indexes.len(), 1);
    let mut editor = Editor::new(draft.catalog, NOW.parse().unwrap(), policy);
    editor
        .add_extension(&name("x22"), &[key(3)], ExtensionInfo::default())
        .unwrap();
    let split = editor.finish().unwrap().unwrap();
    assert!(split.touched.targets);
    let groups: Vec<_> = split
        .touched
        .groups
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(groups, ["_x1", "_x2", "_x3"]);
    assert!(
        !split
            .catalog
            .groups
            .keys()
            .any(|role| role.as_str() == "_x")
    );
    assert!(
        split.catalog.snapshot.role("_x").is_some(),
        "a role that was listed never vanishes"
    );
    for text in ["x1", "x2", "x22", "x3", "lib-bc"] {
        assert!(split.catalog.index_keys(&name(text)).is_some(), "{text}");
    }
}
