//! `lint`: bad images, each caught by its rule, and good ones, about which there is nothing to say.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test that panics is the failing test"
)]

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Command;

use backhand::compression::{CompressionOptions, Compressor, Gzip};
use backhand::{FilesystemCompressor, FilesystemWriter, NodeHeader};
use serde_json::Value;
use sysext_publish::candidate::{self, Overrides};
use sysext_publish::lint::{self, Severity};
use tempfile::TempDir;
use test_repos::image::ImageSpec;

const KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";

/// Rules and severities of what is found in an image, as `tool` of version 1.
fn found(image: &[u8], file_name: &str, channel: &str) -> Vec<(&'static str, Severity)> {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join(file_name);
    fs::write(&path, image).unwrap();
    let (candidate, mut image) = candidate::read_image(&path, &Overrides::default()).unwrap();
    let findings = lint::check(&candidate, &mut image, &[channel.parse().unwrap()]);
    for finding in &findings {
        assert!(
            !finding.message.is_empty() && !finding.fix.is_empty(),
            "{finding:?}"
        );
    }
    findings
        .into_iter()
        .map(|finding| (finding.rule, finding.severity))
        .collect()
}

fn tool() -> ImageSpec {
    ImageSpec::new("tool").architecture("_any")
}

#[test]
fn each_bad_image_is_caught_by_its_rule_alone() {
    use Severity::{Error, Warning};
    let unit = "[Service]\nExecStart=/usr/bin/tool\n";
    let cases = [
        (
            "extension-release-name",
            Error,
            tool().release_name("other"),
        ),
        ("no-extension-release", Error, tool().without_release()),
        (
            "several-extension-releases",
            Error,
            tool().file(
                "usr/lib/extension-release.d/extension-release.two",
                0o644,
                "ID=_any\n",
            ),
        ),
        ("scope", Error, tool().scope("")),
        ("scope", Error, tool().scope("portable")),
        ("no-id", Error, tool().os("")),
        ("no-version-id", Warning, tool().os("debian")),
        ("architecture-name", Error, tool().architecture("x86_64")),
        ("outside", Warning, tool().file("etc/tool.conf", 0o644, "x")),
        (
            "os-release",
            Error,
            tool().file("usr/lib/os-release", 0o644, "ID=x\n"),
        ),
        (
            "host-configuration",
            Error,
            tool().file(
                "usr/lib/sysext-fetch/catalogs.d/evil.toml",
                0o644,
                "id = \"evil\"\n",
            ),
        ),
        (
            "host-configuration",
            Error,
            tool().file("usr/local/lib/sysext-fetch/x", 0o644, ""),
        ),
        (
            "host-configuration",
            Error,
            tool().file("usr/lib/tukit/plugins/evil", 0o755, "#!/bin/sh\n"),
        ),
        (
            "host-configuration",
            Error,
            tool().file("usr/libexec/health-checker/evil.sh", 0o755, "#!/bin/sh\n"),
        ),
        (
            "host-configuration",
            Error,
            tool().file("usr/lib/health-checker/evil", 0o755, "#!/bin/sh\n"),
        ),
        (
            "host-configuration",
            Error,
            tool().file("usr/lib/systemd/import-pubring.gpg", 0o644, "x"),
        ),
        (
            "base-system",
            Error,
            tool().file("usr/lib/x86_64-linux-gnu/libc.so.6", 0o755, "x"),
        ),
        (
            "base-system",
            Warning,
            tool()
                .os("debian")
                .version_id("13")
                .file("usr/lib64/libc.so.6", 0o755, "x"),
        ),
        (
            "base-system",
            Warning,
            tool().file("usr/bin/bash", 0o755, "x"),
        ),
        (
            "shared-cache",
            Warning,
            tool().file("usr/share/mime/mime.cache", 0o644, "x"),
        ),
        (
            "host-unit",
            Warning,
            tool().unit(
                "systemd-networkd.service",
                "[Service]\nExecStart=/usr/bin/tool\n[Install]\nWantedBy=multi-user.target\n",
            ),
        ),
        (
            "sysupdate",
            Warning,
            tool().file("usr/lib/sysupdate.tool.d/a.transfer", 0o644, "[Transfer]\n"),
        ),
        (
            "link-outside",
            Warning,
            tool().link("usr/bin/t", "/home/me/target/release/tool"),
        ),
        (
            "missing-program",
            Warning,
            tool().unit(
                "tool.service",
                "[Service]\nExecStart=/opt/tool/bin/tool\n[Install]\nWantedBy=multi-user.target\n",
            ),
        ),
        (
            "missing-program",
            Warning,
            tool().file("usr/lib/tool/data", 0o644, "x").unit(
                "tool.service",
                "[Service]\nExecStart=/usr/lib/tool/run\n[Install]\nWantedBy=multi-user.target\n",
            ),
        ),
        (
            "not-executable",
            Warning,
            tool().file("usr/lib/tool/run", 0o644, "#!/bin/sh\n").unit(
                "tool.service",
                "[Service]\nExecStart=/usr/lib/tool/run\n[Install]\nWantedBy=multi-user.target\n",
            ),
        ),
        (
            "host-configuration",
            Error,
            tool().link("usr/lib/tukit/plugins", "../../share/tool"),
        ),
        (
            "hides-directory",
            Error,
            tool().link("usr/lib/systemd", "/usr/share/tool"),
        ),
        (
            "private-key",
            Error,
            tool().file("usr/share/tool/id_ed25519", 0o600, KEY),
        ),
        (
            "private-key",
            Warning,
            tool().file("usr/share/doc/tool/server.key", 0o600, KEY),
        ),
        (
            "shadow",
            Error,
            tool().file("usr/share/factory/etc/shadow", 0o600, "root:*:1::::::\n"),
        ),
        ("dead-unit", Warning, tool().unit("tool.service", unit)),
        (
            "compressed",
            Warning,
            tool()
                .padding(1, 1)
                .file("usr/share/tool/zeros", 0o644, vec![b'a'; 1 << 18])
                .compressed(),
        ),
        ("setuid", Warning, tool().setuid("usr/bin/tool-su")),
        (
            "world-writable",
            Warning,
            tool().file("usr/share/tool/open", 0o666, "x"),
        ),
        (
            "confext",
            Warning,
            tool().link(
                "etc/extension-release.d/extension-release.tool",
                "/usr/lib/extension-release.d/extension-release.tool",
            ),
        ),
    ];
    for (rule, severity, spec) in cases {
        let found = found(&spec.build(), "tool_1.raw", "stable");
        // A link in /etc is lost too.
        let found: Vec<_> = found
            .into_iter()
            .filter(|(other, _)| rule != "confext" || *other != "outside")
            .collect();
        assert_eq!(found, [(rule, severity)], "{spec:?}");
    }
}

