//! Against the real systemd-sysext: only where nothing of it stays on the machine, and where that is said.
//!
//! `ci/lib/sysext-sandbox --ro DIRECTORY --env SYSEXT_PRIVILEGED_TESTS=1 252 -- TEST-BINARY privileged_ --test-threads 1`

use std::process::Command;

use sysext_fetch::activate::{Merge, Recovered, Site, Switch, apply, recover};
use sysext_fetch::config::{Activation, RefreshPolicy};
use sysext_fetch::journal::{Change, Journal, root_id};
use sysext_fetch::stage::StagedImage;
use sysext_fetch::systemd::{Merger as _, Systemd};
use test_repos::image::ImageSpec;

use crate::host::Host;

/// A host that is the machine itself, with nothing linked and nothing merged; `None` where that is not allowed.
fn host() -> Option<Host> {
    if std::env::var_os("SYSEXT_PRIVILEGED_TESTS").is_none_or(|value| value != "1") {
        println!("skipped: SYSEXT_PRIVILEGED_TESTS is not 1");
        return None;
    }
    let host = Host::running();
    let directory = host.root.links(Activation::Etc);
    for name in crate::host::list(&directory) {
        std::fs::remove_file(directory.join(name)).unwrap();
    }
    Systemd::detect(&host.root).refresh().unwrap();
    Some(host)
}

fn site<'a>(host: &'a Host, systemd: &'a Systemd) -> Site<'a> {
    Site {
        root: &host.root,
        store: &host.store,
        activation: Activation::Etc,
        systemd,
        now: "2026-05-01T00:00:00Z".parse().unwrap(),
    }
}

fn staged(host: &Host, spec: &ImageSpec) -> StagedImage {
    host.stage(&host.publish(spec)).unwrap()
}

fn switch(image: &StagedImage) -> Switch {
    Switch {
        name: image.stored().extension.clone(),
        to: Some(image.clone()),
    }
}

fn output(program: &str) -> String {
    let output = Command::new(program).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn privileged_an_extension_is_merged_updated_and_removed() {
    let Some(host) = host() else { return };
    let systemd = Systemd::detect(&host.root);
    let site = site(&host, &systemd);
    for version in ["1.0", "1.1"] {
        let image = staged(&host, &ImageSpec::new("hello-sysext").version(version));
        let applied = apply(&site, &[switch(&image)], RefreshPolicy::IfMerged).unwrap();
        assert_eq!(applied.merge, Merge::Done, "{applied:?}");
        assert!(applied.quarantined.is_empty(), "{applied:?}");
        assert_eq!(systemd.merged().unwrap(), ["hello-sysext"]);
        assert_eq!(output("/usr/bin/hello-sysext").trim(), version);
    }
    let none = Switch {
        name: "hello-sysext".parse().unwrap(),
        to: None,
    };
    let applied = apply(&site, &[none], RefreshPolicy::IfMerged).unwrap();
    assert_eq!(applied.changed.len(), 1);
    assert!(systemd.merged().unwrap().is_empty());
    assert!(!std::path::Path::new("/usr/bin/hello-sysext").exists());
}

#[test]
fn privileged_a_broken_image_is_quarantined_and_the_others_are_updated() {
    let Some(host) = host() else { return };
    let systemd = Systemd::detect(&host.root);
    let site = site(&host, &systemd);
    let first: Vec<_> = ["good", "broken", "other"]
        .map(|name| switch(&staged(&host, &ImageSpec::new(name).version("1"))))
        .into();
    apply(&site, &first, RefreshPolicy::Always).unwrap();
    assert_eq!(systemd.merged().unwrap(), ["broken", "good", "other"]);
    let second: Vec<_> = ["broken", "good", "other"]
        .map(|name| switch(&staged(&host, &ImageSpec::new(name).version("2"))))
        .into();
    // Behind the back of everybody, as a failing disk does it.
    let path = second[0].to.as_ref().unwrap().stored().path.clone();
    std::fs::write(&path, b"not an image any more").unwrap();
    let applied = apply(&site, &second, RefreshPolicy::Always).unwrap();
    let names: Vec<_> = applied
        .quarantined
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(names, ["broken"], "{applied:?}");
    println!("quarantined: {}", applied.quarantined[0].reason);
    assert_eq!(applied.changed.len(), 2);
    assert_eq!(systemd.merged().unwrap(), ["broken", "good", "other"]);
    let versions = ["broken", "good", "other"]
        .map(|name| output(&format!("/usr/bin/{name}")).trim().to_owned());
    assert_eq!(versions, ["1", "2", "2"]);
}

#[test]
fn privileged_an_image_that_systemd_leaves_out_is_noticed() {
    let Some(host) = host() else { return };
    let systemd = Systemd::detect(&host.root);
    let site = site(&host, &systemd);
    let fits = staged(&host, &ImageSpec::new("fits"));
    let unfit = staged(
        &host,
        &ImageSpec::new("unfit").os("another-os").version_id("1"),
    );
    let applied = apply(
        &site,
        &[switch(&fits), switch(&unfit)],
        RefreshPolicy::Always,
    )
    .unwrap();
    assert_eq!(applied.quarantined.len(), 1);
    assert!(
        applied.quarantined[0].reason.contains("left out unfit"),
        "{applied:?}"
    );
    assert_eq!(systemd.merged().unwrap(), ["fits"]);
}

#[test]
fn privileged_what_a_killed_run_left_is_put_back_and_merged_again() {
    let Some(host) = host() else { return };
    let systemd = Systemd::detect(&host.root);
    let site = site(&host, &systemd);
    let (old, new) = (
        ImageSpec::new("hello"),
        ImageSpec::new("hello").version("2"),
    );
    let (old, new) = (staged(&host, &old), staged(&host, &new));
    apply(&site, &[switch(&old)], RefreshPolicy::Always).unwrap();
    let (from, to) = (
        host.store.link_target(old.stored()),
        host.store.link_target(new.stored()),
    );
    let change = Change {
        name: "hello".parse().unwrap(),
        from: Some(from),
        to: Some(to.clone()),
    };
    let mut journal = Journal::new(
        root_id(&host.root),
        Activation::Etc,
        site.now,
        2,
        vec![change],
    );
    journal.merge = true;
    journal.write(&host.store).unwrap();
    let links = sysext_durable::Dir::open(&host.root.links(Activation::Etc)).unwrap();
    links.symlink("hello.raw", &to).unwrap();
    systemd.refresh().unwrap();
    assert_eq!(output("/usr/bin/hello").trim(), "2");
    let recovered = recover(&site).unwrap();
    assert!(
        matches!(
            recovered,
            Recovered::Undone {
                not_merged: None,
                ..
            }
        ),
        "{recovered:?}"
    );
    assert_eq!(output("/usr/bin/hello").trim(), "1");
}
