//! Against the real systemd-sysext: only where nothing of it stays on the machine, and where that is said.
//!
//! `ci/lib/sysext-sandbox --ro DIRECTORY --env SYSEXT_PRIVILEGED_TESTS=1 252 -- TEST-BINARY privileged_ --test-threads 1`

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use sysext_fetch::activate::{
    ActivateError, Merge, Recovered, Site, Switch, apply, recover, running, settle,
};
use sysext_fetch::config::{Activation, RefreshPolicy};
use sysext_fetch::failure::Failure;
use sysext_fetch::journal::{Change, Journal, root_id};
use sysext_fetch::root::Root;
use sysext_fetch::stage::StagedImage;
use sysext_fetch::systemd::{BackingFile, Merger, Systemd, SystemdError, Way};
use test_repos::image::ImageSpec;

use crate::activate::Rules;
use crate::host::{Host, large};

/// A host that is the machine itself, with nothing linked and nothing merged; `None` where that is not allowed.
fn host() -> Option<Host> {
    if !is_allowed() {
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

fn is_allowed() -> bool {
    let allowed = std::env::var_os("SYSEXT_PRIVILEGED_TESTS").is_some_and(|value| value == "1");
    if !allowed {
        println!("skipped: SYSEXT_PRIVILEGED_TESTS is not 1");
    }
    allowed
}

fn site<'a>(host: &'a Host, systemd: &'a Systemd) -> Site<'a> {
    host.site(systemd)
}

fn staged(host: &Host, spec: &ImageSpec) -> StagedImage {
    host.stage(&host.publish(spec)).unwrap()
}

fn switch(image: &StagedImage) -> Switch {
    Switch::new(image.stored().extension.clone(), Some(image.clone()))
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
        let images = host.store.images().unwrap().images;
        let running = running(&systemd, &images).unwrap();
        assert_eq!(running, [image.stored()]);
        let settled = settle(&host.store, &systemd, &applied, ["x.service"]);
        // No service manager runs in the sandbox, and that is said.
        assert_eq!((settled.restarted.len(), settled.problems.len()), (0, 1));
    }
    let none = Switch::new("hello-sysext".parse().unwrap(), None);
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
        displaced: Vec::new(),
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

/// Ends what it holds, and waits for it.
struct Daemon(std::process::Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn privileged_a_refresh_goes_through_varlink_where_it_is_offered() {
    const SOCKET: &str = "/run/systemd/io.systemd.sysext";
    let Some(host) = host() else { return };
    if !std::path::Path::new("/usr/lib/systemd/system/systemd-sysext.socket").exists() {
        println!("skipped: this systemd-sysext has no Varlink");
        return;
    }
    std::fs::create_dir_all("/run/systemd").unwrap();
    // What systemd-sysext.socket does.
    let activator = Command::new("systemd-socket-activate")
        .args([
            "--accept",
            "--fdname=varlink",
            "--listen",
            SOCKET,
            "systemd-sysext",
        ])
        .spawn();
    let daemon = Daemon(activator.unwrap());
    let start = std::time::Instant::now();
    while !std::path::Path::new(SOCKET).exists() {
        assert!(start.elapsed().as_secs() < 30, "no socket");
        std::thread::yield_now();
    }
    let systemd = Systemd::detect(&host.root);
    assert_eq!(systemd.way(), &Way::Varlink(SOCKET.into()));
    let site = site(&host, &systemd);
    let image = staged(&host, &ImageSpec::new("by-varlink"));
    let applied = apply(&site, &[switch(&image)], RefreshPolicy::Always).unwrap();
    assert!(applied.quarantined.is_empty(), "{applied:?}");
    assert_eq!(output("/usr/bin/by-varlink").trim(), "1");
    std::fs::write(&image.stored().path, b"not an image any more").unwrap();
    let error = systemd.refresh().unwrap_err();
    assert!(
        matches!(&error, sysext_fetch::systemd::SystemdError::Varlink(_)),
        "{error}"
    );
    // Nobody listens any more, and the socket is still there.
    drop(daemon);
    std::fs::remove_file(host.root.links(Activation::Etc).join("by-varlink.raw")).unwrap();
    systemd.refresh().unwrap();
    std::fs::remove_file(SOCKET).unwrap();
}

#[test]
fn privileged_a_full_disk_is_said_before_and_after() {
    let Some(host) = host() else { return };
    let small = host.scratch.path("var/small");
    std::fs::create_dir_all(&small).unwrap();
    let _mount = Mount::tmpfs(&small, "512k");
    let mut host = host;
    host.root = sysext_fetch::root::Root::new(host.scratch.root().to_owned(), Some(small.clone()));
    host.store = sysext_fetch::store::Store::create(&host.root).unwrap();
    let frame = crate::host::zstd_frame(&large("1").build());
    let image = host.publish_frame(&large("1"), &frame);
    let error = host.stage(&image).unwrap_err().to_string();
    assert!(error.contains("are free"), "{error}");
    assert_eq!(host.server.requests().len(), 0);
    // Room for the frame only, by what the file system says; then somebody else takes it.
    let fits = host.publish(&ImageSpec::new("fits").padding(200_000, 1));
    drop(host.stage(&fits).unwrap());
    let free = rustix::fs::statvfs(&small).unwrap();
    let free = usize::try_from(free.f_bavail * free.f_frsize).unwrap();
    std::fs::write(small.join("somebody-elses"), vec![0; free]).unwrap();
    let next = host.publish(&ImageSpec::new("next"));
    host.stage(&next).unwrap_err();
    assert_eq!(host.store.images().unwrap().images.len(), 1);
}

/// A small file system, until it is dropped.
struct Mount(PathBuf);

impl Mount {
    fn tmpfs(at: &Path, size: &str) -> Self {
        std::fs::create_dir_all(at).unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "small"])
            .arg(at)
            .status();
        assert!(mount.unwrap().success());
        Self(at.to_owned())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let umount = Command::new("umount").arg("--lazy").arg(&self.0).status();
        assert!(umount.unwrap().success());
    }
}

/// Merges by the rules, while somebody else takes the last room of a file system.
struct Filling<'a> {
    rules: Rules<'a>,
    file: PathBuf,
}

