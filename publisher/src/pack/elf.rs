//! What a program says about the machine it is for, and about what it needs of the host.
//!
//! - Only programs and libraries count: relocatable files and core dumps are data.
//! - A file that begins like ELF and can not be parsed is no program, not an error: trees hold test data.
//! - The parser is the `object` crate's: it knows both classes and byte orders, and is held against hostile files by
//!   its own project. What it is asked here are the header, the segments and the dynamic section.

use object::elf;
use object::read::elf::{Dyn as _, FileHeader, ProgramHeader as _};
use object::{Endianness, ReadRef};

/// Bytes of a file's dynamic section that are read at most; the largest known ones have a few kilobytes.
const MAX_DYNAMIC: u64 = 1 << 20;

/// A program or a library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// systemd's name of the machine it is for; `None` where systemd has none.
    pub architecture: Option<&'static str>,
    /// The program interpreter (`/lib64/ld-linux-x86-64.so.2`), which belongs to the host.
    pub interpreter: Option<String>,
    /// Whether it asks for shared libraries.
    pub needs_libraries: bool,
}

impl Program {
    /// Reads the program in `data`; `None` where there is none.
    pub fn read<'data, R: ReadRef<'data>>(data: R) -> Option<Self> {
        let magic = data.read_bytes_at(0, 5).ok()?;
        // Behind the magic: the class, 32 or 64 bits.
        match magic.strip_prefix(b"\x7fELF")? {
            [1] => parse::<elf::FileHeader32<Endianness>, R>(data, false),
            [2] => parse::<elf::FileHeader64<Endianness>, R>(data, true),
            _ => None,
        }
    }

    /// Whether it runs with what is in the file alone.
    #[must_use]
    pub fn is_static(&self) -> bool {
        self.interpreter.is_none() && !self.needs_libraries
    }
}

fn parse<'data, H, R>(data: R, wide: bool) -> Option<Program>
where
    H: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let header = H::parse(data).ok()?;
    let endian = header.endian().ok()?;
    if ![elf::ET_EXEC, elf::ET_DYN].contains(&header.e_type(endian)) {
        return None;
    }
    let mut program = Program {
        architecture: architecture(header.e_machine(endian), wide, endian == Endianness::Little),
        interpreter: None,
        needs_libraries: false,
    };
    for segment in header.program_headers(endian, data).ok()? {
        if segment.p_filesz(endian).into() > MAX_DYNAMIC {
            continue;
        }
        if let Ok(Some(interpreter)) = segment.interpreter(endian, data) {
            program.interpreter = Some(String::from_utf8_lossy(interpreter).into_owned());
        }
        if let Ok(Some(entries)) = segment.dynamic(endian, data) {
            program.needs_libraries = entries
                .iter()
                .any(|entry| entry.tag(endian) == elf::DT_NEEDED);
        }
    }
    Some(program)
}

/// systemd's name of a machine, as its `architecture.c` builds it from the same three facts.
fn architecture(machine: elf::Machine, wide: bool, little: bool) -> Option<&'static str> {
    Some(match (machine, wide, little) {
        (elf::EM_X86_64, ..) => "x86-64",
        (elf::EM_386, ..) => "x86",
        (elf::EM_AARCH64, _, true) => "arm64",
        (elf::EM_AARCH64, _, false) => "arm64-be",
        (elf::EM_ARM, _, true) => "arm",
        (elf::EM_ARM, _, false) => "arm-be",
        (elf::EM_RISCV, true, _) => "riscv64",
        (elf::EM_RISCV, false, _) => "riscv32",
        (elf::EM_LOONGARCH, true, _) => "loongarch64",
        (elf::EM_S390, true, _) => "s390x",
        (elf::EM_S390, false, _) => "s390",
        (elf::EM_PPC64, _, true) => "ppc64-le",
        (elf::EM_PPC64, _, false) => "ppc64",
        (elf::EM_PPC, _, true) => "ppc-le",
        (elf::EM_PPC, _, false) => "ppc",
        (elf::EM_MIPS, true, true) => "mips64-le",
        (elf::EM_MIPS, true, false) => "mips64",
        (elf::EM_MIPS, false, true) => "mips-le",
        (elf::EM_MIPS, false, false) => "mips",
        (elf::EM_IA_64, ..) => "ia64",
        (elf::EM_SPARCV9, ..) => "sparc64",
        (elf::EM_SPARC | elf::EM_SPARC32PLUS, ..) => "sparc",
        (elf::EM_ALPHA, ..) => "alpha",
        (elf::EM_PARISC, ..) => "parisc",
        (elf::EM_68K, ..) => "m68k",
        (elf::EM_SH, ..) => "sh",
        _ => return None,
    })
}

/// What `uname -m` and Go call an architecture, as systemd calls it; `None` where `name` is no such name.
#[must_use]
pub fn systemd_name(name: &str) -> Option<&'static str> {
    Some(match name {
        "x86_64" | "amd64" => "x86-64",
        "aarch64" => "arm64",
        "i386" | "i486" | "i586" | "i686" => "x86",
        "armv6l" | "armv7l" | "armv7hl" | "armhf" => "arm",
        "ppc64le" | "powerpc64le" | "ppc64el" => "ppc64-le",
        "powerpc64" => "ppc64",
        "powerpc" => "ppc",
        "mipsel" => "mips-le",
        "mips64el" => "mips64-le",
        _ => return None,
    })
}

/// The architectures that systemd has a name for.
pub const ARCHITECTURES: [&str; 34] = [
    "alpha",
    "arc",
    "arc-be",
    "arm",
    "arm-be",
    "arm64",
    "arm64-be",
    "cris",
    "ia64",
    "loongarch64",
    "m68k",
    "mips",
    "mips-le",
    "mips64",
    "mips64-le",
    "nios2",
    "parisc",
    "parisc64",
    "ppc",
    "ppc-le",
    "ppc64",
    "ppc64-le",
    "riscv32",
    "riscv64",
    "s390",
    "s390x",
    "sh",
    "sh64",
    "sparc",
    "sparc64",
    "tilegx",
    "x86",
    "x86-64",
    "_any",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_test_is_a_program_for_this_machine() {
        let bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let program = Program::read(bytes.as_slice()).unwrap();
        let here = sysext_formats::os::systemd_architecture(std::env::consts::ARCH);
        assert_eq!(program.architecture, Some(here));
        assert_eq!(program.is_static(), cfg!(target_feature = "crt-static"));
    }

    #[test]
    fn what_is_cut_off_or_not_elf_is_no_program() {
        let bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        for length in [0, 1, 4, 5, 16, 63] {
            assert_eq!(Program::read(&bytes[..length]), None);
        }
        assert_eq!(Program::read(&b"#!/bin/sh\n"[..]), None);
        let mut relocatable = bytes;
        relocatable[16] = 1;
        assert_eq!(Program::read(relocatable.as_slice()), None);
    }

    #[test]
    fn names_of_others_lead_to_names_of_systemd() {
        for name in ["x86_64", "amd64", "aarch64", "i686", "ppc64le", "armv7l"] {
            let ours = systemd_name(name).unwrap();
            assert!(ARCHITECTURES.contains(&ours), "{name}");
            assert!(!ARCHITECTURES.contains(&name), "{name}");
        }
        assert_eq!(systemd_name("x86-64"), None);
    }
}
