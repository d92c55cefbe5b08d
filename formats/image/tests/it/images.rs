//! What is read from good images, without any outside tool.

use std::io::Cursor;

use crate::common::{
    FIXTURES, LINUX_GENERIC, Partition, ROOT_ARM64, ROOT_X86_64, USR_X86_64, assert_is_of_its_data,
    disk, fixture, open,
};
use backhand::compression::Compressor;
use backhand::{FilesystemCompressor, FilesystemWriter, NodeHeader};
use sysext_image::{
    Container, EntryKind, ExtensionRelease, Filesystem, InspectError, Limits, Verity, hash_tree,
};

fn listed(image: &sysext_image::Image<Cursor<Vec<u8>>>) -> Vec<String> {
    let entries = image
        .entries()
        .iter()
        .filter(|entry| entry.path != "lost+found");
    entries
        .map(|entry| {
            let kind = match &entry.kind {
                EntryKind::Symlink { target } => format!("-> {target}"),
                kind => kind.to_string(),
            };
            format!(
                "{:04o} {}:{} {} {kind}",
                entry.mode, entry.uid, entry.gid, entry.path
            )
        })
        .collect()
}

#[test]
fn every_fixture_says_the_same() {
    for name in FIXTURES {
        let mut image = open(fixture(name), Limits::default())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            listed(&image),
            [
                "0755 0:0 usr directory",
                "0755 0:0 usr/bin directory",
                "0755 0:0 usr/bin/hello file",
                "4755 0:0 usr/bin/ping file",
                "0755 0:0 usr/lib directory",
                "0755 0:0 usr/lib/extension-release.d directory",
                "0644 0:0 usr/lib/extension-release.d/extension-release.hello file",
                "0755 0:0 usr/lib/systemd directory",
                "0755 0:0 usr/lib/systemd/system directory",
                "0644 0:0 usr/lib/systemd/system/hello.service file",
                "0755 0:0 usr/lib/systemd/system/hello.service.d directory",
                "0644 0:0 usr/lib/systemd/system/hello.service.d/nice.conf file",
                "0777 0:0 usr/lib/systemd/system/hi.service -> hello.service",
                "0777 0:0 usr/lib64 -> lib",
            ],
            "{name}"
        );
        let facts = image.facts().unwrap();
        let bytes = b"ID=_any\nARCHITECTURE=x86-64\n".to_vec();
        assert_eq!(
            facts.extension_releases,
            [ExtensionRelease {
                name: "hello".to_owned(),
                bytes
            }],
            "{name}"
        );
        assert_eq!(facts.units, ["hello.service", "hi.service"]);
        assert_eq!(facts.setuid, ["/usr/bin/ping"]);
        assert!(facts.confext_releases.is_empty() && !facts.has_os_release);
        let filesystem = name
            .split(['-', '.'])
            .next()
            .unwrap()
            .replace("gpt", "squashfs");
        assert_eq!(facts.filesystem.to_string(), filesystem, "{name}");
        assert_eq!(
            facts.container.to_string(),
            if name.starts_with("gpt") {
                "gpt"
            } else {
                "none"
            }
        );
        let stored = ["none", "chunks", "ext4"]
            .iter()
            .any(|word| name.contains(word));
        assert_eq!(facts.compressed, !stored, "{name}");

        let ping = image
            .read("usr/bin/ping")
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(
            ping.iter()
                .eq(b"all work and no play\n".iter().cycle().take(9000)),
            "{name}"
        );
        assert_eq!(
            image.read("/usr/lib64/systemd/system/hi.service").unwrap(),
            b"[Service]\nExecStart=/usr/bin/hello\n"
        );
        assert!(matches!(
            image.read("usr/lib"),
            Err(InspectError::NotAFile { .. })
        ));
        assert!(matches!(
            image.read("usr/lib/nothing"),
            Err(InspectError::NotFound { .. })
        ));
        assert_eq!(
            image.follow("usr/lib64/systemd").unwrap().path,
            "usr/lib/systemd"
        );
    }
}

#[test]
fn the_root_hash_is_in_the_partition_uuids_and_fits_the_data() {
    let bytes = fixture("gpt-usr-verity.raw.zst");
    let image = open(bytes.clone(), Limits::default()).unwrap();
    let root_hash = "0c747f1b98e95566f34bbd62ef7e894406014269d6ac6cf77cda9c7f93afff30".to_owned();
    assert_eq!(
        image.verity(),
        Some(&Verity {
            root_hash: root_hash.clone(),
            signed: true
        })
    );
    image.check_verity().unwrap();

    // The tree that systemd-repart wrote is the one that the data give.
    let layout = hash_tree(Cursor::new(&bytes), bytes.len() as u64)
        .unwrap()
        .unwrap();
    assert_is_of_its_data(&layout, &bytes);

    // The padding behind the squashfs is under dm-verity, too.
    let mut changed = bytes;
    let start = changed
        .windows(4)
        .position(|window| window == b"hsqs")
        .unwrap();
    changed[start + 100_000] ^= 1;
    match open(changed, Limits::default()).unwrap().check_verity() {
        Err(InspectError::VerityMismatch { declared, computed }) => {
            assert!(declared == root_hash && computed != root_hash)
        }
        other => panic!("{other:?}"),
    }
    open(fixture("squashfs-gzip.raw"), Limits::default())
        .unwrap()
        .check_verity()
        .unwrap();
}

