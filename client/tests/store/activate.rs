//! Links, journal and history, with a systemd that follows the rules the real one was seen to follow (see
//! `privileged.rs` for the real one).

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

use sysext_durable::Dir;
use sysext_fetch::activate::{
    ActivateError, LinkKind, Merge, Recovered, Site, Switch, apply, links, recover,
};
use sysext_fetch::config::{Activation, RefreshPolicy};
use sysext_fetch::history::{self, Cause, Quarantined};
use sysext_fetch::journal::{Change, Displaced, Journal, Phase, RootId, root_id};
use sysext_fetch::root::Root;
use sysext_fetch::stage::StagedImage;
use sysext_fetch::store::Store;
use sysext_fetch::systemd::{BackingFile, Merger, SystemdError};
use test_repos::image::ImageSpec;

use crate::host::Host;

/// Merges `/etc/extensions` of a scratch host as systemd-sysext does: one bad image and nothing is merged.
pub(crate) struct Rules<'a> {
    host: &'a Host,
    /// Names that it can not merge, whatever their images are.
    bad: RefCell<Vec<&'static str>>,
    /// Names that it leaves out without a word.
    left_out: RefCell<Vec<&'static str>>,
    merged: RefCell<BTreeMap<String, PathBuf>>,
    refreshes: Cell<u32>,
    /// What somebody else does to the links directory after which merge.
    meanwhile: Cell<Option<Meanwhile>>,
}

type Meanwhile = (u32, fn(&Path));

impl<'a> Rules<'a> {
    pub(crate) fn new(host: &'a Host) -> Self {
        Self {
            host,
            bad: RefCell::default(),
            left_out: RefCell::default(),
            merged: RefCell::default(),
            refreshes: Cell::new(0),
            meanwhile: Cell::new(None),
        }
    }
}

impl Merger for Rules<'_> {
    fn merged(&self) -> Result<Vec<String>, SystemdError> {
        Ok(self.merged.borrow().keys().cloned().collect())
    }

    fn refresh(&self) -> Result<(), SystemdError> {
        self.refreshes.set(self.refreshes.get() + 1);
        self.merged.borrow_mut().clear();
        let mut merged = BTreeMap::new();
        let directory = self.host.root.links(Activation::Etc);
        for link in crate::host::list(&directory) {
            let Ok(target) = std::fs::read_link(directory.join(&link)) else {
                continue;
            };
            let name = link.strip_suffix(".raw").unwrap_or(&link).to_owned();
            let path = self.host.root.path(target.to_str().unwrap());
            if self.bad.borrow().contains(&name.as_str()) {
                return Err(SystemdError::Failed {
                    command: "systemd-sysext refresh".to_owned(),
                    status: "exit code 1".to_owned(),
                    stderr: format!("{name} can not be mounted"),
                });
            }
            if path.exists() && !self.left_out.borrow().contains(&name.as_str()) {
                merged.insert(name, path);
            }
        }
        *self.merged.borrow_mut() = merged;
        if let Some((after, act)) = self.meanwhile.get()
            && after == self.refreshes.get()
        {
            act(&directory);
        }
        Ok(())
    }

    fn backing_files(&self) -> Result<Vec<BackingFile>, SystemdError> {
        let files = self.merged.borrow();
        let files = files.values().map(|path| path.metadata().unwrap());
        Ok(files
            .map(|metadata| BackingFile {
                major: rustix::fs::major(metadata.dev()),
                minor: rustix::fs::minor(metadata.dev()),
                inode: metadata.ino(),
            })
            .collect())
    }

    fn daemon_reload(&self) -> Result<(), SystemdError> {
        Ok(())
    }

    fn restart(&self, _: &str) -> Result<(), SystemdError> {
        Ok(())
    }

    fn relabel(&self, _: &[PathBuf]) {}

    /// A scratch host plays the running system here.
    fn can_merge(&self, _: &Root) -> bool {
        true
    }
}

impl Host {
    pub(crate) fn image(&self, name: &str, version: &str) -> StagedImage {
        self.stage(&self.publish(&ImageSpec::new(name).version(version)))
            .unwrap()
    }

    pub(crate) fn site<'a>(&'a self, systemd: &'a dyn Merger) -> Site<'a> {
        Site {
            root: &self.root,
            store: &self.store,
            activation: Activation::Etc,
            extensions: &self.extensions,
            systemd,
            now: "2026-05-01T00:00:00Z".parse().unwrap(),
            cause: Cause::Change,
        }
    }

