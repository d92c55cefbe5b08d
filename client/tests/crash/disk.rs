//! A small disk of the host's own: a file behind a loop device. Wants root rights; `ci/checks/crashes` gives the test a
//! mount namespace, so that nothing stays mounted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::checkpoints::Stopped;
use crate::scene::Scene;

pub(crate) struct Disk {
    image: PathBuf,
    at: PathBuf,
}

impl Disk {
    /// A scene whose host lies on a new disk with this file system.
    pub(crate) fn with_scene(mkfs: &[&str], bytes: u64) -> (Self, Scene) {
        let base = tempfile::TempDir::with_prefix("crash-").unwrap();
        let (image, at) = (base.path().join("disk"), base.path().join("host"));
        fs::File::create(&image).unwrap().set_len(bytes).unwrap();
        fs::create_dir(&at).unwrap();
        run(mkfs, &[&image]);
        let disk = Self { image, at };
        disk.mount();
        (disk, Scene::at(base))
    }

    fn mount(&self) {
        // What is not synced stays in memory for as long as a test takes.
        run(
            &["mount", "-o", "loop,commit=300"],
            &[&self.image, &self.at],
        );
    }

    /// What a host has written is durable.
    pub(crate) fn sync(&self) {
        run(&["sync", "--file-system"], &[&self.at]);
    }

    /// The power goes while a command is stopped, or after its end: what was not synced is lost. The host is up again
    /// afterwards.
    pub(crate) fn cut(&self, stopped: Option<Stopped>) {
        let copy = self.image.with_extension("cut");
        run(&["cp", "--sparse=always"], &[&self.image, &copy]);
        if let Some(stopped) = stopped {
            stopped.kill();
        }
        run(&["umount"], &[&self.at]);
        fs::rename(copy, &self.image).unwrap();
        self.mount();
    }

    pub(crate) fn remount(&self, how: &str) {
        run(&["mount", "-o", &format!("remount,{how}")], &[&self.at]);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run(&["umount"], &[&self.at]);
    }
}

fn run(words: &[&str], paths: &[&Path]) {
    let output = Command::new(words[0])
        .args(&words[1..])
        .args(paths)
        .output()
        .unwrap();
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?} {paths:?}: {talk}");
}
