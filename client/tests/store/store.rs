//! The store by itself: what is in it, what is broken, how long it takes to look.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use sysext_fetch::root::Root;
use sysext_fetch::store::{Store, StoreError};
use test_repos::image::ImageSpec;

use crate::host::{Host, large};

#[test]
fn a_store_that_is_not_there_is_no_error_for_readers() {
    let root = Root::new("/nonexistent".into(), None);
    assert!(Store::open(&root).unwrap().is_none());
}

#[test]
fn everyone_can_read_what_is_installed() {
    let host = Host::new();
    let frame = crate::host::zstd_frame(&large("2").build());
    for image in [
        host.publish(&large("1")),
        host.publish_frame(&large("2"), &frame),
    ] {
        drop(host.stage(&image).unwrap());
        let path = host.path(&image);
        for (path, mode) in [(path.as_path(), 0o644), (path.parent().unwrap(), 0o755)] {
            let found = path.metadata().unwrap().permissions().mode() & 0o7777;
            assert_eq!(found, mode, "{}", path.display());
        }
    }
}

#[test]
fn entries_that_are_no_images_are_said_and_do_not_hide_others() {
    let host = Host::new();
    let good = host.publish(&large("1"));
    drop(host.stage(&good).unwrap());
    let spec = |number: usize| ImageSpec::new("k3s").version(&format!("1.{number}"));
    let images: Vec<_> = (0..6).map(|number| host.publish(&spec(number))).collect();
    for image in &images {
        drop(host.stage(image).unwrap());
    }
    let entry = |index: usize| host.path(&images[index]).parent().unwrap().to_owned();
    let facts = std::fs::read(entry(0).join("facts.json")).unwrap();
    std::fs::write(entry(0).join("facts.json"), &facts[..40]).unwrap();
    std::fs::write(entry(1).join("facts.json"), &facts).unwrap();
    std::fs::remove_file(entry(2).join("facts.json")).unwrap();
    std::fs::remove_file(host.path(&images[3])).unwrap();
    std::fs::write(host.path(&images[4]), b"short").unwrap();
    std::fs::remove_file(host.path(&images[5])).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", host.path(&images[5])).unwrap();
    std::fs::create_dir(host.root.store().join("store/not-a-digest")).unwrap();
    std::fs::write(
        host.root.store().join("store").join("0".repeat(64)),
        b"a file",
    )
    .unwrap();
    let contents = host.store.images().unwrap();
    assert_eq!(contents.images.len(), 1);
    assert_eq!(contents.images[0].sha256, good.sha256);
    assert_eq!(contents.broken.len(), 7, "{:?}", contents.broken);
    for image in &images {
        host.store.find(&image.sha256).unwrap_err();
        drop(host.stage(image).unwrap());
    }
    assert_eq!(host.store.images().unwrap().images.len(), 7);
}

/// As `du` has it, whatever the entries are worth.
#[test]
fn what_the_store_takes_is_what_its_files_take() {
    let host = Host::new();
    assert_eq!(host.store.disk_usage().unwrap(), 0);
    let images = [host.publish(&large("1")), host.publish(&large("2"))];
    for image in &images {
        drop(host.stage(image).unwrap());
    }
    let files = |number: usize| {
        [
            host.path(&images[number]),
            facts_of(&host.path(&images[number])),
        ]
    };
    let taken: u64 = files(0)
        .iter()
        .chain(&files(1))
        .map(|file| blocks(file))
        .sum();
    assert!(taken >= images[0].length + images[1].length);
    assert_eq!(host.store.disk_usage().unwrap(), taken);
    // It is no image any more, and its file is still there.
    let facts = blocks(&facts_of(&host.path(&images[0])));
    std::fs::remove_file(facts_of(&host.path(&images[0]))).unwrap();
    assert_eq!(host.store.disk_usage().unwrap(), taken - facts);
}

fn facts_of(image: &Path) -> PathBuf {
    image.with_file_name("facts.json")
}

fn blocks(file: &Path) -> u64 {
    file.metadata().unwrap().blocks() * 512
}

#[test]
fn verify_names_both_digests() {
    let host = Host::new();
    let image = host.publish(&large("1"));
    let stored = host.stage(&image).unwrap().stored().clone();
    host.store.verify(&stored).unwrap();
    let mut bytes = std::fs::read(&stored.path).unwrap();
    bytes[5] ^= 1;
    std::fs::write(&stored.path, bytes).unwrap();
    let error = host.store.verify(&stored).unwrap_err();
    assert!(
        matches!(&error, StoreError::Damaged { expected, found, .. } if *expected == image.sha256 && found != expected)
    );
    host.store.remove(&stored.sha256).unwrap();
    assert!(host.store.find(&stored.sha256).unwrap().is_none());
    host.store.remove(&stored.sha256).unwrap();
}

#[test]
fn who_has_the_lock_is_said_and_readers_need_none() {
    let host = Host::new();
    let held = host.store.lock(std::time::Duration::ZERO).unwrap();
    let error = host
        .store
        .lock(std::time::Duration::ZERO)
        .unwrap_err()
        .to_string();
    assert!(error.contains(&std::process::id().to_string()), "{error}");
    assert!(host.store.images().unwrap().images.is_empty());
    drop(held);
    drop(host.store.lock(std::time::Duration::ZERO).unwrap());
}

/// Looking must not get slow with the number of images; the goal for a release build is 20 ms.
#[test]
fn a_thousand_images_are_listed_quickly() {
    let host = Host::new();
    let template = host.publish(&ImageSpec::new("k3s"));
    let stored = host.stage(&template).unwrap().stored().clone();
    let facts = std::fs::read_to_string(stored.path.with_file_name("facts.json")).unwrap();
    for number in 0..1000_u32 {
        let sha256 = format!("{number:064x}");
        let entry = host.root.store().join("store").join(&sha256);
        std::fs::create_dir(&entry).unwrap();
        std::fs::hard_link(&stored.path, entry.join(stored.file.as_str())).unwrap();
        let facts = facts.replace(&stored.sha256.to_string(), &sha256);
        std::fs::write(entry.join("facts.json"), facts).unwrap();
    }
    let start = Instant::now();
    let contents = host.store.images().unwrap();
    let took = start.elapsed();
    println!("1001 images in {took:?}");
    assert_eq!((contents.images.len(), contents.broken.len()), (1001, 0));
    // Generous: a debug build on a busy machine.
    assert!(took.as_secs() < 5, "{took:?}");
}