    pub(crate) fn links(&self) -> BTreeMap<String, PathBuf> {
        self.scratch.links("etc/extensions")
    }

    pub(crate) fn target(&self, image: &StagedImage) -> PathBuf {
        self.store.link_target(image.stored())
    }
}

fn switch(name: &str, to: Option<&StagedImage>) -> Switch {
    Switch::new(name.parse().unwrap(), to.cloned())
}

#[test]
fn links_are_absolute_and_named_after_the_extension() {
    let host = Host::new();
    let systemd = Rules::new(&host);
    let (one, two) = (host.image("k3s", "1"), host.image("k3s", "2"));
    let applied = apply(
        &host.site(&systemd),
        &[switch("k3s", Some(&one))],
        RefreshPolicy::Never,
    )
    .unwrap();
    assert_eq!(
        (applied.transaction, applied.merge),
        (Some(1), Merge::NotAsked)
    );
    assert_eq!(
        host.links(),
        BTreeMap::from([("k3s.raw".into(), host.target(&one))])
    );
    assert!(host.target(&one).starts_with("/var/lib/sysext-fetch/store"));
    let again = apply(
        &host.site(&systemd),
        &[switch("k3s", Some(&one))],
        RefreshPolicy::Never,
    )
    .unwrap();
    assert_eq!((again.transaction, again.unchanged.len()), (None, 1));
    apply(
        &host.site(&systemd),
        &[switch("k3s", Some(&two))],
        RefreshPolicy::Never,
    )
    .unwrap();
    apply(
        &host.site(&systemd),
        &[switch("k3s", None)],
        RefreshPolicy::Never,
    )
    .unwrap();
    assert_eq!(host.links(), BTreeMap::new());
    assert_eq!(systemd.refreshes.get(), 0);
    let history = history::read(&host.store).unwrap();
    let steps: Vec<_> = history
        .transactions
        .iter()
        .map(|transaction| {
            let version = |image: &Option<history::ImageRef>| {
                image
                    .as_ref()
                    .map(|image| image.version.as_ref().unwrap().to_string())
            };
            let [change] = transaction.changes.as_slice() else {
                panic!()
            };
            (
                transaction.number,
                version(&change.from),
                version(&change.to),
            )
        })
        .collect();
    let text = |version: &str| Some(version.to_owned());
    assert_eq!(
        steps,
        [
            (1, None, text("1")),
            (2, text("1"), text("2")),
            (3, text("2"), None)
        ]
    );
    assert_eq!(host.list("journal"), [""; 0]);
}

#[test]
fn a_merge_is_asked_for_as_the_policy_says() {
    let host = Host::new();
    let systemd = Rules::new(&host);
    let site = host.site(&systemd);
    let (a, b) = (host.image("a", "1"), host.image("b", "1"));
    // Nothing was linked before.
    let applied = apply(&site, &[switch("a", Some(&a))], RefreshPolicy::IfMerged).unwrap();
    assert_eq!(applied.merge, Merge::Done);
    // The admin has unmerged.
    systemd.merged.borrow_mut().clear();
    let applied = apply(&site, &[switch("b", Some(&b))], RefreshPolicy::IfMerged).unwrap();
    assert_eq!(
        (applied.merge, systemd.refreshes.get()),
        (Merge::NotAsked, 1)
    );
    let applied = apply(&site, &[switch("b", None)], RefreshPolicy::Always).unwrap();
    assert_eq!((applied.merge, systemd.refreshes.get()), (Merge::Done, 2));
    assert_eq!(systemd.merged().unwrap(), ["a"]);
}

