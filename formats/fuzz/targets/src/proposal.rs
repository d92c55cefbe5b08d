//! Changes on their way between people (`sysext_publish::proposal`).
//!
//! - What is read and written again has the very documents and the published texts that were read: nobody signs, and
//!   nobody is shown, anything else than what came.
//! - Written and read again it is the same to the byte. Merged with a copy of itself it stays what it is.

use std::collections::BTreeMap;

use serde_json::Value;
use sysext_formats::json;
use sysext_publish::proposal::Proposal;

/// The invariant above, for any bytes.
pub fn check(data: &[u8]) -> bool {
    let Ok(mut proposal) = Proposal::parse(data) else {
        return false;
    };
    let bytes = proposal.to_bytes().expect("what was read can be written");
    let (received, written) = (json::parse(data).unwrap(), json::parse(&bytes).unwrap());
    for member in ["catalog", "created", "published"] {
        assert_eq!(received[member], written[member], "{member}");
    }
    let documents = received["documents"].as_object().unwrap();
    assert_eq!(
        written["documents"].as_object().unwrap().len(),
        documents.len()
    );
    for (role, document) in documents {
        let written = &written["documents"][role];
        assert_eq!(written["signed"], document["signed"], "{role}");
        assert_eq!(signatures(written), signatures(document), "{role}");
    }
    let again = Proposal::parse(&bytes).expect("what was written can be read");
    assert_eq!(again.to_bytes().unwrap(), bytes);
    proposal
        .merge(again)
        .expect("a copy is of the same documents");
    assert_eq!(proposal.to_bytes().unwrap(), bytes);
    true
}

/// By key; their order means nothing.
fn signatures(document: &Value) -> BTreeMap<&str, &str> {
    let signatures = document["signatures"].as_array().unwrap().iter();
    let pairs = signatures.map(|one| (one["keyid"].as_str(), one["sig"].as_str()));
    pairs
        .map(|(id, signature)| id.zip(signature).unwrap())
        .collect()
}
