//! Killed, or refused by the kernel, at every call that opens or changes a file: the binary that ships, under strace.

use std::collections::BTreeMap;
use std::fs;
use std::process::Output;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::end_state::{End, Expected};
use crate::scene::{CASES, Case, Scene, talk};

/// Opening and whatever changes a file or directory.
const CALLS: [&str; 14] = [
    "openat",
    "openat2",
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "renameat",
    "renameat2",
    "linkat",
    "symlinkat",
    "unlinkat",
    "mkdirat",
    "fchmod",
    "ftruncate",
];

/// What a full disk refuses.
const WANTS_SPACE: [&str; 8] = [
    "openat",
    "write",
    "fsync",
    "renameat",
    "linkat",
    "symlinkat",
    "mkdirat",
    "ftruncate",
];

/// One interruption of one command.
struct Fault {
    case: &'static Case,
    call: &'static str,
    number: usize,
    effect: &'static str,
}

impl Fault {
    fn inject(&self, scene: &Scene) -> Output {
        let Self {
            call,
            number,
            effect,
            ..
        } = self;
        let inject = format!("inject={call}:{effect}:when={number}");
        strace(scene, self.case, &["-e", &inject])
    }
}

fn strace(scene: &Scene, case: &Case, more: &[&str]) -> Output {
    let log = scene.file("strace");
    let mut words: Vec<String> = ["strace", "-f", "-qq", "-o", log.to_str().unwrap(), "-e"]
        .map(str::to_owned)
        .to_vec();
    words.push(format!("trace={}", CALLS.join(",")));
    words.extend(more.iter().map(|word| (*word).to_owned()));
    scene
        .command_under(&words, case)
        .output()
        .expect("strace is installed")
}

/// How often each call is made: by the thread that makes it most, since strace counts for each.
fn count(scene: &Scene, case: &Case) -> BTreeMap<&'static str, usize> {
    scene.set(case);
    let output = strace(scene, case, &[]);
    assert!(output.status.success(), "{}: {}", case.name, talk(&output));
    let log = fs::read_to_string(scene.file("strace")).unwrap();
    let mut threads: BTreeMap<(&str, &'static str), usize> = BTreeMap::new();
    for line in log.lines() {
        let (thread, rest) = line.split_once(' ').unwrap();
        let call = rest.trim_start().split('(').next().unwrap();
        if let Some(call) = CALLS.into_iter().find(|known| *known == call) {
            *threads.entry((thread, call)).or_default() += 1;
        }
    }
    let mut most = BTreeMap::new();
    for ((_, call), times) in threads {
        let so_far = most.entry(call).or_default();
        *so_far = times.max(*so_far);
    }
    most
}

/// Every fault of a command.
fn faults(scene: &Scene, case: &'static Case) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (call, times) in count(scene, case) {
        let mut effects = vec!["signal=KILL", "error=EIO"];
        if WANTS_SPACE.contains(&call) {
            effects.push("error=ENOSPC");
        }
        for number in 1..=times {
            let each = effects.iter();
            faults.extend(each.map(|effect| Fault {
                case,
                call,
                number,
                effect,
            }));
        }
    }
    faults
}

/// What is wrong after a fault, if anything.
fn play(scene: &Scene, expected: &Expected, fault: &Fault) -> Result<(), String> {
    scene.set(fault.case);
    let output = fault.inject(scene);
    let code = output.status.code();
    if code == Some(101) {
        return Err(format!("it panicked: {}", talk(&output)));
    }
    let end = match code {
        Some(0) if !talk(&output).contains("warning: ") => End::Done,
        _ if fault.effect == "signal=KILL" => End::Killed,
        _ if output.stderr.is_empty() => {
            return Err(format!("it ended with {code:?} and said nothing"));
        }
        _ => End::Failed,
    };
    let kept = fs::read_to_string(scene.file("strace")).unwrap_or_default();
    expected.check(scene, fault.case, end).map_err(|reason| {
        let injected = kept.lines().find(|line| line.contains("(INJECTED)"));
        let last = injected.or(kept.lines().last()).unwrap_or_default();
        format!(
            "{reason}\n    at {last}\n    it ended with {code:?}: {}",
            talk(&output).trim_end()
        )
    })
}

/// `SYSEXT_CRASH_CASES` names the commands, all where it is not set; `SYSEXT_CRASH_STRIDE` plays every nth fault.
#[test]
#[ignore = "wants strace and takes minutes: ci/checks/crashes"]
fn whatever_the_kernel_refuses_the_next_run_puts_right() {
    let only = std::env::var("SYSEXT_CRASH_CASES").unwrap_or_default();
    let stride = std::env::var("SYSEXT_CRASH_STRIDE").map_or(1, |text| text.parse().unwrap());
    let cases: Vec<_> = CASES
        .iter()
        .filter(|case| only.is_empty() || only.split(',').any(|name| name == case.name))
        .collect();
    let scene = Scene::new();
    let all: Vec<Fault> = cases.iter().flat_map(|case| faults(&scene, case)).collect();
    drop(scene);
    let all: Vec<_> = all.into_iter().step_by(stride).collect();
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let scene = Scene::new();
                let expected: BTreeMap<_, _> = cases
                    .iter()
                    .map(|case| (case.name, Expected::of(&scene, case)))
                    .collect();
                while let Some(fault) = all.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let name = fault.case.name;
                    if let Err(reason) = play(&scene, &expected[name], fault) {
                        let Fault {
                            call,
                            number,
                            effect,
                            ..
                        } = fault;
                        let line = format!("{name}: {effect} at {call} {number}: {reason}");
                        wrong.lock().unwrap().push(line);
                    }
                }
            });
        }
    });
    for case in &cases {
        let of = |effect: &str| {
            let faults = all.iter();
            faults
                .filter(|fault| fault.case.name == case.name && fault.effect == effect)
                .count()
        };
        println!(
            "{:14} killed {}, I/O error {}, disk full {}",
            case.name,
            of("signal=KILL"),
            of("error=EIO"),
            of("error=ENOSPC")
        );
    }
    let wrong = wrong.into_inner().unwrap();
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        all.len(),
        wrong.join("\n")
    );
}
