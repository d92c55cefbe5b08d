//! What may be linked, and what is refused though its digest is right.

use sysext_fetch::stage::{Refusal, StageError, restage};
use sysext_fetch::transport::{Fault, Method};
use test_repos::image::{ImageSpec, corrupt_superblock, truncated};

use crate::host::{Host, image, large};

fn refusal(host: &Host, spec: &ImageSpec) -> Refusal {
    let image = host.publish(spec);
    refused(host.stage(&image).unwrap_err())
}

fn refused(error: StageError) -> Refusal {
    assert_eq!(error.fault(), Fault::Bytes);
    match error {
        StageError::Refused { refusal, .. } => *refusal,
        other => panic!("{other}"),
    }
}

#[test]
fn an_image_must_have_the_extension_release_of_its_name_and_no_other() {
    let host = Host::new();
    let spec = || ImageSpec::new("k3s");
    assert!(matches!(
        refusal(&host, &spec().without_release()),
        Refusal::NoRelease { .. }
    ));
    let error = refusal(&host, &spec().release_name("k8s"));
    assert!(error.to_string().contains("it has: k8s"), "{error}");
    let other = spec().file(
        "usr/lib/extension-release.d/extension-release.other",
        0o644,
        "ID=_any\n",
    );
    assert!(matches!(refusal(&host, &other), Refusal::OtherReleases(_)));
    assert_eq!(host.store.images().unwrap().images, []);
}

#[test]
fn the_extension_release_must_be_the_signed_one() {
    let host = Host::new();
    let signed = ImageSpec::new("k3s").os("debian").version_id("13");
    for found in [
        signed.clone().version_id("12"),
        signed.clone().extra_release_field("SYSEXT_LEVEL", "1"),
        ImageSpec::new("k3s").os("debian"),
    ] {
        let image = host.publish_bytes(&signed, &found.build());
        let error = refused(host.stage(&image).unwrap_err());
        assert!(matches!(error, Refusal::ReleaseDiffers { .. }), "{error}");
    }
}

#[test]
fn an_image_must_not_bring_what_this_host_trusts_or_updates_with() {
    let host = Host::new();
    let spec = |path: &str| ImageSpec::new("k3s").file(path, 0o644, "x");
    for path in [
        "usr/lib/sysext-fetch/catalogs.d/evil.toml",
        "usr/local/lib/sysext-fetch/sysext-fetch.toml",
        "usr/lib/tukit/plugins/evil",
        "usr/libexec/health-checker/evil",
        "usr/lib/os-release",
        "usr/lib/tukit",
    ] {
        let error = refusal(&host, &spec(path));
        assert!(
            matches!(&error, Refusal::Forbidden(found) if path.starts_with(found.as_str())),
            "{error}"
        );
    }
    // By another way.
    let link = ImageSpec::new("k3s").link("usr/lib/tukit", "../share/k3s");
    assert!(matches!(refusal(&host, &link), Refusal::Forbidden(_)));
    // Namesakes are nobody's business.
    let image = host.publish(&spec("usr/lib/sysext-fetch-docs/README"));
    drop(host.stage(&image).unwrap());
}

#[test]
fn a_damaged_image_is_refused_though_it_was_signed_so() {
    let host = Host::new();
    let spec = large("1");
    let good = spec.build();
    for bytes in [
        truncated(&good, good.len() / 2),
        corrupt_superblock(&good),
        Vec::new(),
        b"text".to_vec(),
    ] {
        let image = host.publish_bytes(&spec, &bytes);
        let error = refused(host.stage(&image).unwrap_err());
        assert!(matches!(error, Refusal::Unreadable(_)), "{error}");
        assert!(!host.path(&image).exists());
    }
}

/// A link may name it: a refusal says what a catalog signed about it now, not that it is of no use.
#[test]
fn what_an_earlier_run_brought_stays_also_without_its_facts() {
    let host = Host::new();
    let image = host.publish(&large("1"));
    drop(host.stage(&image).unwrap());
    let path = host.path(&image);
    let other = host.publish_bytes(&large("1").os("debian"), &large("1").build());
    for facts in [true, false] {
        if !facts {
            std::fs::remove_file(path.with_file_name("facts.json")).unwrap();
        }
        let error = refused(host.stage(&other).unwrap_err());
        assert!(matches!(error, Refusal::ReleaseDiffers { .. }), "{error}");
        assert!(path.exists());
        assert_eq!(host.store.find(&image.sha256).is_ok(), facts);
    }
}

#[test]
fn what_was_not_announced_is_said() {
    let host = Host::new();
    let plain = ImageSpec::new("k3s");
    let more = ImageSpec::new("k3s")
        .unit("k3s.service", "[Service]\n")
        .setuid("usr/bin/su");
    let image = host.publish_bytes(&plain, &more.build());
    assert_eq!(
        host.stage(&image).unwrap().undeclared(),
        ["k3s.service", "/usr/bin/su"]
    );
    let image = host.publish(&more);
    assert_eq!(host.stage(&image).unwrap().undeclared(), [""; 0]);
}

#[test]
fn bytes_in_the_store_are_not_fetched_again() {
    let host = Host::new();
    let published = host.publish(&large("1"));
    drop(host.stage(&published).unwrap());
    host.server.clear_log();
    // The same bytes from another catalog, under another version.
    let again = image(
        &large("1"),
        &large("1").build(),
        serde_json::json!({"version": "1-2"}),
    );
    let staged = host.stage_from(&again, "mirror").unwrap();
    assert_eq!((staged.method(), staged.fetched()), (Method::Store, 0));
    assert_eq!(host.server.requests().len(), 0);
    let stored = host.store.find(&published.sha256).unwrap().unwrap();
    assert_eq!(
        (stored.catalog.as_str(), stored.version().as_str()),
        ("mirror", "1-2")
    );
    assert_eq!(&stored, staged.stored());
    assert_eq!(restage(&host.store, &stored).unwrap().stored(), &stored);
}

#[test]
fn a_damaged_file_in_the_store_is_noticed_and_fetched_anew() {
    let host = Host::new();
    let published = host.publish(&large("1"));
    let stored = host.stage(&published).unwrap().stored().clone();
    let path = host.path(&published);
    let good = std::fs::read(&path).unwrap();
    let mut flipped = good.clone();
    flipped[1_000_000] ^= 1;
    for damage in [flipped, good[..1000].to_vec(), Vec::new()] {
        std::fs::write(&path, damage).unwrap();
        restage(&host.store, &stored).unwrap_err();
        let staged = host.stage(&published).unwrap();
        assert_eq!(staged.method(), Method::Raw);
        assert!(
            staged.attempts()[0].to_string().contains("the store"),
            "{:?}",
            staged.attempts()
        );
        assert_eq!(std::fs::read(&path).unwrap(), good);
    }
}