#[test]
fn a_prerelease_is_for_other_channels_than_stable() {
    let image = tool().version("2.0-rc1").build();
    assert_eq!(
        found(&image, "tool_2.0-rc1_noarch.raw", "stable"),
        [("pre-release", Severity::Error)]
    );
    assert_eq!(found(&image, "tool_2.0-rc1_noarch.raw", "beta"), []);
}

#[test]
fn devices_pipes_and_other_peoples_files_are_caught() {
    let options = CompressionOptions::Gzip(Gzip {
        compression_level: 0,
        window_size: 15,
        strategies: 0,
    });
    let mut writer = FilesystemWriter::default();
    writer.set_compressor(FilesystemCompressor::new(Compressor::Gzip, Some(options)).unwrap());
    writer.set_emit_compression_options(false);
    writer.set_root_mode(0o755);
    let root = |mode| NodeHeader::new(mode, 0, 0, 0);
    writer
        .push_dir_all("usr/lib/extension-release.d", root(0o755))
        .unwrap();
    let release = Cursor::new(b"ID=_any\nARCHITECTURE=_any\n");
    writer
        .push_file(
            release,
            "usr/lib/extension-release.d/extension-release.tool",
            root(0o644),
        )
        .unwrap();
    writer
        .push_char_device(0, "usr/lib/hidden", root(0o600))
        .unwrap();
    writer.push_fifo("usr/lib/pipe", root(0o600)).unwrap();
    writer
        .push_file(
            Cursor::new(b"x"),
            "usr/lib/mine",
            NodeHeader::new(0o644, 1000, 1000, 0),
        )
        .unwrap();
    let mut image = Cursor::new(Vec::new());
    writer.write(&mut image).unwrap();
    let found = found(&image.into_inner(), "tool_1_noarch.raw", "stable");
    let wanted = [
        ("device-node", Severity::Error),
        ("special-file", Severity::Warning),
        ("owner", Severity::Warning),
    ];
    assert_eq!(found, wanted);
}

