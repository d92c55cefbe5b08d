//! What lies beside an image and speaks about it: our own `IMAGE.json`, and the manifest of mkosi.
//!
//! - `FILE.raw.json` is a fragment that `describe` made (`"schema"`), a manifest of mkosi (`"manifest_version"`), or both in
//!   one, told apart by those members. Other JSON of that name (a list of materials, say) is somebody else's and is left
//!   alone.
//! - `FILE.manifest` and `FILE.manifest.gz` are mkosi's, with and without the `.raw`.
//! - Everything is bounded before it is parsed, decompressed data too.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde_json::Value;

use super::CandidateError;
use crate::fragment::{Fragment, MAX_BYTES};

/// What a file beside an image says.
#[derive(Debug, Clone)]
pub(super) struct Said {
    /// The file.
    pub(super) path: PathBuf,
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
    pub(super) architecture: Option<String>,
    pub(super) length: Option<u64>,
    pub(super) sha256: Option<String>,
    /// Who wrote it.
    pub(super) author: Author,
}

/// Who wrote a file beside an image; the more believed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Author {
    /// `describe` or `pack`.
    Fragment,
    /// mkosi.
    Manifest,
}

/// All that is said beside the image, the most trusted first.
pub(super) fn read(image: &Path) -> Result<Vec<Said>, CandidateError> {
    let full = image.as_os_str().to_string_lossy().into_owned();
    let mut names = vec![
        format!("{full}.json"),
        format!("{full}.manifest"),
        format!("{full}.manifest.gz"),
    ];
    if let Some(stem) = full.strip_suffix(".raw") {
        names.extend([format!("{stem}.manifest"), format!("{stem}.manifest.gz")]);
    }
    let mut said = Vec::new();
    for path in names.into_iter().map(PathBuf::from) {
        let failed = |what: String| CandidateError::Beside {
            path: path.clone(),
            what,
        };
        let Some(bytes) = load(&path).map_err(|error| failed(error.to_string()))? else {
            continue;
        };
        let value: Value = serde_json::from_slice(&bytes)
            .map_err(|error| failed(format!("it is not JSON: {error}")))?;
        said.extend(understand(&path, value).map_err(failed)?);
    }
    // A fragment of ours says more than a manifest, wherever each was found.
    said.sort_by_key(|said| said.author);
    Ok(said)
}

/// What it says; nothing where it is about something else.
fn understand(path: &Path, value: Value) -> Result<Vec<Said>, String> {
    let mut all = Vec::new();
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    if let Some(config) = value
        .get("manifest_version")
        .and_then(|_| value.get("config"))
    {
        all.push(Said {
            path: path.to_owned(),
            // mkosi's own word for an image without an id.
            name: text(config, "name").filter(|name| name != "image"),
            version: text(config, "version"),
            architecture: text(config, "architecture"),
            length: None,
            sha256: None,
            author: Author::Manifest,
        });
    }
    if let Some(fragment) = Fragment::of(value).map_err(|error| error.to_string())? {
        let text = |member: &str| fragment.text(member).map(str::to_owned);
        all.push(Said {
            path: path.to_owned(),
            name: text("name"),
            version: text("version"),
            architecture: text("architecture"),
            length: fragment.length(),
            sha256: text("sha256"),
            author: Author::Fragment,
        });
    }
    Ok(all)
}

fn load(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        result => result?,
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    let most = MAX_BYTES + 1;
    if path.extension().is_some_and(|extension| extension == "gz") {
        MultiGzDecoder::new(file.take(most))
            .take(most)
            .read_to_end(&mut bytes)?;
    } else {
        file.take(most).read_to_end(&mut bytes)?;
    }
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!(
            "it has more than {MAX_BYTES} bytes"
        )));
    }
    Ok(Some(bytes))
}
