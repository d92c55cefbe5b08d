//! Writes the seeds of every target: `write-seeds DIRECTORY` makes `DIRECTORY/TARGET/seed-N`.

#![expect(
    clippy::unwrap_used,
    reason = "a tool of the fuzzer: it works or it does not"
)]

use std::path::PathBuf;

use fuzz_targets::{TARGETS, seeds};

fn main() {
    let directory = PathBuf::from(std::env::args_os().nth(1).unwrap());
    for (name, _) in TARGETS {
        let directory = directory.join(name);
        std::fs::create_dir_all(&directory).unwrap();
        for (number, seed) in seeds::of(name).into_iter().enumerate() {
            std::fs::write(directory.join(format!("seed-{number}")), seed).unwrap();
        }
    }
}
