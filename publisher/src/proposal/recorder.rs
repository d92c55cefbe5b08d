//! The published documents that a proposal brings along, on their way in and out.

use std::cell::RefCell;
use std::io::Read;

use super::Texts;
use crate::location::{Location, LocationError, Place};

/// A location that keeps every document that is read from it.
#[derive(Debug)]
pub(super) struct Recorder<'a> {
    location: &'a dyn Location,
    texts: RefCell<Texts>,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(location: &'a dyn Location) -> Self {
        Self {
            location,
            texts: RefCell::default(),
        }
    }

    pub(super) fn into_published(self) -> Published {
        Published::new(self.texts.into_inner())
    }
}

impl Location for Recorder<'_> {
    fn name(&self) -> String {
        self.location.name()
    }

    fn read(&self, place: &Place, limit: u64) -> Result<Option<Vec<u8>>, LocationError> {
        let bytes = self.location.read(place, limit)?;
        // What is not text is no JSON: whoever reads it refuses it anyway.
        if let (Place::Metadata(file), Some(Ok(text))) =
            (place, bytes.as_deref().map(std::str::from_utf8))
        {
            self.texts
                .borrow_mut()
                .insert(file.url_name(), text.to_owned());
        }
        Ok(bytes)
    }

    fn open(&self, place: &Place) -> Result<Option<Box<dyn Read + Send>>, LocationError> {
        self.location.open(place)
    }
}

/// What was published when a proposal was drafted, as a location: verified by whoever reads it.
#[derive(Debug, Clone, Default)]
pub struct Published(Texts);

impl Published {
    /// Documents by the names that they have below `metadata/`.
    #[must_use]
    pub fn new(texts: Texts) -> Self {
        Self(texts)
    }

    /// The documents.
    #[must_use]
    pub fn texts(&self) -> &Texts {
        &self.0
    }
}

impl Location for Published {
    fn name(&self) -> String {
        "the proposal".to_owned()
    }

    fn read(&self, place: &Place, limit: u64) -> Result<Option<Vec<u8>>, LocationError> {
        let Place::Metadata(file) = place else {
            return Ok(None);
        };
        let name = file.url_name();
        let Some(text) = self.0.get(&name) else {
            return Ok(None);
        };
        if u64::try_from(text.len()).unwrap_or(u64::MAX) > limit {
            return Err(LocationError::TooLong { file: name, limit });
        }
        Ok(Some(text.clone().into_bytes()))
    }

    fn open(&self, _: &Place) -> Result<Option<Box<dyn Read + Send>>, LocationError> {
        Ok(None)
    }
}