#[test]
fn what_fails_alone_is_quarantined_and_the_rest_is_committed() {
    let mut host = Host::new();
    host.configure(&["a", "b", "d"]);
    let systemd = Rules::new(&host);
    let site = host.site(&systemd);
    let old = host.image("b", "1");
    apply(&site, &[switch("b", Some(&old))], RefreshPolicy::Always).unwrap();
    systemd.bad.borrow_mut().push("a");
    systemd.left_out.borrow_mut().push("c");
    let new: Vec<_> = ["a", "b", "c", "d"]
        .map(|name| host.image(name, "2"))
        .into();
    let switches: Vec<_> = new
        .iter()
        .map(|image| switch(image.stored().extension.as_str(), Some(image)))
        .collect();
    let applied = apply(&site, &switches, RefreshPolicy::Always).unwrap();
    let reasons: BTreeMap<_, _> = applied
        .quarantined
        .iter()
        .map(|one| (one.name.as_str(), one.reason.as_str()))
        .collect();
    assert!(reasons["a"].contains("a can not be mounted"), "{reasons:?}");
    assert!(reasons["c"].contains("left out c"), "{reasons:?}");
    assert_eq!(reasons.len(), 2);
    let changed: Vec<_> = applied
        .changed
        .iter()
        .map(|change| change.name.as_str())
        .collect();
    assert_eq!(changed, ["b", "d"]);
    assert_eq!(systemd.merged().unwrap(), ["b", "d"]);
    let names: Vec<_> = host.links().into_keys().collect();
    assert_eq!(names, ["b.raw", "d.raw"]);
    let history = history::read(&host.store).unwrap();
    assert_eq!(history.transactions[1].quarantined, applied.quarantined);
    assert_eq!(host.list("journal"), [""; 0]);
    assert_eq!(host.skipped("a"), ["2"]);
    assert_eq!(host.skipped("b"), [""; 0]);
    // Not configured: there is no list to be on.
    assert!(applied.not_skipped.is_empty(), "{applied:?}");
}

#[test]
fn what_was_merged_one_by_one_goes_back_when_a_later_link_fails() {
    let host = Host::new();
    let systemd = Rules::new(&host);
    let site = host.site(&systemd);
    let old = host.image("a", "1");
    apply(&site, &[switch("a", Some(&old))], RefreshPolicy::Always).unwrap();
    let before = (host.links(), systemd.merged.borrow().clone());
    systemd.bad.borrow_mut().push("c");
    let new: Vec<_> = ["a", "b", "c"].map(|name| host.image(name, "2")).into();
    let switches: Vec<_> = new
        .iter()
        .map(|image| switch(image.stored().extension.as_str(), Some(image)))
        .collect();
    // All at once, back again, then a alone: the link of b can not be made after that.
    let block = |links: &Path| std::fs::create_dir(links.join("b.raw")).unwrap();
    systemd.meanwhile.set(Some((4, block)));
    let error = apply(&site, &switches, RefreshPolicy::Always).unwrap_err();
    assert!(matches!(error, ActivateError::Store(_)), "{error:?}");
    std::fs::remove_dir(host.scratch.path("etc/extensions/b.raw")).unwrap();
    assert_eq!((host.links(), systemd.merged.borrow().clone()), before);
    assert_eq!(host.list("journal"), [""; 0]);
}

#[test]
fn a_single_change_that_can_not_be_merged_is_put_back() {
    let host = Host::new();
    let systemd = Rules::new(&host);
    let site = host.site(&systemd);
    let (old, new) = (host.image("a", "1"), host.image("a", "2"));
    apply(&site, &[switch("a", Some(&old))], RefreshPolicy::Always).unwrap();
    // From a file that is not ours, under our name: names alone would not show it.
    let other = host.scratch.path("var/other.raw");
    std::fs::write(&other, b"").unwrap();
    struct Elsewhere<'a>(&'a Rules<'a>, BackingFile);
    impl Merger for Elsewhere<'_> {
        fn merged(&self) -> Result<Vec<String>, SystemdError> {
            self.0.merged()
        }
        fn refresh(&self) -> Result<(), SystemdError> {
            self.0.refresh()
        }
        fn backing_files(&self) -> Result<Vec<BackingFile>, SystemdError> {
            Ok(vec![self.1])
        }
        fn daemon_reload(&self) -> Result<(), SystemdError> {
            self.0.daemon_reload()
        }
        fn restart(&self, unit: &str) -> Result<(), SystemdError> {
            self.0.restart(unit)
        }
        fn relabel(&self, _: &[PathBuf]) {}
        fn can_merge(&self, _: &Root) -> bool {
            true
        }
    }
    let metadata = other.metadata().unwrap();
    let file = BackingFile {
        major: rustix::fs::major(metadata.dev()),
        minor: rustix::fs::minor(metadata.dev()),
        inode: metadata.ino(),
    };
    let lying = Elsewhere(&systemd, file);
    let applied = apply(
        &host.site(&lying),
        &[switch("a", Some(&new))],
        RefreshPolicy::Always,
    )
    .unwrap();
    assert!(
        applied.quarantined[0].reason.contains("not from"),
        "{applied:?}"
    );
    assert_eq!(applied.changed, []);
    assert_eq!(host.links()["a.raw"], host.target(&old));
}

