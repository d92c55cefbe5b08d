//! Rules about what must never be published: private keys and password hashes.
//!
//! - A file is a private key by its content. Which files are read is decided by name and size, so a key under an innocent
//!   name goes through: this catches slips, not intent. Among documentation and tests it is a warning only.

use std::fs::File;

use sysext_image::{Entry, EntryKind, Image};

use super::{Finding, some};

/// Bytes of the largest file that is looked into; an RSA key of 16384 bits has 13 kB.
const MAX_KEY: u64 = 64 << 10;

/// How many files are looked into.
const MAX_FILES: usize = 10_000;

/// What stands in the first line of a private key, behind `-----BEGIN `.
const HEADERS: [&str; 7] = [
    "PRIVATE KEY",
    "ENCRYPTED PRIVATE KEY",
    "RSA PRIVATE KEY",
    "EC PRIVATE KEY",
    "DSA PRIVATE KEY",
    "OPENSSH PRIVATE KEY",
    "PGP PRIVATE KEY BLOCK",
];

pub(super) fn check(image: &mut Image<File>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let suspects = image
        .entries()
        .iter()
        .filter(|entry| may_be_key(entry))
        .take(MAX_FILES);
    let suspects: Vec<String> = suspects.map(|entry| entry.path.to_string()).collect();
    let keys: Vec<String> = suspects
        .into_iter()
        .filter(|path| image.read(path).is_ok_and(|bytes| is_private_key(&bytes)))
        .collect();
    // Documentation and tests carry keys that guard nothing; somebody should still look.
    let (samples, real): (Vec<&str>, Vec<&str>) = keys
        .iter()
        .map(String::as_str)
        .partition(|path| is_sample(path));
    if !real.is_empty() {
        findings.push(Finding::error(
            "private-key",
            format!(
                "it holds private keys ({}), which everybody could read once it is published",
                some(&real)
            ),
            "remove them; where one was ever published, replace it",
        ));
    }
    if !samples.is_empty() {
        findings.push(Finding::warning(
            "private-key",
            format!(
                "it holds private keys among documentation and tests ({})",
                some(&samples)
            ),
            "see that they guard nothing, or leave them out",
        ));
    }
    let hashes: Vec<_> = image
        .entries()
        .iter()
        .filter(|entry| is_shadow(entry))
        .map(|entry| entry.path.as_str())
        .collect();
    if !hashes.is_empty() {
        findings.push(Finding::error(
            "shadow",
            format!("it holds password files ({})", some(&hashes)),
            "remove them; users of services belong into sysusers.d",
        ));
    }
    findings
}

fn may_be_key(entry: &Entry) -> bool {
    const SUFFIXES: [&str; 8] = [
        ".pem", ".key", ".p8", ".pk8", ".asc", ".gpg", ".pgp", ".priv",
    ];
    let name = entry.path.file_name();
    let lower = name.to_ascii_lowercase();
    let named = SUFFIXES.iter().any(|suffix| lower.ends_with(suffix))
        || lower.starts_with("id_")
        || lower.starts_with("ssh_host_")
        || lower.contains("private");
    named && entry.kind == EntryKind::File && entry.size <= MAX_KEY
}

/// Whether a path is one of documentation, examples or tests.
fn is_sample(path: &str) -> bool {
    let mut directories = path.split('/').rev().skip(1);
    path.starts_with("usr/share/doc/")
        || directories
            .any(|name| matches!(name, "test" | "tests" | "testdata" | "example" | "examples"))
}

fn is_private_key(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.lines()
        .filter_map(|line| {
            line.trim()
                .strip_prefix("-----BEGIN ")?
                .strip_suffix("-----")
        })
        .any(|header| HEADERS.contains(&header))
}

/// `shadow`, `gshadow` and their backups, in any directory called etc.
fn is_shadow(entry: &Entry) -> bool {
    let name = entry.path.file_name().trim_end_matches('-');
    let in_etc = entry.path.parent().rsplit('/').next() == Some("etc");
    in_etc && entry.kind == EntryKind::File && matches!(name, "shadow" | "gshadow")
}

#[cfg(test)]
mod tests {
    use super::is_private_key;

    #[test]
    fn keys_are_told_from_certificates_and_from_code_about_keys() {
        for kind in ["PRIVATE KEY", "OPENSSH PRIVATE KEY", "RSA PRIVATE KEY"] {
            assert!(
                is_private_key(format!("comment\n-----BEGIN {kind}-----\nAAAA\n").as_bytes()),
                "{kind}"
            );
        }
        for text in [
            "-----BEGIN CERTIFICATE-----\n",
            "-----BEGIN PUBLIC KEY-----\n",
            "if line == \"-----BEGIN PRIVATE KEY-----\":",
        ] {
            assert!(!is_private_key(text.as_bytes()), "{text}");
        }
        assert!(!is_private_key(b"\xff\xfe\x00"));
    }
}
