//! Two publishers at once, a hundred times, while hosts read.
//!
//! The readers are what a host is: TUF's workflow over the published folder, from a root that was pinned before the
//! first change. One forgets everything after each look, the other remembers as a host does and so notices what goes
//! back. Each state that they saw must verify, down to the bytes of its images.

use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::common::Vendor;
use crate::hosts::{Host, Memory};

/// A hundred rounds, in catalogs that stay small: what a round costs grows with the index, and shows nothing more.
const CATALOGS: usize = 4;
const ROUNDS: usize = 25;

#[test]
fn two_that_publish_at_once_a_hundred_times_lose_nothing_and_readers_verify_every_state() {
    for _ in 0..CATALOGS {
        publish_and_read(&Vendor::with_catalog());
    }
}

/// Each kind of key, while its old one still signs.
const OFFICES: [&str; 4] = ["online", "release", "hello", "root"];

#[test]
fn an_image_published_while_keys_change_is_there_and_readers_verify_every_state() {
    let vendor = Vendor::with_catalog();
    read_while(&vendor, || {
        let mut expected = Vec::new();
        for (round, office) in OFFICES.iter().cycle().take(16).enumerate() {
            let file = format!("keys/{round}.pem");
            vendor
                .run(&["key", "generate", "--unencrypted", &file])
                .ends(0);
            let image = vendor.image("hello", &round.to_string());
            let source = format!("file:{file}");
            let mut words = vec![
                "--quiet", "key", "replace", "--for", office, "--key", &source,
            ];
            if *office == "root" {
                words = vec!["--quiet", "key", "add", "--for", office, "--key", &source];
            }
            let children = [add(&vendor, &image), start(&vendor, &words)];
            for child in children {
                succeeds(child);
            }
            expected.push(image.rsplit('/').next().unwrap().to_owned());
        }
        expected.sort();
        expected
    });
}

fn publish_and_read(vendor: &Vendor) {
    read_while(vendor, || publish_all(vendor));
}

/// Reads all the time while images are published, whose names are what `publish` returns.
fn read_while(vendor: &Vendor, publish: impl FnOnce() -> Vec<String>) {
    let pinned = vendor.read("root.json");
    let published = vendor.path("public");
    let done = AtomicBool::new(false);
    let (seen, expected) = std::thread::scope(|scope| {
        let readers = [Memory::Kept, Memory::Forgotten].map(|memory| {
            let mut host = Host::new(&published, &pinned, memory);
            let done = &done;
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    host.look();
                    // The processors are for the publishers; a round takes a hundred times as long.
                    std::thread::sleep(Duration::from_millis(2));
                }
                // The last state too.
                host.look();
                host
            })
        });
        let expected = Done(&done).after(publish);
        let seen = readers.map(|reader| reader.join().unwrap());
        (seen, expected)
    });
    assert_eq!(vendor.images("hello"), expected);
    for host in seen {
        assert_eq!(host.images, expected.len());
        let states = host.states;
        let least = expected.len() / 2;
        assert!(states > least, "{states} states are none of those between");
    }
    vendor.run(&["verify", "--all"]).ends(0);
    let left = |name: &String| name.contains(".tmp-");
    assert!(
        !vendor.published().keys().any(left),
        "nothing temporary is left"
    );
}

/// Publishes two images at once in each round; the names of all of them, sorted.
fn publish_all(vendor: &Vendor) -> Vec<String> {
    let mut expected = Vec::new();
    for round in 0..ROUNDS {
        let versions = [format!("{round}.1"), format!("{round}.2")];
        let images = versions.map(|version| vendor.image("hello", &version));
        let children = images.each_ref().map(|image| add(vendor, image));
        for child in children {
            succeeds(child);
        }
        let names = images.map(|path| path.rsplit('/').next().unwrap().to_owned());
        // Each time, not only in the end: a lost image could come back with a later round.
        let there = vendor.images("hello");
        assert!(
            names.iter().all(|name| there.contains(name)),
            "round {round}: {names:?} are not both in {there:?}"
        );
        expected.extend(names);
    }
    expected.sort();
    expected
}

fn add(vendor: &Vendor, image: &str) -> Child {
    start(vendor, &["--quiet", "add", "--zstd-level", "1", image])
}

fn start(vendor: &Vendor, words: &[&str]) -> Child {
    let mut command = vendor.command(words);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn succeeds(child: Child) {
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// Tells the readers to end, also when publishing panics.
struct Done<'a>(&'a AtomicBool);

impl Done<'_> {
    fn after<T>(self, work: impl FnOnce() -> T) -> T {
        work()
    }
}

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
