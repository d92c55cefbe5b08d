//! Bytes that are on this host already. That they share their blocks where the file system can is tried on btrfs, in
//! `ci/e2e/60-tukit.sh`.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;

use sysext_fetch::stage::{StageError, StagedImage, Wanted, stage};
use sysext_fetch::transport::{Method, Silent};
use sysext_formats::catalog::Image;
use test_repos::fault_server::{Behaviour, Times};

use crate::host::{Host, large};

fn stage_with(host: &Host, image: &Image, files: &[&[u8]]) -> Result<StagedImage, StageError> {
    let open = |(number, bytes): (usize, &&[u8])| {
        let path = host.scratch.path(&format!("local-{number}"));
        fs::write(&path, bytes).unwrap();
        File::open(path).unwrap()
    };
    let local: Vec<_> = files.iter().enumerate().map(open).collect();
    let wanted = Wanted {
        extension: &image.file.extension().unwrap(),
        catalog: &"vendor".parse().unwrap(),
        image,
        bases: &host.bases,
        local: &local,
    };
    stage(&host.store, &host.fetcher, &wanted, &Silent)
}

#[test]
fn what_is_written_to_the_other_file_later_does_not_reach_the_store() {
    let host = Host::new();
    let (image, bytes) = (host.publish(&large("1")), large("1").build());
    let staged = stage_with(&host, &image, &[&bytes]).unwrap();
    assert_eq!((staged.method(), staged.fetched()), (Method::Copy, 0));
    assert!(host.server.requests().is_empty());
    let (ours, theirs) = (host.path(&image), host.scratch.path("local-0"));
    let about = fs::metadata(&ours).unwrap();
    assert_ne!(about.ino(), fs::metadata(&theirs).unwrap().ino());
    assert_eq!((about.nlink(), about.mode() & 0o777), (1, 0o644));
    fs::write(&theirs, "something else").unwrap();
    assert_eq!(fs::read(ours).unwrap(), bytes);
}

#[test]
fn other_bytes_are_passed_by_and_leave_nothing() {
    let host = Host::new();
    let (image, bytes) = (host.publish(&large("1")), large("1").build());
    let mut other = bytes.clone();
    other[1000] ^= 1;
    let staged = stage_with(&host, &image, &[&other, &bytes[1..], &bytes]).unwrap();
    assert_eq!((staged.method(), staged.fetched()), (Method::Copy, 0));
    let host = Host::new();
    let image = host.publish(&large("1"));
    let staged = stage_with(&host, &image, &[&other]).unwrap();
    assert_eq!(staged.method(), Method::Raw);
    let entry = format!("store/{}", image.sha256);
    assert_eq!(host.list(&entry), ["facts.json", "k3s_1_noarch.raw"]);
    assert_eq!(fs::read(host.path(&image)).unwrap(), bytes);
}

#[test]
fn files_of_another_length_make_nothing_in_the_store() {
    let host = Host::new();
    let (image, bytes) = (host.publish(&large("1")), large("1").build());
    let broken = Behaviour::Status {
        code: 404,
        retry_after: None,
    };
    host.server.behave("*", Times::Always, broken);
    stage_with(&host, &image, &[&bytes[1..]]).unwrap_err();
    assert_eq!(host.list("store"), [""; 0]);
}

#[test]
fn what_came_before_a_run_was_killed_is_not_fetched_again() {
    let host = Host::new();
    let (image, bytes) = (host.publish(&large("1")), large("1").build());
    let facts = host.path(&image).with_file_name("facts.json");
    drop(host.stage(&image).unwrap());
    for left in [None, Some("{"), Some("")] {
        match left {
            Some(text) => fs::write(&facts, text).unwrap(),
            None => fs::remove_file(&facts).unwrap(),
        }
        host.server.clear_log();
        let staged = host.stage(&image).unwrap();
        assert_eq!(
            (staged.method(), staged.attempts()),
            (Method::Store, [].as_slice())
        );
        assert!(host.server.requests().is_empty());
        assert_eq!(host.store.images().unwrap().images.len(), 1);
    }
    // Other bytes are: they come anew.
    fs::remove_file(&facts).unwrap();
    let mut other = bytes.clone();
    other[1000] ^= 1;
    fs::write(host.path(&image), other).unwrap();
    assert_eq!(host.stage(&image).unwrap().method(), Method::Raw);
    assert_eq!(fs::read(host.path(&image)).unwrap(), bytes);
}