#[test]
fn when_the_old_links_do_not_merge_either_nobody_is_quarantined() {
    let host = Host::new();
    let systemd = Rules::new(&host);
    let site = host.site(&systemd);
    let (old, new) = (host.image("a", "1"), host.image("b", "1"));
    apply(&site, &[switch("a", Some(&old))], RefreshPolicy::Always).unwrap();
    systemd.bad.borrow_mut().push("a");
    let before = host.links();
    let error = apply(&site, &[switch("b", Some(&new))], RefreshPolicy::Always).unwrap_err();
    assert!(
        matches!(error, ActivateError::CanNotMerge { .. }),
        "{error}"
    );
    assert_eq!(host.links(), before);
    assert_eq!(host.list("journal"), [""; 0]);
}

#[test]
fn what_others_took_away_is_not_blamed_on_a_change() {
    let host = Host::new();
    let systemd = Rules::new(&host);
    let site = host.site(&systemd);
    let (a, b) = (host.image("a", "1"), host.image("b", "1"));
    // Still merged, but its link is gone.
    let gone = host.scratch.path("var/gone.raw");
    std::fs::write(&gone, b"").unwrap();
    systemd.merged.borrow_mut().insert("gone".to_owned(), gone);
    let applied = apply(&site, &[switch("a", Some(&a))], RefreshPolicy::Always).unwrap();
    assert!(
        applied.quarantined.is_empty() && applied.changed.len() == 1,
        "{applied:?}"
    );
    assert_eq!(systemd.merged().unwrap(), ["a"]);
    // Merged until now, and left out for a reason of its own.
    systemd.left_out.borrow_mut().push("a");
    let applied = apply(&site, &[switch("b", Some(&b))], RefreshPolicy::Always).unwrap();
    assert!(
        applied.quarantined.is_empty() && applied.changed.len() == 1,
        "{applied:?}"
    );
    assert_eq!(systemd.merged().unwrap(), ["b"]);
}

/// Two links of another program, one of them with the name of ours, and the switches in which they make way.
fn taken_over(host: &Host) -> Vec<Switch> {
    let directory = host.scratch.path("etc/extensions");
    std::fs::create_dir_all(&directory).unwrap();
    host.scratch.write("/var/lib/sysext-store/old.raw", "old");
    ["a", "b"]
        .map(|name| {
            let file = if name == "a" { "a.raw" } else { "b-1.raw" };
            let target = Path::new("/var/lib/sysext-store/old.raw");
            symlink(target, directory.join(file)).unwrap();
            let mut switch = switch(name, Some(&host.image(name, "1")));
            switch.displaced.push(Displaced {
                link: Path::new("/etc/extensions").join(file),
                target: target.to_owned(),
            });
            switch
        })
        .into()
}

#[test]
fn links_of_others_make_way_and_come_back_where_ours_does_not_merge() {
    let mut host = Host::new();
    host.configure(&["a", "b"]);
    let before = Path::new("/var/lib/sysext-store/old.raw");
    let systemd = Rules::new(&host);
    let switches = taken_over(&host);
    systemd.refresh().unwrap();
    // "a" is left out from now on, whoever has it.
    systemd.left_out.borrow_mut().push("a");
    let applied = apply(&host.site(&systemd), &switches, RefreshPolicy::Always).unwrap();
    let failed: Vec<_> = applied
        .quarantined
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(failed, ["a"]);
    let links = host.links();
    let names: Vec<_> = links.keys().map(String::as_str).collect();
    assert_eq!(names, ["a.raw", "b.raw"]);
    assert_eq!(links["a.raw"], before);
    assert_eq!(
        links["b.raw"],
        host.target(switches[1].to.as_ref().unwrap())
    );
}

#[test]
fn a_link_that_was_replaced_meanwhile_does_not_make_way() {
    let host = Host::new();
    let systemd = Rules::new(&host);
    let mut switches = taken_over(&host);
    let before = host.links();
    switches[1].displaced[0].target = "/elsewhere.raw".into();
    let error = apply(&host.site(&systemd), &switches, RefreshPolicy::Never).unwrap_err();
    assert!(error.to_string().contains("replaced meanwhile"), "{error}");
    assert_eq!(host.links(), before);
    assert!(!Journal::is_pending(&host.store, &host.root));
}

