//! What is said about objects, and when they are written.

use object_store::{
    Attribute, Attributes, GetResult, PutMode, PutResult, UpdateVersion as Version,
};
use sysext_formats::digest::Sha256Digest;
use sysext_formats::workflow::RemoteFile;

use crate::location::Place;

/// Where an object says what it is.
const DIGEST: &str = "sha256";

/// When a write is carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum When {
    /// Always.
    Always,
    /// When there is no such object.
    Absent,
    /// When the object still is the one with this tag.
    Same(Tag),
}

impl From<&When> for PutMode {
    fn from(when: &When) -> Self {
        match when {
            When::Always => Self::Overwrite,
            When::Absent => Self::Create,
            When::Same(tag) => Self::Update(tag.0.clone()),
        }
    }
}

/// How a conditional write ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub(super) enum Written {
    /// It is there, with this tag.
    Done(Tag),
    /// The condition was not met; or it was, and this is the second try.
    Refused,
}

/// What tells one state of an object from the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tag(Version);

impl Tag {
    /// One that no object has.
    pub(super) fn of_nothing() -> Self {
        Self(Version {
            e_tag: Some("\"d41d8cd98f00b204e9800998ecf8427e-0\"".to_owned()),
            version: None,
        })
    }

    /// As HTTP has it.
    pub(super) fn entity_tag(&self) -> Option<String> {
        self.0.e_tag.clone()
    }
}

impl From<PutResult> for Tag {
    fn from(result: PutResult) -> Self {
        Self(result.into())
    }
}

/// What is known of an object without its bytes.
#[derive(Debug, Clone)]
pub(super) struct About {
    pub(super) length: u64,
    pub(super) tag: Tag,
    /// The digest of its bytes, as whoever wrote it says.
    pub(super) sha256: Option<Sha256Digest>,
}

impl From<&GetResult> for About {
    fn from(result: &GetResult) -> Self {
        let said = result.attributes.get(&Attribute::Metadata(DIGEST.into()));
        Self {
            length: result.meta.size,
            tag: Tag(Version {
                e_tag: result.meta.e_tag.clone(),
                version: result.meta.version.clone(),
            }),
            sha256: said.and_then(|said| said.parse().ok()),
        }
    }
}

/// What is said about an object when it is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Labels {
    content_type: &'static str,
    cache_control: &'static str,
    /// The digest of its bytes, where that is known.
    pub(super) sha256: Option<Sha256Digest>,
}

impl Labels {
    /// What browsers and caches are told of a file. Only numbered documents and images never change.
    pub(super) fn of(place: &Place) -> Self {
        const FOR_EVER: &str = "public, max-age=31536000, immutable";
        const FOR_A_MINUTE: &str = "public, max-age=60";
        let (content_type, cache_control) = match place {
            Place::Metadata(RemoteFile::Timestamp) => ("application/json", FOR_A_MINUTE),
            Place::Metadata(_) => ("application/json", FOR_EVER),
            Place::Image(_) | Place::HashedImage(..) => ("application/octet-stream", FOR_EVER),
            Place::Proposal | Place::Pruned => ("application/json", FOR_A_MINUTE),
            Place::Page => ("text/html; charset=utf-8", FOR_A_MINUTE),
            Place::Sums(_) | Place::Descriptor => ("text/plain; charset=utf-8", FOR_A_MINUTE),
        };
        Self {
            content_type,
            cache_control,
            sha256: None,
        }
    }

    /// Those of an object that is nothing of the catalog.
    pub(super) fn of_lease() -> Self {
        Self {
            content_type: "application/json",
            cache_control: "no-store",
            sha256: None,
        }
    }
}

impl From<&Labels> for Attributes {
    fn from(labels: &Labels) -> Self {
        let mut attributes = Self::new();
        attributes.insert(Attribute::ContentType, labels.content_type.into());
        attributes.insert(Attribute::CacheControl, labels.cache_control.into());
        if let Some(sha256) = labels.sha256 {
            let digest = Attribute::Metadata(DIGEST.into());
            attributes.insert(digest, sha256.to_string().into());
        }
        attributes
    }
}
