//! `pack` and `inspect`, as somebody types them, held against what other software makes of the image.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper of a test that panics is the failing test"
)]

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use sysext_image::{EntryKind, Image, Limits};
use tempfile::TempDir;
use test_repos::image::pseudo_random;

/// A folder to pack in.
struct Bench {
    directory: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self {
            directory: TempDir::with_prefix("pack-").unwrap(),
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    fn write(&self, path: &str, mode: u32, bytes: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let program = assert_cmd::cargo::cargo_bin!("sysext-publish");
        Command::new(program)
            .args(arguments)
            .current_dir(self.directory.path())
            .output()
            .unwrap()
    }

    /// Runs what must succeed, and gives what it prints.
    fn good(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs what must fail with this exit code, and gives what it says.
    fn bad(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert_eq!(output.stdout, b"", "{arguments:?}");
        said
    }

    fn open(&self, image: &str) -> Image<File> {
        let file = File::open(self.path(image)).unwrap();
        let length = file.metadata().unwrap().len();
        Image::open(file, length, Limits::default()).unwrap()
    }

    fn bytes(&self, path: &str) -> Vec<u8> {
        fs::read(self.path(path)).unwrap()
    }

    /// A folder with one of everything that may be in an image.
    fn tree(&self, folder: &str) {
        let at = |path: &str| format!("{folder}/{path}");
        self.write(&at("usr/bin/tool"), 0o700, "#!/bin/sh\necho tool\n");
        self.write(&at("usr/share/tool/data"), 0o600, pseudo_random(300_000, 1));
        self.write(&at("usr/share/tool/same"), 0o666, pseudo_random(300_000, 1));
        self.write(&at("usr/share/tool/zeros"), 0o644, vec![0; 400_000]);
        self.write(
            &at("usr/share/tool/block"),
            0o644,
            pseudo_random(131_072, 2),
        );
        self.write(&at("usr/share/tool/empty"), 0o644, "");
        self.write(&at("usr/share/tool/k\u{f6}nig und kaiser"), 0o644, "x");
        self.write(&at("opt/tool/notes"), 0o644, "notes\n");
        symlink("/etc/tool.conf", self.path(&at("usr/share/tool/conf"))).unwrap();
        symlink("tool", self.path(&at("usr/bin/t"))).unwrap();
        fs::hard_link(
            self.path(&at("usr/share/tool/data")),
            self.path(&at("usr/share/tool/zz-last")),
        )
        .unwrap();
        fs::create_dir_all(self.path(&at("usr/share/tool/none"))).unwrap();
    }
}

/// A program of 120 bytes that only has what the kernel and a reader look at; with an interpreter where one is named.
fn elf(machine: u16, interpreter: Option<&str>) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(16, 0);
    bytes.extend(2_u16.to_le_bytes());
    bytes.extend(machine.to_le_bytes());
    bytes.extend(1_u32.to_le_bytes());
    for word in [0x40_0000_u64, 64, 0] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(0_u32.to_le_bytes());
    for half in [64_u16, 56, 1, 64, 0, 0] {
        bytes.extend(half.to_le_bytes());
    }
    let kind: u32 = if interpreter.is_some() { 3 } else { 1 };
    bytes.extend(kind.to_le_bytes());
    bytes.extend(5_u32.to_le_bytes());
    let text = interpreter
        .map(|path| format!("{path}\0"))
        .unwrap_or_default();
    for word in [
        120,
        0x40_0000,
        0x40_0000,
        text.len() as u64,
        text.len() as u64,
        1,
    ] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(text.into_bytes());
    bytes
}

const X86_64: u16 = 62;
const AARCH64: u16 = 183;

#[test]
fn a_folder_comes_out_as_it_went_in() {
    let bench = Bench::new();
    bench.tree("tree");
    let printed = bench.good(&["pack", "tree", "--name", "tool", "--version", "1.2+3"]);
    assert_eq!(printed, "tool_1.2.3_noarch.raw\n");
    let mut image = bench.open("tool_1.2.3_noarch.raw");
    assert!(!image.compressed());
    for path in [
        "usr/bin/tool",
        "usr/share/tool/data",
        "usr/share/tool/same",
        "usr/share/tool/zeros",
        "usr/share/tool/zz-last",
        "usr/share/tool/block",
        "usr/share/tool/empty",
        "usr/share/tool/k\u{f6}nig und kaiser",
        "opt/tool/notes",
    ] {
        assert_eq!(
            image.read(path).unwrap(),
            bench.bytes(&format!("tree/{path}")),
            "{path}"
        );
    }
    let release = image
        .read("usr/lib/extension-release.d/extension-release.tool")
        .unwrap();
    assert_eq!(
        String::from_utf8(release).unwrap(),
        "ID=_any\nARCHITECTURE=_any\n"
    );
    for entry in image.entries() {
        let mode = match &entry.kind {
            EntryKind::Dir => 0o755,
            EntryKind::Symlink { .. } => 0o777,
            _ if entry.path == "usr/bin/tool" => 0o755,
            _ => 0o644,
        };
        assert_eq!(
            (entry.mode, entry.uid, entry.gid),
            (mode, 0, 0),
            "{}",
            entry.path
        );
    }
    let target = |path: &str| image.entry(path).unwrap().kind.clone();
    assert_eq!(
        target("usr/share/tool/conf"),
        EntryKind::Symlink {
            target: "/etc/tool.conf".to_owned()
        }
    );
    assert_eq!(target("usr/share/tool/none"), EntryKind::Dir);
    assert_eq!(image.entries().len(), 21);
}

#[test]
fn the_same_content_is_the_same_bytes_whoever_packs_it_and_however_it_lies_there() {
    let bench = Bench::new();
    bench.tree("one");
    // The same names, made in another order, with other permissions for others, other times and no hard link.
    bench.write(
        "two/usr/share/tool/zz-last",
        0o640,
        pseudo_random(300_000, 1),
    );
    bench.write("two/opt/tool/notes", 0o600, "notes\n");
    for path in [
        "usr/share/tool/k\u{f6}nig und kaiser",
        "usr/share/tool/empty",
        "usr/share/tool/block",
        "usr/share/tool/zeros",
        "usr/share/tool/same",
        "usr/share/tool/data",
    ] {
        bench.write(
            &format!("two/{path}"),
            0o600,
            bench.bytes(&format!("one/{path}")),
        );
    }
    bench.write("two/usr/bin/tool", 0o711, bench.bytes("one/usr/bin/tool"));
    symlink("tool", bench.path("two/usr/bin/t")).unwrap();
    symlink("/etc/tool.conf", bench.path("two/usr/share/tool/conf")).unwrap();
    fs::create_dir(bench.path("two/usr/share/tool/none")).unwrap();
    let old = File::open(bench.path("two/opt/tool/notes")).unwrap();
    old.set_modified(
        std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000),
    )
    .unwrap();

