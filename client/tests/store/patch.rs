//! Patches: taken where the image that they start from is in order, and never needed.

use sysext_fetch::stage::StagedImage;
use sysext_fetch::transport::Method;
use sysext_formats::catalog::Image;
use sysext_patch::make::make;
use test_repos::fault_server::{Behaviour, Times};

use crate::host::{Host, large};

/// A host with version 1, and the patch that leads to version 2.
fn updating() -> (Host, Image, Vec<u8>) {
    let host = Host::new();
    let old = host.publish(&large("1"));
    let _ = host.stage(&old).unwrap();
    host.server.clear_log();
    let patch = make(&large("1").build(), &large("2").build(), None).unwrap();
    (host, old, patch)
}

/// The image came this way, whatever was tried before, and nothing is left of that.
#[track_caller]
fn came(host: &Host, image: &Image, staged: &StagedImage, method: Method, reasons: &[&str]) {
    assert_eq!(staged.method(), method, "{:?}", staged.attempts());
    let attempts = staged.attempts();
    assert_eq!(attempts.len(), reasons.len(), "{attempts:?}");
    for (attempt, reason) in attempts.iter().zip(reasons) {
        assert!(attempt.to_string().contains(reason), "{attempt}: {reason}");
    }
    assert!(std::fs::read(host.path(image)).unwrap() == large("2").build());
    assert_eq!(host.list("parts"), [""; 0]);
}

fn patch_path(image: &Image) -> String {
    format!("images/{}", image.transports.last().unwrap().file)
}

#[test]
fn the_patch_is_all_that_comes() {
    let (host, old, patch) = updating();
    let image = host.publish_patch(&large("2"), &old, &patch);
    let staged = host.stage(&image).unwrap();
    came(&host, &image, &staged, Method::Patch, &[]);
    assert_eq!(staged.fetched(), patch.len() as u64);
    assert_eq!(host.server.bytes_sent(), patch.len() as u64);
}

#[test]
fn without_the_image_that_it_starts_from_no_patch_is_fetched() {
    let (host, old, patch) = updating();
    let other = Host::new();
    let image = other.publish_patch(&large("2"), &old, &patch);
    assert_ne!(host.list("store"), other.list("store"));
    let staged = other.stage(&image).unwrap();
    came(&other, &image, &staged, Method::Zstd, &[]);
    assert_eq!(other.server.count(&patch_path(&image)), 0);
}

#[test]
fn a_damaged_image_is_not_started_from() {
    let (host, old, patch) = updating();
    let path = host.path(&old);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[300_000] ^= 1;
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, bytes).unwrap();
    let image = host.publish_patch(&large("2"), &old, &patch);
    let staged = host.stage(&image).unwrap();
    came(
        &host,
        &image,
        &staged,
        Method::Zstd,
        &["starts from a bad image"],
    );
    // It would have been for nothing.
    assert_eq!(host.server.count(&patch_path(&image)), 0);
}

/// Patches with the signed digest that do not give the image.
#[test]
fn a_patch_that_gives_something_else_falls_to_the_next_transport() {
    let (old, new) = (large("1").build(), large("2").build());
    let good = make(&old, &new, None).unwrap();
    let mut other = new.clone();
    other[600_000] ^= 1;
    let mut long = new.clone();
    long.resize(64 << 20, 0);
    let mut bomb = good.clone();
    // The fresh bytes would be 2 GiB.
    bomb[80..88].copy_from_slice(&((1_u64 << 31) - 1).to_le_bytes());
    let mut endless = good.clone();
    endless[32..40].copy_from_slice(&((1_u64 << 31) - 1).to_le_bytes());
    let mut bits = good.clone();
    let middle = bits.len() / 2;
    bits[middle] ^= 0x55;
    let cases: [(Vec<u8>, &str); 9] = [
        (make(&old, &other, None).unwrap(), "its sha256 is"),
        (make(&old, &long, None).unwrap(), "it leads from"),
        (make(&new[..100_000], &new, None).unwrap(), "it leads from"),
        (
            good[..good.len() - 1].to_vec(),
            "its length is not that of its streams",
        ),
        (
            [good.as_slice(), b"more"].concat(),
            "its length is not that of its streams",
        ),
        (b"no patch at all".to_vec(), "can not be read"),
        ([b"x", &good[1..]].concat(), "does not begin as a patch"),
        (bomb, "can not be read"),
        (endless, ""),
    ];
    for (patch, reason) in cases.into_iter().chain([(bits, "")]) {
        let (host, old, _) = updating();
        let image = host.publish_patch(&large("2"), &old, &patch);
        let staged = host.stage(&image).unwrap();
        came(&host, &image, &staged, Method::Zstd, &[reason]);
        let entry = format!("store/{}", image.sha256);
        assert_eq!(
            host.list(&entry),
            ["facts.json", "k3s_2_noarch.raw"],
            "{reason}"
        );
    }
}

#[test]
fn a_patch_that_breaks_off_goes_on_and_one_with_other_bytes_is_left() {
    let (host, old, patch) = updating();
    let image = host.publish_patch(&large("2"), &old, &patch);
    let path = patch_path(&image);
    let cut = Behaviour::CutAfter { bytes: 100 };
    host.server.behave(&path, Times::Next(1), cut);
    let staged = host.stage(&image).unwrap();
    assert_eq!(
        (staged.method(), staged.attempts().len()),
        (Method::Patch, 1)
    );
    assert_eq!(host.server.bytes_sent(), patch.len() as u64);

    let (host, old, patch) = updating();
    let image = host.publish_patch(&large("2"), &old, &patch);
    let mut wrong = patch.clone();
    wrong[50] ^= 1;
    host.server.put(&path, wrong);
    let staged = host.stage(&image).unwrap();
    came(&host, &image, &staged, Method::Zstd, &["was signed"]);
}
