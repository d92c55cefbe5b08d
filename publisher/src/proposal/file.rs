//! The bytes of a proposal.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sysext_formats::json;
use sysext_formats::name::CatalogId;
use sysext_formats::sign::Pending;
use sysext_formats::time::UtcTime;

use super::{Proposal, ProposalError, PublishedDocuments, Texts};
use crate::draft::{DocumentId, PendingDocuments};

const SCHEMA: u64 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: u64,
    catalog: CatalogId,
    created: UtcTime,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    keys_lost: bool,
    /// By role; each as TUF has it, with the signatures so far.
    documents: BTreeMap<String, Value>,
    /// By the names that they have below `metadata/`; byte for byte, since others vouch for their digests.
    published: Texts,
}

impl Proposal {
    /// Reads one.
    ///
    /// # Errors
    /// When the bytes are none.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProposalError> {
        let file: File = serde_json::from_value(json::parse(bytes)?)?;
        if file.schema != SCHEMA {
            return Err(ProposalError::Schema(file.schema));
        }
        let mut documents = PendingDocuments::default();
        for (role, document) in file.documents {
            let id: DocumentId = role.parse().map_err(|source| ProposalError::Role {
                role: role.clone(),
                source,
            })?;
            let bytes = document.to_string();
            let failed = |source| ProposalError::Document { role, source };
            match id {
                DocumentId::Root => {
                    documents.root = Some(Pending::parse(bytes.as_bytes()).map_err(failed)?);
                }
                DocumentId::Targets => {
                    documents.targets = Some(Pending::parse(bytes.as_bytes()).map_err(failed)?);
                }
                DocumentId::Delegated(name) => {
                    let pending = Pending::parse(bytes.as_bytes()).map_err(failed)?;
                    documents.delegated.insert(name, pending);
                }
                DocumentId::Snapshot | DocumentId::Timestamp => {
                    return Err(ProposalError::NotForPeople(id.role().to_owned()));
                }
            }
        }
        if documents.is_empty() {
            return Err(ProposalError::Empty);
        }
        Ok(Self {
            catalog: file.catalog,
            created: file.created,
            lost: file.keys_lost,
            documents,
            published: PublishedDocuments::new(file.published),
        })
    }

    /// Its bytes.
    ///
    /// # Errors
    /// When it can not be written as JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ProposalError> {
        let documents = self.documents.iter().map(|(id, document)| {
            let value = json::parse(&document.bytes())?;
            Ok((id.role().to_owned(), value))
        });
        let file = File {
            schema: SCHEMA,
            catalog: self.catalog.clone(),
            created: self.created,
            keys_lost: self.lost,
            documents: documents.collect::<Result<_, ProposalError>>()?,
            published: self.published.texts().clone(),
        };
        let mut bytes = serde_json::to_vec_pretty(&file)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}