    bench.good(&[
        "pack",
        "one",
        "--name",
        "tool",
        "--version",
        "1",
        "-o",
        "one.raw",
    ]);
    let program = assert_cmd::cargo::cargo_bin!("sysext-publish");
    let output = Command::new("sh")
        .args([
            "-c",
            "umask 077; exec \"$0\" pack two --name tool --version 1 -o two.raw",
        ])
        .arg(program)
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .env("TZ", "Asia/Kathmandu")
        .current_dir(bench.directory.path())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        bench.bytes("one.raw") == bench.bytes("two.raw"),
        "the images differ"
    );
    let mode = fs::metadata(bench.path("two.raw"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(
        mode & 0o777,
        0o644,
        "the umask decides who may read the image"
    );
    // Equal files are there once.
    assert!(
        bench.bytes("one.raw").len() < 600_000,
        "{}",
        bench.bytes("one.raw").len()
    );
}

/// Two files of one length and one XXH64, by which the writer of squashfs finds equal files: the hash takes one number of
/// eight bytes after the other, and what one changes the next can take back.
fn colliding_files() -> [Vec<u8>; 2] {
    const P1: u64 = 0x9E37_79B1_85EB_CA87;
    const P2: u64 = 0xC2B2_AE3D_27D4_EB4F;
    let round = |sum: u64, input: u64| {
        let sum = sum.wrapping_add(input.wrapping_mul(P2));
        sum.rotate_left(31).wrapping_mul(P1)
    };
    // The inverse of an odd number modulo 2^64, by Newton's method.
    let inverse = (0..6).fold(P2, |x, _| {
        x.wrapping_mul(2_u64.wrapping_sub(P2.wrapping_mul(x)))
    });
    let one = pseudo_random(300_000, 7);
    let number = |at: usize| u64::from_le_bytes(one[at..at + 8].try_into().unwrap());
    // The first of four lanes takes the bytes 0 to 7, then 32 to 39.
    let start = P1.wrapping_add(P2);
    let (first, second) = (number(0), number(32));
    let change = round(start, first).wrapping_sub(round(start, first ^ 1));
    let mut other = one.clone();
    other[..8].copy_from_slice(&(first ^ 1).to_le_bytes());
    let second = second.wrapping_add(change.wrapping_mul(inverse));
    other[32..40].copy_from_slice(&second.to_le_bytes());
    [one, other]
}

#[test]
fn a_crafted_file_does_not_take_the_place_of_another() {
    let bench = Bench::new();
    let [one, other] = colliding_files();
    bench.write("tree/usr/share/a", 0o644, &other);
    bench.write("tree/usr/share/b", 0o644, &one);
    bench.good(&[
        "pack",
        "tree",
        "--name",
        "tool",
        "--version",
        "1",
        "-o",
        "tool.raw",
    ]);
    let mut image = bench.open("tool.raw");
    assert!(image.read("usr/share/a").unwrap() == other);
    assert!(
        image.read("usr/share/b").unwrap() == one,
        "the file of a took the place of b"
    );
}

#[test]
fn a_program_says_itself_what_it_is_for() {
    let bench = Bench::new();
    bench.write("agent", 0o600, elf(X86_64, None));
    bench.write("agent-arm", 0o600, elf(AARCH64, None));
    bench.write(
        "linked",
        0o600,
        elf(X86_64, Some("/lib64/ld-linux-x86-64.so.2")),
    );
    bench.write(
        "agent.service",
        0o600,
        "[Service]\nExecStart=/usr/bin/agent\n[Install]\nWantedBy=multi-user.target\n",
    );
    let printed = bench.good(&[
        "--json",
        "pack",
        "agent",
        "--name",
        "agent",
        "--version",
        "2",
        "--unit",
        "agent.service",
    ]);
    let document: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(document["path"], "agent_2_x86-64.raw");
    assert_eq!(
        (&document["changed"], &document["architecture"]),
        (&Value::Bool(true), &Value::from("x86-64"))
    );
    assert_eq!(
        document["length"],
        fs::metadata(bench.path("agent_2_x86-64.raw"))
            .unwrap()
            .len()
    );
    assert_eq!(document["findings"], Value::Array(Vec::new()));
    let image = bench.open("agent_2_x86-64.raw");
    assert_eq!(image.entry("usr/bin/agent").unwrap().mode, 0o755);
    assert_eq!(
        image
            .entry("usr/lib/systemd/system/agent.service")
            .unwrap()
            .mode,
        0o644
    );

    let said = bench.bad(
        2,
        &[
            "pack",
            "agent",
            "agent-arm",
            "--name",
            "agent",
            "--version",
            "2",
        ],
    );
    assert!(
        said.contains("/usr/bin/agent is for x86-64, and /usr/bin/agent-arm for arm64"),
        "{said}"
    );
    let said = bench.bad(
        2,
        &[
            "pack",
            "agent",
            "--arch",
            "arm64",
            "--name",
            "agent",
            "--version",
            "2",
        ],
    );
    assert!(
        said.contains("is for x86-64, and --arch says arm64"),
        "{said}"
    );
    let said = bench.bad(2, &["pack", "linked", "--name", "agent", "--version", "2"]);
    assert!(
        said.contains("/lib64/ld-linux-x86-64.so.2")
            && said.contains("--os-id debian")
            && said.contains("statically"),
        "{said}"
    );
    let printed = bench.good(&[
        "pack",
        "linked",
        "--name",
        "agent",
        "--version",
        "2",
        "--os-id",
        "debian",
        "--os-version",
        "13",
    ]);
    assert_eq!(printed, "agent_2_debian-13_x86-64.raw\n");
    let inspected: Value =
        serde_json::from_str(&bench.good(&["--json", "inspect", printed.trim()])).unwrap();
    assert_eq!(
        inspected["extension_release"],
        serde_json::json!({"ID": "debian", "VERSION_ID": "13", "ARCHITECTURE": "x86-64"})
    );
    assert_eq!(
        (&inspected["version"], &inspected["variant"]),
        (&Value::from("2"), &Value::from("debian-13"))
    );
}

#[test]
fn what_cannot_be_in_an_image_is_refused_and_nothing_is_left() {
    let bench = Bench::new();
    bench.write("etc/etc/tool.conf", 0o644, "x");
    bench.write("flat/bin/tool", 0o755, "#!/bin/sh\n");
    bench.write("socket/usr/bin/tool", 0o755, "#!/bin/sh\n");
    let _listener = UnixListener::bind(bench.path("socket/usr/socket")).unwrap();
    bench.write("link/usr/bin/tool", 0o755, "#!/bin/sh\n");
    symlink("x".repeat(256), bench.path("link/usr/long")).unwrap();
    bench.write(
        "other/usr/lib/extension-release.d/extension-release.other",
        0o644,
        "ID=_any\n",
    );
    bench.write(
        "own/usr/lib/extension-release.d/extension-release.tool",
        0o644,
        "ID=debian\nVERSION_ID=12\n",
    );
    bench.write(
        "secret/usr/share/tool/server.key",
        0o600,
        "-----BEGIN PRIVATE KEY-----\nAA\n-----END PRIVATE KEY-----\n",
    );
    bench.write("text", 0o644, "just text\n");
    let before: Vec<_> = fs::read_dir(bench.directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    for (code, input, more, wanted) in [
        (1, "etc", &[][..], "etc/etc is outside usr and opt"),
        (
            1,
            "flat",
            &[][..],
            "make the folder `usr`, and move bin into it",
        ),
        (1, "socket", &[][..], "socket/usr/socket is a socket"),
        (1, "link", &[][..], "a target of 256 bytes"),
        (2, "other", &[][..], "say --name other"),
        (
            2,
            "own",
            &["--os-id", "debian", "--os-version", "13"][..],
            "--os-version is 13, and 12 in the folder's own",
        ),
        (1, "secret", &[][..], "/usr/share/tool/server.key"),
        (2, "text", &[][..], "neither a program (ELF) nor a script"),
        (1, "absent", &[][..], "cannot read absent"),
        (2, "etc", &["text"][..], "etc is a folder"),
        (
            2,
            "text",
            &["--arch", "x86_64"][..],
            "systemd calls it x86-64",
        ),
        (2, "text", &["--os-version", "13"][..], "--os-id"),
    ] {
        let arguments = [&["pack", input, "--name", "tool", "--version", "1"], more].concat();
        let said = bench.bad(code, &arguments);
        assert!(said.contains(wanted), "{arguments:?}: {said}");
    }
    let after: Vec<_> = fs::read_dir(bench.directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(before, after);
}

#[test]
fn another_image_is_not_overwritten_unasked() {
    let bench = Bench::new();
    bench.write("tool", 0o755, "#!/bin/sh\necho 1\n");
    let pack = ["--json", "pack", "tool", "--name", "tool", "--version", "1"];
    let changed =
        |printed: &str| serde_json::from_str::<Value>(printed).unwrap()["changed"].clone();
    // What it would do, and nothing is there afterwards.
    let told = bench.good(&[&pack[..], &["--dry-run"]].concat());
    assert_eq!(changed(&told), true);
    assert!(told.contains("\"dry_run\": true"), "{told}");
    assert!(!bench.path("tool_1_noarch.raw").exists());
    assert_eq!(changed(&bench.good(&pack)), true);
    assert_eq!(changed(&bench.good(&pack)), false);
    let first = bench.bytes("tool_1_noarch.raw");
    bench.write("tool", 0o755, "#!/bin/sh\necho 2\n");
    let said = bench.bad(1, &pack[1..]);
    assert!(
        said.contains("tool_1_noarch.raw exists, and is another image") && said.contains("--force"),
        "{said}"
    );
    assert!(bench.bytes("tool_1_noarch.raw") == first);
    assert_eq!(
        changed(&bench.good(&[&pack[..], &["--force"]].concat())),
        true
    );
    assert!(bench.bytes("tool_1_noarch.raw") != first);
}

#[test]
fn setuid_stays_behind_unless_it_is_asked_for() {
    let bench = Bench::new();
    bench.write("tree/usr/bin/tool", 0o4755, "#!/bin/sh\n");
    let output = bench.run(&["pack", "tree", "--name", "tool", "--version", "1"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("bits of /usr/bin/tool stay behind"));
    assert_eq!(
        bench
            .open("tool_1_noarch.raw")
            .entry("usr/bin/tool")
            .unwrap()
            .mode,
        0o755
    );
    bench.good(&[
        "pack",
        "tree",
        "--name",
        "tool",
        "--version",
        "1",
        "--keep-setuid",
        "--force",
    ]);
    assert_eq!(
        bench
            .open("tool_1_noarch.raw")
            .entry("usr/bin/tool")
            .unwrap()
            .mode,
        0o4755
    );
}

/// The oracle is squashfs-tools, where it is installed.
#[test]
fn unsquashfs_unpacks_the_same_files() {
    let bench = Bench::new();
    bench.tree("tree");
    for number in 0..700 {
        bench.write(
            &format!("tree/usr/share/tool/many/{number}"),
            0o644,
            format!("{number}\n"),
        );
    }
    bench.good(&[
        "pack",
        "tree",
        "--name",
        "tool",
        "--version",
        "1",
        "-o",
        "tool.raw",
    ]);
    let unsquashfs = |arguments: &[&str]| {
        Command::new("unsquashfs")
            .args(arguments)
            .current_dir(bench.directory.path())
            .output()
            .ok()
    };
    let Some(about) = unsquashfs(&["-s", "tool.raw"]) else {
        println!("skipped: unsquashfs is not installed");
        return;
    };
    let about = String::from_utf8(about.stdout).unwrap();
    for wanted in [
        "Inodes are uncompressed",
        "Data is uncompressed",
        "Fragments are uncompressed",
        "Jan  1 00:00:00 1970",
    ] {
        assert!(about.contains(wanted), "{about}");
    }
    let unpacked = unsquashfs(&[
        "-quiet",
        "-no-progress",
        "-no-xattrs",
        "-dest",
        "out",
        "tool.raw",
    ])
    .unwrap();
    assert!(
        unpacked.status.success(),
        "{}",
        String::from_utf8_lossy(&unpacked.stderr)
    );
    let different = Command::new("diff")
        .args(["--recursive", "--no-dereference", "tree", "out"])
        .current_dir(bench.directory.path())
        .output()
        .unwrap();
    let different = String::from_utf8(different.stdout).unwrap();
    assert_eq!(different, "Only in out/usr: lib\n");
}

/// The oracle is systemd-dissect, where it is installed.
#[test]
fn systemd_reads_the_same_extension_release() {
    let bench = Bench::new();
    bench.write("agent", 0o755, elf(X86_64, None));
    bench.good(&[
        "pack",
        "agent",
        "--name",
        "agent",
        "--version",
        "1",
        "--os-id",
        "debian",
        "--os-version",
        "13",
        "-o",
        "agent.raw",
    ]);
    let image = bench.path("agent.raw");
    let Ok(output) = Command::new("systemd-dissect")
        .arg("--json=short")
        .arg(&image)
        .output()
    else {
        println!("skipped: systemd-dissect is not installed");
        return;
    };
    let printed = String::from_utf8(output.stdout).unwrap();
    // It mounts the image to read inside of it, which needs root and loop devices: then there is no such member.
    let Ok(document) = serde_json::from_str::<Value>(&printed) else {
        println!("skipped: {}", String::from_utf8_lossy(&output.stderr));
        return;
    };
    let Some(fields) = document["sysextRelease"]
        .as_array()
        .or_else(|| document["extensionRelease"].as_array())
    else {
        println!("skipped: systemd-dissect could not look inside");
        return;
    };
    let fields: Vec<_> = fields.iter().filter_map(Value::as_str).collect();
    assert_eq!(
        fields,
        ["ID=debian", "VERSION_ID=13", "ARCHITECTURE=x86-64"]
    );
}

/// With mkfs.erofs, where it is installed.
#[test]
fn erofs_holds_the_same_and_is_the_same_bytes_again() {
    let bench = Bench::new();
    bench.tree("tree");
    let pack = |output: &str| {
        bench.run(&[
            "pack",
            "tree",
            "--name",
            "tool",
            "--version",
            "1",
            "--filesystem",
            "erofs",
            "-o",
            output,
        ])
    };
    let first = pack("one.raw");
    let said = String::from_utf8_lossy(&first.stderr);
    if said.contains("mkfs.erofs is not installed") {
        assert_eq!(first.status.code(), Some(1));
        assert!(said.contains("hint: leave --filesystem away"));
        return;
    }
    assert!(first.status.success(), "{said}");
    assert!(pack("two.raw").status.success());
    assert!(
        bench.bytes("one.raw") == bench.bytes("two.raw"),
        "the images differ"
    );
    let mut image = bench.open("one.raw");
    assert_eq!(
        image.read("usr/share/tool/data").unwrap(),
        bench.bytes("tree/usr/share/tool/data")
    );
    assert_eq!(image.entry("usr/bin/tool").unwrap().mode, 0o755);
    assert_eq!(image.entry("usr/share/tool").unwrap().mode, 0o755);
}

/// systemd itself, in the sandbox of ci, merges what was packed.
#[test]
#[ignore = "needs root rights and loop devices; ci/checks/privileged runs it"]
fn privileged_systemd_merges_what_was_packed() {
    let sandbox = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ci/lib/sysext-sandbox");
    let bench = Bench::new();
    bench.write(
        "tree/usr/bin/packed-tool",
        0o755,
        "#!/bin/sh\necho it works\n",
    );
    bench.write(
        "tree/usr/share/packed/data",
        0o644,
        pseudo_random(300_000, 1),
    );
    bench.good(&[
        "pack",
        "tree",
        "--name",
        "tool",
        "--version",
        "1",
        "-o",
        "tool.raw",
    ]);
    let sum = Command::new("sha256sum")
        .arg(bench.path("tree/usr/share/packed/data"))
        .output()
        .unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    let wanted = format!("it works\n{}", sum.split(' ').next().unwrap());
    let script = "mkdir -p /run/extensions && cp \"$0/tool.raw\" /run/extensions/tool.raw && systemd-sysext merge >&2 && \
                  packed-tool && sha256sum < /usr/share/packed/data";
    let output = Command::new("bash")
        .arg(sandbox)
        .arg("--ro")
        .arg(bench.directory.path())
        .args(["own", "--", "sh", "-c", script])
        .arg(bench.directory.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) {
        println!("skipped: {said}");
        return;
    }
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && printed.starts_with(&wanted),
        "{printed}\n{said}"
    );
}

#[test]
fn a_version_that_a_file_name_can_not_hold_stands_beside_the_image() {
    let bench = Bench::new();
    bench.write("tree/usr/bin/k3s", 0o755, "#!/bin/sh\n");
    bench.good(&[
        "pack",
        "tree",
        "--name",
        "k3s",
        "--version",
        "1.31.5+k3s1",
        "--arch",
        "x86-64",
    ]);
    let image = "k3s_1.31.5.k3s1_x86-64.raw";
    let read = bench.good(&["--json", "inspect", image]);
    assert!(read.contains("1.31.5+k3s1"), "{read}");
    let said: Value = serde_json::from_slice(&bench.bytes(&format!("{image}.json"))).unwrap();
    assert_eq!(said["version"], "1.31.5+k3s1");
    bench.good(&[
        "pack",
        "tree",
        "--name",
        "k3s",
        "--version",
        "1.31.6",
        "--arch",
        "x86-64",
    ]);
    assert!(!bench.path("k3s_1.31.6_x86-64.raw.json").exists());
}
