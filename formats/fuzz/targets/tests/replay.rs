//! Every target with its seeds, with all that is near them, and with every input that once broke something.
//!
//! - `formats/fuzz/regressions/TARGET/` holds those inputs, one a file. What a fuzzer finds is put there by hand, with the
//!   mend; no test takes one away.
//! - Of each target's seeds at least one gets past the parser: without, the target would assert nothing.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use fuzz_targets::{TARGETS, seeds};

fn fuzz_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs `target` on each input; every failure is named before the test fails.
fn replay(name: &str, inputs: impl IntoIterator<Item = (String, Vec<u8>)>) -> Vec<String> {
    let (_, target) = TARGETS.iter().find(|(other, _)| *other == name).unwrap();
    let failed = |(label, bytes): (String, Vec<u8>)| {
        catch_unwind(|| target(&bytes))
            .is_err()
            .then_some(format!("{name}: {label}"))
    };
    inputs.into_iter().filter_map(failed).collect()
}

#[test]
fn every_target_takes_one_of_its_seeds() {
    for (name, target) in TARGETS {
        let taken = seeds::of(name).iter().any(|seed| target(seed));
        assert!(taken, "{name} refuses all its seeds");
    }
}

#[test]
fn seeds_and_their_neighbours_hold() {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut failed = Vec::new();
        while let Some((name, _)) = TARGETS.get(next.fetch_add(1, Ordering::Relaxed)) {
            let seeds = seeds::of(name);
            assert!(!seeds.is_empty(), "{name} has no seeds");
            for (number, seed) in seeds.iter().enumerate() {
                failed.extend(replay(name, neighbours(number, seed)));
            }
        }
        failed
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let failed: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        let failed = workers.into_iter().map(|worker| worker.join().unwrap());
        failed.flatten().collect()
    });
    assert!(failed.is_empty(), "{failed:#?}");
}

/// The seed itself, cut, and with single bytes changed: a few, spread over it.
fn neighbours(number: usize, seed: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut inputs = vec![(format!("seed {number}"), seed.to_vec())];
    for step in 0..16 {
        let at = seed.len() * step / 16;
        inputs.push((
            format!("seed {number}, {at} bytes of it"),
            seed.iter().take(at).copied().collect(),
        ));
        for change in [0x01, 0x80, 0xff] {
            let mut changed = seed.to_vec();
            if let Some(byte) = changed.get_mut(at) {
                *byte ^= change;
            }
            inputs.push((
                format!("seed {number}, byte {at} changed by {change:#x}"),
                changed,
            ));
        }
    }
    inputs
}

#[test]
fn inputs_that_once_broke_something_hold() {
    let mut failed = Vec::new();
    let names: BTreeSet<_> = TARGETS.iter().map(|(name, _)| *name).collect();
    for folder in std::fs::read_dir(fuzz_folder().join("regressions")).unwrap() {
        let folder = folder.unwrap();
        let name = folder.file_name().into_string().unwrap();
        if !folder.file_type().unwrap().is_dir() {
            continue;
        }
        assert!(
            names.contains(&*name),
            "regressions/{name} belongs to no target"
        );
        let inputs = std::fs::read_dir(folder.path()).unwrap().map(|file| {
            let path = file.unwrap().path();
            (path.display().to_string(), std::fs::read(path).unwrap())
        });
        failed.extend(replay(&name, inputs));
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn every_target_has_a_binary_and_every_binary_a_target() {
    let names: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names.len(), TARGETS.len());
    let binaries: BTreeSet<_> = std::fs::read_dir(fuzz_folder().join("fuzz_targets"))
        .unwrap()
        .map(|file| {
            file.unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(binaries, names);
}
