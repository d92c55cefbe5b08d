//! The tools of this machine as oracles: what they pack is what is read, and what systemd-dissect says is what is said here.
//!
//! A tool that is not installed, or that may not do here what it should, is named on standard error and left out.

use std::fs;
use std::io::Cursor;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use sysext_image::{Container, EntryKind, Filesystem, Image, Limits, hash_tree, inspect};

use crate::common::assert_is_of_its_data;

const RELEASE: &str = "ID=_any\nSYSEXT_LEVEL=1\n";

/// A tree with everything that images are asked for; made anew for each test.
fn tree(root: &Path) -> PathBuf {
    let tree = root.join("tree");
    let write = |path: &str, content: &[u8]| {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    write(
        "usr/lib/extension-release.d/extension-release.hello",
        RELEASE.as_bytes(),
    );
    write("usr/lib/systemd/system/hello.service", b"[Service]\n");
    write("usr/bin/setuid", b"#!/bin/sh\n");
    write("usr/share/empty", b"");
    write("usr/share/same", &b"the same again ".repeat(60_000));
    let noise: Vec<u8> = (0..300_000_u64)
        .map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8)
        .collect();
    write("usr/share/noise", &noise);
    for number in 0..400 {
        write(
            &format!("usr/share/many/file {number}"),
            format!("{number}\n").repeat(number).as_bytes(),
        );
    }
    fs::set_permissions(
        tree.join("usr/bin/setuid"),
        fs::Permissions::from_mode(0o4755),
    )
    .unwrap();
    symlink(
        "hello.service",
        tree.join("usr/lib/systemd/system/alias.service"),
    )
    .unwrap();
    symlink(
        "/usr/share/".to_owned() + &"long/".repeat(30),
        tree.join("usr/share/long-link"),
    )
    .unwrap();
    tree
}

/// Runs a tool; nothing when it is not installed or refuses.
fn run(command: &mut Command) -> Option<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let Ok(output) = command.output() else {
        eprintln!("skipped: {name} is not installed");
        return None;
    };
    if !output.status.success() {
        eprintln!(
            "skipped: {command:?} failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        return None;
    }
    Some(String::from_utf8(output.stdout).unwrap())
}

fn open(image: &Path) -> Image<fs::File> {
    let file = fs::File::open(image).unwrap();
    let length = file.metadata().unwrap().len();
    Image::open(file, length, Limits::default())
        .unwrap_or_else(|error| panic!("{}: {error}", image.display()))
}

/// Compares every entry and every content with the tree that was packed.
fn compare(image: &Path, tree: &Path) {
    let mut image = open(image);
    let mut expected: Vec<PathBuf> = Vec::new();
    let mut todo = vec![tree.to_owned()];
    while let Some(directory) = todo.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                todo.push(entry.path());
            }
            expected.push(entry.path());
        }
    }
    let found = image
        .entries()
        .iter()
        .filter(|entry| entry.path != "lost+found")
        .count();
    assert_eq!(found, expected.len());
    for path in expected {
        let relative = path
            .strip_prefix(tree)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let metadata = fs::symlink_metadata(&path).unwrap();
        let entry = image
            .entry(&relative)
            .unwrap_or_else(|| panic!("{relative} is missing"))
            .clone();
        let kind = metadata.file_type();
        assert_eq!(entry.mode, metadata.mode() & 0o7777, "{relative}");
        match &entry.kind {
            EntryKind::File => {
                assert!(kind.is_file());
                assert_eq!(entry.size, metadata.len());
                assert!(
                    image.read(&relative).unwrap() == fs::read(&path).unwrap(),
                    "{relative}"
                );
            }
            EntryKind::Dir => assert!(kind.is_dir()),
            EntryKind::Symlink { target } => {
                assert_eq!(Path::new(target), fs::read_link(&path).unwrap())
            }
            EntryKind::Fifo => assert!(kind.is_fifo()),
            other => panic!("{relative} is a {other}"),
        }
    }
    let facts = image.facts().unwrap();
    assert_eq!(facts.extension_releases[0].bytes, RELEASE.as_bytes());
    assert_eq!(facts.units, ["alias.service", "hello.service"]);
    assert_eq!(facts.setuid, ["/usr/bin/setuid"]);
}

#[test]
fn mksquashfs() {
    let dir = tempfile::tempdir().unwrap();
    let tree = tree(dir.path());
    let _made = run(Command::new("mkfifo").arg(tree.join("usr/share/fifo")));
    let image = dir.path().join("hello.raw");
    for arguments in [
        "-comp gzip",
        "-comp xz",
        "-comp xz -Xbcj x86,arm,ia64 -b 1M",
        "-comp zstd -b 4096",
        "-comp lz4 -no-fragments",
        "-comp zstd -always-use-fragments -noI",
        "-noI -noD -noF -noX",
    ] {
        let arguments: Vec<&str> = arguments
            .split(' ')
            .chain(["-noappend", "-quiet", "-no-progress"])
            .collect();
        if run(Command::new("mksquashfs")
            .arg(&tree)
            .arg(&image)
            .args(&arguments))
        .is_some()
        {
            compare(&image, &tree);
            assert_eq!(
                open(&image).compressed(),
                arguments[0] == "-comp",
                "{arguments:?}"
            );
        }
    }
}