#[test]
fn a_killed_run_gives_links_of_others_back() {
    let host = Host::new();
    let systemd = Rules::new(&host);
    let switches = taken_over(&host);
    let before = host.links();
    let changes = switches.iter().map(|switch| Change {
        name: switch.name.clone(),
        from: None,
        to: switch.to.as_ref().map(|image| host.target(image)),
        displaced: switch.displaced.clone(),
    });
    let site = host.site(&systemd);
    let journal = Journal::new(
        root_id(&host.root),
        Activation::Etc,
        site.now,
        1,
        changes.collect(),
    );
    journal.write(&host.store).unwrap();
    let directory = host.scratch.path("etc/extensions");
    // One has made way and is replaced, the other has only made way.
    std::fs::remove_file(directory.join("a.raw")).unwrap();
    symlink(
        host.target(switches[0].to.as_ref().unwrap()),
        directory.join("a.raw"),
    )
    .unwrap();
    std::fs::remove_file(directory.join("b-1.raw")).unwrap();
    recover(&site).unwrap();
    assert_eq!(host.links(), before);
    assert!(!Journal::is_pending(&host.store, &host.root));
}

#[test]
fn what_is_not_ours_is_never_touched() {
    let host = Host::new();
    let systemd = Rules::new(&host);
    let directory = host.scratch.path("etc/extensions");
    std::fs::create_dir_all(&directory).unwrap();
    symlink("/var/lib/sysext-store/a.raw", directory.join("a.raw")).unwrap();
    let images: Vec<_> = ["a", "b"].map(|name| host.image(name, "1")).into();
    let switches: Vec<_> = images
        .iter()
        .map(|image| switch(image.stored().extension.as_str(), Some(image)))
        .collect();
    let applied = apply(&host.site(&systemd), &switches, RefreshPolicy::Never).unwrap();
    assert_eq!(applied.foreign.len(), 1);
    assert_eq!(
        applied.foreign[0].target.as_deref(),
        Some(Path::new("/var/lib/sysext-store/a.raw"))
    );
    assert_eq!(applied.changed.len(), 1);
    assert_eq!(
        host.links()["a.raw"],
        Path::new("/var/lib/sysext-store/a.raw")
    );
    let applied = apply(
        &host.site(&systemd),
        &[switch("a", None)],
        RefreshPolicy::Never,
    )
    .unwrap();
    assert_eq!((applied.foreign.len(), applied.changed.len()), (1, 0));
    std::fs::remove_file(directory.join("b.raw")).unwrap();
    std::fs::write(directory.join("b.raw"), b"a file").unwrap();
    let applied = apply(&host.site(&systemd), &switches, RefreshPolicy::Never).unwrap();
    assert_eq!(applied.foreign.len(), 2);
}

#[test]
fn every_kind_of_link_is_told_apart() {
    let host = Host::new();
    let systemd = Rules::new(&host);
    let images: Vec<_> = ["a", "b", "c"].map(|name| host.image(name, "1")).into();
    let switches: Vec<_> = images
        .iter()
        .map(|image| switch(image.stored().extension.as_str(), Some(image)))
        .collect();
    apply(&host.site(&systemd), &switches, RefreshPolicy::Never).unwrap();
    host.store.remove(&images[1].stored().sha256).unwrap();
    let directory = host.scratch.path("etc/extensions");
    std::fs::create_dir(directory.join("c")).unwrap();
    symlink("/elsewhere.raw", directory.join("d.raw")).unwrap();
    let states = links(&host.root, Activation::Etc).unwrap();
    let words: Vec<_> = states
        .iter()
        .map(|state| {
            let word = match &state.kind {
                LinkKind::Ours { .. } => "ours",
                LinkKind::Dangling { .. } => "dangling",
                LinkKind::Foreign { target: None } => "directory",
                LinkKind::Foreign { target: Some(_) } => "foreign",
            };
            (state.name.as_str(), word, state.shadowed_by.is_some())
        })
        .collect();
    assert_eq!(
        words,
        [
            ("a", "ours", false),
            ("b", "dangling", false),
            ("c", "directory", false),
            ("c", "ours", true),
            ("d", "foreign", false)
        ]
    );
    // In boot mode what the admin put into /etc comes first.
    let boot = Site {
        activation: Activation::Boot,
        ..host.site(&systemd)
    };
    let applied = apply(
        &boot,
        &[switch("a", Some(&images[0]))],
        RefreshPolicy::Never,
    )
    .unwrap();
    assert_eq!(applied.shadowed[0].by, directory.join("a.raw"));
}

