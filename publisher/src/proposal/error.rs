//! Why a proposal can not be used.

use std::path::PathBuf;

use sysext_formats::json::JsonError;
use sysext_formats::name::{CatalogId, FileName, NameError};
use sysext_formats::sign::SignError;

use crate::content::ContentError;
use crate::location::LocationError;

/// Why a proposal can not be used.
#[derive(Debug, thiserror::Error)]
pub enum ProposalError {
    /// There is none.
    #[error("there is no proposal at {}", .0.display())]
    Missing(PathBuf),
    /// It can not be read.
    #[error(transparent)]
    Read(#[from] sysext_durable::Error),
    /// What was read is none.
    #[error("{} is not a proposal: {source}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: Box<Self>,
    },
    /// Not JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// JSON of another shape.
    #[error(transparent)]
    Shape(#[from] serde_json::Error),
    /// From a later version of this program.
    #[error("its schema is {0}, and this program knows schema 1")]
    Schema(u64),
    /// A role that has no name.
    #[error("{role:?} is no role: {source}")]
    Role {
        /// The text.
        role: String,
        /// Why.
        source: NameError,
    },
    /// A document that nobody proposes.
    #[error("it holds a document of the role {0}, which only the online key signs")]
    NotForPeople(String),
    /// A document that is none.
    #[error("{role}: {source}")]
    Document {
        /// The role.
        role: String,
        /// What is wrong.
        source: SignError,
    },
    /// Nothing in it.
    #[error("it changes nothing")]
    Empty,
    /// For somebody else.
    #[error("the proposal is for the catalog {found}, and this is the configuration of {expected}")]
    OtherCatalog {
        /// The catalog of the configuration.
        expected: CatalogId,
        /// That of the proposal.
        found: CatalogId,
    },
    /// Copies that are not of one proposal.
    #[error("the copies do not hold the same documents: they are of two proposals")]
    OtherDocuments,
    /// An image or a transport that did not come along.
    #[error("{} did not come with the proposal", .0.display())]
    NoImage(PathBuf),
    /// An image or a transport with other bytes than its index promises.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// A patch that can not be checked.
    #[error("{file} can not be tried: the image that it starts from: {reason}")]
    NoBase {
        /// The patch.
        file: FileName,
        /// Why.
        reason: String,
    },
    /// A transport that can not be checked here.
    #[error("{file} is a transport of the kind {kind}, which this version can not check")]
    Transport {
        /// The transport.
        file: FileName,
        /// Its kind.
        kind: String,
    },
    /// An index that says something else about an image than the image itself.
    #[error("{file}: its index says {field} = {promised}, the image itself {found}")]
    Facts {
        /// The image.
        file: FileName,
        /// The member.
        field: &'static str,
        /// What the index says.
        promised: String,
        /// What the image says.
        found: String,
    },
    /// The server of a proposal does not have it.
    #[error("{location} has no {file}")]
    NotServed {
        /// The URL.
        location: String,
        /// What is missing.
        file: String,
    },
    /// The server failed.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// There is no place for what is fetched.
    #[error("a folder for what is fetched can not be made")]
    NoPlace(#[source] std::io::Error),
}