#[test]
fn unsquashfs_lists_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let tree = tree(dir.path());
    let path = dir.path().join("hello.raw");
    if run(Command::new("mksquashfs")
        .arg(&tree)
        .arg(&path)
        .args(["-quiet", "-no-progress"]))
    .is_none()
    {
        return;
    }
    let Some(listing) = run(Command::new("unsquashfs")
        .args(["-lln", "-no-progress"])
        .arg(&path))
    else {
        return;
    };
    let image = open(&path);
    let lines: Vec<&str> = listing
        .lines()
        .filter(|line| line.contains("squashfs-root/"))
        .collect();
    assert_eq!(lines.len(), image.entries().len());
    for line in lines {
        let (about, path) = line.split_once("squashfs-root/").unwrap();
        let path = path.split(" -> ").next().unwrap();
        let entry = image.entry(path).unwrap_or_else(|| panic!("{path}"));
        let words: Vec<&str> = about.split_whitespace().collect();
        let letter = match entry.kind {
            EntryKind::Dir => 'd',
            EntryKind::Symlink { .. } => 'l',
            _ => '-',
        };
        assert!(words[0].starts_with(letter), "{line}");
        assert_eq!(words[1], format!("{}/{}", entry.uid, entry.gid), "{line}");
        assert_eq!(words[0].contains('s'), entry.is_setuid(), "{line}");
        if entry.kind == EntryKind::File {
            assert_eq!(words[2], entry.size.to_string(), "{line}");
        }
    }
}

#[test]
fn mkfs_erofs() {
    let dir = tempfile::tempdir().unwrap();
    let tree = tree(dir.path());
    let image = dir.path().join("hello.raw");
    // Which compressions there are depends on the version.
    for arguments in [
        "-x-1",
        "--chunksize=4096",
        "-Enoinline_data",
        "-zlz4",
        "-zlz4hc -C65536 -Eztailpacking,fragments,dedupe",
        "-zlz4 -Elegacy-compress",
        "-zlzma",
        "-zdeflate -Eztailpacking",
        "-zzstd -C65536 -Efragments",
    ] {
        let _absent = fs::remove_file(&image);
        if run(Command::new("mkfs.erofs")
            .args(arguments.split(' '))
            .arg(&image)
            .arg(&tree))
        .is_some()
        {
            compare(&image, &tree);
            assert_eq!(
                open(&image).compressed(),
                arguments.starts_with("-z"),
                "{arguments}"
            );
        }
    }
}

#[test]
fn mke2fs() {
    let dir = tempfile::tempdir().unwrap();
    let tree = tree(dir.path());
    let image = dir.path().join("hello.raw");
    for arguments in [
        "-t ext4",
        "-t ext4 -b 1024",
        "-t ext4 -O ^has_journal,^metadata_csum,^64bit",
        "-t ext3 -I 128",
    ] {
        let _absent = fs::remove_file(&image);
        let mut command = Command::new("mke2fs");
        if run(command
            .arg("-q")
            .args(arguments.split(' '))
            .arg("-d")
            .arg(&tree)
            .arg(&image)
            .arg("32M"))
        .is_some()
        {
            compare(&image, &tree);
            assert!(!open(&image).compressed());
        }
    }
}

#[test]
fn systemd_repart_and_dissect() {
    let dir = tempfile::tempdir().unwrap();
    let tree = tree(dir.path());
    let definitions = dir.path().join("definitions");
    fs::create_dir(&definitions).unwrap();
    let data = "[Partition]\nType=usr\nFormat=squashfs\nCopyFiles=/usr:/\nVerity=data\nVerityMatchKey=usr\n";
    let hash = "[Partition]\nType=usr-verity\nVerity=hash\nVerityMatchKey=usr\n";
    fs::write(definitions.join("10.conf"), data).unwrap();
    fs::write(definitions.join("20.conf"), hash).unwrap();
    let image = dir.path().join("hello.raw");
    let option = |name: &str, path: &Path| format!("--{name}={}", path.display());
    let made = run(Command::new("systemd-repart")
        .args([
            "--empty=create",
            "--size=auto",
            "--dry-run=no",
            "--json=short",
        ])
        .args([option("definitions", &definitions), option("root", &tree)])
        .arg(&image));
    let Some(made) = made else { return };
    compare(&image, &tree);
    let opened = open(&image);
    assert_eq!(
        (opened.container(), opened.filesystem()),
        (Container::Gpt, Filesystem::Squashfs)
    );
    let verity = opened.verity().unwrap();
    assert!(!verity.signed);
    opened.check_verity().unwrap();
    let bytes = fs::read(&image).unwrap();
    let layout = hash_tree(Cursor::new(&bytes), bytes.len() as u64).unwrap();
    assert_is_of_its_data(&layout.unwrap(), &bytes);
    assert!(
        made.contains(&format!("\"roothash\":\"{}\"", verity.root_hash)),
        "{made}"
    );

    let Some(dissected) = run(Command::new("systemd-dissect")
        .arg("--json=short")
        .arg(&image))
    else {
        return;
    };
    let facts = inspect(
        fs::File::open(&image).unwrap(),
        fs::metadata(&image).unwrap().len(),
        &Limits::default(),
    )
    .unwrap();
    let lines: Vec<&str> = std::str::from_utf8(&facts.extension_releases[0].bytes)
        .unwrap()
        .lines()
        .collect();
    let lines: Vec<String> = lines
        .into_iter()
        .map(|line| format!("\"{line}\""))
        .collect();
    assert!(
        dissected.contains(&format!("\"extensionRelease\":[{}]", lines.join(","))),
        "{dissected}"
    );
    assert!(dissected.contains("\"fstype\":\"squashfs\""), "{dissected}");
}