/// What a run that was killed at each of its steps leaves: the journal and some of the links.
#[test]
fn killed_at_any_point_the_links_are_put_back_or_the_record_is_written() {
    for switched in 0..=3_usize {
        let host = Host::new();
        let systemd = Rules::new(&host);
        let site = host.site(&systemd);
        let old = host.image("a", "1");
        apply(&site, &[switch("a", Some(&old))], RefreshPolicy::Always).unwrap();
        let before = host.links();
        let new: Vec<_> = ["a", "b", "c"].map(|name| host.image(name, "2")).into();
        let change = |image: &StagedImage| Change {
            name: image.stored().extension.clone(),
            from: (image.stored().extension.as_str() == "a").then(|| host.target(&old)),
            to: Some(host.target(image)),
            displaced: Vec::new(),
        };
        let changes: Vec<_> = new.iter().map(change).collect();
        let mut journal = Journal::new(root_id(&host.root), Activation::Etc, site.now, 2, changes);
        journal.merge = true;
        journal.write(&host.store).unwrap();
        let directory = Dir::open(&host.scratch.path("etc/extensions")).unwrap();
        for image in new.iter().take(switched) {
            let link = format!("{}.raw", image.stored().extension);
            directory.symlink(&link, &host.target(image)).unwrap();
        }
        systemd.refresh().unwrap();
        let error = apply(&site, &[switch("b", None)], RefreshPolicy::Never).unwrap_err();
        assert!(matches!(error, ActivateError::Pending), "{error}");
        let Recovered::Undone {
            links,
            left,
            dropped,
            not_merged,
        } = recover(&site).unwrap()
        else {
            panic!("not undone");
        };
        assert_eq!(
            (links.len(), left.len(), dropped.len(), not_merged),
            (switched, 0, 0, None)
        );
        assert_eq!(host.links(), before);
        assert_eq!(systemd.merged().unwrap(), ["a"]);
        assert!(matches!(recover(&site).unwrap(), Recovered::Nothing));
    }
}

#[test]
fn a_run_that_was_killed_before_its_record_is_finished() {
    let mut host = Host::new();
    host.configure(&["a", "bad"]);
    let systemd = Rules::new(&host);
    let site = host.site(&systemd);
    let image = host.image("a", "1");
    apply(&site, &[switch("a", Some(&image))], RefreshPolicy::Never).unwrap();
    let change = Change {
        name: "a".parse().unwrap(),
        from: None,
        to: Some(host.target(&image)),
        displaced: Vec::new(),
    };
    let mut journal = Journal::new(
        root_id(&host.root),
        Activation::Etc,
        site.now,
        2,
        vec![change],
    );
    journal.phase = Phase::Done;
    let quarantined = Quarantined {
        name: "bad".parse().unwrap(),
        version: Some("7".parse().unwrap()),
        reason: "it can not be mounted".to_owned(),
    };
    journal.quarantined.push(quarantined.clone());
    journal.write(&host.store).unwrap();
    let recovered = recover(&site).unwrap();
    assert!(
        matches!(recovered, Recovered::Finished { transaction: 2, .. }),
        "{recovered:?}"
    );
    assert_eq!(host.skipped("bad"), ["7"]);
    let history = history::read(&host.store).unwrap();
    assert_eq!(
        history.transactions[1].changes,
        history.transactions[0].changes
    );
    assert_eq!(history.transactions[1].quarantined, [quarantined]);
    assert_eq!(host.links().len(), 1);
}

