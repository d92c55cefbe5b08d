//! Killed at every checkpoint of every command.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::{Child, Stdio};

use rustix::process::{Pid, WaitOptions, waitpid};

use crate::end_state::{End, Expected};
use crate::scene::{CASES, Case, Scene};

/// A command that stands at a checkpoint.
pub(crate) struct Stopped {
    child: Child,
    /// The name of the checkpoint.
    pub(crate) place: String,
}

impl Stopped {
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Runs the command up to its checkpoint `number`. `None` where it comes to its end before.
#[expect(
    clippy::zombie_processes,
    reason = "waited for here by its id, and by `Stopped::kill`"
)]
pub(crate) fn stop_at(
    scene: &Scene,
    case: &Case,
    number: usize,
    left_out: Option<&str>,
) -> Option<Stopped> {
    let log = scene.file("checkpoints");
    let _ = fs::remove_file(&log);
    let mut command = scene.command(case);
    command
        .env("SYSEXT_CHECKPOINTS_TO", &log)
        .env("SYSEXT_CHECKPOINT_STOP", number.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Some(what) = left_out {
        command.env("SYSEXT_LEAVE_OUT", what);
    }
    let child = command.spawn().unwrap();
    let id = Pid::from_child(&child);
    let (_, status) = waitpid(Some(id), WaitOptions::UNTRACED).unwrap().unwrap();
    if !status.stopped() {
        assert_eq!(
            status.exit_status(),
            Some(0),
            "{} failed by itself",
            case.name
        );
        return None;
    }
    let passed = fs::read_to_string(&log).unwrap();
    // A thread may come by another one before all of them stand still.
    let place = passed.lines().nth(number - 1).unwrap().to_owned();
    Some(Stopped { child, place })
}

/// Every checkpoint of a command: how often it was killed at each, and what was wrong afterwards.
fn sweep(
    scene: &Scene,
    case: &Case,
    left_out: Option<&str>,
) -> (BTreeMap<String, usize>, Vec<String>) {
    let expected = Expected::of(scene, case);
    let (mut names, mut wrong) = (BTreeMap::new(), Vec::new());
    for number in 1.. {
        scene.set(case);
        let Some(stopped) = stop_at(scene, case, number, left_out) else {
            break;
        };
        let name = stopped.place.clone();
        stopped.kill();
        if let Err(reason) = expected.check(scene, case, End::Killed) {
            wrong.push(format!(
                "{} killed at {name} ({number}): {reason}",
                case.name
            ));
        }
        *names.entry(name).or_default() += 1;
    }
    // Two images come at once: which of their checkpoints is the Nth is another one each time.
    let passed = fs::read_to_string(scene.file("checkpoints")).unwrap();
    for name in passed.lines() {
        names.entry(name.to_owned()).or_default();
    }
    (names, wrong)
}

#[test]
fn killed_at_any_checkpoint_every_command_leaves_a_host_that_the_next_run_puts_right() {
    let scene = Scene::new();
    let (mut wrong, mut ways) = (Vec::new(), BTreeSet::new());
    for case in &CASES {
        let (names, found) = sweep(&scene, case, None);
        let list: Vec<_> = names
            .iter()
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        println!("{:14} {}", case.name, list.join(", "));
        assert!(!names.is_empty(), "{} passes no checkpoint", case.name);
        wrong.extend(found);
        ways.extend(names.into_keys());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for way in [
        "part-moved",
        "image-copied",
        "image-decoded",
        "image-patched",
    ] {
        assert!(ways.contains(way), "no image came by {way}");
    }
}

/// The test bites: without the journal two links are not switched together.
#[test]
fn without_the_journal_the_same_test_fails() {
    let scene = Scene::new();
    let update = CASES.iter().find(|case| case.name == "update").unwrap();
    let (_, wrong) = sweep(&scene, update, Some("journal"));
    assert!(
        wrong.iter().any(|line| line.contains("half of the links")),
        "{wrong:?}"
    );
}

/// What ships has no checkpoints: nothing is stopped, whatever the environment says.
#[test]
#[ignore = "wants the binary that ships: ci/checks/crashes"]
fn what_ships_passes_no_checkpoint() {
    assert!(std::env::var_os("SYSEXT_FETCH").is_some());
    let scene = Scene::new();
    for case in &CASES {
        scene.set(case);
        assert!(stop_at(&scene, case, 1, None).is_none(), "{}", case.name);
    }
}
