//! What a host must be like after an interruption, after the next run, and in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use sysext_formats::digest::Sha256Digest;

use crate::scene::{Case, Scene, talk};

/// What of a host counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Look {
    links: BTreeMap<String, PathBuf>,
    /// The lines of each file, without comments, which hold times.
    wishes: BTreeMap<PathBuf, Vec<String>>,
    images: BTreeSet<String>,
}

impl Look {
    pub(crate) fn at(root: &Path) -> Self {
        let links = entries(&root.join("etc/extensions"))
            .into_iter()
            .filter(|name| !name.starts_with(".tmp-"))
            .map(|name| {
                let target = fs::read_link(root.join("etc/extensions").join(&name)).unwrap();
                (name, target)
            })
            .collect();
        let mut wishes = BTreeMap::new();
        each_file(&root.join("etc/sysext-fetch"), &mut |path| {
            if !path.to_string_lossy().contains(".tmp-") {
                let text = fs::read_to_string(path).unwrap();
                let lines = text
                    .lines()
                    .filter(|line| !line.trim_start().starts_with('#'));
                wishes.insert(path.to_owned(), lines.map(str::to_owned).collect());
            }
        });
        let store = root.join("var/lib/sysext-fetch/store");
        let images = entries(&store)
            .into_iter()
            .filter(|name| store.join(name).join("facts.json").exists())
            .collect();
        Self {
            links,
            wishes,
            images,
        }
    }
}

/// How an interrupted command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Killed, or cut off from power.
    Killed,
    /// It said that something failed.
    Failed,
    /// It said that all was done.
    Done,
}

/// A case with what the host is before and after it, when nobody interrupts.
pub(crate) struct Expected {
    before: Look,
    after: Look,
}

impl Expected {
    pub(crate) fn of(scene: &Scene, case: &Case) -> Self {
        scene.set(case);
        let before = Look::at(scene.host());
        let output = scene.command(case).output().unwrap();
        assert!(output.status.success(), "{}: {}", case.name, talk(&output));
        let after = Look::at(scene.host());
        Self { before, after }
    }

    /// What is wrong with the host after the command ended so.
    pub(crate) fn check(&self, scene: &Scene, case: &Case, end: End) -> Result<(), String> {
        let root = scene.host();
        if case.name != "verify-repair" {
            links_are_whole(root)?;
        }
        if end == End::Done && !self.is_done(case, &Look::at(root)) {
            return Err("it said that it was done, and it is not".to_owned());
        }
        // Who only looks is not in anybody's way.
        let output = scene.run(&["--offline", "status"]);
        if !matches!(output.status.code(), Some(0 | 5)) {
            return Err(format!("status: {}", talk(&output)));
        }
        // The next run, which wants something else.
        must(scene, &["--offline", "gc", "--keep", "5"])?;
        let look = Look::at(root);
        // What fails for one extension fails for it alone. What the boot guard left half done it does again before
        // anything is merged.
        let may_be_parted = end == End::Failed || case.name == "boot";
        let is_either = look.links == self.before.links || look.links == self.after.links;
        if !is_either && !may_be_parted {
            return Err(format!("half of the links: {:?}", look.links));
        }
        if !entries(&root.join("var/lib/sysext-fetch/journal")).is_empty() {
            return Err("the journal is still there".to_owned());
        }
        // And the command again, for what was not done.
        if case.again || look.links != self.after.links {
            let output = scene.command(case).output().unwrap();
            if !output.status.success() {
                return Err(format!("again: {}", talk(&output)));
            }
        }
        let last = Look::at(root);
        if !self.is_done(case, &last) {
            return Err(format!("in the end {last:?}, not {:?}", self.after));
        }
        links_are_whole(root)?;
        must(scene, &["--offline", "gc", "--keep", "5"])?;
        must(scene, &["--offline", "history"])?;
        must(scene, &["--offline", "verify"])?;
        nothing_is_left(root)
    }
}

impl Expected {
    /// Images that nothing links count where the command is about them: a repair may well drop one that it can not read.
    fn is_done(&self, case: &Case, look: &Look) -> bool {
        let after = &self.after;
        let is_linked = (&look.links, &look.wishes) == (&after.links, &after.wishes);
        is_linked && (case.name != "gc" || look.images == after.images)
    }
}

fn must(scene: &Scene, arguments: &[&str]) -> Result<(), String> {
    let output = scene.run(arguments);
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("{arguments:?}: {}", talk(&output)))
    }
}

/// Every link leads to an image, and to all of its bytes.
fn links_are_whole(root: &Path) -> Result<(), String> {
    let links = Look::at(root).links.into_iter();
    for (name, target) in links.filter(|(_, target)| target.starts_with("/var/lib/sysext-fetch")) {
        let path = root.join(target.strip_prefix("/").unwrap());
        let digest = path.parent().and_then(Path::file_name).unwrap();
        let bytes = fs::read(&path).map_err(|error| format!("{name} leads nowhere: {error}"))?;
        if Sha256Digest::of(&bytes).to_string() != *digest.to_string_lossy() {
            return Err(format!("{name} leads to other bytes than were signed"));
        }
    }
    Ok(())
}

fn nothing_is_left(root: &Path) -> Result<(), String> {
    let mut left = Vec::new();
    for directory in ["etc", "run", "var"] {
        each_file(&root.join(directory), &mut |path| {
            if path.to_string_lossy().contains(".tmp-") {
                left.push(path.to_owned());
            }
        });
    }
    if left.is_empty() {
        Ok(())
    } else {
        Err(format!("temporary files are left: {left:?}"))
    }
}

fn entries(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

fn each_file(directory: &Path, visit: &mut impl FnMut(&Path)) {
    for name in entries(directory) {
        let path = directory.join(name);
        if path.symlink_metadata().unwrap().is_dir() {
            each_file(&path, visit);
        } else {
            visit(&path);
        }
    }
}