impl Merger for Filling<'_> {
    fn refresh(&self) -> Result<(), SystemdError> {
        self.rules.refresh()?;
        let mut file = File::create(&self.file).unwrap();
        let full = std::iter::repeat_with(|| file.write_all(&[0; 4096])).find_map(Result::err);
        assert_eq!(full.unwrap().kind(), ErrorKind::StorageFull);
        Ok(())
    }

    fn merged(&self) -> Result<Vec<String>, SystemdError> {
        self.rules.merged()
    }

    fn backing_files(&self) -> Result<Vec<BackingFile>, SystemdError> {
        self.rules.backing_files()
    }

    fn daemon_reload(&self) -> Result<(), SystemdError> {
        self.rules.daemon_reload()
    }

    fn restart(&self, unit: &str) -> Result<(), SystemdError> {
        self.rules.restart(unit)
    }

    fn relabel(&self, paths: &[PathBuf]) {
        self.rules.relabel(paths);
    }

    fn can_merge(&self, root: &Root) -> bool {
        self.rules.can_merge(root)
    }
}

#[test]
fn privileged_a_disk_that_fills_while_links_are_switched_is_never_said_to_have_changed_nothing() {
    if !is_allowed() {
        return;
    }
    for (directory, holds) in [("journal", false), ("history", true)] {
        let host = Host::new();
        let path = host.scratch.path("var/lib/sysext-fetch").join(directory);
        let room = Mount::tmpfs(&path, "64k");
        let systemd = Filling {
            rules: Rules::new(&host),
            file: path.join("somebody-elses"),
        };
        let site = host.site(&systemd);
        let image = staged(&host, &ImageSpec::new("hello-sysext"));
        let error = apply(&site, &[switch(&image)], RefreshPolicy::Always).unwrap_err();
        match (&error, holds) {
            (ActivateError::NotWrittenDown(_), false) | (ActivateError::NotRecorded(_), true) => {}
            _ => panic!("{directory}: {error:?}"),
        }
        let merged = if holds { vec!["hello-sysext"] } else { vec![] };
        assert_eq!(systemd.merged().unwrap(), merged, "{directory}");
        let links = crate::host::list(&host.root.links(Activation::Etc));
        assert_eq!(links.len(), merged.len(), "{directory}");
        let failure = Failure::from(error);
        assert_eq!(failure.kind.code(), 5, "{}", failure.text());
        assert!(!failure.text().contains("nothing was changed"));
        assert!(
            failure.text().contains("No space left"),
            "{}",
            failure.text()
        );
        // With room again, the next run finds the journal only where there is something left to write.
        std::fs::remove_file(&systemd.file).unwrap();
        let recovered = recover(&site).unwrap();
        assert_eq!(
            matches!(recovered, Recovered::Finished { .. }),
            holds,
            "{directory}: {recovered:?}"
        );
        assert_eq!(systemd.merged().unwrap(), merged, "{directory}");
        drop(room);
    }
}