#[test]
fn a_program_for_another_machine_is_caught() {
    let program = fs::read(std::env::current_exe().unwrap()).unwrap();
    // The head is all that is looked at.
    let program = &program[..4096];
    let here = sysext_formats::os::systemd_architecture(std::env::consts::ARCH);
    let spec = |architecture: Option<&str>| {
        let spec = ImageSpec::new("tool").file("usr/bin/tool", 0o755, program);
        architecture
            .map_or(spec.clone(), |name| spec.architecture(name))
            .build()
    };
    assert_eq!(
        found(&spec(Some("mips")), "tool_1_mips.raw", "stable"),
        [("architecture", Severity::Error)]
    );
    assert_eq!(
        found(&spec(None), &format!("tool_1_{here}.raw"), "stable"),
        [("no-architecture", Severity::Warning)]
    );
    assert_eq!(found(&spec(Some(here)), "tool_1.raw", "stable"), []);
}

#[test]
fn good_images_are_passed_in_silence() {
    let installed = "[Service]\nExecStart=/usr/bin/tool\n[Install]\nWantedBy=multi-user.target\n";
    let bare = "[Service]\nExecStart=/usr/bin/tool\n";
    for spec in [
        tool(),
        tool().os("debian").version_id("13"),
        tool()
            .os("opensuse-microos")
            .sysext_level("2")
            .scope("system portable"),
        tool()
            .unit("tool.service", installed)
            .unit(
                "host.service",
                "[Service]\nExecStart=/usr/lib/openssh/sftp-server\n[Install]\nWantedBy=x.target\n",
            )
            .link("usr/bin/t", "tool")
            .file("opt/tool/data", 0o644, "x"),
        tool()
            .unit("tool.service", bare)
            .unit("tool.socket", "[Socket]\nListenStream=/run/t\n")
            .link(
                "usr/lib/systemd/system/sockets.target.wants/tool.socket",
                "../tool.socket",
            ),
        tool()
            .unit("tool@.service", bare)
            .unit("tool-setup.service", bare)
            .link(
                "usr/lib/systemd/system/multi-user.target.wants/tool-setup.service",
                "../tool-setup.service",
            ),
        tool().link("bin", "usr/bin").file(
            "usr/share/tool/cert.pem",
            0o644,
            "-----BEGIN CERTIFICATE-----\n",
        ),
    ] {
        let variant = if spec.release_fields()["ID"] == "_any" {
            ""
        } else {
            "_x-1"
        };
        let findings = found(
            &spec.build(),
            &format!("tool_1{variant}_noarch.raw"),
            "stable",
        );
        assert_eq!(findings, [], "{spec:?}");
    }
}

fn run(directory: &Path, arguments: &[&str]) -> (i32, String) {
    let program = assert_cmd::cargo::cargo_bin!("sysext-publish");
    let output = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(text).unwrap(),
    )
}

#[test]
fn the_exit_code_says_what_the_worst_finding_is() {
    let directory = TempDir::new().unwrap();
    let write = |name: &str, spec: ImageSpec| {
        let path: PathBuf = directory.path().join(name);
        fs::write(path, spec.build()).unwrap();
    };
    write("tool_1_noarch.raw", tool());
    write("tool_2_noarch.raw", tool().setuid("usr/bin/su"));
    write("tool_3_noarch.raw", tool().scope(""));
    fs::write(directory.path().join("none.raw"), "no image").unwrap();
    let run = |arguments: &[&str]| run(directory.path(), arguments);
    assert_eq!(
        run(&["lint", "tool_1_noarch.raw"]),
        (0, "tool_1_noarch.raw: good\n".to_owned())
    );
    let (code, text) = run(&["lint", "tool_2_noarch.raw"]);
    assert!(
        code == 0 && text.contains("warning: it holds setuid") && text.contains("[setuid]"),
        "{text}"
    );
    let (code, text) = run(&["lint", "tool_1_noarch.raw", "tool_3_noarch.raw"]);
    assert!(
        code == 1 && text.contains("tool_1_noarch.raw: good\ntool_3_noarch.raw: error:"),
        "{text}"
    );
    let (code, text) = run(&["--json", "lint", "tool_3_noarch.raw"]);
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &document["good"]), (1, &Value::Bool(false)));
    assert_eq!(document["images"][0]["findings"][0]["rule"], "scope");
    let (code, text) = run(&["lint", "none.raw"]);
    assert!(
        code == 1
            && text.contains(
                "cannot read the image none.raw\ncaused by: not a system extension image"
            ),
        "{text}"
    );
    assert_eq!(run(&["lint"]).0, 2);
}
