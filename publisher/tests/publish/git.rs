//! A catalog on a branch of a real repository: the push is the compare-and-swap.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::Vendor;
use crate::hosts::{Host, Memory};

/// Runs git; what it printed.
fn git(directory: &Path, words: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(directory)
        .args([
            "-c",
            "user.name=Vendor",
            "-c",
            "user.email=vendor@example.org",
        ])
        .args(words)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {words:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// A vendor's repository with a remote, and a catalog of `hello` on the branch `pages` of it.
struct OnBranch {
    vendor: Vendor,
    remote: PathBuf,
}

impl OnBranch {
    fn new() -> Self {
        let vendor = Vendor::new();
        let remote = vendor.path("remote.git");
        git(
            &vendor.path("."),
            &["init", "--quiet", "--bare", remote.to_str().unwrap()],
        );
        clone(&vendor, &remote);
        let run = vendor.run(&[
            "init",
            "git:pages",
            "--id",
            "acme",
            "--url",
            "https://sysext.example",
            "--extension",
            "hello",
            "--unencrypted",
        ]);
        run.ends(0).prints("git:pages");
        Self { vendor, remote }
    }

    /// Another clone, with the same keys and configuration.
    fn colleague(&self) -> Vendor {
        let other = Vendor::new();
        clone(&other, &self.remote);
        for folder in ["keys/ci", "keys/offline"] {
            std::fs::create_dir_all(other.path(folder)).unwrap();
        }
        for (path, bytes) in self.vendor.files("keys") {
            other.write_secret(&format!("keys/{path}"), &bytes);
        }
        for path in ["sysext-publish.toml", "root.json"] {
            other.write(path, &self.vendor.read(path));
        }
        other
    }

    /// Everything that the branch ever was, oldest first, as a host sees it that looked each time.
    fn every_state_verifies(&self) -> usize {
        let published = self.vendor.path("seen");
        let mut host = Host::new(&published, &self.vendor.read("root.json"), Memory::Kept);
        let commits = git(&self.remote, &["rev-list", "--reverse", "pages"]);
        // The first one is empty.
        let commits: Vec<_> = commits.lines().skip(1).collect();
        for commit in &commits {
            let _ = std::fs::remove_dir_all(&published);
            std::fs::create_dir(&published).unwrap();
            let archive = self.vendor.path("state.tar");
            let archive = archive.to_str().unwrap();
            git(&self.remote, &["archive", "--output", archive, commit]);
            let status = Command::new("tar")
                .args(["-x", "-f", archive, "-C"])
                .arg(&published)
                .status();
            assert!(status.unwrap().success());
            host.look();
        }
        commits.len()
    }

    fn files(&self) -> Vec<String> {
        let text = git(&self.remote, &["ls-tree", "-r", "--name-only", "pages"]);
        text.lines().map(str::to_owned).collect()
    }
}

fn clone(vendor: &Vendor, remote: &Path) {
    let here = vendor.path(".");
    git(&here, &["init", "--quiet", "--initial-branch=main"]);
    git(
        &here,
        &["remote", "add", "origin", remote.to_str().unwrap()],
    );
    vendor.write("README", b"mine\n");
    git(&here, &["add", "README"]);
    git(&here, &["commit", "--quiet", "--message", "mine"]);
}

#[test]
fn a_branch_is_published_to_and_nothing_else_is_touched() {
    let on = OnBranch::new();
    let image = on.vendor.image("hello", "1.0");
    let here = on.vendor.path(".");
    let state = || (git(&here, &["branch", "-v"]), git(&here, &["diff", "HEAD"]));
    let before = state();
    on.vendor.run(&["add", &image]).ends(0);
    on.vendor
        .run(&["add", &image])
        .ends(0)
        .prints("nothing to do");
    on.vendor.run(&["renew"]).ends(0);
    on.vendor.run(&["verify", "--all"]).ends(0);
    let files = on.files();
    for file in [
        "catalog.toml",
        "metadata/timestamp.json",
        "images/hello_1.0_noarch.raw",
        ".nojekyll",
    ] {
        assert!(files.iter().any(|name| name == file), "{files:?}");
    }
    assert!(
        !files
            .iter()
            .any(|name| name.contains(".sysext-publish") || name.contains(".tmp-"))
    );
    assert_eq!(state(), before);
    assert_eq!(git(&here, &["worktree", "list"]).lines().count(), 1);
    // Where the root comes last there are two pushes; a host may see what is between them.
    on.vendor
        .run(&["key", "generate", "--unencrypted", "keys/new.pem"])
        .ends(0);
    on.vendor
        .run(&[
            "key",
            "replace",
            "--for",
            "online",
            "--key",
            "file:keys/new.pem",
        ])
        .ends(0);
    on.vendor.run(&["verify", "--all"]).ends(0);
    assert!(on.every_state_verifies() >= 4);
}

#[test]
fn of_two_pushers_at_once_the_loser_starts_over() {
    let on = OnBranch::new();
    let other = on.colleague();
    for round in 1..=5 {
        let start = |vendor: &Vendor, patch: u32| {
            let image = vendor.image("hello", &format!("{round}.{patch}"));
            let mut command = vendor.command(&["--quiet", "add", &image]);
            let command = command.stdout(Stdio::null()).stderr(Stdio::piped());
            command.spawn().unwrap()
        };
        let children = [start(&on.vendor, 1), start(&other, 2)];
        for child in children {
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{said}");
        }
    }
    let files = on.files();
    for round in 1..=5 {
        for patch in 1..=2 {
            let image = format!("images/hello_{round}.{patch}_noarch.raw");
            assert!(files.contains(&image), "{image} is lost: {files:?}");
        }
    }
    on.vendor.run(&["verify", "--all"]).ends(0);
    // Ten images, one push each, after the first one.
    assert_eq!(on.every_state_verifies(), 11);
}

#[test]
fn the_page_is_a_commit_of_its_own_and_only_when_it_differs() {
    let on = OnBranch::new();
    let commits = || git(&on.remote, &["rev-list", "--count", "pages"]);
    let image = on.vendor.image("hello", "1.0");
    on.vendor.run(&["add", &image]).ends(0);
    let before = commits();
    on.vendor
        .run(&["site", "--dry-run"])
        .ends(0)
        .prints("would be written");
    assert_eq!(commits(), before);
    on.vendor
        .run(&["site"])
        .ends(0)
        .prints("git:pages/index.html: 1 extension,");
    assert!(on.files().contains(&"index.html".to_owned()));
    let after = commits();
    assert_ne!(after, before);
    on.vendor.run(&["site"]).ends(0).prints("nothing to do");
    assert_eq!(commits(), after);
    on.vendor.run(&["verify", "--all"]).ends(0);
    on.every_state_verifies();
}

#[test]
fn a_page_that_loses_a_race_shows_what_the_winner_published() {
    let on = OnBranch::new();
    let other = on.colleague();
    for round in 1..=3 {
        let image = other.image("hello", &format!("{round}.0"));
        let start = |mut command: Command| {
            let command = command.stdout(Stdio::null()).stderr(Stdio::piped());
            command.spawn().unwrap()
        };
        let children = [
            start(other.command(&["--quiet", "add", &image])),
            start(on.vendor.command(&["--quiet", "site"])),
        ];
        for child in children {
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{said}");
        }
        on.vendor.run(&["site"]).ends(0);
        let page = git(&on.remote, &["show", "pages:index.html"]);
        assert!(
            page.contains(&format!("hello_{round}.0_noarch.raw")),
            "{page}"
        );
        let image = format!("images/hello_{round}.0_noarch.raw");
        assert!(on.files().contains(&image), "{image} is lost");
    }
    on.vendor.run(&["verify", "--all"]).ends(0);
}

#[test]
fn what_is_pruned_leaves_the_branch_with_a_commit_of_its_own_and_an_add_meanwhile_wins() {
    let on = OnBranch::new();
    let images = ["1", "2"].map(|version| on.vendor.image("hello", version));
    on.vendor.run(&["add", &images[0], &images[1]]).ends(0);
    on.vendor.run(&["prune", "--keep", "1"]).ends(0);
    let file = "images/hello_1_noarch.raw".to_owned();
    assert!(on.files().contains(&file));
    // As if it were thirty days ago.
    let backdate = || {
        let work = on.vendor.path("work");
        let (here, to) = (on.vendor.path("."), work.to_str().unwrap().to_owned());
        git(&here, &["fetch", "--quiet", "origin", "pages"]);
        git(
            &here,
            &["worktree", "add", "--quiet", "--detach", &to, "FETCH_HEAD"],
        );
        let record = std::fs::read_to_string(work.join("pruned.json")).unwrap();
        let year = record.find("since\": \"").unwrap() + 9;
        let backdated = record.replace(&record[year..year + 4], "2020");
        std::fs::write(work.join("pruned.json"), backdated).unwrap();
        git(
            &work,
            &["commit", "--quiet", "--all", "--message", "long ago"],
        );
        git(&work, &["push", "--quiet", "origin", "HEAD:pages"]);
        git(&here, &["worktree", "remove", "--force", &to]);
    };
    backdate();
    let commits = || git(&on.remote, &["rev-list", "--count", "pages"]);
    let before = commits();
    on.vendor
        .run(&["prune", "--dry-run"])
        .ends(0)
        .prints("would delete images/hello_1_noarch.raw");
    assert_eq!(commits(), before);
    on.vendor
        .run(&["prune"])
        .ends(0)
        .prints("deleted images/hello_1_noarch.raw");
    assert_ne!(commits(), before);
    let files = on.files();
    assert!(!files.contains(&file), "{files:?}");
    assert!(files.contains(&"metadata/1.root.json".to_owned()));
    on.vendor.run(&["verify", "--all"]).ends(0);

    let other = on.colleague();
    for _ in 0..3 {
        on.vendor.run(&["add", &images[0]]).ends(0);
        on.vendor.run(&["prune", "--keep", "1"]).ends(0);
        backdate();
        let start = |vendor: &Vendor, words: &[&str]| {
            let mut command = vendor.command(words);
            let command = command.stdout(Stdio::null()).stderr(Stdio::piped());
            command.spawn().unwrap()
        };
        let children = [
            start(&on.vendor, &["--quiet", "prune"]),
            start(&other, &["--quiet", "add", &images[0]]),
        ];
        for child in children {
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{said}");
        }
        assert!(on.files().contains(&file), "its index is there, so it is");
        on.vendor.run(&["verify", "--all"]).ends(0);
    }
}

#[test]
fn what_is_not_there_is_named() {
    let on = OnBranch::new();
    let image = on.vendor.image("hello", "1.0");
    on.vendor
        .edit("sysext-publish.toml", "git:pages", "git:elsewhere");
    on.vendor
        .run(&["add", &image])
        .ends(4)
        .says(&["git:elsewhere is not there"]);
    std::fs::remove_dir_all(&on.remote).unwrap();
    on.vendor
        .run(&["add", &image])
        .ends(5)
        .says(&["git ls-remote", "remote.git"]);
    std::fs::remove_dir_all(on.vendor.path(".git")).unwrap();
    on.vendor
        .run(&["add", &image])
        .ends(5)
        .says(&["not a git repository"]);
}