#[test]
fn what_somebody_changed_meanwhile_is_left_and_a_lost_image_is_not_linked_again() {
    let host = Host::new();
    let systemd = Rules::new(&host);
    let site = host.site(&systemd);
    let olds: Vec<_> = ["a", "b"].map(|name| host.image(name, "1")).into();
    let news: Vec<_> = ["a", "b"].map(|name| host.image(name, "2")).into();
    let changes = olds.iter().zip(&news).map(|(old, new)| Change {
        name: old.stored().extension.clone(),
        from: Some(host.target(old)),
        to: Some(host.target(new)),
        displaced: Vec::new(),
    });
    let journal = Journal::new(
        root_id(&host.root),
        Activation::Etc,
        site.now,
        1,
        changes.collect(),
    );
    journal.write(&host.store).unwrap();
    let directory = Dir::create_all(&host.scratch.path("etc/extensions"), 0o755).unwrap();
    directory
        .symlink("a.raw", Path::new("/elsewhere.raw"))
        .unwrap();
    directory.symlink("b.raw", &host.target(&news[1])).unwrap();
    host.store.remove(&olds[1].stored().sha256).unwrap();
    let Recovered::Undone {
        links,
        left,
        dropped,
        ..
    } = recover(&site).unwrap()
    else {
        panic!("not undone");
    };
    assert_eq!(
        (links.len(), left[0].as_str(), dropped[0].as_str()),
        (0, "a", "b")
    );
    assert_eq!(
        host.links(),
        BTreeMap::from([("a.raw".into(), "/elsewhere.raw".into())])
    );
}

#[test]
fn a_broken_journal_is_set_aside_and_another_roots_is_left() {
    let host = Host::new();
    let systemd = Rules::new(&host);
    let site = host.site(&systemd);
    let image = host.image("a", "1");
    let directory = host.root.store().join("journal");
    let name = format!("{}.json", root_id(&host.root));
    let good = {
        let change = Change {
            name: "a".parse().unwrap(),
            from: None,
            to: Some("/etc/passwd".into()),
            displaced: Vec::new(),
        };
        Journal::new(
            root_id(&host.root),
            Activation::Etc,
            site.now,
            1,
            vec![change],
        )
    };
    good.write(&host.store).unwrap();
    let outside = std::fs::read(directory.join(&name)).unwrap();
    for content in [&b""[..], b"{", b"{\"schema\": 2}", &outside] {
        std::fs::write(directory.join(&name), content).unwrap();
        std::fs::write(directory.join("snapshot-7.json"), b"theirs").unwrap();
        let Recovered::SetAside { path, .. } = recover(&site).unwrap() else {
            panic!("taken: {content:?}");
        };
        assert_eq!(std::fs::read(path).unwrap(), content);
        assert_eq!(
            std::fs::read(directory.join("snapshot-7.json")).unwrap(),
            b"theirs"
        );
        assert!(!directory.join(&name).exists());
        apply(&site, &[switch("a", Some(&image))], RefreshPolicy::Never).unwrap();
    }
    // A journal in our place that says it is another root's is not ours to follow.
    let mut foreign = good;
    foreign.root = serde_json::from_str::<RootId>("\"snapshot-7\"").unwrap();
    foreign.changes.clear();
    foreign.write(&host.store).unwrap();
    std::fs::rename(directory.join("snapshot-7.json"), directory.join(&name)).unwrap();
    assert!(matches!(
        recover(&site).unwrap(),
        Recovered::SetAside { .. }
    ));
}

#[test]
fn two_stores_agree_on_what_is_theirs() {
    let host = Host::new();
    let other = Root::new(
        host.scratch.root().to_owned(),
        Some(host.scratch.path("srv/store")),
    );
    let systemd = Rules::new(&host);
    let image = host.image("a", "1");
    apply(
        &host.site(&systemd),
        &[switch("a", Some(&image))],
        RefreshPolicy::Never,
    )
    .unwrap();
    Store::create(&other).unwrap();
    let states = links(&other, Activation::Etc).unwrap();
    assert!(
        matches!(states[0].kind, LinkKind::Foreign { .. }),
        "{states:?}"
    );
}

#[test]
fn a_history_with_a_broken_record_is_read_without_it() {
    let host = Host::new();
    let systemd = Rules::new(&host);
    let site = host.site(&systemd);
    let (one, two) = (host.image("a", "1"), host.image("a", "2"));
    for image in [&one, &two, &one] {
        apply(&site, &[switch("a", Some(image))], RefreshPolicy::Never).unwrap();
    }
    let directory = host.root.store().join("history");
    std::fs::write(directory.join("00000002.json"), b"{").unwrap();
    let history = history::read(&host.store).unwrap();
    assert_eq!((history.transactions.len(), history.broken.len()), (2, 1));
    assert_eq!(history::next_number(&host.store).unwrap(), 4);
}
