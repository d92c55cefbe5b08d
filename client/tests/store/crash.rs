//! Killed by SIGKILL: another process stages or switches links, parks at a named point, and is killed there; then this one
//! goes on with what it left.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sysext_fetch::activate::{Recovered, Switch, apply, recover};
use sysext_fetch::config::RefreshPolicy;
use sysext_fetch::root::Root;
use sysext_fetch::stage::restage;
use sysext_fetch::store::{LinkTarget, parse_link};
use sysext_fetch::systemd::{BackingFile, Merger, SystemdError};
use test_repos::fault_server::{Behaviour, Times};
use test_repos::image::ImageSpec;

use crate::activate::Rules;
use crate::host::{Host, large};

/// Which point the child parks at; without it the child's test does nothing.
const AT: &str = "SYSEXT_CRASH_AT";
const ROOT: &str = "SYSEXT_CRASH_ROOT";

/// Merges by the rules, and parks for ever when the point is reached.
struct Parking<'a> {
    rules: &'a Rules<'a>,
    at: String,
    root: PathBuf,
    armed: RefCell<bool>,
}

impl Parking<'_> {
    fn point(&self, name: &str) {
        if *self.armed.borrow() && self.at == name {
            park(&self.root);
        }
    }
}

fn park(root: &Path) -> ! {
    std::fs::write(root.join("parked"), b"").unwrap();
    loop {
        std::thread::park();
    }
}

impl Merger for Parking<'_> {
    fn merged(&self) -> Result<Vec<String>, SystemdError> {
        self.rules.merged()
    }
    fn refresh(&self) -> Result<(), SystemdError> {
        self.point("before-merge");
        self.rules.refresh()?;
        self.point("after-merge");
        Ok(())
    }
    fn backing_files(&self) -> Result<Vec<BackingFile>, SystemdError> {
        let files = self.rules.backing_files();
        self.point("before-record");
        files
    }
    fn daemon_reload(&self) -> Result<(), SystemdError> {
        self.rules.daemon_reload()
    }
    fn restart(&self, unit: &str) -> Result<(), SystemdError> {
        self.rules.restart(unit)
    }
    fn relabel(&self, _: &[PathBuf]) {
        self.point("links-switched");
    }
    fn can_merge(&self, _: &Root) -> bool {
        true
    }
}

/// What the child does: links version 2 of both extensions, over version 1.
#[test]
fn child() {
    let (Some(at), Some(root)) = (std::env::var_os(AT), std::env::var_os(ROOT)) else {
        return;
    };
    let host = Host::at(Path::new(&root));
    let rules = Rules::new(&host);
    rules.refresh().unwrap();
    let parking = Parking {
        rules: &rules,
        at: at.into_string().unwrap(),
        root: root.into(),
        armed: RefCell::new(true),
    };
    let images = host.store.images().unwrap().images;
    let new: Vec<_> = images
        .iter()
        .filter(|image| image.version().as_str() == "2")
        .map(|image| {
            Switch::new(
                image.extension.clone(),
                Some(restage(&host.store, image).unwrap()),
            )
        })
        .collect();
    assert_eq!(new.len(), 2);
    apply(&host.site(&parking), &new, RefreshPolicy::Always).unwrap();
}

fn start(host: &Host, test: &str, at: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(AT, at)
        .env(ROOT, host.scratch.root())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Kills the child as soon as `reached` says so. Waits by looking: what is waited for is in a file.
fn kill_when(mut child: Child, reached: impl Fn() -> bool) {
    let start = Instant::now();
    while !reached() {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "it never came there"
        );
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn killed_while_links_change_everything_is_as_before() {
    for at in [
        "links-switched",
        "before-merge",
        "after-merge",
        "before-record",
    ] {
        let host = Host::new();
        let rules = Rules::new(&host);
        let old: Vec<_> = ["a", "b"].map(|name| host.image(name, "1")).into();
        let switches: Vec<_> = old
            .iter()
            .map(|image| Switch::new(image.stored().extension.clone(), Some(image.clone())))
            .collect();
        apply(&host.site(&rules), &switches, RefreshPolicy::Always).unwrap();
        let before = host.links();
        for name in ["a", "b"] {
            drop(host.image(name, "2"));
        }
        let parked = host.scratch.path("parked");
        kill_when(start(&host, "crash::child", at), || parked.exists());
        let linked = |target: &PathBuf| {
            let LinkTarget { sha256, .. } = parse_link(&host.root, target).unwrap();
            host.store
                .find(&sha256)
                .unwrap()
                .unwrap()
                .version()
                .to_string()
        };
        let versions: Vec<_> = host.links().values().map(linked).collect();
        assert_eq!(versions, ["2", "2"], "{at}");
        let recovered = recover(&host.site(&rules)).unwrap();
        assert!(
            matches!(&recovered, Recovered::Undone { links, .. } if links.len() == 2),
            "{at}: {recovered:?}"
        );
        assert_eq!(host.links(), before, "{at}");
        assert_eq!(host.list("journal"), [""; 0], "{at}");
        // The lock and the temporary files died with it.
        let lock = host.store.lock(Duration::ZERO).unwrap();
        host.store.sweep().unwrap();
        drop(lock);
        assert_eq!(host.list("store").len(), 4, "{at}");
    }
}

/// Fetches the image whose facts the parent left beside the root.
#[test]
fn downloading_child() {
    let (Some(at), Some(root)) = (std::env::var_os(AT), std::env::var_os(ROOT)) else {
        return;
    };
    let mut host = Host::at(Path::new(&root));
    host.bases = vec![at.to_str().unwrap().parse().unwrap()];
    let spec = large("1");
    let image = crate::host::image(&spec, &spec.build(), serde_json::json!({}));
    drop(host.stage(&image));
}

#[test]
fn killed_while_it_downloads_the_next_run_goes_on_from_there() {
    let host = Host::new();
    let spec = large("1");
    let image = host.publish(&spec);
    // Slow enough to be killed in the middle, whatever the machine.
    let drip = Behaviour::Drip {
        bytes_per_second: 400_000,
    };
    host.server.behave("images/*", Times::Next(1), drip);
    let part = host
        .root
        .store()
        .join("parts")
        .join(image.sha256.to_string());
    let length = || part.metadata().map_or(0, |metadata| metadata.len());
    let child = start(
        &host,
        "crash::downloading_child",
        &host.server.url("images"),
    );
    kill_when(child, || length() > 100_000);
    let had = length();
    assert!(had < image.length, "{had}");
    let staged = host.stage(&image).unwrap();
    assert_eq!(staged.fetched(), image.length - had);
    assert_eq!(std::fs::read(host.path(&image)).unwrap(), spec.build());
    assert_eq!(host.list("parts"), [""; 0]);
}

#[test]
fn killed_before_its_facts_were_written_an_image_is_none_and_is_staged_again() {
    let host = Host::new();
    let image = host.publish(&ImageSpec::new("k3s"));
    drop(host.stage(&image).unwrap());
    std::fs::remove_file(host.path(&image).with_file_name("facts.json")).unwrap();
    std::fs::write(
        host.path(&image).with_file_name(".tmp-0123456789abcdef"),
        b"half",
    )
    .unwrap();
    assert_eq!(host.store.images().unwrap().images, []);
    drop(host.stage(&image).unwrap());
    host.store.sweep().unwrap();
    let entry = format!("store/{}", image.sha256);
    assert_eq!(host.list(&entry), ["facts.json", "k3s_1_noarch.raw"]);
}
