//! Programs that are packed (`sysext_publish::pack::elf`).
//!
//! - What does not begin like ELF is no program. What is one is for a machine by systemd's name, or by none.
//! - What stands behind a program does not change what machine it is for.

use sysext_publish::pack::elf::{ARCHITECTURES, Program};

/// The invariant above, for any bytes.
pub fn check(data: &[u8]) -> bool {
    let program = Program::read(data);
    let Some(found) = &program else {
        return false;
    };
    assert!(data.starts_with(b"\x7fELF"));
    assert!(
        found
            .architecture
            .is_none_or(|name| ARCHITECTURES.contains(&name))
    );
    assert_eq!(
        found.is_static(),
        found.interpreter.is_none() && !found.needs_libraries
    );
    // Its needs may: a segment that ran over the end was not looked at.
    let longer = Program::read([data, &[0; 64]].concat().as_slice()).unwrap();
    assert_eq!(longer.architecture, found.architecture);
    true
}

/// A program for x86-64 with an interpreter and a library that it needs, and nothing that would run.
pub(crate) fn program() -> Vec<u8> {
    const INTERPRETER: &[u8] = b"/lib64/ld-linux-x86-64.so.2\0";
    let half =
        |values: &[u16]| -> Vec<u8> { values.iter().flat_map(|v| v.to_le_bytes()).collect() };
    let wide =
        |values: &[u64]| -> Vec<u8> { values.iter().flat_map(|v| v.to_le_bytes()).collect() };
    let segment =
        |kind: u64, at: u64, length: u64| wide(&[kind | 4 << 32, at, at, at, length, length, 8]);
    let heads = 64 + 2 * 56;
    let interpreter = INTERPRETER.len() as u64;
    [
        b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec(),
        // A shared object for x86-64, version 1; where it begins and where its segments are listed.
        half(&[3, 62, 1, 0]),
        wide(&[0, 64, 0]),
        half(&[0, 0, 64, 56, 2, 64, 0, 0]),
        segment(3, heads, interpreter),
        segment(2, heads + interpreter, 32),
        INTERPRETER.to_vec(),
        // DT_NEEDED, and the end.
        wide(&[1, 0, 0, 0]),
    ]
    .concat()
}
