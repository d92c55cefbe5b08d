//! Files on their way into an image, hashed as they pass.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Read};

use sysext_formats::digest::{Sha256Digest, Sha256Hasher};

use super::tree::Content;

/// What was read of each file, by its path in the image.
#[derive(Debug, Default)]
pub(super) struct Digests(RefCell<BTreeMap<String, Sha256Digest>>);

impl Digests {
    pub(super) fn get(&self, path: &str) -> Option<Sha256Digest> {
        self.0.borrow().get(path).copied()
    }
}

/// A file that is opened when its turn comes, and closed at its end.
pub(super) struct Reading<'a> {
    path: String,
    content: &'a Content,
    open: Option<Box<dyn Read + 'a>>,
    hasher: Sha256Hasher,
    digests: &'a Digests,
}

impl<'a> Reading<'a> {
    /// Reads `content`; at its end, what was read is in `digests`.
    pub(super) fn new(path: String, content: &'a Content, digests: &'a Digests) -> Self {
        Self {
            path,
            content,
            open: None,
            hasher: Sha256Hasher::default(),
            digests,
        }
    }
}

impl Read for Reading<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.digests.get(&self.path).is_some() {
            return Ok(0);
        }
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("/{}: {error}", self.path));
        let mut file = match self.open.take() {
            Some(file) => file,
            None => self.content.open().map_err(named)?,
        };
        let count = file.read(buffer).map_err(named)?;
        if count == 0 {
            let hasher = std::mem::take(&mut self.hasher);
            self.digests
                .0
                .borrow_mut()
                .insert(self.path.clone(), hasher.finish());
        } else {
            self.hasher.update(buffer.get(..count).unwrap_or_default());
            self.open = Some(file);
        }
        Ok(count)
    }
}

/// The digest of everything that `content` gives.
pub(super) fn digest_of(mut content: impl Read) -> io::Result<Sha256Digest> {
    let mut hasher = Sha256Hasher::default();
    let mut buffer = vec![0; 1 << 17];
    loop {
        match content.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(buffer.get(..count).unwrap_or_default()),
        }
    }
}
