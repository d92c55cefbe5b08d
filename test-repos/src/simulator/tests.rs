//! Honest repositories are taken by the real client workflow; broken ones stand in the fixtures.

use sysext_formats::catalog::{CatalogInfo, Descriptor, ExtensionIndex};
use sysext_formats::limits::Limits;
use sysext_formats::trust::Clock;
use sysext_formats::workflow::{Fresh, refresh};

use super::*;
use crate::image::ImageSpec;

const NOW: &str = "2026-11-23T00:00:00Z";

fn catalog() -> (Simulator, String) {
    let mut catalog = Simulator::new(NOW);
    catalog.add_extension("k3s");
    let image = ImageSpec::new("k3s")
        .version("1.31.5+k3s1")
        .os("debian")
        .version_id("13")
        .architecture("x86-64")
        .unit("k3s.service", "[Service]\nExecStart=/usr/bin/k3s\n")
        .setuid("usr/bin/helper");
    let file = catalog.add_image("k3s", &image);
    catalog.publish();
    (catalog, file)
}

fn fresh<'a>(
    catalog: &Simulator,
    host: &'a mut MemoryCache,
) -> Fresh<MemoryRemote, &'a mut MemoryCache> {
    let clock = Clock::enforcing(catalog.now());
    refresh(Some(catalog.remote()), host, clock, Limits::default()).unwrap()
}

#[test]
fn the_client_takes_what_is_published() {
    let (mut catalog, file) = catalog();
    let zst = catalog.add_zstd("k3s", &file);
    catalog.publish();
    assert_eq!(file, "k3s_1.31.5.k3s1_debian-13_x86-64.raw");
    let mut host = catalog.host();
    let mut fresh = fresh(&catalog, &mut host);
    let info = CatalogInfo::read("targets", fresh.stage().targets().unwrap()).unwrap();
    assert_eq!(info.extensions.len(), 1);
    let path = file.parse().unwrap();
    let (role, target) = fresh.find_target(&path).unwrap().unwrap();
    assert_eq!(role.unwrap().as_str(), "k3s");
    target
        .hashes
        .check(catalog.file(&format!("images/{file}")))
        .unwrap();

    let mut index = None;
    fresh
        .search(&path, |found| {
            index = found
                .role
                .map(|_| ExtensionIndex::read(&"k3s".parse().unwrap(), found.document));
            index.is_some()
        })
        .unwrap();
    let index = index.unwrap().unwrap();
    assert_eq!(index.ignored, []);
    let image = &index.images[0];
    assert_eq!(image.version.as_str(), "1.31.5+k3s1");
    assert_eq!(image.extension_release.get("VERSION_ID"), Some("13"));
    assert_eq!(image.image.units, ["k3s.service"]);
    assert_eq!(image.image.setuid, ["/usr/bin/helper"]);
    let packed = catalog.file(&format!("images/{zst}"));
    assert_eq!(image.transports[0].sha256, Sha256Digest::of(packed));
    assert_eq!(
        zstd::decode_all(packed).unwrap(),
        catalog.file(&format!("images/{file}"))
    );
}

#[test]
fn a_role_that_was_let_go_is_verified_anew() {
    let (catalog, file) = catalog();
    let mut host = catalog.host();
    let mut fresh = fresh(&catalog, &mut host);
    let path = file.parse().unwrap();
    let name = "k3s".parse().unwrap();
    let delegator = sysext_formats::trust::Delegator::Targets;
    assert!(fresh.find_target(&path).unwrap().is_some());
    assert!(fresh.stage().role(&name, &delegator).is_some());
    fresh.forget(&name);
    assert!(fresh.stage().role(&name, &delegator).is_none());
    assert!(fresh.find_target(&path).unwrap().is_some());
    assert!(fresh.stage().role(&name, &delegator).is_some());
}

#[test]
fn publishing_gives_new_versions_to_what_changed_only() {
    let (mut catalog, _) = catalog();
    let versions = |catalog: &Simulator| {
        ["root", "targets", "k3s", "snapshot", "timestamp"].map(|role| catalog.version(role))
    };
    assert_eq!(versions(&catalog), [1, 2, 1, 2, 2]);
    catalog.publish();
    assert_eq!(versions(&catalog), [1, 2, 1, 2, 2]);
    catalog.add_image("k3s", &ImageSpec::new("k3s").version("2"));
    catalog.publish();
    assert_eq!(versions(&catalog), [1, 2, 2, 3, 3]);
    catalog.touch("timestamp");
    catalog.publish();
    assert_eq!(versions(&catalog), [1, 2, 2, 3, 4]);
    catalog.set_version("targets", 100);
    catalog.publish();
    assert_eq!(versions(&catalog), [1, 100, 2, 4, 5]);
    assert_eq!(
        catalog.signed("snapshot")["meta"]["targets.json"]["version"],
        100
    );
}

#[test]
fn keys_are_rotated_everywhere() {
    let (mut catalog, file) = catalog();
    let mut host = catalog.host();
    fresh(&catalog, &mut host);
    catalog.with_hashes = true;
    catalog.set_keys("k3s", &["k3s-2"]);
    catalog.publish();
    for (role, label) in [
        ("root", "root-3"),
        ("snapshot", "online-2"),
        ("targets", "release-2"),
    ] {
        catalog.set_keys(role, &[label]);
        catalog.publish();
    }
    assert_eq!(catalog.version("root"), 4);
    let path = file.parse().unwrap();
    assert!(
        fresh(&catalog, &mut host)
            .find_target(&path)
            .unwrap()
            .is_some()
    );
}

#[test]
fn groups_stand_between_and_retired_extensions_are_empty() {
    let mut catalog = Simulator::new(NOW);
    catalog.add_group("_k", &["k*"]);
    catalog.add_extension_under("_k", "k3s", "release");
    let file = catalog.add_image("k3s", &ImageSpec::new("k3s"));
    catalog.publish();
    let mut host = catalog.host();
    let path = file.parse().unwrap();
    assert!(
        fresh(&catalog, &mut host)
            .find_target(&path)
            .unwrap()
            .is_some()
    );
    catalog.retire("k3s", "no longer made", Some("k0s"));
    catalog.publish();
    assert!(
        fresh(&catalog, &mut host)
            .find_target(&path)
            .unwrap()
            .is_none()
    );
}

#[test]
fn a_descriptor_trusts_the_newest_root() {
    let (catalog, _) = catalog();
    let text = catalog.descriptor("k3s", &["http://127.0.0.1:1/"], &["k3s", "k3s-*"]);
    let descriptor = Descriptor::parse(text.as_bytes()).unwrap();
    let root = catalog.file("metadata/1.root.json");
    assert_eq!(descriptor.root_sha256, Some(Sha256Digest::of(root)));
    assert!(!descriptor.may_provide(&"other".parse().unwrap()));
}

#[test]
fn without_consistent_snapshots_names_carry_no_versions() {
    let mut catalog = Simulator::new(NOW);
    catalog.signed_mut("root")["consistent_snapshot"] = false.into();
    catalog.publish();
    for role in ["snapshot", "targets", "timestamp"] {
        catalog.write(role);
    }
    assert!(catalog.files().contains_key("metadata/snapshot.json"));
    let mut host = catalog.host();
    fresh(&catalog, &mut host);
}

#[test]
fn the_same_calls_give_the_same_bytes() {
    assert_eq!(catalog().0.files(), catalog().0.files());
}
