//! Patches: taken where the image that they start from is in order, and never needed.

use sysext_fetch::stage::StagedImage;
use sysext_fetch::transport::Method;
use sysext_formats::catalog::Image;
use sysext_patch::make::{make, pack};
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
    let cases: [(Vec<u8>, &str); 11] = [
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
        (endless, "can not be read"),
        (bits, "can not be read"),
        (slow(&old, &new), "its sha256 is"),
    ];
    for (patch, reason) in cases {
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

/// A patch that takes as long as one can: every byte may be an address, in a program of as many pieces as there may be.
fn slow(old: &[u8], new: &[u8]) -> Vec<u8> {
    fn number(out: &mut Vec<u8>, mut number: usize) {
        while number >= 0x80 {
            out.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        out.push(number as u8);
    }
    let mut plan = vec![0];
    for length in [old.len(), new.len()] {
        number(&mut plan, 1);
        number(&mut plan, 4096);
        let mut end = 0;
        for piece in 1..=4096 {
            let until = length * piece / 4096;
            // Its offset, bytes, address and memory.
            for value in [0, until - end, piece << 40, 0] {
                number(&mut plan, value);
            }
            end = until;
        }
    }
    plan.extend([0xff; 32_769]);
    let length = old.len().min(new.len());
    for value in [1, 0, length, 0] {
        number(&mut plan, value);
    }
    let fresh = vec![0; new.len() - length];
    let streams = [plan, Vec::new(), Vec::new(), fresh];
    pack(streams, old.len() as u64, new.len() as u64).unwrap()
}

#[test]
fn other_urls_of_a_patch_are_tried_first_and_two_bad_patches_are_enough() {
    let (host, old, patch) = updating();
    let mut image = host.publish_patch(&large("2"), &old, &patch);
    let own = image.custom.transports.last_mut().unwrap();
    host.server.put("elsewhere/p", patch.clone());
    own.urls = vec![host.server.url("elsewhere/p").replace("http:", "https:")];
    let staged = host.stage(&image).unwrap();
    assert_eq!(staged.method(), Method::Patch);
    assert!(staged.attempts()[0].to_string().contains("elsewhere/p"));

    let (host, old, patch) = updating();
    let mut image = host.publish_patch(&large("2"), &old, &patch);
    let own = image.transports.last().unwrap().clone();
    image.custom.transports.push(own.clone());
    image.custom.transports.push(own);
    host.server.put(&patch_path(&image), vec![1; patch.len()]);
    let staged = host.stage(&image).unwrap();
    let reasons = ["was signed", "was signed"];
    came(&host, &image, &staged, Method::Zstd, &reasons);
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
