//! What is found out about an image file, and from where.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test that panics is the failing test"
)]

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use sysext_publish::candidate::{self, Candidate, CandidateError, Overrides};
use tempfile::TempDir;
use test_repos::image::ImageSpec;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn read(&self, name: &str) -> Result<Candidate, CandidateError> {
        let read = candidate::read_image(&self.0.path().join(name), &Overrides::default());
        read.map(|(candidate, _)| candidate)
    }
}

fn facts(candidate: &Candidate) -> (String, String, String, String) {
    let Candidate {
        extension,
        version,
        architecture,
        file_name,
        ..
    } = candidate;
    (
        extension.to_string(),
        version.to_string(),
        architecture.to_string(),
        file_name.to_string(),
    )
}

fn origin<'a>(candidate: &'a Candidate, what: &str) -> &'a str {
    let found = candidate
        .provenance
        .iter()
        .find(|(about, _)| *about == what);
    &found.unwrap().1
}

#[test]
fn what_was_typed_counts_more_than_files_beside_and_those_more_than_names() {
    let folder = Folder::new();
    let image = ImageSpec::new("k3s")
        .os("debian")
        .version_id("13")
        .architecture("x86-64")
        .build();
    let path = folder.write("k3s_1.0_debian-13_x86-64.raw", &image);
    let candidate = folder.read("k3s_1.0_debian-13_x86-64.raw").unwrap();
    let wanted = |version: &str, file: &str| {
        (
            "k3s".to_owned(),
            version.to_owned(),
            "x86-64".to_owned(),
            file.to_owned(),
        )
    };
    assert_eq!(
        facts(&candidate),
        wanted("1.0", "k3s_1.0_debian-13_x86-64.raw")
    );
    assert_eq!(candidate.variant.as_deref(), Some("debian-13"));
    assert_eq!(candidate.length, image.len() as u64);
    assert_eq!(candidate.extension_release.get("VERSION_ID"), Some("13"));
    assert_eq!(
        origin(&candidate, "version"),
        "its file name k3s_1.0_debian-13_x86-64.raw"
    );
    assert_eq!(
        origin(&candidate, "architecture"),
        "ARCHITECTURE in its extension-release"
    );

    let manifest = r#"{"manifest_version":1,"config":{"name":"image","version":"1.1","architecture":"x86-64"},"packages":[{"x":1.5}]}"#;
    let mut zipped = GzEncoder::new(Vec::new(), Compression::default());
    zipped.write_all(manifest.as_bytes()).unwrap();
    folder.write(
        "k3s_1.0_debian-13_x86-64.manifest.gz",
        zipped.finish().unwrap(),
    );
    let candidate = folder.read("k3s_1.0_debian-13_x86-64.raw").unwrap();
    assert_eq!(
        facts(&candidate),
        wanted("1.1", "k3s_1.1_debian-13_x86-64.raw")
    );
    assert_eq!(
        origin(&candidate, "version"),
        "k3s_1.0_debian-13_x86-64.manifest.gz"
    );

    folder.write(
        "k3s_1.0_debian-13_x86-64.raw.json",
        r#"{"schema":1,"name":"k3s","version":"1.0+k3s1"}"#,
    );
    let candidate = folder.read("k3s_1.0_debian-13_x86-64.raw").unwrap();
    assert_eq!(
        facts(&candidate),
        wanted("1.0+k3s1", "k3s_1.0.k3s1_debian-13_x86-64.raw")
    );

    let typed = Overrides {
        version: "9".parse().ok(),
        ..Overrides::default()
    };
    let (candidate, _) = candidate::read_image(&path, &typed).unwrap();
    assert_eq!(
        (candidate.version.as_str(), origin(&candidate, "version")),
        ("9", "--version")
    );
}

