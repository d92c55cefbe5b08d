//! A disk with no room left, and one that can not be written.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use crate::disk::Disk;
use crate::end_state::{End, Expected, Look};
use crate::scene::{CASES, talk};

const BLOCK: u64 = 4096;
/// More than an `update` of the scene writes.
const ENOUGH: u64 = 1000;

/// Writes a file until nothing fits any more, and gives `room` bytes back.
fn fill(path: &Path, room: u64) {
    let mut file = fs::File::create(path).unwrap();
    while file.write_all(&[1; 4096]).is_ok() {}
    let length = file.metadata().unwrap().len();
    file.set_len(length.saturating_sub(room)).unwrap();
    // The file system frees what was given back only then.
    file.sync_all().unwrap();
}

#[test]
#[ignore = "wants root rights: ci/checks/crashes"]
fn full_disk_fails_the_command_and_loses_nothing() {
    let (disk, scene) = Disk::with_scene(&["mkfs.ext4", "-q", "-b", "4096"], 16 << 20);
    let update = CASES.iter().find(|case| case.name == "update").unwrap();
    let expected = Expected::of(&scene, update);
    let filler = scene.host().join("filler");
    let (mut failed, mut wrong) = (0, Vec::new());
    for room in (0..ENOUGH).step_by(25) {
        scene.set(update);
        disk.sync();
        fill(&filler, room * BLOCK);
        let output = scene.command(update).output().unwrap();
        fs::remove_file(&filler).unwrap();
        let end = if output.status.success() {
            End::Done
        } else {
            End::Failed
        };
        if end == End::Failed {
            failed += 1;
            let said = talk(&output);
            if !said.contains("No space left on device") && !said.contains(" are free") {
                wrong.push(format!("with {room} blocks free it says {said}"));
            }
        }
        if let Err(reason) = expected.check(&scene, update, end) {
            wrong.push(format!("with {room} blocks free: {reason}"));
        }
    }
    println!(
        "{failed} of {} runs had too little room",
        ENOUGH.div_ceil(25)
    );
    assert!((4..ENOUGH / 25).contains(&failed), "{failed}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[ignore = "wants root rights: ci/checks/crashes"]
fn read_only_disk_fails_every_command_that_changes_and_no_other() {
    let (disk, scene) = Disk::with_scene(&["mkfs.ext4", "-q", "-b", "4096"], 16 << 20);
    let update = CASES.iter().find(|case| case.name == "update").unwrap();
    for case in &CASES {
        scene.set(case);
        disk.remount("ro");
        let before = Look::at(scene.host());
        let output = scene.command(case).output().unwrap();
        let said = talk(&output);
        // The boot guard never fails the boot.
        let expected = if case.name == "boot" { 0 } else { 1 };
        assert_eq!(
            output.status.code(),
            Some(expected),
            "{}: {said}",
            case.name
        );
        assert!(
            said.contains("Read-only file system"),
            "{}: {said}",
            case.name
        );
        assert_eq!(Look::at(scene.host()), before, "{}", case.name);
        for arguments in [
            ["--offline", "status"],
            ["--offline", "why"],
            ["--offline", "history"],
        ] {
            let mut arguments = arguments.to_vec();
            if arguments[1] == "why" {
                arguments.push("hello");
            }
            let output = scene.run(&arguments);
            let fine = case.name == "catalog-add" || matches!(output.status.code(), Some(0 | 5));
            assert!(fine, "{arguments:?}: {}", talk(&output));
        }
        disk.remount("rw");
    }
    let expected = Expected::of(&scene, update);
    scene.set(update);
    expected.check(&scene, update, End::Failed).unwrap();
}
