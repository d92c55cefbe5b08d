//! The power goes at every checkpoint of a command, and after its end: what was synced is all that is left. On btrfs,
//! where a sync of one file says nothing about any other.

use crate::checkpoints::stop_at;
use crate::disk::Disk;
use crate::end_state::{End, Expected};
use crate::scene::{CASES, Case, Scene};

const BYTES: u64 = 128 << 20;

/// Every checkpoint of a command: how many there are, and what was wrong afterwards.
fn sweep(disk: &Disk, scene: &Scene, case: &Case, left_out: Option<&str>) -> (usize, Vec<String>) {
    let expected = Expected::of(scene, case);
    let mut wrong = Vec::new();
    for number in 1.. {
        scene.set(case);
        disk.sync();
        let stopped = stop_at(scene, case, number, left_out);
        let (end, place) = match &stopped {
            Some(stopped) => (End::Killed, stopped.place.clone()),
            None => (End::Done, "its end".to_owned()),
        };
        disk.cut(stopped);
        if let Err(reason) = expected.check(scene, case, end) {
            wrong.push(format!("{} at {place} ({number}): {reason}", case.name));
        }
        if end == End::Done {
            return (number - 1, wrong);
        }
    }
    unreachable!("a command comes to its end")
}

#[test]
#[ignore = "wants root rights and btrfs-progs: ci/checks/crashes"]
fn power_cut_at_any_checkpoint_leaves_a_host_that_the_next_run_puts_right() {
    let (disk, scene) = Disk::with_scene(&["mkfs.btrfs", "--quiet"], BYTES);
    let mut wrong = Vec::new();
    for case in &CASES {
        let (points, found) = sweep(&disk, &scene, case, None);
        println!("{:14} {points} cuts and one after its end", case.name);
        wrong.extend(found);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The test bites: without the sync of directories, what was said to be done is lost.
#[test]
#[ignore = "wants root rights and btrfs-progs: ci/checks/crashes"]
fn power_cut_without_directory_syncs_is_noticed() {
    let (disk, scene) = Disk::with_scene(&["mkfs.btrfs", "--quiet"], BYTES);
    let update = CASES.iter().find(|case| case.name == "update").unwrap();
    let (_, wrong) = sweep(&disk, &scene, update, Some("directory-sync"));
    println!("{}", wrong.join("\n"));
    assert!(
        wrong
            .iter()
            .any(|line| line.contains("said that it was done"))
    );
}
