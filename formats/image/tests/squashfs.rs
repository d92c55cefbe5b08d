//! Images made by mksquashfs, where it is installed.

use std::fs;
use std::io::Cursor;
use std::process::Command;

use sysext_image::{Limits, inspect};

#[test]
fn every_compression_of_mksquashfs_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    let releases = tree.join("usr/lib/extension-release.d");
    fs::create_dir_all(&releases).unwrap();
    fs::write(releases.join("extension-release.k3s"), "ID=_any\n").unwrap();
    fs::create_dir_all(tree.join("usr/lib/systemd/system")).unwrap();
    fs::write(
        tree.join("usr/lib/systemd/system/k3s.service"),
        "[Service]\n",
    )
    .unwrap();
    fs::write(tree.join("usr/big"), "all the same ".repeat(100_000)).unwrap();
    for arguments in [
        &["-comp", "gzip"][..],
        &["-comp", "xz"],
        &["-comp", "zstd"],
        &["-comp", "lz4"],
        &["-comp", "xz", "-Xbcj", "x86"],
        &["-noI", "-noD", "-noF"],
    ] {
        let image = dir.path().join("image.raw");
        let made = Command::new("mksquashfs")
            .arg(&tree)
            .arg(&image)
            .args(["-noappend", "-quiet"])
            .args(arguments)
            .output();
        let Ok(made) = made else { return };
        assert!(made.status.success(), "{made:?}");
        let bytes = fs::read(&image).unwrap();
        let facts = inspect(
            Cursor::new(bytes.clone()),
            bytes.len() as u64,
            &Limits::default(),
        )
        .unwrap();
        assert_eq!(facts.units, ["k3s.service"]);
        assert_eq!(facts.extension_releases[0].bytes, b"ID=_any\n");
        assert_eq!(facts.compressed, arguments[0] == "-comp");
    }
}
