//! What a server does, as bytes that a fuzzer can change.
//!
//! ```text
//! byte 0        the scenario whose "before" the host has seen
//! byte 1        the scenario that is served
//! then          OP PATH A B …
//!   OP % 4 = 0  at PATH stands another document: number A + 256 B of the library
//!   OP % 4 = 1  at PATH stands nothing
//!   OP % 4 = 2  in the document at PATH, A / 256 of the way, one byte is B
//!   OP % 4 = 3  at PATH stand the next A bytes of the input (B is not used)
//! ```
//!
//! Numbers count modulo what there is, so every input is a program.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use test_repos::scenario::{self, Files, Scenario};

struct Library {
    scenarios: Vec<Scenario>,
    paths: Vec<String>,
    documents: Vec<Vec<u8>>,
}

fn library() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        // Scenarios about size are about a fetcher's limits, and slow.
        let mut scenarios = scenario::all();
        scenarios.retain(|scenario| {
            let files = scenario
                .served
                .iter()
                .filter(|(path, _)| path.starts_with("metadata/"));
            files.map(|(_, bytes)| bytes.len()).sum::<usize>() < 100_000
        });
        let (mut paths, mut documents) = (BTreeSet::new(), BTreeSet::new());
        for scenario in &mut scenarios {
            for files in [
                &mut scenario.before,
                &mut scenario.served,
                &mut scenario.after,
            ] {
                files.retain(|path, _| path.starts_with("metadata/"));
                paths.extend(files.keys().cloned());
                documents.extend(files.values().cloned());
            }
        }
        Library {
            scenarios,
            paths: paths.into_iter().collect(),
            documents: documents.into_iter().collect(),
        }
    })
}

/// How many scenarios there are.
pub(crate) fn scenarios() -> usize {
    library().scenarios.len()
}

/// What the host has seen, and what is served.
pub(super) fn read(data: &[u8]) -> Option<(Files, Files)> {
    let library = library();
    let (&[before, served], mut rest) = data.split_first_chunk()?;
    let at = |number: u8| &library.scenarios[usize::from(number) % library.scenarios.len()];
    let before = at(before).before.clone();
    let mut served = at(served).served.clone();
    while let Some((&[op, path, a, b], after)) = rest.split_first_chunk() {
        rest = after;
        let path = &library.paths[usize::from(path) % library.paths.len()];
        match op % 4 {
            0 => {
                let number = usize::from(u16::from_le_bytes([a, b])) % library.documents.len();
                served.insert(path.clone(), library.documents[number].clone());
            }
            1 => drop(served.remove(path)),
            2 => {
                if let Some(bytes) = served.get_mut(path)
                    && !bytes.is_empty()
                {
                    let at = bytes.len() * usize::from(a) / 256;
                    bytes[at] = b;
                }
            }
            _ => {
                let (own, after) = rest.split_at(rest.len().min(usize::from(a)));
                rest = after;
                served.insert(path.clone(), own.to_vec());
            }
        }
    }
    Some((before, served))
}