#[test]
fn an_image_is_believed_before_what_is_said_about_it() {
    let folder = Folder::new();
    let image = ImageSpec::new("k3s").architecture("arm64").build();
    folder.write("k3s_1_x86-64.raw", &image);
    let error = folder.read("k3s_1_x86-64.raw").unwrap_err().to_string();
    assert!(
        error.ends_with("is x86-64 by its file name k3s_1_x86-64.raw, and arm64 by the image"),
        "{error}"
    );

    folder.write("k3s_1.raw", &image);
    folder.write(
        "k3s_1.raw.json",
        r#"{"schema":1,"version":"1","architecture":"arm64","length":7}"#,
    );
    let error = folder.read("k3s_1.raw").unwrap_err().to_string();
    assert!(
        error.contains("the length of") && error.contains("is 7 by"),
        "{error}"
    );
    let typed = Overrides {
        architecture: "riscv64".parse().ok(),
        version: "1".parse().ok(),
        ..Overrides::default()
    };
    let path = folder.write("other.raw", &image);
    let error = candidate::read_image(&path, &typed).unwrap_err();
    let error = error.to_string();
    assert!(
        error.ends_with("is riscv64 by --arch, and arm64 by the image"),
        "{error}"
    );
    // uname's word is another spelling, not another machine.
    folder.write("k3s_1_aarch64.raw", &image);
    assert_eq!(
        folder
            .read("k3s_1_aarch64.raw")
            .unwrap()
            .architecture
            .as_str(),
        "arm64"
    );
}

#[test]
fn without_a_word_on_it_the_programs_tell_the_architecture() {
    let folder = Folder::new();
    folder.write("docs_1.raw", ImageSpec::new("docs").build());
    let candidate = folder.read("docs_1.raw").unwrap();
    assert_eq!(
        (
            candidate.architecture.as_str(),
            origin(&candidate, "architecture")
        ),
        ("_any", "that it holds no program")
    );
    let program = fs::read(std::env::current_exe().unwrap()).unwrap();
    let image = ImageSpec::new("tool")
        .file("usr/bin/tool", 0o755, &program[..4096])
        .build();
    folder.write("tool_1.raw", image);
    let candidate = folder.read("tool_1.raw").unwrap();
    assert_eq!(
        candidate.architecture.as_str(),
        sysext_formats::os::systemd_architecture(std::env::consts::ARCH)
    );
    assert_eq!(
        origin(&candidate, "architecture"),
        "the program /usr/bin/tool"
    );
}

#[test]
fn what_is_not_clear_is_an_error_that_says_what_is_missing() {
    let folder = Folder::new();
    let image = ImageSpec::new("k3s").build();
    folder.write("k3s.raw", &image);
    assert!(matches!(
        folder.read("k3s.raw"),
        Err(CandidateError::NoVersion(_))
    ));
    folder.write("K3S_1_noarch.raw", &image);
    let error = folder.read("K3S_1_noarch.raw").unwrap_err().to_string();
    assert!(
        error.contains("\"K3S\" is not an extension name")
            && error.contains("its file name K3S_1_noarch.raw"),
        "{error}"
    );
    for (json, wanted) in [
        ("{", "it is not JSON"),
        (r#"{"schema":2}"#, "its schema is 2"),
        (
            r#"{"schema":1,"version":"a b"}"#,
            "\"a b\" is not a version",
        ),
    ] {
        folder.write("k3s_1_noarch.raw", &image);
        folder.write("k3s_1_noarch.raw.json", json);
        let error = folder.read("k3s_1_noarch.raw").unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
    // A list of materials is not about this, and the schemas of others are texts.
    for json in [
        r#"{"bomFormat":"x","version":1.5}"#,
        r#"{"schema":"https://example.org/2","version":"1.5"}"#,
    ] {
        folder.write("k3s_1_noarch.raw.json", json);
        let candidate = folder.read("k3s_1_noarch.raw").unwrap();
        assert_eq!(candidate.version.as_str(), "1");
    }
    assert!(matches!(
        folder.read("absent.raw"),
        Err(CandidateError::Open { .. })
    ));
    fs::create_dir(folder.0.path().join("folder.raw")).unwrap();
    assert!(matches!(
        folder.read("folder.raw"),
        Err(CandidateError::NotAFile(_))
    ));
    folder.write("zeros_1_noarch.raw", vec![0; 8192]);
    assert!(matches!(
        folder.read("zeros_1_noarch.raw"),
        Err(CandidateError::Image { .. })
    ));
}

#[test]
fn a_manifest_that_unpacks_without_an_end_is_refused() {
    let folder = Folder::new();
    folder.write("k3s_1_noarch.raw", ImageSpec::new("k3s").build());
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..40 {
        bomb.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    folder.write("k3s_1_noarch.manifest.gz", bomb.finish().unwrap());
    let error = folder.read("k3s_1_noarch.raw").unwrap_err().to_string();
    assert!(error.contains("it has more than 16777216 bytes"), "{error}");
}
