//! What lies beside an image and speaks about it (`sysext_publish::candidate`). Input: `j`, `m` or `g` for `IMAGE.json`,
//! a manifest of mkosi or a compressed one, and then that file.
//!
//! - A candidate is what the image is: its length and facts are the image's, whatever the file says.
//! - Name, version and architecture come out as the file says them, or there is an error; a length that is not the image's
//!   is one.
//! - The same files give the same candidate.

use std::cell::RefCell;
use std::path::Path;

use serde_json::Value;
use sysext_publish::candidate::{Candidate, Overrides, read_image};
use tempfile::TempDir;
use test_repos::image::ImageSpec;

struct Folder {
    directory: TempDir,
    length: u64,
}

/// The invariant above, for any bytes.
pub fn check(data: &[u8]) -> bool {
    thread_local! {
        static FOLDER: RefCell<Folder> = RefCell::new(Folder::new());
    }
    let Some((kind, content)) = data.split_first() else {
        return false;
    };
    let name = match kind {
        b'j' => "tool.raw.json",
        b'm' => "tool.raw.manifest",
        b'g' => "tool.manifest.gz",
        _ => return false,
    };
    FOLDER.with_borrow(|folder| {
        let beside = folder.directory.path().join(name);
        std::fs::write(&beside, content).unwrap();
        let image = folder.directory.path().join("tool.raw");
        let read = || read_image(&image, &Overrides::default()).map(|(candidate, _)| candidate);
        let candidate = read();
        if let Ok(candidate) = &candidate {
            folder.assert_said(candidate, content, *kind == b'g');
            let again = read().unwrap();
            assert_eq!(format!("{again:?}"), format!("{candidate:?}"));
        }
        std::fs::remove_file(&beside).unwrap();
        candidate.is_ok()
    })
}

impl Folder {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let bytes = ImageSpec::new("tool").build();
        write(&directory.path().join("tool.raw"), &bytes);
        Self {
            directory,
            length: bytes.len() as u64,
        }
    }

    fn assert_said(&self, candidate: &Candidate, content: &[u8], compressed: bool) {
        assert_eq!(candidate.length, self.length);
        let file = candidate.file_name.as_str();
        assert!(
            file.starts_with(&format!("{}_", candidate.extension)),
            "{file}"
        );
        assert!(file.contains(&candidate.version.in_file_name()), "{file}");
        if compressed {
            return;
        }
        let said: Value = serde_json::from_slice(content).expect("a candidate beside no JSON");
        let said = match said.get("manifest_version").and(said.get("config")) {
            Some(config) => config,
            None if said.get("schema").is_some_and(Value::is_number) => {
                let length = said.get("length").and_then(Value::as_u64);
                assert!(length.is_none_or(|length| length == self.length));
                &said
            }
            None => return,
        };
        if let Some(version) = said.get("version").and_then(Value::as_str) {
            assert_eq!(candidate.version.as_str(), version);
        }
    }
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
}