#[test]
fn a_compression_that_is_not_read_is_named() {
    match open(fixture("squashfs-lzo.raw"), Limits::default()) {
        Err(InspectError::UnsupportedCompression {
            filesystem: Filesystem::Squashfs,
            method,
        }) => {
            assert_eq!(method, "lzo");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_partition_is_chosen_as_systemd_does() {
    let squashfs = fixture("squashfs-zstd.raw");
    let part = |type_uuid| Partition::new(type_uuid, squashfs.clone());
    let open_disk = |partitions: &[Partition]| open(disk(partitions, 512), Limits::default());

    for (types, prefix) in [
        (&[ROOT_X86_64][..], ""),
        (&[ROOT_ARM64], ""),
        (&[0xdead, LINUX_GENERIC], ""),
        (&[LINUX_GENERIC, USR_X86_64], "usr/"),
    ] {
        let partitions: Vec<_> = types.iter().map(|uuid| part(*uuid)).collect();
        for sector in [512, 4096] {
            let image = open(disk(&partitions, sector), Limits::default()).unwrap();
            assert_eq!((image.container(), image.verity()), (Container::Gpt, None));
            assert!(image.entry(&format!("{prefix}usr/bin/hello")).is_some());
            assert_eq!(image.entry("usr").unwrap().kind, EntryKind::Dir);
        }
    }
    let mut hidden = part(ROOT_X86_64);
    hidden.flags = 1 << 63;
    let mut empty = part(ROOT_X86_64);
    empty.label = "_empty";
    assert!(open_disk(&[hidden.clone(), empty, part(ROOT_X86_64)]).is_ok());

    let error = |partitions: &[Partition]| open_disk(partitions).unwrap_err();
    let none = error(&[hidden, part(0x933ac7e1_2eb4_4f13_b844_0e14e2aef915)]);
    assert!(
        none.to_string()
            .ends_with("its partitions are: 933ac7e1-2eb4-4f13-b844-0e14e2aef915"),
        "{none}"
    );
    assert!(error(&[]).to_string().ends_with("its partitions are: none"));
    let two = error(&[part(ROOT_X86_64), part(LINUX_GENERIC), part(ROOT_X86_64)]);
    assert!(
        two.to_string()
            .contains("several root partitions for x86-64 (numbers 1, 3)"),
        "{two}"
    );
    let both = error(&[part(USR_X86_64), part(ROOT_X86_64)]);
    assert!(
        both.to_string()
            .contains("several root and usr partitions for x86-64 (numbers 1, 2)"),
        "{both}"
    );
    let architectures = error(&[part(ROOT_ARM64), part(USR_X86_64)]);
    assert!(
        architectures
            .to_string()
            .contains("several architectures (arm64, x86-64)"),
        "{architectures}"
    );
    let luks = Partition::new(ROOT_X86_64, b"LUKS\xba\xbe\0\x02".repeat(1000));
    assert!(matches!(error(&[luks]), InspectError::Encrypted));
}

#[test]
fn images_of_the_packer_are_read() {
    let header = |permissions| NodeHeader {
        permissions,
        uid: 7,
        gid: 70_000,
        mtime: 0,
    };
    let mut writer = FilesystemWriter::default();
    writer.set_compressor(FilesystemCompressor::new(Compressor::Gzip, None).unwrap());
    writer
        .push_dir_all("usr/share/many", header(0o755))
        .unwrap();
    // More than one run of a directory, more than one metadata block, and tails that share a block.
    for number in 0..3000 {
        let content = Cursor::new(format!("content of {number}").into_bytes());
        writer
            .push_file(
                content,
                format!("usr/share/many/file-{number:05}"),
                header(0o644),
            )
            .unwrap();
    }
    let long: Vec<u8> = (0..700_000_u32).flat_map(u32::to_le_bytes).collect();
    writer
        .push_file(Cursor::new(long.clone()), "usr/long", header(0o2755))
        .unwrap();
    writer
        .push_file(Cursor::new(vec![0; 300_000]), "usr/zeros", header(0o644))
        .unwrap();
    writer
        .push_file(Cursor::new(Vec::new()), "usr/empty", header(0o644))
        .unwrap();
    writer
        .push_char_device(5, "usr/char", header(0o600))
        .unwrap();
    writer
        .push_block_device(5, "usr/block", header(0o600))
        .unwrap();
    writer.push_fifo("usr/fifo", header(0o600)).unwrap();
    writer.push_socket("usr/socket", header(0o600)).unwrap();
    let mut bytes = Cursor::new(Vec::new());
    writer.write(&mut bytes).unwrap();

    let limits = Limits {
        max_file: 4 << 20,
        ..Limits::default()
    };
    let mut image = open(bytes.into_inner(), limits).unwrap();
    assert_eq!(image.entries().len(), 3 + 3000 + 7);
    for number in [0, 255, 256, 257, 1500, 2999] {
        let content = image
            .read(&format!("usr/share/many/file-{number:05}"))
            .unwrap();
        assert_eq!(content, format!("content of {number}").into_bytes());
    }
    assert!(image.read("usr/long").unwrap() == long);
    assert!(image.read("usr/zeros").unwrap() == [0; 300_000]);
    assert_eq!(image.read("usr/empty").unwrap(), b"");
    for (path, kind) in [
        ("usr/char", EntryKind::Char),
        ("usr/block", EntryKind::Block),
        ("usr/fifo", EntryKind::Fifo),
        ("usr/socket", EntryKind::Socket),
    ] {
        assert_eq!(image.entry(path).unwrap().kind, kind);
    }
    let long = image.entry("usr/long").unwrap();
    assert_eq!(
        (long.mode, long.uid, long.gid, long.size),
        (0o2755, 7, 70_000, 2_800_000)
    );
    assert_eq!(image.facts().unwrap().setuid, ["/usr/long"]);
}
