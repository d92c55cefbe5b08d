//! A vendor's folder, and the program run in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;
use tempfile::TempDir;
use test_repos::image::ImageSpec;

/// What a run left.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// The run ended so.
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "stdout:\n{}\nstderr:\n{}",
            self.out, self.err
        );
        self
    }

    /// It said each of these on stderr.
    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in\n{}", self.err);
        }
        self
    }

    /// It printed this on stdout.
    #[track_caller]
    pub(crate) fn prints(self, text: &str) -> Self {
        assert!(self.out.contains(text), "{text:?} is not in\n{}", self.out);
        self
    }

    /// Its stdout, as one JSON document.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}:\n{}", self.out))
    }
}

/// A vendor: a folder with configuration, keys, images and `public/`.
#[derive(Debug)]
pub(crate) struct Vendor {
    directory: TempDir,
    variables: BTreeMap<String, String>,
}

impl Vendor {
    /// An empty folder.
    pub(crate) fn new() -> Self {
        Self {
            directory: TempDir::with_prefix("vendor-").unwrap(),
            variables: BTreeMap::new(),
        }
    }

    /// With a catalog of the extension `hello`.
    pub(crate) fn with_catalog() -> Self {
        let vendor = Self::new();
        vendor
            .init(&["--extension", "hello", "--unencrypted"])
            .ends(0);
        vendor
    }

    pub(crate) fn init(&self, more: &[&str]) -> Run {
        let mut words = vec![
            "init",
            "public",
            "--id",
            "acme",
            "--url",
            "https://sysext.example",
        ];
        words.extend(more);
        self.run(&words)
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    /// Sets a variable for later runs.
    pub(crate) fn variable(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn command(&self, words: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(cargo_bin("sysext-publish"));
        command
            .args(words)
            .current_dir(self.directory.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("XDG_STATE_HOME", self.path("state"))
            .envs(&self.variables)
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Run {
        let output = self.command(words).output().unwrap();
        Run {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// An image file of `name`, made on the spot; its path.
    pub(crate) fn image(&self, name: &str, version: &str) -> String {
        let spec = ImageSpec::new(name).version(version).padding(20_000, 7);
        self.image_of(&spec, &format!("{name}_{version}_noarch.raw"))
    }

    pub(crate) fn image_of(&self, spec: &ImageSpec, file: &str) -> String {
        let path = self.path(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, spec.build()).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Every file below a directory, with its bytes.
    pub(crate) fn files(&self, below: &str) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(&self.path(below), "", &mut files);
        files
    }

    /// The published files that hosts read.
    pub(crate) fn published(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = self.files("public");
        files.retain(|name, _| !name.starts_with(".sysext-publish"));
        files
    }

    pub(crate) fn read(&self, path: &str) -> Vec<u8> {
        std::fs::read(self.path(path)).unwrap()
    }

    pub(crate) fn write(&self, path: &str, bytes: &[u8]) {
        std::fs::write(self.path(path), bytes).unwrap();
    }

    /// As [`write`](Self::write), for nobody else to read.
    pub(crate) fn write_secret(&self, path: &str, bytes: &[u8]) {
        self.write(path, bytes);
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(self.path(path), mode).unwrap();
    }

    /// Changes a file.
    pub(crate) fn edit(&self, path: &str, from: &str, to: &str) {
        let text = String::from_utf8(self.read(path)).unwrap();
        assert!(text.contains(from), "{from:?} is not in {path}:\n{text}");
        self.write(path, text.replace(from, to).as_bytes());
    }

    /// The files of an extension's newest index.
    pub(crate) fn images(&self, extension: &str) -> Vec<String> {
        let published = self.published();
        let version = |path: &String| -> Option<u64> {
            let name = path.strip_prefix("metadata/")?;
            let version = name.strip_suffix(&format!(".{extension}.json"))?;
            version.parse().ok()
        };
        let newest = published.keys().filter_map(version).max().unwrap();
        let bytes = &published[&format!("metadata/{newest}.{extension}.json")];
        let index: Value = serde_json::from_slice(bytes).unwrap();
        index["signed"]["targets"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect()
    }
}

fn collect(directory: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), &format!("{name}/"), files);
        } else {
            files.insert(name, std::fs::read(entry.path()).unwrap());
        }
    }
}
